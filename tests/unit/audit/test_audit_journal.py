from __future__ import annotations

import asyncio
import errno
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from watchword.audit import (
    Journal,
    JournalBusyError,
    JournalDamagedError,
    JournalUnwritableError,
    Report,
    UnrecordableError,
    durable,
    read,
    service,
    writer,
)
from watchword.kernel import Entropy, Event, EventType, FrozenClock, Secret, UserId
from watchword.keys import Signer

OpenJournal = Callable[[], Journal]
Judge = Callable[[], Report]

TESTED = EventType("audit_test.thing.tested", "Something was tested.", public="what", personal="ip")


def _lines(directory: Path) -> list[bytes]:
    return [line for path in sorted(directory.glob("*.jsonl")) for line in path.read_bytes().rstrip(b"\0").splitlines()]


def _segment(directory: Path) -> Path:
    return max(directory.glob("*.jsonl"))


def _event(clock: FrozenClock, entropy: Entropy, what: str = "x") -> Event:
    return TESTED.at(clock.now(), entropy, actor="system", subject="thing", what=what, ip="192.0.2.1")


# --- appending ------------------------------------------------------------------------------------------------------


async def test_each_line_names_the_digest_of_the_one_before(open_journal: OpenJournal, directory: Path) -> None:
    journal = open_journal()
    assert [await journal.append({"type": "decision", "n": n}) for n in range(3)] == [2, 3, 4]
    await journal.close()
    lines = _lines(directory)
    assert orjson.loads(lines[0])["prev"] == "0" * 64
    for before, line in itertools.pairwise(lines):
        assert orjson.loads(line)["prev"] == hashlib.sha256(before).hexdigest()
    assert [orjson.loads(line)["seq"] for line in lines] == [1, 2, 3, 4]
    assert orjson.loads(lines[0])["type"] == "journal.opened"


async def test_an_acknowledged_record_is_in_the_file_already(open_journal: OpenJournal, directory: Path) -> None:
    journal = open_journal()
    await journal.append({"type": "decision", "path": "/now"})
    assert b'"/now"' in _lines(directory)[-1]
    await journal.close()


async def test_many_waiters_share_few_syncs(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    journal = open_journal()
    syncs = 0
    real = durable.write_durably

    def counted(descriptor: int, data: bytes, offset: int) -> None:
        nonlocal syncs
        syncs += 1
        real(descriptor, data, offset)

    monkeypatch.setattr(durable, "write_durably", counted)
    numbers = await asyncio.gather(*(journal.append({"type": "decision", "n": n}) for n in range(500)))
    assert sorted(numbers) == list(range(2, 502))
    assert syncs < 50
    await journal.close()
    assert judge().is_sound


async def test_a_record_is_taken_as_it_was_when_appended(open_journal: OpenJournal, directory: Path) -> None:
    journal = open_journal()
    record: dict[str, Any] = {"type": "decision", "answer": "deny"}
    future = journal.append_nowait(record)
    record["answer"] = "allow"
    await future
    await journal.close()
    assert orjson.loads(_lines(directory)[-1])["answer"] == "deny"


async def test_a_record_without_a_time_gets_the_clock(open_journal: OpenJournal, directory: Path) -> None:
    journal = open_journal()
    await journal.append({"type": "decision"})
    await journal.close()
    assert orjson.loads(_lines(directory)[-1])["at"] == "2026-11-21T12:00:00Z"


async def test_a_waiter_that_gave_up_disturbs_nobody(open_journal: OpenJournal, judge: Judge) -> None:
    journal = open_journal()
    gone, kept = journal.append_nowait({"type": "a"}), journal.append_nowait({"type": "b"})
    gone.cancel()
    assert await kept == 3
    await journal.close()
    assert judge().records == 3


async def test_a_closed_journal_refuses(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.close()
    await journal.close()
    with pytest.raises(JournalUnwritableError, match="closed"):
        await journal.append({"type": "decision"})


async def test_closing_writes_what_is_queued_and_signs_it(open_journal: OpenJournal, judge: Judge) -> None:
    journal = open_journal()
    futures = [journal.append_nowait({"type": "decision", "n": n}) for n in range(100)]
    await journal.close()
    assert await asyncio.gather(*futures) == list(range(2, 102))
    report = judge()
    assert report.is_sound
    assert report.covered == report.records == 101


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"type": "x", "seq": 7}, id="seq is the journal's"),
        pytest.param({"type": "x", "prev": "0"}, id="prev is the journal's"),
        pytest.param({"type": "x", "outbox": 9}, id="outbox is the journal's"),
        pytest.param({"answer": "allow"}, id="no type"),
        pytest.param({"type": "x", "path": "\ud800"}, id="lone surrogate"),
        pytest.param({"type": "x", "handle": Secret("hush")}, id="secret"),
        pytest.param({"type": "x", "n": 2**70}, id="number beyond 64 bits"),
        pytest.param({"type": "x", "agent": "A" * 300_000}, id="too long"),
    ],
)
async def test_an_unfaithful_record_is_refused_and_harms_nobody(
    open_journal: OpenJournal, judge: Judge, record: dict[str, Any]
) -> None:
    journal = open_journal()
    with pytest.raises(UnrecordableError) as caught:
        await journal.append(record)
    assert "hush" not in str(caught.value)
    await journal.append({"type": "decision"})
    await journal.close()
    assert judge().is_sound


