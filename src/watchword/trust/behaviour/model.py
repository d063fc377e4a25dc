"""How evidence becomes a probability: weights, bias, calibration; one versioned value."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, isfinite
from types import MappingProxyType
from typing import Any

# What a refit may give an indicator: it may be silenced or tripled, never turned around.
LEAST_WEIGHT, MOST_WEIGHT = 0.0, 3.0
LEAST_BIAS, MOST_BIAS = -15.0, 5.0
_MOST_STEPS = 256
_MOST_WEIGHTS = 256
_STEEPEST = 10.0
_FARTHEST = 700.0


def sigmoid(log_odds: float) -> float:
    """Turn log-odds into a probability."""
    if log_odds >= 0:
        return 1.0 / (1.0 + exp(-min(log_odds, _FARTHEST)))
    odds = exp(max(log_odds, -_FARTHEST))
    return odds / (1.0 + odds)


@dataclass(frozen=True, slots=True)
class Platt:
    """Platt's calibration: the probability is the logistic of a line through the log-odds.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a line that falls, or that no data could ask for."""
        if not 0.0 < self.slope <= _STEEPEST or not isfinite(self.shift):
            raise ValueError("calibration must rise, by at most 10 a unit")

    def probability(self, log_odds: float) -> float:
        """Return the calibrated probability."""
        return sigmoid(self.slope * log_odds + self.shift)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Isotonic calibration: steps that never fall.

    Attributes:
        edges: log-odds from which a step holds, ascending; below the first holds the first step.
        values: the probability of each step, not descending.
    """

    edges: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse steps that fall or do not fit."""
        if not 0 < len(self.edges) == len(self.values) <= _MOST_STEPS:
            raise ValueError("calibration needs as many steps as edges, 1 to 256")
        is_sorted = list(self.edges) == sorted(self.edges) and list(self.values) == sorted(self.values)
        if not is_sorted or not all(map(isfinite, self.edges)) or not 0.0 <= self.values[0] <= self.values[-1] <= 1.0:
            raise ValueError("calibration must rise from 0 to 1")

    def probability(self, log_odds: float) -> float:
        """Return the probability of the step that the log-odds fall on."""
        return self.values[max(0, bisect_right(self.edges, log_odds) - 1)]


Calibration = Platt | Isotonic


@dataclass(frozen=True, slots=True)
class Model:
    """Weights, bias and calibration, with a hash that names exactly this one.

    Attributes:
        weights: by indicator; one that is not named weighs `default_weight`.
        bias: log-odds before anything was seen.
        hash: of the canonical JSON, set by itself.
    """

    name: str = "shipped"
    version: str = "1"
    weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    bias: float = -4.0
    default_weight: float = 1.0
    calibration: Calibration = field(default_factory=Platt)
    hash: str = field(init=False, default="")
    label: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Refuse weights out of bounds; compute the hash."""
        # Prevents: a refit on poisoned labels turning an indicator around or making it decide alone.
        given = (*self.weights.values(), self.default_weight)
        if len(given) > _MOST_WEIGHTS or not all(LEAST_WEIGHT <= weight <= MOST_WEIGHT for weight in given):
            raise ValueError(f"weights must lie between {LEAST_WEIGHT} and {MOST_WEIGHT}")
        if not LEAST_BIAS <= self.bias <= MOST_BIAS:
            raise ValueError(f"the bias must lie between {LEAST_BIAS} and {MOST_BIAS}")
        digest = hashlib.sha256(self._canonical().encode()).hexdigest()
        object.__setattr__(self, "hash", digest)
        object.__setattr__(self, "label", f"{self.name}/{self.version}/{digest[:12]}")

    def to_json(self) -> str:
        """Write the model, canonically: the same model gives the same text."""
        return self._canonical()

    def _canonical(self) -> str:
        calibration = self.calibration
        stored: dict[str, Any] = (
            {"kind": "platt", "slope": calibration.slope, "shift": calibration.shift}
            if isinstance(calibration, Platt)
            else {"kind": "isotonic", "edges": list(calibration.edges), "values": list(calibration.values)}
        )
        return json.dumps(
            {
                "name": self.name,
                "version": self.version,
                "weights": dict(self.weights),
                "bias": self.bias,
                "default_weight": self.default_weight,
                "calibration": stored,
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Model:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is not a model, or one out of bounds.
        """
        try:
            stored = json.loads(text)
            given = stored["calibration"]
            calibration: Calibration = (
                Platt(float(given["slope"]), float(given["shift"]))
                if given["kind"] == "platt"
                else Isotonic(tuple(map(float, given["edges"])), tuple(map(float, given["values"])))
            )
            return cls(
                name=str(stored["name"]),
                version=str(stored["version"]),
                weights=MappingProxyType({str(name): float(weight) for name, weight in stored["weights"].items()}),
                bias=float(stored["bias"]),
                default_weight=float(stored["default_weight"]),
                calibration=calibration,
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("not a stored model") from error
