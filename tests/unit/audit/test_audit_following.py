from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from watchword.audit import (
    Follower,
    Journal,
    JournalDamagedError,
    Position,
    PositionError,
    Report,
    archive,
    first_since,
    following,
    read,
    seeking,
    writer,
)
from watchword.audit.files import segments
from watchword.kernel import FrozenClock
from watchword.keys import Signer

OpenJournal = Callable[[], Journal]
Follow = Callable[..., Follower]


@pytest.fixture
def open_journal(directory: Path, signer: Signer, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> OpenJournal:
    """Open the journal of this test; it is written into room, which is where a reader can go wrong."""
    monkeypatch.setattr("watchword.audit.pace.Pace.is_quick", lambda *_: True)
    monkeypatch.setattr(writer, "_QUIET_BYTES", 0)
    monkeypatch.setattr(writer, "_ROOM_BYTES", 2000)
    monkeypatch.setattr(writer, "_SPARE_BYTES", 0)
    return lambda: Journal.open(directory, signer=signer, clock=clock)


@pytest.fixture
async def journal(
    anyio_backend: str,  # noqa: ARG001  # for anyio
    open_journal: OpenJournal,
    monkeypatch: pytest.MonkeyPatch,
) -> Journal:
    """A journal of several files with the records 1 to 31, all of them signed over."""
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 1500)
    found = open_journal()
    for n in range(30):
        await found.append({"type": "decision", "n": n, "w": "x" * (n * 7 % 50)})
    found._writer.checkpoint()
    return found


@pytest.fixture
def follow(directory: Path) -> Iterator[Follow]:
    """Follow the journal of this test, or another one."""
    with ExitStack() as stack:

        def begin(
            position: Position | None = None, *, place: Path = directory, archives: Sequence[Path] = ()
        ) -> Follower:
            return stack.enter_context(Follower(place, position, archives=archives))

        yield begin


def numbers(follower: Follower) -> list[int]:
    return [int(line[7 : line.index(b",")]) for line in follower.fresh()]


def whole(directory: Path) -> bytes:
    return b"".join(segment.path.read_bytes().rstrip(b"\0") for segment in segments(directory))