async def test_a_line_feed_in_a_value_does_not_forge_a_record(open_journal: OpenJournal, judge: Judge) -> None:
    journal = open_journal()
    await journal.append({"type": "decision", "agent": 'x"}\n{"seq":3,"prev":"' + "0" * 64 + '","type":"decision"}'})
    await journal.close()
    report = judge()
    assert report.is_sound
    assert report.records == 2


async def test_a_stalled_disk_is_refused_rather_than_queued_without_end(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_BACKLOG_BYTES", 1000)
    journal = open_journal()
    futures = [journal.append_nowait({"type": "x", "filler": "y" * 400}) for _ in range(2)]
    with pytest.raises(JournalUnwritableError, match="keep up"):
        journal.append_nowait({"type": "x", "filler": "y" * 400})
    await asyncio.gather(*futures)
    await journal.append({"type": "x"})
    await journal.close()


# --- events ---------------------------------------------------------------------------------------------------------


async def test_events_keep_personal_data_apart_and_drop_the_undeclared(
    open_journal: OpenJournal, directory: Path, clock: FrozenClock, entropy: Entropy
) -> None:
    event = _event(clock, entropy)
    odd = Event(event.id, "nobody.declared.this", event.at, "system", "thing", {"password": "hunter2"})
    journal = open_journal()
    await journal.append_events([(1, event), (2, odd)])
    await journal.close()
    first, second = (orjson.loads(line) for line in _lines(directory)[-2:])
    assert first["data"] == {"what": "x"}
    assert first["personal"] == {"ip": "192.0.2.1"}
    assert second["data"] == {}
    assert second["dropped"] == ["password"]
    assert b"hunter2" not in _segment(directory).read_bytes()


async def test_the_outbox_position_is_found_again_after_a_restart(
    open_journal: OpenJournal, clock: FrozenClock, entropy: Entropy
) -> None:
    journal = open_journal()
    assert journal.outbox_position == 0
    await journal.append_events([])
    await journal.append_events([(41, _event(clock, entropy)), (42, _event(clock, entropy))])
    assert journal.outbox_position == 42
    await journal.append({"type": "decision", "agent": ',"outbox":99,'})
    await journal.close()
    journal = open_journal()
    assert journal.outbox_position == 42
    await journal.close()


async def test_a_batch_of_events_is_durable_as_a_whole_or_not_at_all(
    open_journal: OpenJournal, clock: FrozenClock, entropy: Entropy, judge: Judge, fail_writes: Callable[..., None]
) -> None:
    journal = open_journal()
    batch = [(n, _event(clock, entropy, f"batch {n}")) for n in range(1, 200)]
    fail_writes(after_bytes=5000)
    with pytest.raises(JournalUnwritableError):
        await journal.append_events(batch)
    assert journal.outbox_position == 0
    fail_writes(after_bytes=None)
    await journal.append_events(batch)
    assert journal.outbox_position == 199
    await journal.close()
    assert judge().records == 1 + 1 + 199


# --- opening again --------------------------------------------------------------------------------------------------


async def test_a_reopened_journal_continues_the_chain(open_journal: OpenJournal, judge: Judge) -> None:
    for _ in range(3):
        journal = open_journal()
        await journal.append({"type": "decision"})
        await journal.close()
    report = judge()
    assert report.is_sound
    assert report.records == 6


async def test_the_torn_tail_of_a_crash_is_cut_and_told(
    open_journal: OpenJournal, directory: Path, judge: Judge
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision", "n": 1})
    await journal.close()
    with _segment(directory).open("ab") as file:
        file.write(b'{"seq":3,"prev":"half a rec')
    assert judge().torn_bytes == 27
    journal = open_journal()
    assert journal.seq == 3
    await journal.close()
    assert orjson.loads(_lines(directory)[-1])["torn_bytes"] == 27
    assert judge().is_sound


async def test_complete_records_behind_the_last_checkpoint_are_kept(
    open_journal: OpenJournal, directory: Path, judge: Judge
) -> None:
    """As after a kill: durable records that no checkpoint covers yet."""
    journal = open_journal()
    before = (directory / "checkpoints").read_bytes()
    for n in range(50):
        await journal.append({"type": "decision", "n": n})
    await journal.close()
    (directory / "checkpoints").write_bytes(before)
    assert judge().covered == 1
    assert judge().records == 51
    journal = open_journal()
    assert journal.seq == 52
    await journal.close()
    assert judge().covered == 52


@pytest.mark.parametrize("kept", [1, 20, 33, 150, -40, -1])
async def test_a_torn_checkpoint_is_cut(open_journal: OpenJournal, directory: Path, judge: Judge, kept: int) -> None:
    journal = open_journal()
    await journal.close()
    path = directory / "checkpoints"
    notes = path.read_text()
    path.write_text(notes + notes[:kept] if kept > 0 else notes[:kept])
    journal = open_journal()
    await journal.append({"type": "decision"})
    await journal.close()
    assert judge().is_sound


async def test_a_journal_cut_below_its_checkpoint_is_not_opened(open_journal: OpenJournal, directory: Path) -> None:
    journal = open_journal()
    await journal.append({"type": "decision"})
    await journal.close()
    path = _segment(directory)
    path.write_bytes(path.read_bytes().rsplit(b"\n", 2)[0] + b"\n")
    with pytest.raises(JournalDamagedError):
        open_journal()
    path.unlink()
    with pytest.raises(JournalDamagedError):
        open_journal()


async def test_a_last_record_without_its_line_feed_is_not_dropped_if_it_was_signed(
    open_journal: OpenJournal, directory: Path
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision"})
    await journal.close()
    path = _segment(directory)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(JournalDamagedError):
        open_journal()
    assert path.read_bytes() == whole[:-1]


async def test_an_altered_tail_is_not_built_upon(open_journal: OpenJournal, directory: Path) -> None:
    journal = open_journal()
    notes = (directory / "checkpoints").read_bytes()
    for answer in ("deny", "fail", "drop"):
        await journal.append({"type": "decision", "answer": answer})
    await journal.close()
    path = _segment(directory)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"drop", b"pass", 1))
    with pytest.raises(JournalDamagedError, match="not the one that was signed"):
        open_journal()
    path.write_bytes(whole.replace(b"deny", b"pass", 1))
    (directory / "checkpoints").write_bytes(notes)
    with pytest.raises(JournalDamagedError, match="record 2, or the link to it in record 3, was altered"):
        open_journal()


async def test_a_journal_without_checkpoints_is_not_opened(open_journal: OpenJournal, directory: Path) -> None:
    await open_journal().close()
    (directory / "checkpoints").unlink()
    with pytest.raises(JournalDamagedError, match="no checkpoint"):
        open_journal()


async def test_a_checkpoint_forged_under_our_key_name_is_not_believed(
    open_journal: OpenJournal, directory: Path
) -> None:
    await open_journal().close()
    path = directory / "checkpoints"
    path.write_text(path.read_text().replace("outbox 0", "outbox 7"))
    with pytest.raises(JournalDamagedError, match="cannot be believed"):
        open_journal()


async def test_two_processes_cannot_write_one_journal(open_journal: OpenJournal) -> None:
    journal = open_journal()
    with pytest.raises(JournalBusyError):
        open_journal()
    await journal.close()
    await open_journal().close()


async def test_a_refused_opening_holds_nothing(open_journal: OpenJournal, directory: Path) -> None:
    await open_journal().close()
    notes = (directory / "checkpoints").read_bytes()
    (directory / "checkpoints").unlink()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(JournalDamagedError):
            open_journal()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    (directory / "checkpoints").write_bytes(notes)
    await open_journal().close()


async def test_files_are_private(open_journal: OpenJournal, directory: Path) -> None:
    await open_journal().close()
    assert directory.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in directory.iterdir())


