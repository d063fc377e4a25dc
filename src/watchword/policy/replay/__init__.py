"""Own the second asking: what a recorded request must hold, and what other policies would have answered.

Publishes `Recorder`, `Question`, `Rehearsal`, `Report`. Refuses to guess: what was not recorded is unknown.
"""

from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.model import Change, Outcome, Recorded, changes, outcome_of
from watchword.policy.replay.question import Grant, Question, Then, question_of
from watchword.policy.replay.record import Recorder, record_of, request_of
from watchword.policy.replay.rehearsal import Policies, Rehearsal
from watchword.policy.replay.report import Example, Group, Report, ranked

__all__ = [
    "Change",
    "Example",
    "Grant",
    "Group",
    "MalformedRecordError",
    "Outcome",
    "Policies",
    "Question",
    "Recorded",
    "Recorder",
    "Rehearsal",
    "Report",
    "Then",
    "changes",
    "outcome_of",
    "question_of",
    "ranked",
    "record_of",
    "request_of",
]
