"""Own what makes the score better: labels, refits, their trial against the score in force, and how well it does.

Publishes `evaluate`, `refit`, the metrics and what they read. Refuses a label from whoever would gain by it, a refit
on too little, and weights out of bounds.
"""

from watchword.trust.learning.calibration import ISOTONIC_FROM, Case, calibrated
from watchword.trust.learning.errors import ExtraMissingError, ObservationsError, TooFewLabelsError
from watchword.trust.learning.evaluation import (
    Evaluation,
    Measured,
    Plan,
    Quality,
    draw_labels,
    evaluate,
    measure,
)
from watchword.trust.learning.features import FEATURES, Features
from watchword.trust.learning.figures import figures
from watchword.trust.learning.generic import generic_detectors
from watchword.trust.learning.labels import Label, LabelId, Source
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
from watchword.trust.learning.refit import LEAST_LABELS, Recipe, margin_of, refit
from watchword.trust.learning.regression import Bounds, Example, Fitted, fit
from watchword.trust.learning.replaying import Replay, Rival, Scored

__all__ = [
    "FEATURES",
    "ISOTONIC_FROM",
    "LEAST_LABELS",
    "Bounds",
    "CalibrationBin",
    "Case",
    "Evaluation",
    "Example",
    "ExtraMissingError",
    "Features",
    "Fitted",
    "Label",
    "LabelId",
    "Measured",
    "ObservationsError",
    "Plan",
    "Quality",
    "Recipe",
    "Replay",
    "Rival",
    "RocPoint",
    "Scored",
    "Source",
    "TooFewLabelsError",
    "auc",
    "brier",
    "calibrated",
    "calibration_bins",
    "draw_labels",
    "ece",
    "evaluate",
    "figures",
    "fit",
    "generic_detectors",
    "margin_of",
    "measure",
    "reauthentication_rate",
    "refit",
    "roc",
    "threshold_for_detection",
    "tpr_at_fpr",
]
