"""Own what makes the score better: labels, refits, their trial against the score in force, and how well it does.

Publishes the metrics and the regression. Refuses a label from whoever would gain by it, and weights out of bounds.
"""

from watchword.trust.learning.calibration import ISOTONIC_FROM, Labelled, interpolate, isotonic, platt
from watchword.trust.learning.metrics import (
    CalibrationBin,
    RocPoint,
    auc,
    brier,
    calibration_bins,
    ece,
    reauthentication_rate,
    roc,
    threshold_for_detection,
    tpr_at_fpr,
)
from watchword.trust.learning.regression import Bounds, Example, Fitted, fit, sigmoid

__all__ = [
    "ISOTONIC_FROM",
    "Bounds",
    "CalibrationBin",
    "Example",
    "Fitted",
    "Labelled",
    "RocPoint",
    "auc",
    "brier",
    "calibration_bins",
    "ece",
    "fit",
    "interpolate",
    "isotonic",
    "platt",
    "reauthentication_rate",
    "roc",
    "sigmoid",
    "threshold_for_detection",
    "tpr_at_fpr",
]
