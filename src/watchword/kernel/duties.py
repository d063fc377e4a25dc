"""What a door must do about an exchange beside reducing its answer: mark it, note it, tell of it, let it end in time.

Each is merged by taking all of it (marks, notes, those who are told) or the least of it (rows, spans), so the order in
which obligations meet, and meeting one twice, change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from watchword.kernel.field_paths import FieldPath

MOST_ROWS: Final = 1_000_000
LONGEST_SPAN_S: Final = 24 * 3600
_MEMBER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_ADDRESSEE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_PLACES: Final = frozenset({"header", "page"})
_PARTS: Final = frozenset({"answer", "request"})


class Mark(NamedTuple):
    """Where an answer says for whom, and by which decision, it was made.

    Attributes:
        place: `header` of every answer, end of an HTML `page`, or a `member` of a JSON object.
        name: of the member; empty elsewhere.
    """

    place: str
    name: str = ""


class Note(NamedTuple):
    """What of an exchange is recorded: how often a path leads somewhere, never to what.

    Attributes:
        part: `answer`, what was read, or `request`, what was to be changed.
    """

    part: str
    path: FieldPath


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an allow lasts.

    Attributes:
        lease_s: seconds for which it may be given again to the same request; 0 for never, nothing for no limit.
        session_s: seconds for which a stream that it let in may stay open; nothing for no limit.
    """

    lease_s: int | None = None
    session_s: int | None = None

    def within(self, other: Limits) -> Limits:
        """Return limits that keep to both."""
        return Limits(_least(self.lease_s, other.lease_s), _least(self.session_s, other.session_s))


def merged_limits(every: Iterable[Limits | None]) -> Limits:
    """Return limits that keep to all of them."""
    found = Limits()
    for each in every:
        found = found.within(each) if each is not None else found
    return found


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def check_mark(mark: Mark) -> Mark:
    """Return a mark that can be made.

    Raises:
        ValueError: it cannot; in words that can be shown.
    """
    if mark.place == "member" and not _MEMBER.fullmatch(mark.name):
        raise ValueError("the member that holds a mark is named by letters, digits, `_` and `-`")
    if mark.place != "member" and (mark.place not in _PLACES or mark.name):
        raise ValueError("an answer is marked in a header, on a page or in a member")
    return mark


def check_note(note: Note) -> Note:
    """Return a note that can be taken.

    Raises:
        ValueError: it is of no part of an exchange.
    """
    if note.part not in _PARTS:
        raise ValueError("what is recorded are fields of an answer or of a request")
    return note


def check_rows(path: FieldPath, most: int) -> int:
    """Return a limit of rows that makes sense.

    Raises:
        ValueError: it does not; in words that can be shown.
    """
    path.check_list()
    if isinstance(most, bool) or not 0 <= most <= MOST_ROWS:
        raise ValueError(f"a limit of rows lies between 0 and {MOST_ROWS}")
    return most


def check_addressee(name: str) -> str:
    """Return a name of who is told.

    Raises:
        ValueError: it is none.
    """
    if not _ADDRESSEE.fullmatch(name):
        raise ValueError("who is told is named by lower-case letters, digits, `_`, `.` and `-`")
    return name