# --- segments and checkpoints ---------------------------------------------------------------------------------------


async def test_segments_are_named_by_their_first_record(
    open_journal: OpenJournal, directory: Path, monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 500)
    journal = open_journal()
    for n in range(20):
        await journal.append({"type": "decision", "n": n})
    await journal.close()
    paths = sorted(directory.glob("*.jsonl"))
    assert len(paths) > 3
    for path in paths:
        assert orjson.loads(path.read_bytes().split(b"\n", 1)[0])["seq"] == int(path.stem)
    await open_journal().close()
    assert judge().is_sound


async def test_a_crash_between_two_segments_is_survived(
    open_journal: OpenJournal, directory: Path, monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 10)
    journal = open_journal()
    await journal.append({"type": "decision"})
    await journal.close()
    (directory / f"{3:020}.jsonl").touch(mode=0o600)
    assert judge().is_sound
    journal = open_journal()
    await journal.append({"type": "decision"})
    await journal.close()
    assert judge().is_sound


async def test_a_file_that_lies_where_the_next_segment_belongs_is_not_written_to(
    open_journal: OpenJournal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 10)
    journal = open_journal()
    planted = directory / f"{2:020}.jsonl"
    planted.write_text("planted\n")
    with pytest.raises(JournalDamagedError, match="there already"):
        await journal.append({"type": "decision"})
    assert planted.read_text() == "planted\n"
    await journal.close()


