"""What this sub-package tells the world."""

from __future__ import annotations

from watchword.kernel import EventType

FEEDBACK_GIVEN = EventType(
    "trust.feedback.given",
    "Somebody said whether an act was its owner's or an attacker's.",
    public="act source is_attack weight",
    personal="user",
)
FEEDBACK_VOUCHED = EventType(
    "trust.feedback.vouched",
    "An owner said of an act in doubt that it was theirs, from a session that may say so.",
    public="act session",
    personal="user",
)
FEEDBACK_REFUSED = EventType(
    "trust.feedback.refused",
    "Somebody said of an act in doubt that it was its owner's, from a session that may not say so.",
    public="session reason",
    personal="user",
)
FEEDBACK_REVIEWED = EventType(
    "trust.feedback.reviewed",
    "An administrator released or rejected a label that was held back.",
    public="act review",
    personal="user",
)
SUPPRESSION_ADDED = EventType(
    "trust.suppression.added",
    "An administrator silenced some indicators for one user, in one scope, until a time.",
    public="scope until",
    personal="user value reason",
)
SUPPRESSION_REMOVED = EventType(
    "trust.suppression.removed",
    "A suppression was taken back before its time.",
    public="scope",
    personal="user value",
)
MODEL_PROMOTED = EventType(
    "trust.model.promoted",
    "A refitted score passed its trial against the one in force, and took its place.",
    public="version former labels detection reauthentication",
)
MODEL_ROLLED_BACK = EventType(
    "trust.model.rolled_back",
    "An older kept score was put in force again.",
    public="version former",
)
