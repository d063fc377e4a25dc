"""Checkpoints that newer ones make needless go; whatever is left, and whenever it stops, the journal verifies."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watchword.audit import FindingKind, Journal, Report, archive, notes, service, thinning, verify, writer
from watchword.audit.checkpoint import read_checkpoint
from watchword.audit.durable import DurableFile
from watchword.audit.writer import Writer
from watchword.kernel import Entropy, FrozenClock, KeyId
from watchword.keys import Algorithm, Signer

RECORD = (b'{"type":"event","at":"2026-11-22T12:00:00Z","w":"%s"}' % (b"x" * 60), None)


class World:
    """A journal that is written to, with a checkpoint for each record."""

    def __init__(self, directory: Path, signer: Signer, clock: FrozenClock) -> None:
        self.directory, self.signer, self.clock = directory, signer, clock
        self.keys = {signer.kid: signer.verification_key}
        self.writer = self.open()

    def open(self, signer: Signer | None = None) -> Writer:
        return Writer.open(self.directory, signer=signer or self.signer, clock=self.clock, keys=self.keys)

    def live(self, records: int) -> None:
        for _ in range(records):
            self.writer.commit([RECORD])
            self.writer.checkpoint()

    def notes(self) -> list[str]:
        return [note for note, is_whole in notes(self.directory / "checkpoints") if is_whole]

    def signed(self) -> list[int]:
        return [read_checkpoint(note).seq for note in self.notes()]

    def judge(self, **options: object) -> Report:
        return verify(self.directory, self.keys, **options)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, signer: Signer, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(thinning, "APART", 7)
    monkeypatch.setattr(thinning, "_NEWEST", 4)
    monkeypatch.setattr(writer, "_THIN_BYTES", 0)
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 3000)
    found = World(tmp_path / "journal", signer, clock)
    yield found
    found.writer.close()


def test_of_old_checkpoints_so_many_stay_as_busy_times_would_have_and_of_the_newest_all(world: World) -> None:
    world.live(40)
    whole, before = world.notes(), world.judge()
    world.writer.thin()
    signed, after = world.signed(), world.judge()
    assert signed == [7, 14, 21, 28, 35, 38, 39, 40, 41]
    assert set(world.notes()) < set(whole)
    assert after.is_sound
    assert (after.records, after.head, after.covered) == (before.records, before.head, before.covered)


def test_a_journal_goes_on_behind_thinned_checkpoints_and_can_be_opened_again(world: World) -> None:
    for _ in range(5):
        world.live(13)
        world.writer.thin()
    world.writer.close()
    world.writer = world.open()
    world.live(3)
    assert world.judge().is_sound
    assert world.judge().covered == world.judge().records == 70
    assert len(world.signed()) < 20


def test_a_change_anywhere_is_found_under_thinned_checkpoints_as_before(world: World) -> None:
    world.live(40)
    world.writer.thin()
    for path in world.directory.glob("*.jsonl"):
        text = path.read_bytes()
        path.write_bytes(text.replace(b"xx", b"xy", 1))
        assert not world.judge().is_sound
        path.write_bytes(text)
    last = max(world.directory.glob("*.jsonl"))
    text = last.read_bytes()
    last.write_bytes(text[: text.rindex(b"\n", 0, -1) + 1])
    assert world.judge().finding.kind is FindingKind.TRUNCATED  # type: ignore[union-attr]
    last.write_bytes(text)


def test_every_checkpoint_that_was_kept_elsewhere_is_still_compared(world: World) -> None:
    world.live(40)
    witnesses = world.notes()
    world.writer.thin()
    assert world.judge(witnessed=witnesses).is_sound
    other = World(world.directory.with_name("other"), world.signer, world.clock)
    other.writer.commit([(b'{"type":"other","at":"2026-11-22T12:00:00Z"}', None)])
    other.writer.checkpoint()
    assert world.judge(witnessed=[other.notes()[-1]]).finding.kind is FindingKind.ALTERED  # type: ignore[union-attr]
    assert not world.judge(witnessed=[witnesses[2], other.notes()[-1]]).is_sound
    other.writer.close()


def test_what_is_signed_while_others_are_thinned_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.live(40)
    genuine = DurableFile.replace

    def late(file: DurableFile, part: Path, *, since: int) -> None:
        world.live(2)
        genuine(file, part, since=since)

    monkeypatch.setattr(DurableFile, "replace", late)
    world.writer.thin()
    assert world.signed() == [7, 14, 21, 28, 35, 38, 39, 40, 41, 42, 43]
    world.live(1)
    assert world.signed()[-1] == 44
    assert world.judge().is_sound


def test_a_forged_checkpoint_is_not_cleared_away(world: World, clock: FrozenClock, entropy: Entropy) -> None:
    world.live(5)
    genuine = world.signer
    stranger = Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
    world.writer._signer = stranger
    world.live(1)
    world.writer.use_signer(genuine)
    world.live(30)
    world.writer.thin()
    assert 7 in world.signed()
    assert world.judge().finding.kind is FindingKind.CHECKPOINT_FORGED  # type: ignore[union-attr]


def test_checkpoints_of_former_keys_are_thinned_like_others(world: World, clock: FrozenClock, entropy: Entropy) -> None:
    world.live(10)
    fresh = Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
    world.keys[fresh.kid] = fresh.verification_key
    world.writer.use_signer(fresh)
    world.live(20)
    world.writer.thin()
    assert world.signed()[:3] == [7, 14, 21]
    assert world.judge().is_sound


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("watchword journal checkpoint", "watchword journal chequepoint", 1),
        lambda text: text.replace("outbox 0\n", "outbox 0\n\n\n", 1),
        lambda text: text[len(text) // 2 :],
    ],
)
def test_a_file_with_something_else_in_it_is_left_for_verification(world: World, spoil: Callable[[str], str]) -> None:
    world.live(20)
    path = world.directory / "checkpoints"
    spoilt = spoil(path.read_text())
    path.write_text(spoilt)
    world.writer.thin()
    assert path.read_text() == spoilt
    assert [entry.name for entry in world.directory.iterdir() if "part" in entry.name] == []


def test_checkpoints_of_archived_records_go_with_them_and_are_compared_there(world: World, tmp_path: Path) -> None:
    world.live(60)
    witnesses, now = world.notes(), datetime(2027, 1, 1, tzinfo=UTC)
    moved = archive(
        world.directory, tmp_path / "shelf", before=now, now=now, signer=world.signer, keys=world.keys
    ).through
    world.live(30)
    world.writer.thin()
    assert moved > 20
    assert all(seq >= moved for seq in world.signed())
    both = world.judge(archives=[tmp_path / "shelf"])
    assert world.judge().is_sound
    assert both.is_sound
    assert both.checkpoints > moved  # all those that the archive holds
    # One that speaks of what is archived is no witness to what is here.
    assert "archived" in world.judge(witnessed=witnesses).finding.words  # type: ignore[union-attr]
    assert world.judge(witnessed=witnesses, archives=[tmp_path / "shelf"]).is_sound


class _Stop(BaseException):
    """The machine stops."""


def test_a_stop_at_any_moment_leaves_checkpoints_that_verify(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.live(40)
    world.writer.close()
    before, whole = tmp_path / "before", world.judge()
    shutil.copytree(world.directory, before)
    acts: list[str] = []
    seen = set()
    for number in range(1, 99):
        shutil.rmtree(world.directory)
        shutil.copytree(before, world.directory)
        found, acts = world.open(), []

        def stopping(name: str, real: Callable[..., object], acts: list[str] = acts, stop: int = number) -> object:
            def act(*words: object, **options: object) -> object:
                acts.append(name)
                if len(acts) == stop:
                    raise _Stop
                return real(*words, **options)

            return act

        with monkeypatch.context() as patch:
            for name in ("fsync", "pwritev", "open"):
                patch.setattr(os, name, stopping(name, getattr(os, name)))
            for name in ("replace", "unlink"):
                patch.setattr(Path, name, stopping(name, getattr(Path, name)))
            with suppress(_Stop):
                found.thin()
        report = world.judge()
        assert report.is_sound, (number, acts)
        assert report.covered == whole.records + 1  # it was opened
        seen.add(len(world.signed()))
        for file in (found._segment, found._checkpoints):  # the process is gone
            os.close(file._descriptor)  # type: ignore[union-attr]
        os.close(found._lock)
        world.open().close()
        assert world.judge().is_sound
        if len(acts) < number:
            break
    assert number > 5
    assert len(seen) == 2
    world.writer = world.open()


def test_a_disk_that_refuses_keeps_them_all_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.live(40)
    whole = world.signed()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(thinning.os, "fsync", refuse)
    world.writer.thin()
    monkeypatch.undo()
    assert world.signed() == whole
    assert not (world.directory / "checkpoints.part").exists()
    assert world.writer.problem is None


async def test_a_running_journal_thins_by_itself_when_it_is_at_rest(
    world: World, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHECKPOINT_S", 0)
    world.live(40)
    world.writer.close()
    thinned = asyncio.Event()
    loop, genuine = asyncio.get_running_loop(), Writer.thin

    def thin(found: Writer, is_over: Callable[[], bool]) -> None:
        genuine(found, is_over)
        loop.call_soon_threadsafe(thinned.set)

    monkeypatch.setattr(Writer, "thin", thin)
    journal = Journal.open(world.directory, signer=world.signer, clock=clock, keys=world.keys)
    await journal.append({"type": "event"})
    await asyncio.wait_for(thinned.wait(), 10)
    await journal.close()
    assert len(world.signed()) < 15
    assert world.judge().is_sound
    world.writer = world.open()


def test_the_checkpoints_of_years_go_in_parts_and_what_is_left_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinning, "_AT_ONCE", 10)
    world.live(100)
    read, genuine = [], thinning.read_checkpoint
    monkeypatch.setattr(thinning, "read_checkpoint", lambda note: (read.append(1), genuine(note))[1])
    world.writer.thin()
    assert len(read) < 20
    lengths = [101, len(world.signed())]
    while lengths[-1] < lengths[-2]:
        world.writer.thin()
        lengths.append(len(world.signed()))
        assert world.judge().is_sound
        assert lengths[-2] - lengths[-1] <= 10
    assert world.signed() == [*range(7, 99, 7), 99, 100, 101]


async def test_a_record_does_not_wait_for_the_checkpoints_of_years_to_be_thinned(
    world: World, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of before this, with millions of checkpoints, whose disk is slow, so that the thread writes."""
    monkeypatch.setattr(service, "CHECKPOINT_S", 0)
    monkeypatch.setattr("watchword.audit.pace.Pace.is_quick", lambda *_: False)
    world.live(20)
    world.writer.close()
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def endless(_notes: object, **about: Callable[[], bool]) -> None:
        loop.call_soon_threadsafe(begun.set)
        while not about["is_over"]():
            os.sched_yield()

    monkeypatch.setattr(writer, "thin", endless)
    journal = Journal.open(world.directory, signer=world.signer, clock=clock, keys=world.keys)
    await journal.append({"type": "event"})
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.wait_for(journal.append({"type": "event"}), 10)
    await asyncio.wait_for(journal.close(), 10)
    world.writer = world.open()
