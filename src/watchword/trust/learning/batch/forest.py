"""An isolation forest as flat arrays: scored in tens of microseconds, with nothing but the standard library.

Source: Liu, Ting and Zhou, Isolation Forest, ICDM 2008, sections 2 and 4.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, log
from typing import Any, Final

from watchword.trust.observation import Finding

INDICATOR: Final = "isolation_forest"
FORMAT: Final = 1
_LEAF: Final = -1
_MOST_NODES: Final = 2_000_000
_MOST_FEATURES: Final = 256
_MOST_QUANTILES: Final = 1_024
_MOST_TREES: Final = 10_000
_DEEPEST: Final = 64  # the library grows them to 8 over its usual sample; twice the depth squares the sample
_LONGEST_PATH: Final = 1_000.0
# What fewer than one log-in in twenty looks like counts, and never for more than this: the forest knows of no owner.
_USUAL: Final = 0.05
_MOST_EVIDENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Forest:
    """A fitted forest.

    The two children of a node stand side by side: a row goes on to `child[node]`, or one further if it lies above the
    threshold. A leaf has the feature -1 and, instead of a threshold, the length of the path to it.

    Attributes:
        names: of the features, in the order of a row.
        roots: the first node of each tree.
        scale: number of trees times the path length that is to be expected.
        quantiles: of the scores of what it was fitted on, ascending, evenly spaced from the least to the greatest.
    """

    names: tuple[str, ...]
    roots: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    child: tuple[int, ...]
    scale: float
    quantiles: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would not end, or would read beyond its arrays."""
        size = len(self.feature)
        if not (0 < size <= _MOST_NODES and len(self.threshold) == len(self.child) == size and self.roots):
            raise ValueError("not a forest: its arrays do not fit together")
        if not 0 < len(self.names) <= _MOST_FEATURES or not 1e-3 < self.scale < inf:  # noqa: PLR2004  # above 0, by far
            raise ValueError("not a forest: it has no features, or no scale")
        if not all(0 <= root < size for root in self.roots) or not all(map(isfinite, self.threshold)):
            raise ValueError("not a forest: a root or a threshold is out of range")
        # Prevents: a score that takes seconds, by the same root a million times.
        if len(self.roots) > _MOST_TREES:
            raise ValueError("not a forest: it has too many trees")
        if not _ascend(self.quantiles):
            raise ValueError("not a forest: its quantiles do not ascend")
        self._check_nodes()

    def _check_nodes(self) -> None:
        """INVARIANT: children come after their parent, so that every walk ends; and soon."""
        size, depth = len(self.feature), bytearray(len(self.feature))
        for node, feature in enumerate(self.feature):
            if feature == _LEAF:
                # Prevents: a negative path, by which the score would be larger than any number.
                is_right = 0.0 <= self.threshold[node] <= _LONGEST_PATH
            else:
                child = self.child[node]
                is_right = 0 <= feature < len(self.names) and node < child < size - 1 and depth[node] < _DEEPEST
                if is_right:
                    depth[child] = max(depth[child], depth[node] + 1)
                    depth[child + 1] = max(depth[child + 1], depth[node] + 1)
            if not is_right:
                raise ValueError(f"not a forest: node {node} is out of range")

    def score(self, row: Sequence[float]) -> float:
        """Return how isolated a row lies, from nearly 0 to nearly 1; about 0.5 is what everybody is.

        Raises:
            ValueError: the row has another length, or holds what is no number.
        """
        if len(row) != len(self.names) or not all(map(isfinite, row)):
            raise ValueError(f"a row has {len(self.names)} numbers")
        # Trees are grown on single precision; a number must fall on the same side of a threshold here.
        values = array("f", row)
        feature, threshold, child = self.feature, self.threshold, self.child
        length = 0.0
        for root in self.roots:
            node = root
            while (place := feature[node]) != _LEAF:
                node = child[node] + (values[place] > threshold[node])
            length += threshold[node]
        return float(2.0 ** (-length / self.scale))

    def finding(self, row: Sequence[float]) -> Finding:
        """Say how unusual a row is, as evidence; rarer than one in twenty counts."""
        score = self.score(row)
        above = len(self.quantiles) - bisect_left(self.quantiles, score)
        share = (above + 0.5) / (len(self.quantiles) + 1.0)
        value = min(_MOST_EVIDENCE, max(0.0, log(_USUAL / share)))
        if value == 0:
            return Finding(INDICATOR, 0.0, "as log-ins usually are, taken together")
        return Finding(INDICATOR, value, f"only {share:.1%} of log-ins are as unusual as this, taken together")

    def to_json(self) -> str:
        """Write it, canonically."""
        return json.dumps(
            {
                "format": FORMAT,
                "names": self.names,
                "roots": self.roots,
                "feature": self.feature,
                "threshold": self.threshold,
                "child": self.child,
                "scale": self.scale,
                "quantiles": self.quantiles,
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Forest:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is no forest, or one that would read beyond itself.
        """
        try:
            found: Mapping[str, Any] = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError("a forest of another release")
            return cls(
                names=_listed(found["names"], str),
                roots=_listed(found["roots"], int),
                feature=_listed(found["feature"], int),
                threshold=tuple(map(float, _listed(found["threshold"], int, float))),
                child=_listed(found["child"], int),
                scale=float(found["scale"]),
                quantiles=tuple(map(float, _listed(found["quantiles"], int, float))),
            )
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("not a stored forest") from error


def _ascend(values: Sequence[float]) -> bool:
    is_short = len(values) <= _MOST_QUANTILES and all(map(isfinite, values))
    return is_short and all(one <= other for one, other in pairwise(values))


def _listed(value: object, *kinds: type) -> tuple[Any, ...]:
    """Return a list of nothing but such; `True` is no number, and 0.9 is no place in an array."""
    if not isinstance(value, list) or not all(type(each) in kinds for each in value):
        raise TypeError
    return tuple(value)
