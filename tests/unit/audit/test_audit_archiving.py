"""Old segments moved away: what stays verifies, what went verifies, both verify as one, and nobody can do it unseen."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchword.audit import (
    Archived,
    ArchiveError,
    FindingKind,
    JournalDamagedError,
    Report,
    archive,
    begins_at,
    find_decision,
    last,
    read,
    tail,
    verification,
    verify,
)
from watchword.audit.writer import Writer
from watchword.kernel import DecisionId, Entropy, FrozenClock, KeyId, NotFoundError
from watchword.keys import Algorithm, Signer

_DAYS = 12


class _Office:
    """A journal of a dozen days, a segment or two each, and an empty shelf."""

    def __init__(self, base: Path, signer: Signer, clock: FrozenClock, entropy: Entropy) -> None:
        self.directory, self.shelf = base / "journal", base / "shelf"
        self.signer, self._clock, self._entropy = signer, clock, entropy
        self.keys = {signer.kid: signer.verification_key}
        self.decisions: list[DecisionId] = []
        self.live(_DAYS)

    def open(self) -> Writer:
        return Writer.open(self.directory, signer=self.signer, clock=self._clock, keys={})

    def live(self, days: int) -> None:
        writer = self.open()
        for _ in range(days):
            self.decide(writer)
        writer.close()

    def decide(self, writer: Writer) -> None:
        made = DecisionId.new(self._clock.now(), self._entropy)
        at = self._clock.now().isoformat()
        writer.commit([(f'{{"type":"decision","id":"{made}","at":"{at}","w":"{"x" * 300}"}}'.encode(), None)])
        writer.commit([(f'{{"type":"event","at":"{at}"}}'.encode(), len(self.decisions) + 1)])
        writer.checkpoint()
        self.decisions.append(made)
        self._clock.advance(timedelta(days=1))

    def before(self, days: float) -> datetime:
        return self._clock.now() - timedelta(days=days)

    def archive(self, days: float = 5, *, shelf: Path | None = None, signer: Signer | None = None) -> Archived:
        return archive(
            self.directory,
            shelf or self.shelf,
            before=self.before(days),
            now=self._clock.now(),
            signer=signer or self.signer,
            keys=self.keys,
        )

    def judge(self, *archives: Path) -> Report:
        return verify(self.directory, self.keys, archives=archives)


@pytest.fixture
def office(
    tmp_path: Path, signer: Signer, clock: FrozenClock, entropy: Entropy, monkeypatch: pytest.MonkeyPatch
) -> _Office:
    monkeypatch.setattr("watchword.audit.writer._SEGMENT_BYTES", 900)
    return _Office(tmp_path, signer, clock, entropy)


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.name != "archiving"}


def _segments(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.jsonl"))


# --- what it is for -------------------------------------------------------------------------------------------------


def test_what_stays_what_went_and_both_together_verify(office: _Office) -> None:
    whole, content = office.judge(), {name: _files(office.directory)[name] for name in _segments(office.directory)}
    moved = office.archive()
    assert moved.segments == len(_segments(office.shelf)) > 2
    stays, went, both = office.judge(), verify(office.shelf, office.keys), office.judge(office.shelf)
    assert stays.is_sound, stays
    assert went.is_sound, went
    assert both.is_sound, both
    assert (stays.archived, stays.records, stays.head) == (moved.through, whole.records, whole.head)
    assert (went.archived, went.records, went.covered) == (0, moved.through, moved.through)
    assert (both.archived, both.records, both.head) == (0, whole.records, whole.head)
    assert both.checkpoints == whole.checkpoints + 1  # that of the archive's end
    after = _files(office.directory) | _files(office.shelf)
    assert {name: after[name] for name in content} == content
    assert moved.size == sum(len(content[name]) for name in _segments(office.shelf))


def test_only_segments_that_are_old_to_the_last_record_go(office: _Office) -> None:
    office.archive(5)
    assert all(record.at < office.before(5) for record in read(office.shelf))
    first_segment = [record for record in read(office.directory) if record.at < office.before(5)]
    assert len(first_segment) < 5
    assert office.archive(5) == Archived(0, 0, office.judge().archived)


def test_the_segment_that_is_written_to_and_the_last_checkpoint_stay(office: _Office) -> None:
    writer = office.open()
    begun = _segments(office.directory)[-1]
    while len([name for name in _segments(office.directory) if name > begun]) < 2:
        writer.commit([(b'{"type":"event","at":"2026-11-21T12:00:00Z"}', None)])
    assert office.archive(-100).segments
    stays = _segments(office.directory)
    assert len(stays) == 3
    copy = office.directory.with_name("after a crash")
    shutil.copytree(office.directory, copy)
    writer.close()
    office.directory = copy
    office.live(2)
    assert office.judge().is_sound
    assert office.judge(office.shelf).is_sound


def test_archives_grow_and_several_verify_as_one(office: _Office, tmp_path: Path) -> None:
    first = office.archive(8)
    second = office.archive(6)
    assert second.through > first.through
    office.live(4)
    other = tmp_path / "second shelf"
    third = office.archive(4, shelf=other)
    assert third.segments
    assert office.judge().archived == third.through
    for shelves in ([], [other], [office.shelf, other]):
        assert office.judge(*shelves).is_sound, shelves
    assert verify(other, office.keys).is_sound
    assert verify(other, office.keys).archived == second.through
    finding = office.judge(office.shelf).finding
    assert finding is not None
    assert finding.kind is FindingKind.SEGMENT_MISSING


def test_a_running_node_writes_on(office: _Office) -> None:
    writer = office.open()
    office.decide(writer)
    assert office.archive().segments
    for _ in range(5):
        office.decide(writer)
    assert office.archive().segments
    assert office.judge().is_sound
    writer.close()
    assert office.judge(office.shelf).is_sound


def test_an_archive_is_private(office: _Office) -> None:
    office.archive()
    assert office.shelf.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in office.shelf.iterdir())
    assert (office.directory / "anchor").stat().st_mode & 0o077 == 0


def test_reading_says_what_was_archived(office: _Office) -> None:
    assert begins_at(office.directory) is None
    old, new = office.decisions[0], office.decisions[-1]
    count = len(last(office.directory, 1000))
    moved = office.archive()
    assert find_decision(office.directory, new)
    with pytest.raises(NotFoundError, match="older than the journal, which begins at 2026-11-2"):
        find_decision(office.directory, old)
    assert find_decision(office.shelf, old)
    assert len(last(office.directory, 1000)) == count - moved.through
    assert next(read(office.directory)).seq == moved.through + 1
    assert begins_at(office.directory) == next(read(office.directory)).at


def test_a_segment_that_goes_while_it_is_looked_for_disturbs_no_reader(
    office: _Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = office.directory / _segments(office.directory)[0]

    def listed(directory: Path) -> list[object]:
        found = real(directory)
        gone.unlink(missing_ok=True)
        return found

    from watchword.audit import reading  # noqa: PLC0415  # to be patched

    real = reading.segments
    monkeypatch.setattr(reading, "segments", listed)
    assert list(read(office.directory))
    assert last(office.directory, 1000)
    assert find_decision(office.directory, office.decisions[-1])


async def test_a_tail_goes_on_where_the_journal_begins_when_its_segment_is_archived(office: _Office) -> None:
    following = tail(office.directory, after=0, poll_s=0.001)
    assert (await anext(following)).seq == 1
    moved = office.archive()
    seen = [(await anext(following)).seq for _ in range(len(list(read(office.directory))))]
    assert moved.through + 1 in seen
    assert seen == sorted(seen)
    await following.aclose()  # type: ignore[attr-defined]  # a generator


def test_an_anchor_that_is_forged_while_segments_vanish_is_a_finding(
    office: _Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchword.audit import verification  # noqa: PLC0415  # to be patched

    real = verification.segments

    def listed(directory: Path) -> list[Any]:
        found = real(directory)
        (office.directory / "anchor").write_text("forged")
        found[0].path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(verification, "segments", listed)
    assert not office.judge().is_sound


def test_a_segment_that_is_archived_while_it_is_verified_is_no_finding(
    office: _Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchword.audit import verification  # noqa: PLC0415  # to be patched

    real, moved = verification.segments, []

    def listed(directory: Path) -> list[object]:
        found = real(directory)
        if not moved:
            moved.append(None)
            office.archive()
        return found

    monkeypatch.setattr(verification, "segments", listed)
    report = office.judge()
    assert report.is_sound, report
    assert report.archived


def test_a_segment_that_is_archived_between_two_looks_is_seen_in_one_of_the_places(
    office: _Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.archive(days=9)
    genuine, looks = verification.segments, list[Path]()

    def late(place: Path) -> Any:
        found = genuine(place)
        looks.append(place)
        if len(looks) == 2:  # the archive was looked at once to see whether there is anything, and now a place to list
            office.archive(days=3)
        return found

    monkeypatch.setattr(verification, "segments", late)
    report = office.judge(office.shelf)
    assert report.is_sound, report
    assert report.archived == 0


# --- interrupted ----------------------------------------------------------------------------------------------------


class _Stop(BaseException):
    """The machine stops."""


@contextmanager
def _stopping_at(number: int) -> Iterator[list[str]]:
    """Stop before the nth act that changes a directory or makes something durable."""
    acts: list[str] = []

    def stopping(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def act(*words: object, **options: object) -> object:
            acts.append(name)
            if len(acts) == number:
                raise _Stop
            return real(*words, **options)

        return act

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", stopping("fsync", os.fsync))
        for name in ("rename", "replace", "unlink", "mkdir"):
            patch.setattr(Path, name, stopping(name, getattr(Path, name)))
        yield acts


def test_a_stop_at_any_moment_loses_nothing_and_the_next_archiving_does_the_rest(office: _Office) -> None:
    whole, before = office.judge(), office.directory.parent / "before"
    shutil.copytree(office.directory, before)
    number = 0
    while True:
        number += 1
        shutil.rmtree(office.directory)
        shutil.rmtree(office.shelf, ignore_errors=True)
        shutil.copytree(before, office.directory)
        with _stopping_at(number) as acts, suppress(_Stop):
            office.archive(8)
        if len(acts) < number:
            break
        report = office.judge()
        assert report.is_sound, (number, acts[-1], report)
        assert report.head == whole.head
        again = office.archive(8)
        assert not any(path.name.endswith(".part") for path in office.shelf.iterdir())
        stays, both = office.judge(), office.judge(office.shelf)
        assert stays.is_sound, (number, acts[-1], stays)
        assert stays.archived == again.through
        assert both.is_sound
        assert (both.archived, both.head, both.records) == (0, whole.head, whole.records)
    assert number > 20


def test_what_an_interruption_left_is_verified_and_not_passed_over(office: _Office) -> None:
    content = _files(office.directory)
    office.archive()
    left = _segments(office.shelf)[-1]
    (office.directory / left).write_bytes(content[left])
    assert office.judge().is_sound
    (office.directory / left).write_bytes(content[left].replace(b"xxx", b"xyx", 1))
    assert not office.judge().is_sound
    (office.directory / left).write_bytes(content[left].split(b"\n", 1)[1])
    assert not office.judge().is_sound


# --- refused --------------------------------------------------------------------------------------------------------


@contextmanager
def _nothing_moves(office: _Office) -> Iterator[None]:
    before = _files(office.directory)
    yield
    assert _files(office.directory) == before


def test_a_journal_that_is_not_whole_is_not_archived(office: _Office) -> None:
    path = office.directory / _segments(office.directory)[1]
    path.write_bytes(path.read_bytes().replace(b"xxx", b"xyx", 1))
    with _nothing_moves(office), pytest.raises(JournalDamagedError, match="not whole"):
        office.archive()
    assert not office.shelf.exists()


def test_an_archive_of_another_journal_is_not_continued(office: _Office, tmp_path: Path, entropy: Entropy) -> None:
    other = _Office(tmp_path / "other", office.signer, FrozenClock(datetime(2026, 11, 20, tzinfo=UTC)), entropy)
    for days in (8, 6):
        assert other.archive(days).segments
        with _nothing_moves(office), pytest.raises(ArchiveError, match="does not end where this journal begins"):
            office.archive(shelf=other.shelf)
    office.archive(8)
    with _nothing_moves(office), pytest.raises(ArchiveError, match="does not end where"):
        office.archive(4, shelf=other.shelf)


def test_the_archive_of_another_journal_that_ends_at_the_same_record_is_not_continued(
    office: _Office, tmp_path: Path, entropy: Entropy
) -> None:
    other = _Office(tmp_path / "other", office.signer, FrozenClock(datetime(2026, 11, 21, 12, tzinfo=UTC)), entropy)
    assert other.archive(8).through == office.archive(8).through
    with _nothing_moves(office), pytest.raises(ArchiveError, match="does not end where"):
        office.archive(4, shelf=other.shelf)


def test_a_stray_segment_in_the_archive_is_not_passed_over(office: _Office) -> None:
    office.shelf.mkdir()
    stray = office.shelf / f"{10**6:020}.jsonl"
    for days in (8, 6):
        stray.touch()
        with _nothing_moves(office), pytest.raises(ArchiveError, match="does not end where"):
            office.archive(days)
        stray.unlink()
        assert office.archive(days).segments


def test_a_segment_that_is_changed_after_it_was_verified_does_not_go(
    office: _Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last record, which nothing in the same file commits to."""
    before = office.directory.with_name("before")
    shutil.copytree(office.directory, before)
    office.archive()
    newest = _segments(office.shelf)[-1]
    shutil.rmtree(office.directory)
    shutil.rmtree(office.shelf)
    before.rename(office.directory)
    real, names = shutil.copyfileobj, _segments(office.directory)

    def changing(source: Any, target: object, length: int) -> None:
        path = Path(source.name)
        if path.name == newest:
            path.write_bytes(path.read_bytes()[:-8] + b'":"z"}\n'.rjust(8, b"y"))
        real(source, target, length)  # type: ignore[type-var]  # as it is called

    monkeypatch.setattr(shutil, "copyfileobj", changing)
    with pytest.raises(JournalDamagedError):
        office.archive()
    assert _segments(office.directory) == names
    assert not (office.directory / "anchor").exists()


