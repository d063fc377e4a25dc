"""Anomaly detectors that know nothing of log-ins, to compare with: isolation forest, HBOS and ECOD.

They are somebody else's and heavy, and only measured against: nothing that runs in a node imports this.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from watchword.trust.learning.errors import ExtraMissingError, ObservationsError
from watchword.trust.learning.features import FEATURES
from watchword.trust.learning.replaying import Scored

# What needs no history of the user's own: how a generic detector is used where nobody keeps baselines.
PLAIN: tuple[str, ...] = tuple(
    name for name in FEATURES if not name.startswith(("new_", "own_", "hour_off", "distance", "speed", "history"))
)

Row = Sequence[float]
Detector = Callable[[Sequence[Row], Sequence[Row]], list[float]]

_HISTORY = FEATURES.index("history")
_WARM = 1.7  # log(1 + 5): somebody with five log-ins; of anybody newer everything is new
_LEAST_ROWS = 50
_TREES = 200


def generic_detectors(*, seed: int = 0) -> Mapping[str, Detector]:
    """Return the detectors by name: each learns from the first rows and scores the second.

    Each is there twice: with everything that is known of a log-in, and as NAME_plain with what needs no history.

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

    def isolation_forest(past: Sequence[Row], rows: Sequence[Row]) -> list[float]:
        fitted = forest(n_estimators=_TREES, random_state=seed).fit(past)
        return [-float(score) for score in fitted.score_samples(rows)]

    def of_pyod(detector: Any) -> Detector:
        def scores(past: Sequence[Row], rows: Sequence[Row]) -> list[float]:
            array = importlib.import_module("numpy").asarray
            return [float(score) for score in detector().fit(array(past)).decision_function(array(rows))]

        return scores

    given = {"if": isolation_forest, "hbos": of_pyod(hbos), "ecod": of_pyod(ecod)}
    return MappingProxyType({**given, **{f"{name}_plain": _plain(detector) for name, detector in given.items()}})


def _plain(detector: Detector) -> Detector:
    places = [FEATURES.index(name) for name in PLAIN]

    def scores(past: Sequence[Row], rows: Sequence[Row]) -> list[float]:
        return detector([[row[place] for place in places] for row in past], [[row[p] for p in places] for row in rows])

    return scores


def past_of(scored: Sequence[Scored], until: float) -> list[Row]:
    """Choose what generic detectors learn from: log-ins before a time, of people with a history.

    Labels are not looked at: the few attacks among them stay, as they would.

    Raises:
        ObservationsError: there are too few.
    """
    rows: list[Row] = [each.features for each in scored if each.at < until and each.features]
    warm = [row for row in rows if row[_HISTORY] >= _WARM]
    if len(warm) < _LEAST_ROWS:
        raise ObservationsError(
            f"only {len(warm)} log-ins before the measured ones have a history",
            hint="measure a longer time, or leave the generic detectors out",
        )
    return warm


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
