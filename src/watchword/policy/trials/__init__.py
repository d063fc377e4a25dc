"""Own the tests of policies: fixtures and tables in YAML, coverage, boundary cases, and the gate before publishing.

Publishes `read_suite`, `run_trials`, `cover`, `gate`. Refuses to count a clause that nothing has shown to matter.
"""

from watchword.policy.trials.boundaries import Boundary, BoundaryMaker, boundaries
from watchword.policy.trials.coverage import ClauseCover, Coverage, Covering, PolicyCover, annotated, cover, lacking
from watchword.policy.trials.gate import TrialGate, failures, gate, joined, percent, shortfalls
from watchword.policy.trials.questions import question_in
from watchword.policy.trials.running import Outcome, run_trials, verdict_of
from watchword.policy.trials.tables import Suite, Trial, Verdict, read_suite
from watchword.policy.trials.writing import written

__all__ = [
    "Boundary",
    "BoundaryMaker",
    "ClauseCover",
    "Coverage",
    "Covering",
    "Outcome",
    "PolicyCover",
    "Suite",
    "Trial",
    "TrialGate",
    "Verdict",
    "annotated",
    "boundaries",
    "cover",
    "failures",
    "gate",
    "joined",
    "lacking",
    "percent",
    "question_in",
    "read_suite",
    "run_trials",
    "shortfalls",
    "verdict_of",
    "written",
]
