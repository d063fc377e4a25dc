"""Own the journal: append-only, hash-chained, signed, durable before anybody is answered.

Publishes `Journal` for writing, `read`, `last`, `tail` and `find_decision` for reading, `verify` for judging.
Refuses to acknowledge what is not on disk, and to go on with a journal that somebody changed.
"""

from watchword.audit.chain import FindingKind
from watchword.audit.checkpoint import Checkpoint, verifier_key, verify_checkpoint
from watchword.audit.errors import (
    AuditError,
    ForgedCheckpointError,
    JournalBusyError,
    JournalDamagedError,
    JournalUnwritableError,
    UnrecordableError,
)
from watchword.audit.model import Record
from watchword.audit.reading import find_decision, last, read, tail
from watchword.audit.service import Journal
from watchword.audit.verification import Finding, Report, verify

__all__ = [
    "AuditError",
    "Checkpoint",
    "Finding",
    "FindingKind",
    "ForgedCheckpointError",
    "Journal",
    "JournalBusyError",
    "JournalDamagedError",
    "JournalUnwritableError",
    "Record",
    "Report",
    "UnrecordableError",
    "find_decision",
    "last",
    "read",
    "tail",
    "verifier_key",
    "verify",
    "verify_checkpoint",
]
