from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from watchword.audit import Journal, find_decision, last, read, reading, tail, writer
from watchword.kernel import DecisionId, Entropy, FrozenClock, NotFoundError

OpenJournal = Callable[[], Journal]


@pytest.fixture
async def journal(
    anyio_backend: str,  # noqa: ARG001  # for anyio
    open_journal: OpenJournal,
    monkeypatch: pytest.MonkeyPatch,
) -> Journal:
    """A journal of several files with the records 2 to 31."""
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 1500)
    found = open_journal()
    for n in range(30):
        await found.append({"type": "decision" if n % 3 else "other", "n": n})
    return found


async def test_reading_goes_from_a_record_to_the_end(journal: Journal, directory: Path) -> None:
    assert len(list(directory.glob("*.jsonl"))) > 2
    assert [record.seq for record in read(directory)] == list(range(1, 32))
    for after in (0, 1, 12, 30, 31, 99):
        assert [record.seq for record in read(directory, after=after)] == list(range(after + 1, 32))
    await journal.close()


@pytest.mark.parametrize("piece", [7, 100, 1 << 20])
async def test_the_last_records_come_from_the_end(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(reading, "_PIECE", piece)
    assert [record.seq for record in last(directory, 5)] == [27, 28, 29, 30, 31]
    assert [record.seq for record in last(directory, 99)] == list(range(1, 32))
    others = last(directory, 2, where=lambda record: record.type == "other")
    assert [record.fields["n"] for record in others] == [24, 27]
    assert last(directory, 0) == []
    await journal.close()


async def test_a_torn_last_line_is_not_read(journal: Journal, directory: Path) -> None:
    await journal.close()
    with max(directory.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"seq":32,"prev":"","type":"decision","at":"2026-11-21T12:00:00Z"}')
    assert [record.seq for record in last(directory, 1)] == [31]
    assert list(read(directory))[-1].seq == 31


async def test_a_tail_yields_what_is_written_from_now_on(journal: Journal, directory: Path) -> None:
    seen: list[int] = []

    async def follow() -> None:
        async for record in tail(directory, poll_s=0.001):
            seen.append(record.seq)
            if len(seen) == 40:
                return

    following = asyncio.create_task(follow())
    while not seen:  # the first look at the end of the file is another thread's
        await journal.append({"type": "decision"})
    for _ in range(45):
        await journal.append({"type": "decision"})
    await asyncio.wait_for(following, 10)
    assert seen == list(range(seen[0], seen[0] + 40))
    assert seen[0] > 31
    await journal.close()


@pytest.mark.parametrize("piece", [300, 1 << 20])
async def test_a_tail_can_begin_in_the_past(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(reading, "_PIECE", piece)
    seen = []
    async for record in tail(directory, after=3, poll_s=0.001):
        seen.append(record.seq)
        if record.seq == 31:
            break
    assert seen == list(range(4, 32))
    await journal.close()


async def test_a_tail_waits_for_a_journal_to_begin(directory: Path, open_journal: OpenJournal) -> None:
    directory.mkdir(mode=0o700)
    first = asyncio.create_task(anext(tail(directory, poll_s=0.001)))
    await asyncio.sleep(0)
    journal = open_journal()
    assert (await asyncio.wait_for(first, 10)).type == "journal.opened"
    await journal.close()


async def test_a_decision_is_found_by_its_reference(
    open_journal: OpenJournal,
    directory: Path,
    clock: FrozenClock,
    entropy: Entropy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 1000)
    journal = open_journal()
    made = []
    for n in range(40):
        clock.advance(timedelta(seconds=30))
        if n == 20:
            clock.step(timedelta(days=-3))  # a time server with other ideas
        decision = DecisionId.new(clock.now(), entropy)
        made.append(decision)
        await journal.append({"type": "decision", "id": decision, "n": n})
    await journal.close()
    for n, decision in enumerate(made):
        assert find_decision(directory, decision).fields["n"] == n


@pytest.mark.parametrize("piece", [50, 1 << 20])
async def test_a_reference_that_somebody_else_wrote_is_not_the_decision(
    open_journal: OpenJournal,
    directory: Path,
    clock: FrozenClock,
    entropy: Entropy,
    monkeypatch: pytest.MonkeyPatch,
    piece: int,
) -> None:
    monkeypatch.setattr(reading, "_PIECE", piece)
    wanted, absent = DecisionId.new(clock.now(), entropy), DecisionId.new(clock.now(), entropy)
    journal = open_journal()
    for decoy in (wanted, absent):
        await journal.append({"type": "decision", "id": "dec_of_somebody", "personal": {"user_agent": decoy}})
        await journal.append({"type": "note", "id": decoy})
    await journal.append({"type": "decision", "id": wanted, "answer": "deny"})
    await journal.close()
    assert find_decision(directory, wanted).fields["answer"] == "deny"
    with pytest.raises(NotFoundError):
        find_decision(directory, absent)
