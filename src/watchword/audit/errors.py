"""What can go wrong with the journal."""

from __future__ import annotations

from watchword.kernel import WatchwordError


class AuditError(WatchwordError):
    """The journal cannot do what was asked."""

    code = "audit.failed"


class JournalUnwritableError(AuditError):
    """A record could not be made durable; whatever it was to prove must not happen."""

    code = "audit.journal_unwritable"
    status = 503


class JournalDamagedError(JournalUnwritableError):
    """The journal on disk is not what was written; nothing is added to it until somebody has looked."""

    code = "audit.journal_damaged"


class JournalBusyError(AuditError):
    """Another process writes this journal."""

    code = "audit.journal_busy"


class UnrecordableError(AuditError):
    """A record has no faithful JSON form, is too long, or uses a name that the journal keeps for itself."""

    code = "audit.unrecordable"


class ArchiveError(AuditError):
    """Segments could not be archived; none was taken away that is not whole in the archive."""

    code = "audit.archive_failed"


class PositionError(AuditError):
    """The journal does not go on from where somebody left it."""

    code = "audit.position_lost"


class ForgedCheckpointError(AuditError):
    """A checkpoint is malformed or was not signed by a key of this journal."""

    code = "audit.forged_checkpoint"
