"""Read the journal: all of it, its end, what is added to it, one decision.

Reading trusts nothing and checks nothing; `verify` is the judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from watchword.audit.chain import seq_of
from watchword.audit.files import ANCHOR, LONGEST_LINE, Segment, end_of_lines, lines, segments
from watchword.audit.model import Record, parse
from watchword.audit.seeking import offset_near, segment_with
from watchword.kernel import DecisionId, NotFoundError, WatchwordError

_PIECE = 1 << 20
# A clock may step back by this much without a record being missed where a time is looked for.
_SLACK = timedelta(minutes=10)
_POLL_S = 0.2


def read(directory: Path, *, after: int = 0) -> Iterator[Record]:
    """Yield records, the oldest first, from the one after a number on; what is no record is passed over."""
    files = segments(directory)
    for index, segment in enumerate(files):
        if index + 1 < len(files) and files[index + 1].first_seq <= after + 1:
            continue
        with suppress(FileNotFoundError):  # archived in the meantime
            for _, line in lines(segment.path, offset_near(segment.path, after) if after else 0):
                record = parse(line) if line.endswith(b"\n") and seq_of(line) > after else None
                if record is not None:
                    yield record


def last(directory: Path, count: int, *, where: Callable[[Record], bool] | None = None) -> list[Record]:
    """Return the newest records that `where` accepts, the oldest of them first; read from the end."""
    found: list[Record] = []
    for segment in reversed(_segments(directory)):
        with suppress(FileNotFoundError):  # as above
            for line in _lines_backwards(segment.path):
                if len(found) >= count:
                    return found[::-1]
                record = parse(line)
                if record is not None and (where is None or where(record)):
                    found.append(record)
    return found[::-1]


def first_since(directory: Path, since: datetime, *, until: int, archives: Sequence[Path] = ()) -> int:
    """Return the number of the first record of a time on, or one shortly before it.

    Times rise with the numbers, but for a clock that steps.

    Args:
        directory: of the journal.
        since: timezone-aware.
        until: number of the last record that counts; one more is the answer if all are older.
        archives: where older segments were moved to.
    """
    places = [*archives, directory]
    files = sorted((file for place in places for file in _segments(place)), key=lambda file: file.first_seq)
    low, high = (files[0].first_seq if files else until + 1), until + 1
    while low < high:
        middle = (low + high) // 2
        record = _first_from(files, middle)
        if record is None or record.at >= since - _SLACK:
            high = middle
        else:
            low = max(middle, record.seq) + 1
    return low


def _first_from(files: Sequence[Segment], seq: int) -> Record | None:
    """Return a record, or the next one in its segment if it is none."""
    segment = segment_with(files, seq)
    with suppress(FileNotFoundError):  # archived in the meantime
        for _, line in lines(segment.path, offset_near(segment.path, seq)) if segment else ():
            record = parse(line) if seq_of(line) >= seq else None
            if record is not None:
                return record
    return None


async def tail(directory: Path, *, after: int | None = None, poll_s: float = _POLL_S) -> AsyncIterator[Record]:
    """Yield records as they are written, for ever.

    Args:
        directory: of the journal.
        after: number to begin behind; none for what is written from now on.
        poll_s: seconds between looks at the file.
    """
    if after is None:
        newest = await asyncio.to_thread(last, directory, 1)
        after = newest[0].seq if newest else 0
    segment, offset = None, 0
    while True:
        before = segment, offset
        segment, offset, fresh = await asyncio.to_thread(_fresh, directory, segment, offset, after)
        for record in fresh:
            yield record
        after = fresh[-1].seq if fresh else after
        if (segment, offset) == before:
            await asyncio.sleep(poll_s)


def find_decision(directory: Path, decision_id: DecisionId) -> Record:
    """Return the whole record of a decision.

    That of a repetition holds what is its own; the rest is filled in from the decision that it repeats.

    Raises:
        NotFoundError: the journal holds no such decision.
    """
    found = _find_decision(directory, decision_id)
    repeated = found.fields.get("repeats")
    if not isinstance(repeated, str) or repeated == decision_id:
        return found
    with suppress(WatchwordError):  # what is its own stands for itself
        first = _find_decision(directory, DecisionId(repeated)).fields
        personal = {**(first.get("personal") or {}), **(found.fields.get("personal") or {})}
        return replace(found, fields={**first, **found.fields, "personal": personal})
    return found


def _find_decision(directory: Path, decision_id: DecisionId) -> Record:
    """Return the record as it stands.

    The identifier's own time says in which file to look first; because clocks step, the others follow. The bytes are
    searched, and only lines that hold the identifier are parsed.
    """
    needle = f'"{decision_id}"'.encode()
    for segment in _nearest_first(_segments(directory), decision_id.created_at):
        with suppress(FileNotFoundError):  # archived in the meantime
            for line in _lines_with(segment.path, needle):
                record = parse(line)
                # The identifier may also stand in what others wrote, such as an event or somebody's user agent.
                if record is not None and record.type == "decision" and record.fields.get("id") == decision_id:
                    return record
    begun = begins_at(directory)
    if begun is not None and decision_id.created_at < begun:
        raise NotFoundError(
            f"the decision `{decision_id}` is older than the journal, which begins at {begun:%Y-%m-%d %H:%M} UTC",
            hint="what is older was archived: look for it in the files there",
        )
    raise NotFoundError(
        f"the journal holds no decision `{decision_id}`",
        hint="check the reference; strangers who come in floods are counted, not recorded one by one",
    )


def _segments(directory: Path) -> list[Segment]:
    """Return the segments; none on a node that was never started."""
    return segments(directory) if directory.is_dir() else []


def last_line(path: Path) -> bytes:
    """Return the last whole line of a segment, without its line feed; nothing if there is none."""
    return next(_lines_backwards(path), b"")


def begins_at(directory: Path) -> datetime | None:
    """Return when the first record was written that is here and not in an archive; none if nothing was archived."""
    if not (directory / ANCHOR).exists():
        return None
    return next((record.at for record in read(directory)), None)


def _fresh(
    directory: Path, segment: Segment | None, offset: int, after: int
) -> tuple[Segment | None, int, list[Record]]:
    """Return at most a piece of records behind an offset, and where to go on."""
    files = segments(directory)
    if segment not in files:  # none yet, or it was archived in the meantime
        segment, offset = None, 0
    if segment is None:
        segment = segment_with(files, after + 1) or (files[0] if files else None)
        offset = offset_near(segment.path, after) if segment else 0
    if segment is None:
        return None, 0, []
    if segment.path.stat().st_size < offset:
        offset = 0  # a failed write was cut back behind our back
    found: list[Record] = []
    begin = offset
    for end, line in lines(segment.path, offset):
        if not line.endswith(b"\n") or end - begin > _PIECE:
            break
        offset = end
        record = parse(line) if seq_of(line) > after else None
        if record is not None:
            found.append(record)
    later = [file for file in files if file.first_seq > segment.first_seq]
    if offset == begin and later:
        return later[0], 0, found
    return segment, offset, found


def _nearest_first(files: list[Segment], at: datetime) -> list[Segment]:
    """Order segments: the last one that began before the time, then the rest by distance from it."""
    began = [_began(segment.path) for segment in files]
    likely = max((index for index, begin in enumerate(began) if begin is not None and begin <= at), default=0)
    return [files[index] for index in sorted(range(len(files)), key=lambda index: abs(index - likely))]


def _began(path: Path) -> datetime | None:
    with suppress(FileNotFoundError):
        record = parse(next(lines(path), (0, b""))[1])
        return record.at if record else None
    return None


def _lines_with(path: Path, needle: bytes) -> Iterator[bytes]:
    """Yield whole lines that hold some bytes; reads in overlapping pieces, so a shrinking file does no harm."""
    with path.open("rb") as file:
        held, has_room = b"", False
        while not has_room and (piece := file.read(_PIECE)):
            piece, room, _ = piece.partition(b"\0")
            has_room = bool(room)
            held += piece
            cut = held.rfind(b"\n") + 1
            at = held.find(needle, 0, cut)
            while at >= 0:
                begin, end = held.rfind(b"\n", 0, at) + 1, held.find(b"\n", at)
                yield held[begin:end]
                at = held.find(needle, end, cut)
            held = held[cut:] if len(held) - cut <= LONGEST_LINE else b""


def _lines_backwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        start = file.seek(end_of_lines(file))
        held = b""
        is_end = True
        while start > 0:
            length = min(_PIECE, start)
            start = file.seek(start - length)
            held = file.read(length) + held
            held, *rest = held.split(b"\n")
            if rest and is_end:
                rest.pop()  # behind the last line feed: nothing, or a torn line
                is_end = False
            yield from reversed(rest)
        if held and not is_end:
            yield held
