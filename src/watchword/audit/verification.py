"""Verify a journal from its files alone: nothing altered, missing, moved, added or cut since it was signed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from watchword.audit.chain import BrokenChainError, Chain, FindingKind, claimed_before
from watchword.audit.checkpoint import Checkpoint, anchor_of, verify_checkpoint
from watchword.audit.errors import ForgedCheckpointError
from watchword.audit.files import ANCHOR, CHECKPOINTS, Segment, lines, notes, remains, segments
from watchword.keys import VerificationKey

Progress = Callable[[int, int], None]
_PROGRESS_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong.

    Attributes:
        seq: the record concerned, or the first of them.
        place: file and byte offset to look at.
        words: one sentence for a person.
    """

    kind: FindingKind
    seq: int
    place: str
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """What verification saw.

    Attributes:
        records: how many follow from one another, from the first on.
        head: digest of the last of those.
        checkpoints: how many signed statements agreed with them.
        covered: number of records under the last of those; the rest is chained but not signed yet.
        torn_bytes: behind the last whole line, as a crash or a write in progress leaves them; never acknowledged. NULs
            at the end are room for records to come, and not counted.
        archived: records before the first that was looked at; signed for when they were taken away.
        finding: the first thing that is wrong, or none.
    """

    records: int
    head: str
    checkpoints: int
    covered: int
    segments: int
    size: int
    torn_bytes: int
    archived: int
    finding: Finding | None

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is wrong."""
        return self.finding is None


def verify(
    directory: Path,
    keys: Mapping[str, VerificationKey],
    *,
    archives: Sequence[Path] = (),
    witnessed: Sequence[str] = (),
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Check every line and every checkpoint.

    What this cannot see: records after the last checkpoint rewritten as a whole, and a journal cut back together with
    its checkpoints to an earlier state. `witnessed` closes the second.

    Args:
        directory: of the journal; it may be written to meanwhile.
        keys: every key that ever signed checkpoints here, by `kid`, from a source that is not this directory.
        archives: where older segments were moved to; without them the walk begins behind those.
        witnessed: checkpoints that were kept elsewhere; the journal must still agree with each.
        progress: called with bytes done and bytes in all.
    """
    walk = _Walk(directory, archives, keys, progress)
    try:
        walk.prepare(witnessed)
        for index, segment in enumerate(walk.files):
            walk.segment(segment, is_last=index == len(walk.files) - 1)
        walk.end()
    except _Found as found:
        return walk.report(found.finding)
    except FileNotFoundError as error:
        if walk.was_archived_meanwhile():
            return verify(directory, keys, archives=archives, witnessed=witnessed, progress=progress)
        return walk.report(walk.unreadable(error))
    except OSError as error:
        return walk.report(walk.unreadable(error))
    return walk.report(None)


class _Found(Exception):  # noqa: N818  # not an error of ours: it carries what was found out of the walk
    def __init__(self, kind: FindingKind, seq: int, place: str, words: str) -> None:
        super().__init__(words)
        self.finding = Finding(kind, seq, place, words)


def _has_whole_line(segment: Segment, offset: int) -> bool:
    """Tell whether the journal went on while it was judged: then there is a line now where there was none."""
    return next(lines(segment.path, offset), (0, b""))[1].endswith(b"\n")


