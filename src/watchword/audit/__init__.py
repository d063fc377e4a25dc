"""Own the journal: append-only, hash-chained, signed, durable before anybody is answered.

Publishes `Journal` to write, `read`, `last`, `tail`, `find_decision` and `Follower` to read, `verify`, and `archive`.
Refuses to acknowledge what is not on disk, and to go on with a journal that somebody changed.
"""

from watchword.audit.archiving import Archived, archive
from watchword.audit.chain import FindingKind
from watchword.audit.checkpoint import Checkpoint, verifier_key, verify_checkpoint
from watchword.audit.errors import (
    ArchiveError,
    AuditError,
    ForgedCheckpointError,
    JournalBusyError,
    JournalDamagedError,
    JournalUnwritableError,
    PositionError,
    UnrecordableError,
)
from watchword.audit.events import JOURNAL_ARCHIVED
from watchword.audit.files import notes
from watchword.audit.following import Follower, Position
from watchword.audit.model import Record, parse
from watchword.audit.reading import begins_at, find_decision, first_since, last, read, tail
from watchword.audit.service import Journal
from watchword.audit.verification import Finding, Report, verify

__all__ = [
    "JOURNAL_ARCHIVED",
    "ArchiveError",
    "Archived",
    "AuditError",
    "Checkpoint",
    "Finding",
    "FindingKind",
    "Follower",
    "ForgedCheckpointError",
    "Journal",
    "JournalBusyError",
    "JournalDamagedError",
    "JournalUnwritableError",
    "Position",
    "PositionError",
    "Record",
    "Report",
    "UnrecordableError",
    "archive",
    "begins_at",
    "find_decision",
    "first_since",
    "last",
    "notes",
    "parse",
    "read",
    "tail",
    "verifier_key",
    "verify",
    "verify_checkpoint",
]