async def test_checkpoints_come_with_many_records_or_with_time(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, judge: Judge, clock: FrozenClock
) -> None:
    monkeypatch.setattr(writer, "_CHECKPOINT_RECORDS", 10)
    journal = open_journal()
    for n in range(10):
        await journal.append({"type": "decision", "n": n})
    await journal.append({"type": "decision"})  # the thread signs before it takes this one
    assert judge().covered == 11
    clock.advance(timedelta(seconds=11))
    await journal.append({"type": "decision"})
    await journal.append({"type": "decision"})
    assert judge().covered in {12, 13}  # the thread may have looked at the clock before or after it moved
    await journal.close()


async def test_an_idle_journal_signs_what_it_has(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    monkeypatch.setattr(service, "CHECKPOINT_S", 0.01)
    journal = open_journal()
    await journal.append({"type": "decision"})
    async with asyncio.timeout(5):
        while judge().covered < 2:  # noqa: ASYNC110  # another thread signs; nothing else tells
            await asyncio.sleep(0.005)
    await journal.close()


async def test_a_rotated_key_signs_the_next_checkpoints(
    open_journal: OpenJournal, directory: Path, signer: Signer, clock: FrozenClock, entropy: Entropy
) -> None:
    from watchword.audit import verify  # noqa: PLC0415  # only here
    from watchword.kernel import KeyId  # noqa: PLC0415  # as above
    from watchword.keys import Algorithm  # noqa: PLC0415  # as above

    new = Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
    journal = open_journal()
    journal.use_signer(new)
    await journal.append({"type": "decision"})
    await journal.close()
    keys = {key.kid: key.verification_key for key in (signer, new)}
    assert verify(directory, keys).is_sound
    assert not verify(directory, {signer.kid: signer.verification_key}).is_sound
    await Journal.open(directory, signer=new, clock=clock, keys=keys).close()


# --- disks that fail ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["one call", "write and sync"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system that writes through in one call, and one that has to write and then sync."""
    if request.param == "one call" and not hasattr(os, "RWF_DSYNC"):
        pytest.skip("this system has no write that syncs")
    monkeypatch.setattr(durable, "_WRITES_THROUGH", request.param == "one call")
    return str(request.param)


@pytest.fixture
def fail_writes(system: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:  # noqa: ARG001  # on either
    """Let the disk take so many bytes more and then none; for ever if none is said."""
    room: list[int | None] = [None]
    real = os.pwrite

    def limited(descriptor: int, data: memoryview, offset: int) -> int:
        if room[0] is None:
            return real(descriptor, data, offset)
        if room[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = real(descriptor, data[: room[0]], offset)
        room[0] -= taken
        return taken

    def limited_through(descriptor: int, data: list[memoryview], offset: int, _flags: int) -> int:
        return limited(descriptor, data[0], offset)

    def fail(*, after_bytes: int | None) -> None:
        room[0] = after_bytes
        monkeypatch.setattr("watchword.audit.durable.os.pwrite", limited)
        monkeypatch.setattr("watchword.audit.durable.os.pwritev", limited_through)

    return fail


async def test_a_kernel_that_knows_no_such_write_gets_a_write_and_a_sync(
    open_journal: OpenJournal, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def unknown(*_arguments: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def noted(descriptor: int) -> None:
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "pwritev", unknown)
    monkeypatch.setattr(os, "fdatasync", noted)
    journal = open_journal()
    synced.clear()
    await journal.append({"type": "decision", "n": 1})
    assert synced
    await journal.close()
    assert judge().is_sound


@contextmanager
def _failing_syncs() -> Iterator[None]:
    """The disk takes bytes into its cache and then fails to keep them, whichever way it is asked."""
    real = os.pwrite

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    def fail_through(descriptor: int, data: list[memoryview], offset: int, _flags: int) -> int:
        real(descriptor, data[0], offset)
        raise OSError(errno.EIO, "I/O error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        patch.setattr(os, "pwritev", fail_through)
        yield


@pytest.mark.parametrize("after_bytes", [0, 1, 60, 200])
async def test_a_full_disk_refuses_each_append_and_heals_by_itself(
    open_journal: OpenJournal, directory: Path, judge: Judge, fail_writes: Callable[..., None], after_bytes: int
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision", "n": "before"})
    for _ in range(3):
        fail_writes(after_bytes=after_bytes)
        with pytest.raises(JournalUnwritableError, match="full"):
            await journal.append({"type": "decision", "n": "refused", "filler": "x" * 300})
        assert journal.problem is not None
    fail_writes(after_bytes=None)
    assert await journal.append({"type": "decision", "n": "after"}) == 4
    assert journal.problem is None
    await journal.close()
    report = judge()
    assert report.is_sound
    assert report.torn_bytes == 0
    assert [record.fields.get("n") for record in read(directory) if record.type == "decision"] == ["before", "after"]
    notice = next(record for record in read(directory) if record.type == "journal.recovered")
    assert notice.fields["refused"] == 3


async def test_everybody_in_a_failed_group_is_refused(
    open_journal: OpenJournal, judge: Judge, fail_writes: Callable[..., None]
) -> None:
    journal = open_journal()
    fail_writes(after_bytes=2000)
    results = await asyncio.gather(
        *(journal.append({"type": "decision", "n": n}) for n in range(100)), return_exceptions=True
    )
    assert any(isinstance(result, JournalUnwritableError) for result in results)
    acknowledged = sum(isinstance(result, int) for result in results)
    fail_writes(after_bytes=None)
    await journal.append({"type": "decision"})
    await journal.close()
    assert judge().records == 1 + acknowledged + 1 + 1


async def test_a_journal_that_closes_on_a_full_disk_opens_again(
    open_journal: OpenJournal, judge: Judge, fail_writes: Callable[..., None]
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision"})
    fail_writes(after_bytes=30)
    with pytest.raises(JournalUnwritableError):
        await journal.append({"type": "decision"})
    await journal.close()
    with pytest.raises(JournalUnwritableError, match="full"):
        open_journal()
    fail_writes(after_bytes=None)
    await open_journal().close()
    assert judge().is_sound


@pytest.mark.usefixtures("system")
async def test_a_failed_sync_is_not_believed_the_second_time(
    open_journal: OpenJournal, directory: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync the kernel may call the pages clean; a second fsync then succeeds without having written."""
    journal = open_journal()
    await journal.append({"type": "decision", "n": "before"})
    size = len(_segment(directory).read_bytes().rstrip(b"\0"))
    real = os.fdatasync
    with _failing_syncs(), pytest.raises(JournalUnwritableError, match="I/O error"):
        await journal.append({"type": "decision", "n": "lost"})
    cuts: list[int] = []

    def observed(descriptor: int) -> None:
        cuts.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", observed)
    await journal.append({"type": "decision", "n": "after"})
    await journal.close()
    assert size in cuts  # cut back, and synced, before anything new was written
    assert judge().is_sound
    assert b"lost" not in _segment(directory).read_bytes()


@pytest.mark.usefixtures("system")
async def test_acknowledged_bytes_that_the_disk_lost_are_not_built_upon(
    open_journal: OpenJournal, directory: Path
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision", "n": "before"})
    with _failing_syncs(), pytest.raises(JournalUnwritableError):
        await journal.append({"type": "decision"})
    path = _segment(directory)
    with path.open("r+b") as file:
        file.seek(20)
        file.write(b"\0")
    with pytest.raises(JournalDamagedError, match="had been acknowledged"):
        await journal.append({"type": "decision"})
    await journal.close()


@pytest.mark.parametrize("act", ["remove", "replace", "cut", "extend"])
async def test_a_journal_changed_under_a_running_server_refuses(
    open_journal: OpenJournal, directory: Path, act: str
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision"})
    path = _segment(directory)
    match act:
        case "remove":
            path.unlink()
        case "replace":
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
        case "cut":
            os.truncate(path, path.stat().st_size - 10)
        case _:
            with path.open("ab") as file:
                file.write(b"x\n")
    for _ in range(2):
        with pytest.raises(JournalDamagedError):
            await journal.append({"type": "decision"})
    await journal.close()


async def test_an_unwritable_directory_is_one_clear_error(tmp_path: Path, signer: Signer, clock: FrozenClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnwritableError, match="cannot be written"):
        Journal.open(tmp_path / "file", signer=signer, clock=clock)


async def test_a_clock_that_steps_back_breaks_nothing(
    open_journal: OpenJournal, judge: Judge, clock: FrozenClock, directory: Path
) -> None:
    journal = open_journal()
    await journal.append({"type": "decision", "n": 1})
    clock.step(timedelta(days=-400))
    await journal.append({"type": "decision", "n": 2})
    await journal.close()
    assert judge().is_sound
    assert [record.fields["n"] for record in read(directory) if record.type == "decision"] == [1, 2]


async def test_identifiers_and_sets_are_recorded_plainly(
    open_journal: OpenJournal, directory: Path, clock: FrozenClock, entropy: Entropy
) -> None:
    user = UserId.new(clock.now(), entropy)
    journal = open_journal()
    await journal.append({"type": "x", "user": user, "groups": frozenset({"b", "a"}), "at": clock.now()})
    await journal.close()
    fields = orjson.loads(_lines(directory)[-1])
    assert fields["user"] == str(user)
    assert fields["groups"] == ["a", "b"]
