"""Fit an isolation forest with scikit-learn, and take it out of there as flat arrays."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from math import log
from typing import Any, Final

from watchword.trust.learning.batch.forest import Forest
from watchword.trust.learning.errors import ExtraMissingError, TooFewLabelsError

_EULER: Final = 0.5772156649015329
_TREES: Final = 100
_LEAST_ROWS: Final = 100
_QUANTILES: Final = 500
_MOST_RANKED: Final = 50_000  # a share of a thousandth is told from these to a tenth of itself
_PACKAGES: Final = {"sklearn": "scikit-learn", "PIL": "pillow"}


def fit_forest(rows: Sequence[Sequence[float]], names: Sequence[str], *, seed: int = 0, trees: int = _TREES) -> Forest:
    """Fit a forest to log-ins of which nobody needs to know whose they were.

    Raises:
        ExtraMissingError: scikit-learn is not installed.
        TooFewLabelsError: fewer than a hundred rows.
    """
    if len(rows) < _LEAST_ROWS:
        raise TooFewLabelsError(
            f"{len(rows)} log-ins are too few for a forest", hint=f"{_LEAST_ROWS} are needed; record a longer time"
        )
    fitted = load("sklearn.ensemble").IsolationForest(n_estimators=trees, random_state=seed).fit(rows)
    forest = export_forest(fitted, names)
    scores = sorted(forest.score(rows[number]) for number in range(0, len(rows), 1 + len(rows) // _MOST_RANKED))
    steps = min(_QUANTILES, len(scores))
    quantiles = tuple(scores[number * (len(scores) - 1) // (steps - 1)] for number in range(steps))
    return Forest(forest.names, forest.roots, forest.feature, forest.threshold, forest.child, forest.scale, quantiles)


def export_forest(fitted: Any, names: Sequence[str]) -> Forest:
    """Flatten a fitted `IsolationForest`; the scores are the same, with the sign turned to plus.

    Raises:
        ValueError: it was fitted on other features than are named, or each tree on some of them only.
    """
    if fitted.n_features_in_ != len(names) or fitted.max_features != 1.0:
        raise ValueError("the forest was fitted on other features")
    roots: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    child: list[int] = []
    for estimator in fitted.estimators_:
        roots.append(len(feature))
        _flatten(estimator.tree_, feature, threshold, child)
    scale = len(roots) * average_path(float(fitted.max_samples_))
    return Forest(tuple(names), tuple(roots), tuple(feature), tuple(threshold), tuple(child), scale)


def average_path(samples: float) -> float:
    """Return the length of path after which so many samples would be told apart, on average.

    Source: Liu, Ting and Zhou, ICDM 2008, equation 1.
    """
    if samples <= 1:
        return 0.0
    if samples == 2:  # noqa: PLR2004  # the formula holds above
        return 1.0
    return 2.0 * (log(samples - 1.0) + _EULER) - 2.0 * (samples - 1.0) / samples


def load(module: str) -> Any:
    """Import a module of the extra `batch`.

    Raises:
        ExtraMissingError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = _PACKAGES.get(module.partition(".")[0], module.partition(".")[0])
        raise ExtraMissingError(
            f"the batch plane needs `{package}`, which is not installed", hint="pip install 'watchword[batch]'"
        ) from error


def _flatten(tree: Any, feature: list[int], threshold: list[float], child: list[int]) -> None:
    """Append one tree, breadth first, so that siblings stand side by side and after their parent."""
    left, right = tree.children_left.tolist(), tree.children_right.tolist()
    features, thresholds, samples = tree.feature.tolist(), tree.threshold.tolist(), tree.n_node_samples.tolist()
    # Node and depth, in the order in which they are appended.
    queue, base = [(0, 0)], len(feature)
    for node, depth in queue:
        if left[node] < 0:
            feature.append(-1)
            threshold.append(depth + average_path(float(samples[node])))
            child.append(-1)
            continue
        feature.append(features[node])
        threshold.append(thresholds[node])
        child.append(base + len(queue))
        queue += [(left[node], depth + 1), (right[node], depth + 1)]
