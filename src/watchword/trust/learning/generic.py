"""Anomaly detectors that know nothing of log-ins, to compare with: isolation forest, HBOS and ECOD.

They are somebody else's and heavy, and only measured against: nothing that runs in a node imports this. Each is there
once for every way to make numbers of a log-in, from what examples of these libraries do with a log to being handed
every habit that the score reads.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from watchword.trust.learning.errors import ExtraMissingError, ObservationsError
from watchword.trust.learning.features import CODES, FEATURES, FOUR
from watchword.trust.learning.replaying import Scored

Row = Sequence[float]
Rows = Sequence[Row]
Detector = Callable[[Rows, Rows], list[float]]
# Makes of the rows to learn from and of those to score what a detector is given.
Encoding = Callable[[Rows, Rows], tuple[Rows, Rows]]

# What is known of one user's habits, and what of their last log-in only.
_HABITS: Final = (*(name for name in FEATURES if name.startswith("own_")), "hour_off", "history")
_LAST: Final = (*(name for name in FEATURES if name.startswith("new_")), "distance_km", "speed_kmh", "hours_since")
# Each value by how frequent it is for all, and counts: needs no memory of the user's own.
FREQUENCY: Final = tuple(name for name in FEATURES if name not in _HABITS + _LAST)
_WITH_LAST: Final = tuple(name for name in FEATURES if name not in _HABITS)
# Beside one column for each frequent value.
_COUNTS: Final = (*FOUR[1:], "network_failures", "hour_sin", "hour_cos", "is_weekend")
_KINDS: Final = ("is_hosting", "is_vpn", "is_tor", "is_mobile")
_MOST_COLUMNS: Final = 20  # a property, and one for the rest
_LEAST_ROWS: Final = 50
_TREES: Final = 200
# The encodings that hold nothing of the score's own; the first has no suffix.
GENERIC_ENCODINGS: Final = ("", "_one_hot", "_four")


def generic_detectors(*, seed: int = 0) -> Mapping[str, Detector]:
    """Return the detectors by name: each learns from the first rows and scores the second.

    `if`, `hbos` and `ecod` see each value by its frequency, `NAME_one_hot` a column for each value, `NAME_four` hour,
    distinct addresses, failures and resources only. `NAME_stateful` also knows what is new for the user, and distance,
    speed and time since the last log-in; `NAME_habits` everything that the score reads.

    Raises:
        ExtraMissingError: scikit-learn or PyOD is not installed.
    """
    forest, hbos, ecod = (
        _found(module, name)
        for module, name in (
            ("sklearn.ensemble", "IsolationForest"),
            ("pyod.models.hbos", "HBOS"),
            ("pyod.models.ecod", "ECOD"),
        )
    )

    def isolation_forest(past: Rows, rows: Rows) -> list[float]:
        fitted = forest(n_estimators=_TREES, random_state=seed).fit(past)
        return [-float(score) for score in fitted.score_samples(rows)]

    def of_pyod(detector: Any) -> Detector:
        def scores(past: Rows, rows: Rows) -> list[float]:
            array = importlib.import_module("numpy").asarray
            return [float(score) for score in detector().fit(array(past)).decision_function(array(rows))]

        return scores

    given = {"if": isolation_forest, "hbos": of_pyod(hbos), "ecod": of_pyod(ecod)}
    return MappingProxyType(
        {f"{name}{suffix}": _encoded(each, way) for name, each in given.items() for suffix, way in ENCODINGS.items()}
    )


def _encoded(detector: Detector, encoding: Encoding) -> Detector:
    return lambda past, rows: detector(*encoding(past, rows))


def _chosen(names: Sequence[str]) -> Encoding:
    places = [FEATURES.index(name) for name in names]

    def encode(past: Rows, rows: Rows) -> tuple[Rows, Rows]:
        first, second = ([[row[place] for place in places] for row in every] for every in (past, rows))
        return first, second

    return encode


def _one_hot(past: Rows, rows: Rows) -> tuple[Rows, Rows]:
    counted = [FEATURES.index(name) for name in (*_COUNTS, *_KINDS)]
    columns = range(len(FEATURES), len(FEATURES) + len(CODES))
    frequent = {
        column: [value for value, _ in Counter(row[column] for row in past).most_common(_MOST_COLUMNS)]
        for column in columns
    }

    def encode(row: Row) -> list[float]:
        found = [row[place] for place in counted]
        for column, values in frequent.items():
            found += [float(row[column] == value) for value in values]
            found.append(float(row[column] not in values))
        return found

    return [encode(row) for row in past], [encode(row) for row in rows]


ENCODINGS: Final[Mapping[str, Encoding]] = MappingProxyType(
    {
        "": _chosen(FREQUENCY),
        "_one_hot": _one_hot,
        "_four": _chosen(FOUR),
        "_stateful": _chosen(_WITH_LAST),
        "_habits": _chosen(FEATURES),
    }
)


def past_of(scored: Sequence[Scored], until: float) -> list[Row]:
    """Choose what generic detectors learn from: every log-in before a time.

    Labels are not looked at: the few attacks among them stay, as they would.

    Raises:
        ObservationsError: there are too few.
    """
    rows: list[Row] = [each.features for each in scored if each.at < until and each.features]
    if len(rows) < _LEAST_ROWS:
        raise ObservationsError(
            f"there are only {len(rows)} log-ins before the measured ones",
            hint="measure a longer time, or leave the generic detectors out",
        )
    return rows


def _found(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ExtraMissingError(
            f"`{package}` is not installed",
            hint="the detectors to compare with are in requirements/bench.txt, which `./dev bench trust` installs: "
            "`.venv/bin/pip install --require-hashes --no-deps -r requirements/bench.txt`",
        ) from error
