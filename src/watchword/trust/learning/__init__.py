"""Own what makes the score better: labels, refits, their trial against the score in force, and how well it does.

Publishes `Feedback`, `Training`, `KeptModels`, `evaluate`, the metrics and what they read. Refuses a label from whoever
would gain by it, a refit on too little, weights out of bounds, and a new score that finds less than the old one.
"""

from watchword.trust.learning.calibration import ISOTONIC_FROM, Case, calibrated
from watchword.trust.learning.doubts import Doubts
from watchword.trust.learning.errors import (
    ExtraMissingError,
    FeedbackMalformedError,
    FeedbackRefusedError,
    FeedbackUnknownError,
    ModelKeptError,
    ObservationsError,
    TooFewLabelsError,
)
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
from watchword.trust.learning.feedback import Feedback
from watchword.trust.learning.figures import figures
from watchword.trust.learning.generic import GENERIC_ENCODINGS, generic_detectors
from watchword.trust.learning.guard import Admitted, Caps, Held, Hold, admit
from watchword.trust.learning.kept import KeptModels
from watchword.trust.learning.labels import Doubt, Doubted, Judged, Label, LabelId, Review, Source, Witness, may_vouch
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
from watchword.trust.learning.observations import read_observations
from watchword.trust.learning.recorded import judged_of
from watchword.trust.learning.refit import LEAST_LABELS, Recipe, margin_of, refit
from watchword.trust.learning.regression import Bounds, Example, Fitted, fit
from watchword.trust.learning.replaying import Replay, Rival, Scored
from watchword.trust.learning.suppressions import SILENCES, Scope, Suppression, silenced
from watchword.trust.learning.training import Trained, Training
from watchword.trust.learning.trial import Outcome, Rules, Trial, train

__all__ = [
    "FEATURES",
    "GENERIC_ENCODINGS",
    "ISOTONIC_FROM",
    "LEAST_LABELS",
    "SILENCES",
    "Admitted",
    "Bounds",
    "CalibrationBin",
    "Caps",
    "Case",
    "Doubt",
    "Doubted",
    "Doubts",
    "Evaluation",
    "Example",
    "ExtraMissingError",
    "Features",
    "Feedback",
    "FeedbackMalformedError",
    "FeedbackRefusedError",
    "FeedbackUnknownError",
    "Fitted",
    "Held",
    "Hold",
    "Judged",
    "KeptModels",
    "Label",
    "LabelId",
    "Measured",
    "ModelKeptError",
    "ObservationsError",
    "Outcome",
    "Plan",
    "Quality",
    "Recipe",
    "Replay",
    "Review",
    "Rival",
    "RocPoint",
    "Rules",
    "Scope",
    "Scored",
    "Source",
    "Suppression",
    "TooFewLabelsError",
    "Trained",
    "Training",
    "Trial",
    "Witness",
    "admit",
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
    "judged_of",
    "margin_of",
    "may_vouch",
    "measure",
    "read_observations",
    "reauthentication_rate",
    "refit",
    "roc",
    "silenced",
    "threshold_for_detection",
    "tpr_at_fpr",
    "train",
]
