"""Own the second asking: what a recorded request must hold, and what other policies would have answered.

Publishes `Recorder`, `Question`, `Rehearsal`, `Report`. Refuses to guess: what was not recorded is unknown.
"""

from watchword.policy.replay.candidate import Candidate
from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.gate import (
    EXPECTATIONS_FILE,
    Expectation,
    Expectations,
    FlipGate,
    expectations_for,
    gate,
    read_expectations,
    unexpected,
)
from watchword.policy.replay.model import Change, Outcome, Recorded, changes, outcome_of
from watchword.policy.replay.page import page
from watchword.policy.replay.question import Grant, Question, Then, question_of
from watchword.policy.replay.record import Recorder, record_of, request_of
from watchword.policy.replay.rehearsal import Rehearsal
from watchword.policy.replay.relating import Seen
from watchword.policy.replay.report import Example, Group, Report, ranked

__all__ = [
    "EXPECTATIONS_FILE",
    "Candidate",
    "Change",
    "Example",
    "Expectation",
    "Expectations",
    "FlipGate",
    "Grant",
    "Group",
    "MalformedRecordError",
    "Outcome",
    "Question",
    "Recorded",
    "Recorder",
    "Rehearsal",
    "Report",
    "Seen",
    "Then",
    "changes",
    "expectations_for",
    "gate",
    "outcome_of",
    "page",
    "question_of",
    "ranked",
    "read_expectations",
    "record_of",
    "request_of",
    "unexpected",
]
