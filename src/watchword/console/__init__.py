"""Own the web pages: sign-in, account, decisions, administration, the refusal page.

Publishes `create_console`, `render_refusal` with `REFUSAL_HEADERS`, and the ports that `app.py` fills. Refuses requests
for hosts that are not its own, forms that it did not make, and administration without a fresh second factor.
"""

from watchword.console.desk import Services
from watchword.console.errors import ConsoleError
from watchword.console.model import Refusal
from watchword.console.policy_ports import (
    AuthzenAnswer,
    AuthzenCaller,
    AuthzenOverview,
    AuthzenStatus,
    RelatedPerson,
    RelationDesk,
    TuplePage,
)
from watchword.console.ports import (
    Applications,
    AuditStatus,
    Decisions,
    Feedback,
    FlaggedAct,
    Habits,
    Health,
    JournalOverview,
    Places,
    PolicyFile,
    PolicyOverview,
    PolicyStatus,
    PublishedApplication,
    PublishedKeys,
    Risk,
    Said,
    Standing,
    Verdict,
    Verdicts,
    Verification,
    Visitors,
    WatchedFlip,
    WatchingPolicies,
    Weight,
)
from watchword.console.refusal import REFUSAL_HEADERS, render_refusal
from watchword.console.service import create_console
from watchword.console.settings import ConsoleSettings
from watchword.console.tally import Tally

__all__ = [
    "REFUSAL_HEADERS",
    "Applications",
    "AuditStatus",
    "AuthzenAnswer",
    "AuthzenCaller",
    "AuthzenOverview",
    "AuthzenStatus",
    "ConsoleError",
    "ConsoleSettings",
    "Decisions",
    "Feedback",
    "FlaggedAct",
    "Habits",
    "Health",
    "JournalOverview",
    "Places",
    "PolicyFile",
    "PolicyOverview",
    "PolicyStatus",
    "PublishedApplication",
    "PublishedKeys",
    "Refusal",
    "RelatedPerson",
    "RelationDesk",
    "Risk",
    "Said",
    "Services",
    "Standing",
    "Tally",
    "TuplePage",
    "Verdict",
    "Verdicts",
    "Verification",
    "Visitors",
    "WatchedFlip",
    "WatchingPolicies",
    "Weight",
    "create_console",
    "render_refusal",
]