@dataclass(slots=True)
class _Walk:
    directory: Path
    archives: Sequence[Path]
    keys: Mapping[str, VerificationKey]
    progress: Progress
    chain: Chain = field(default_factory=Chain)
    anchors: dict[int, Checkpoint] = field(default_factory=dict)
    start: int = 0
    knows_outbox: bool = True
    files: list[Segment] = field(default_factory=list)
    signed: deque[Checkpoint] = field(default_factory=deque)
    witnessed: dict[int, Checkpoint] = field(default_factory=dict)
    agreed: int = 0
    covered: int = 0
    done: int = 0
    total: int = 0
    told: int = 0
    torn: int = 0

    def prepare(self, witnessed: Sequence[str]) -> None:
        """List the files, open the checkpoints, check the witnessed ones."""
        # INVARIANT: the checkpoints are counted before the lines are read. The writer makes records durable first, so
        # every checkpoint seen here has its records, however much is added meanwhile.
        own, places = self._checkpoints(self.directory), [*self.archives, self.directory]
        for place in self.archives:
            # Prevents: an archive that was emptied, or another directory, taken for one that verifies.
            if not segments(place):
                words = f"`{place}` holds no segment of a journal"
                raise _Found(FindingKind.SEGMENT_MISSING, 1, str(place), words)
        # Those of an archive speak for what was archived; the journal's own may have been thinned since.
        found = {checkpoint for place in self.archives for checkpoint in self._checkpoints(place)}.union(own)
        self.signed.extend(sorted(found, key=lambda checkpoint: checkpoint.seq))
        # The journal first: what is archived is whole there before it goes here, so it is seen in one place at least.
        listed = [segment for place in (self.directory, *self.archives) for segment in segments(place)]
        self.files = sorted(
            {segment.first_seq: segment for segment in listed}.values(), key=lambda segment: segment.first_seq
        )
        self.total = sum(segment.path.stat().st_size for segment in self.files)
        for note in witnessed:
            checkpoint = self._verified(note, "a witnessed checkpoint")
            self._require_same(checkpoint, self.witnessed.setdefault(checkpoint.seq, checkpoint))
        if not own:
            words = "there is no checkpoint, and every journal begins with one"
            raise _Found(FindingKind.CHECKPOINT_MISSING, 1, CHECKPOINTS, words)
        self._begin({place: anchor for place in places if (anchor := self._anchor(place))})
        self._compare()

    def segment(self, segment: Segment, *, is_last: bool) -> None:
        """Follow the lines of one file."""
        name = segment.path.name
        if segment.first_seq > self.chain.seq + 1:
            words = f"the file that begins with record {self.chain.seq + 1} is missing before `{name}`"
            raise _Found(FindingKind.SEGMENT_MISSING, self.chain.seq + 1, name, words)
        if segment.first_seq <= self.chain.seq:
            words = f"the file `{name}` does not begin with record {segment.first_seq}"
            raise _Found(FindingKind.REPEATED, segment.first_seq, name, words)
        begin = 0
        for end, line in lines(segment.path):
            if not line.endswith(b"\n"):
                break
            try:
                self.chain.follow(line[:-1])
            except BrokenChainError as broken:
                raise self._explained(broken, f"{name}:{begin}") from broken
            self._compare()
            self._tell(end - begin)
            begin = end
        self._behind(segment, begin, is_last=is_last)

    def end(self) -> None:
        """Check that nothing signed is missing behind the last line."""
        most = max([0, *self.witnessed, *self.anchors, *(checkpoint.seq for checkpoint in self.signed)])
        if most > self.chain.seq:
            words = f"the journal ends after record {self.chain.seq}, but {most} were signed"
            place = self.files[-1].path.name if self.files else str(self.directory)
            raise _Found(FindingKind.TRUNCATED, self.chain.seq + 1, place, words)
        self.progress(self.total, self.total)

    def report(self, finding: Finding | None) -> Report:
        """Sum up."""
        return Report(
            records=self.chain.seq,
            head=self.chain.head,
            checkpoints=self.agreed,
            covered=self.covered,
            segments=len(self.files),
            size=self.total,
            torn_bytes=self.torn,
            archived=self.start,
            finding=finding,
        )

    def was_archived_meanwhile(self) -> bool:
        """Tell whether files that were listed are gone, all of them with leave."""
        gone = [segment for segment in self.files if not segment.path.exists()]
        with suppress(ForgedCheckpointError):
            anchor = anchor_of(self.directory, self.keys) if gone else None
            return anchor is not None and all(segment.first_seq <= anchor.seq for segment in gone)
        return False

    def unreadable(self, error: OSError) -> Finding:
        """Say what could not be read."""
        words = f"`{Path(error.filename or self.directory).name}` cannot be read ({error.strerror})"
        return Finding(FindingKind.UNREADABLE, self.chain.seq + 1, str(self.directory), words)

    def _checkpoints(self, place: Path) -> list[Checkpoint]:
        found: list[Checkpoint] = []
        path = place / CHECKPOINTS
        for number, (note, is_whole) in enumerate(notes(path) if path.exists() else (), 1):
            if not is_whole:
                words = f"checkpoint number {number} is cut short; if a crash did that, opening the journal mends it"
                raise _Found(FindingKind.CHECKPOINT_FORGED, 0, CHECKPOINTS, words)
            checkpoint = self._verified(note, f"{CHECKPOINTS}, number {number}")
            if found and checkpoint.seq <= found[-1].seq:
                words = f"checkpoint {checkpoint.seq} stands behind checkpoint {found[-1].seq}"
                raise _Found(FindingKind.CHECKPOINT_FORGED, checkpoint.seq, CHECKPOINTS, words)
            found.append(checkpoint)
        return found

    def _anchor(self, place: Path) -> Checkpoint | None:
        try:
            return anchor_of(place, self.keys)
        except ForgedCheckpointError as error:
            raise _Found(FindingKind.CHECKPOINT_FORGED, 0, str(place / ANCHOR), error.message) from error

    def _begin(self, anchors: Mapping[Path, Checkpoint]) -> None:
        """Begin with the first record, or behind what the anchor beside the first segment says was archived."""
        self.anchors = {anchor.seq: anchor for anchor in anchors.values()}
        first = self.files[0] if self.files else None
        anchor = anchors.get(first.path.parent) if first else None
        if first and anchor and anchor.seq < first.first_seq:
            self.chain = Chain(anchor.seq, anchor.head, anchor.outbox)
        elif first and anchor and first.first_seq > 1 and first.path.parent == self.directory:
            # An archiving was interrupted. What it left must lead to what the anchor says, so its own word will do.
            self.chain, self.knows_outbox = claimed_before(next(lines(first.path), (0, b""))[1]), False
        self.start = self.covered = self.chain.seq
        # Prevents: a checkpoint that was kept elsewhere taken for one that agrees, when nothing of it was looked at.
        if self.witnessed and min(self.witnessed) < self.start:
            seq = min(self.witnessed)
            words = f"a witnessed checkpoint speaks of record {seq}, which is archived: verify with the archive"
            raise _Found(FindingKind.SEGMENT_MISSING, seq, f"checkpoint {seq}", words)
        while self.signed and self.signed[0].seq < self.start:
            self.signed.popleft()

    def _verified(self, note: str, place: str) -> Checkpoint:
        try:
            return verify_checkpoint(note, self.keys)
        except ForgedCheckpointError as error:
            raise _Found(FindingKind.CHECKPOINT_FORGED, self.chain.seq + 1, place, error.message) from error

    @staticmethod
    def _require_same(one: Checkpoint, other: Checkpoint) -> None:
        if (one.head, one.outbox) != (other.head, other.outbox):
            words = f"two witnessed checkpoints say different things of record {one.seq}"
            raise _Found(FindingKind.ALTERED, one.seq, f"checkpoint {one.seq}", words)

    def _compare(self) -> None:
        witness = self.witnessed.get(self.chain.seq)
        ours = []
        while self.signed and self.signed[0].seq == self.chain.seq:
            ours.append(self.signed.popleft())
        anchor = self.anchors.get(self.chain.seq)
        if anchor and not self.knows_outbox:
            self.chain.outbox, self.knows_outbox = anchor.outbox, True
        for checkpoint in (witness, anchor, *ours):
            if checkpoint and (
                checkpoint.head != self.chain.head or (self.knows_outbox and checkpoint.outbox != self.chain.outbox)
            ):
                words = f"the records up to {self.chain.seq} are not those that were signed"
                raise _Found(FindingKind.ALTERED, self.chain.seq, f"checkpoint {self.chain.seq}", words)
        if ours:
            self.agreed, self.covered = self.agreed + 1, self.chain.seq

    def _behind(self, segment: Segment, end: int, *, is_last: bool) -> None:
        """Judge what stands behind the last whole line of a file."""
        left, seq, place = remains(segment.path, end), self.chain.seq + 1, f"{segment.path.name}:{end}"
        if left.size and not is_last:
            words = f"record {seq} is cut off in the middle of the journal"
            raise _Found(FindingKind.MALFORMED, seq, place, words)
        if left.is_natural:
            self.torn = left.torn
        elif not _has_whole_line(segment, end):
            words = f"where record {seq} should be is no record, and no crash leaves what stands behind it"
            raise _Found(FindingKind.MALFORMED, seq, place, words)

    def _explained(self, broken: BrokenChainError, place: str) -> _Found:
        # A gap whose missing record stands further on is a swap.
        if broken.kind is FindingKind.GAP and self._stands_somewhere(broken.seq):
            words = f"record {broken.seq} does not stand in its place but further on"
            return _Found(FindingKind.REORDERED, broken.seq, place, words)
        return _Found(broken.kind, broken.seq, place, broken.words)

    def _stands_somewhere(self, seq: int) -> bool:
        mark = b'{"seq":%d,' % seq
        return any(line.startswith(mark) for segment in self.files for _, line in lines(segment.path))

    def _tell(self, size: int) -> None:
        self.done += size
        if self.done - self.told >= _PROGRESS_BYTES:
            self.told = self.done
            self.progress(self.done, self.total)