def test_an_older_archive_is_not_continued_with_a_gap(office: _Office, tmp_path: Path) -> None:
    office.archive(9)
    old = tmp_path / "old copy"
    shutil.copytree(office.shelf, old)
    office.archive(7)
    with _nothing_moves(office), pytest.raises(ArchiveError, match="does not end where"):
        office.archive(4, shelf=old)


def test_an_archive_that_lost_its_segments_is_not_continued(office: _Office) -> None:
    office.archive(8)
    for name in _segments(office.shelf):
        (office.shelf / name).unlink()
    with _nothing_moves(office), pytest.raises(ArchiveError, match="does not end where"):
        office.archive(4)


def test_another_file_of_the_same_name_is_not_taken_for_the_segment(office: _Office) -> None:
    office.shelf.mkdir()
    name = _segments(office.directory)[0]
    (office.shelf / name).write_bytes((office.directory / name).read_bytes().replace(b"xxx", b"xyx", 1))
    with _nothing_moves(office), pytest.raises(ArchiveError):
        office.archive()


def test_a_forged_archive_is_not_believed(office: _Office) -> None:
    office.archive(8)
    path = office.shelf / "checkpoints"
    path.write_text(path.read_text().replace("outbox", "outbox 1", 1).replace("at 2", "at 1"))
    with _nothing_moves(office), pytest.raises(ArchiveError, match="cannot be believed"):
        office.archive(4)