@pytest.mark.parametrize("piece", [64, 1 << 20])
async def test_every_record_is_given_out_once_to_the_byte_from_wherever_one_stands(
    journal: Journal, follow: Follow, directory: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(following, "_PIECE", piece)
    monkeypatch.setattr(seeking, "_NEAR", 10)
    lines = list(follow().fresh())
    assert b"".join(lines) == whole(directory)
    for n, line in enumerate(lines, 1):
        for position in (Position(n), Position(n, hashlib.sha256(line[:-1]).hexdigest())):
            follower = follow(Position.parse(str(position)))
            assert list(follower.fresh()) == lines[n:]
            assert follower.position.seq == 31
            assert list(follower.fresh()) == []
    await journal.close()


async def test_what_no_checkpoint_covers_is_held_back_until_one_does(journal: Journal, follow: Follow) -> None:
    follower = follow()
    assert numbers(follower)[-1] == follower.covered() == 31
    await journal.append({"type": "decision"})
    assert numbers(follower) == []
    journal._writer.checkpoint()
    assert numbers(follower) == [32]
    await journal.close()


async def test_a_record_that_was_taken_back_by_the_disk_was_never_given_out(
    journal: Journal, follow: Follow, directory: Path, judge: Callable[[], Report]
) -> None:
    follower = follow()
    assert len(numbers(follower)) == 31
    last = max(directory.glob("*.jsonl"))
    journal._writer._segment.trim()  # type: ignore[union-attr]
    sound = last.read_bytes()
    # As a disk that fills up in the middle of a group leaves it, until the next attempt mends it.
    link = follower.position.digest.encode()
    last.write_bytes(sound + b'{"seq":32,"prev":"%s","type":"ghost","at":"2026-11-22T12:00:00Z"}\n' % link)
    assert [record.type for record in read(directory, after=31)] == ["ghost"]
    assert numbers(follower) == []
    last.write_bytes(sound)
    await journal.append({"type": "decision", "is_real": True})
    await journal.close()
    (real,) = follower.fresh()
    assert b'"is_real":true' in real
    assert judge().is_sound


async def test_a_follower_outlives_the_node_and_the_torn_end_that_it_left(
    journal: Journal, follow: Follow, directory: Path, open_journal: OpenJournal
) -> None:
    follower, first = follow(), follow()
    seen = numbers(follower)
    await journal.append({"type": "decision"})
    await journal.close()
    with max(directory.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"seq":33,"prev":"00' + bytes(700))
    seen += numbers(follower)
    again = open_journal()
    for _ in range(9):
        await again.append({"type": "decision"})
        again._writer.checkpoint()
        seen += numbers(follower)
    await again.close()
    assert seen == list(range(1, 43)) == numbers(first)


async def test_a_segment_that_is_archived_while_it_is_read_is_read_to_its_end(
    journal: Journal, follow: Follow, directory: Path, tmp_path: Path, signer: Signer, clock: FrozenClock
) -> None:
    shelf = tmp_path / "shelf"
    slow = follow()
    had = list(itertools.islice(slow.fresh(), 3))
    now = clock.now() + timedelta(days=99)
    moved = archive(
        directory, shelf, before=now, now=now, signer=signer, keys={signer.kid: signer.verification_key}
    ).through
    assert moved > 8
    with pytest.raises(PositionError, match=r"records \d+ to \d+ are not here"):
        had.extend(slow.fresh())
    assert b"".join(had) == shelf.joinpath(f"{1:020}.jsonl").read_bytes()

    # Who begins now has what is here, or all of it where the archive is named; who was on his way is told.
    assert numbers(follow()) == list(range(moved + 1, 32))
    assert numbers(follow(Position(moved))) == list(range(moved + 1, 32))
    assert numbers(follow(archives=[shelf])) == list(range(1, 32))
    assert numbers(follow(slow.position, archives=[shelf])) == list(range(slow.position.seq + 1, 32))
    with pytest.raises(PositionError, match="not here"):
        follow(Position(2))
    await journal.close()


@pytest.mark.parametrize("moment", ["before the last look", "between two looks", "before it is opened"])
async def test_a_segment_that_is_archived_while_it_is_looked_for_is_found_in_the_archive(
    journal: Journal,
    follow: Follow,
    directory: Path,
    tmp_path: Path,
    signer: Signer,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    shelf, now, moved = tmp_path / "shelf", clock.now() + timedelta(days=99), []
    shelf.mkdir()
    follower = follow(archives=[shelf])
    had = list(itertools.islice(follower.fresh(), 3))

    def move() -> None:
        if not moved:
            moved.append(1)
            archive(directory, shelf, before=now, now=now, signer=signer, keys={signer.kid: signer.verification_key})

    genuine_open, genuine_segments = Follower._open, segments

    def late_open(follower: Follower, *where: Any) -> None:
        if moment == "before it is opened":
            move()
        genuine_open(follower, *where)

    def late_segments(place: Path) -> Any:
        if moment == "before the last look" and place == directory:
            move()
        found = genuine_segments(place)
        if moment == "between two looks":
            move()
        return found

    monkeypatch.setattr(Follower, "_open", late_open)
    monkeypatch.setattr(following, "segments", late_segments)
    had.extend(follower.fresh())
    monkeypatch.undo()
    assert b"".join(had) == b"".join(
        path.read_bytes().rstrip(b"\0")
        for path in sorted([*shelf.glob("*.jsonl"), *directory.glob("*.jsonl")], key=lambda path: path.name)
    )
    await journal.close()


async def test_an_archive_whose_name_is_misspelt_leaves_nothing_out_in_silence(
    journal: Journal, follow: Follow, directory: Path, tmp_path: Path, signer: Signer, clock: FrozenClock
) -> None:
    misspelt, now = tmp_path / "shelv", clock.now() + timedelta(days=99)
    assert numbers(follow(archives=[misspelt])) == list(range(1, 32))  # nothing is archived yet
    archive(
        directory, tmp_path / "shelf", before=now, now=now, signer=signer, keys={signer.kid: signer.verification_key}
    )
    with pytest.raises(PositionError, match="shelv` holds no segment"):
        follow(archives=[misspelt])
    assert numbers(follow(archives=[tmp_path / "shelf"])) == list(range(1, 32))
    await journal.close()


async def test_a_position_of_another_journal_is_refused(journal: Journal, follow: Follow, tmp_path: Path) -> None:
    for position, words in ((Position(5, "0" * 64), "not the one"), (Position(32), "does not reach")):
        with pytest.raises(PositionError, match=words):
            follow(position)
    with pytest.raises(PositionError, match="does not reach"):
        follow(Position(1), place=tmp_path / "nothing")
    assert list(follow(place=tmp_path / "nothing").fresh()) == []
    for text in ("", "x", "-1", "5:", "5:zz", "1" * 30, "5:" + "0" * 63):
        with pytest.raises(PositionError, match="no position"):
            Position.parse(text)
    await journal.close()


async def test_a_journal_that_is_begun_anew_while_it_is_followed_is_noticed(
    journal: Journal, follow: Follow, directory: Path, open_journal: OpenJournal
) -> None:
    follower = follow()
    numbers(follower)
    await journal.close()
    shutil.rmtree(directory)
    again = open_journal()
    with pytest.raises(PositionError, match="does not reach"):
        numbers(follower)
    await again.close()


async def test_a_record_that_was_changed_is_not_given_out_as_a_sound_one(
    journal: Journal, follow: Follow, directory: Path
) -> None:
    await journal.close()
    second = sorted(directory.glob("*.jsonl"))[1]
    first = int(second.stem)
    before = follow(Position(first))
    second.write_bytes(second.read_bytes().replace(b'"decision"', b'"decisiom"', 1))
    follower, seen = follow(), []
    with pytest.raises(JournalDamagedError, match=f"record {first}, or the link to it"):
        seen.extend(follower.fresh())
    assert len(seen) == first  # it looks sound until the next one says otherwise
    assert numbers(before) == list(range(first + 1, 32))


async def test_records_that_end_otherwise_than_the_checkpoint_says_are_noticed(
    journal: Journal, follow: Follow, directory: Path
) -> None:
    await journal.close()
    last = max(directory.glob("*.jsonl"))
    text = last.read_bytes()
    last.write_bytes(text[: text.rindex(b"}")] + b" }\n")
    with pytest.raises(JournalDamagedError, match="not those that were signed"):
        numbers(follow())
    last.write_bytes(text[:-1])
    with pytest.raises(JournalDamagedError, match="cut off"):
        numbers(follow())
    last.unlink()
    with pytest.raises(JournalDamagedError, match="was signed and is not there"):
        numbers(follow())


async def test_a_record_is_found_without_reading_its_segment(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for near, piece in ((10, 16), (200, 64), (1 << 20, 1 << 20)):
        monkeypatch.setattr(seeking, "_NEAR", near)
        monkeypatch.setattr(seeking, "_PIECE", piece)
        for segment in segments(directory):
            begin = 0
            for n, line in enumerate(segment.path.read_bytes().rstrip(b"\0").splitlines(keepends=True)):
                assert seeking.offset_of(segment.path, segment.first_seq + n) == begin
                begin += len(line)
            assert seeking.offset_of(segment.path, segment.first_seq + n + 1) == -1
            assert seeking.offset_of(segment.path, segment.first_seq - 1) == -1
    await journal.close()


async def test_seeking_reads_a_few_lines_of_a_large_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, looked = tmp_path / "x", []
    body = b'"prev":"%s","type":"x","w":"%s"}\n' % (b"0" * 64, b"y" * 600)
    path.write_bytes(b"".join(b'{"seq":%d,%s' % (n, body) for n in range(1, 20_001)))
    genuine = seeking.seq_of
    monkeypatch.setattr(seeking, "seq_of", lambda line: looked.append(line) or genuine(line))
    line_9999 = path.read_bytes().index(b'{"seq":9999,')
    assert seeking.offset_of(path, 9999) == line_9999
    assert len(looked) < 200


async def test_garbage_in_a_segment_leads_nobody_astray(journal: Journal, directory: Path, tmp_path: Path) -> None:
    await journal.close()
    path = tmp_path / "x"
    text = b"".join(line + b"rubbish\n" for line in whole(directory).splitlines(keepends=True))
    path.write_bytes(text)
    seeking_near, seeking._NEAR = seeking._NEAR, 10
    try:
        assert seeking.offset_of(path, 7) == text.index(b'{"seq":7,')
    finally:
        seeking._NEAR = seeking_near


@pytest.mark.usefixtures("directory")
async def test_a_time_is_found_though_the_clock_stepped_back(
    open_journal: OpenJournal, directory: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 1500)
    journal, begun = open_journal(), clock.now()
    for n in range(60):
        clock.advance(timedelta(minutes=10))
        if n == 30:
            clock.step(timedelta(minutes=-5))
        await journal.append({"type": "decision", "n": n})
    await journal.close()
    records = list(read(directory))
    for hour in range(11):
        since = begun + timedelta(hours=hour)
        found = first_since(directory, since, until=61)
        first = next((record.seq for record in records if record.at >= since), 62)
        assert first - 3 <= found <= first
    assert first_since(directory.parent / "none", begun, until=0) == 1
