"""Notes and the feed of what happens to them: everything in memory, nothing outlives the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

NOTES_EACH: Final = 200
TEXT_MAX: Final = 2000
_FEED_KEPT: Final = 50
_WAITING_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Note:
    """One note; `number` counts per person."""

    number: int
    text: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the feed."""

    at: datetime
    who: str
    what: str


class Notebook:
    """Everybody's notes, each under the subject of the assertion, which nobody can choose."""

    def __init__(self) -> None:
        self._notes: defaultdict[str, deque[Note]] = defaultdict(lambda: deque(maxlen=NOTES_EACH))
        self._names: dict[str, str] = {}
        self._next = 1

    def of(self, subject: str) -> tuple[Note, ...]:
        """Return a person's notes, newest first."""
        return tuple(reversed(self._notes[subject])) if subject in self._notes else ()

    def add(self, subject: str, name: str, text: str, *, now: datetime) -> Note:
        """Write a note; the oldest of more than 200 is forgotten.

        Raises:
            ValueError: empty, or longer than 2,000 characters.
        """
        text = text.strip()
        if not text or len(text) > TEXT_MAX:
            raise ValueError("a note has 1 to 2,000 characters")
        note = Note(self._next, text, now)
        self._next += 1
        self._names[subject] = name
        self._notes[subject].append(note)
        return note

    def remove(self, subject: str, number: int) -> bool:
        """Tear out one of a person's own notes; tell whether there was one."""
        for note in self._notes.get(subject, ()):
            if note.number == number:
                self._notes[subject].remove(note)
                return True
        return False

    def writers(self) -> tuple[tuple[str, int, datetime], ...]:
        """Return name, number of notes and last writing of everybody who has notes."""
        return tuple(
            sorted(
                (self._names[subject], len(notes), notes[-1].written_at)
                for subject, notes in self._notes.items()
                if notes
            )
        )


class Feed:
    """Tell every listener what happens; one who does not keep up misses the oldest lines, nobody else waits."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Happening]] = set()
        self._recent: deque[Happening] = deque(maxlen=_FEED_KEPT)

    @property
    def recent(self) -> tuple[Happening, ...]:
        """The last happenings, newest first."""
        return tuple(reversed(self._recent))

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def publish(self, happening: Happening) -> None:
        """Tell everybody."""
        self._recent.append(happening)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(happening)

    @contextlib.contextmanager
    def listen(self) -> Iterator[asyncio.Queue[Happening]]:
        """Give a queue that fills for as long as the context lasts."""
        queue: asyncio.Queue[Happening] = asyncio.Queue(_WAITING_MAX)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