@pytest.mark.parametrize("place", ["journal", "journal/inside", "nowhere/shelf"])
def test_a_place_that_does_not_do_is_refused(office: _Office, tmp_path: Path, place: str) -> None:
    with pytest.raises(ArchiveError):
        office.archive(shelf=tmp_path / place)
    assert office.judge().archived == 0
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk_there_moves_nothing(office: _Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28), str(office.shelf))

    with monkeypatch.context() as patch, _nothing_moves(office):
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(ArchiveError, match="No space left"):
            office.archive()
    assert office.archive().segments


def test_a_copy_that_came_out_wrong_moves_nothing(office: _Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that says that it wrote, and did not."""
    real = shutil.copyfileobj

    def worn(source: object, target: object, length: int) -> None:
        real(source, target, length)  # type: ignore[type-var]  # as it is called
        target.seek(-40, 2)  # type: ignore[attr-defined]  # a file
        target.write(b"?")  # type: ignore[attr-defined]  # as above

    with monkeypatch.context() as patch, _nothing_moves(office):
        patch.setattr(shutil, "copyfileobj", worn)
        with pytest.raises(ArchiveError, match="not what was copied"):
            office.archive()
    assert office.archive().segments
    assert office.judge(office.shelf).is_sound


def test_two_archivings_at_once_are_one(office: _Office) -> None:
    descriptor = os.open(office.directory / "archiving", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ArchiveError, match="another archiving"):
        office.archive()
    os.close(descriptor)
    assert office.archive().segments


# --- attacks --------------------------------------------------------------------------------------------------------


def test_removing_old_segments_without_leave_is_found(office: _Office) -> None:
    name = _segments(office.directory)[0]
    (office.directory / name).unlink()
    finding = office.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.SEGMENT_MISSING


def test_a_checkpoint_is_no_anchor(office: _Office) -> None:
    """It is signed by the right key over the right digest; but it gives no leave to begin behind it."""
    office.archive(8)
    notes = (office.shelf / "checkpoints").read_text()
    last_note = notes[notes.rindex("watchword journal") :].removesuffix("\n")
    anchor = office.directory / "anchor"
    assert last_note.split("\n")[1:4] == anchor.read_text().split("\n")[1:4]
    anchor.write_text(last_note)
    finding = office.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.CHECKPOINT_FORGED


def test_the_anchor_of_another_journal_is_found(office: _Office, tmp_path: Path, entropy: Entropy) -> None:
    """It is signed by our key; and nothing is missing here, or what it says went never came."""
    other = _Office(tmp_path / "other", office.signer, FrozenClock(datetime(2026, 11, 21, 12, tzinfo=UTC)), entropy)
    for days in (8, -100):
        if days < 0:
            other.live(_DAYS)
        other.archive(days)
        shutil.copy(other.directory / "anchor", office.directory / "anchor")
        assert not office.judge().is_sound, days


def test_an_archive_may_not_begin_where_somebody_put_the_anchor_of_the_journal(office: _Office) -> None:
    office.archive()
    shutil.copy(office.directory / "anchor", office.shelf / "anchor")
    (office.shelf / _segments(office.shelf)[0]).unlink()
    assert not office.judge(office.shelf).is_sound


def test_an_anchor_by_a_foreign_key_is_forged(office: _Office, clock: FrozenClock, entropy: Entropy) -> None:
    office.archive(8)
    foreign = Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
    office.keys[foreign.kid] = foreign.verification_key
    office.archive(4, signer=foreign)
    del office.keys[foreign.kid]
    finding = office.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.CHECKPOINT_FORGED


@pytest.mark.parametrize("change", ["removed", "emptied", "altered", "an older one"])
def test_a_changed_anchor_is_found(office: _Office, change: str) -> None:
    office.archive(9)
    path = office.directory / "anchor"
    older = path.read_bytes()
    office.archive(4)
    match change:
        case "removed":
            path.unlink()
        case "emptied":
            path.write_bytes(b"")
        case "altered":
            path.write_bytes(path.read_bytes().replace(b"outbox", b"outbox 1"))
        case _:
            path.write_bytes(older)
    assert not office.judge().is_sound


def test_what_is_changed_or_taken_from_the_archive_is_found(office: _Office) -> None:
    office.archive()
    names, content = _segments(office.shelf), _files(office.shelf)
    for name in names:
        for changed in (content[name].replace(b"xxx", b"xyx", 1), content[name][:-30], content[name] + b"\0", None):
            if changed is None:
                (office.shelf / name).unlink()
            else:
                (office.shelf / name).write_bytes(changed)
            assert not office.judge(office.shelf).is_sound, (name, changed)
            (office.shelf / name).write_bytes(content[name])
    for name in names:
        (office.shelf / name).unlink()
        assert not verify(office.shelf, office.keys).is_sound, name
        (office.shelf / name).write_bytes(content[name])
    assert office.judge(office.shelf).is_sound


def test_an_archive_that_was_emptied_is_found(office: _Office, tmp_path: Path) -> None:
    office.archive()
    (tmp_path / "empty").mkdir()
    for place in ("empty", "never there"):
        finding = office.judge(tmp_path / place).finding
        assert finding is not None
        assert place in finding.words


def test_records_cut_off_behind_an_anchor_are_found(office: _Office) -> None:
    office.archive()
    for name in _segments(office.directory):
        path = office.directory / name
        content = path.read_bytes()
        path.unlink()
        assert not office.judge().is_sound, name
        path.write_bytes(content)
    assert office.judge().is_sound
