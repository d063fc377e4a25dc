"""What is held back of bodies, and how much of it: the bounds of the filter behind Envoy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from watchword.enforcement.bodies import MOST_BODY_BYTES, BodyRefusedError
from watchword.enforcement.envoy.reducers import Reducers

MOST_HELD_BYTES: Final = 64 * 1024 * 1024


class Room:
    """How many bytes of bodies may be held, by all exchanges together."""

    def __init__(self, most: int = MOST_HELD_BYTES) -> None:
        self._left = most

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            BodyRefusedError: there is no room. Prevents: memory filled by many bodies that are each short enough.
        """
        if size > self._left:
            raise BodyRefusedError("too much is held back already")
        self._left -= size

    def give_back(self, size: int) -> None:
        """Let go of so many bytes."""
        self._left += size


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one exchange may use.

    Attributes:
        most: bytes of the longest body that is read.
        reducers: for documents that take long.
    """

    room: Room = field(default_factory=Room)
    most: int = MOST_BODY_BYTES
    reducers: Reducers = field(default_factory=Reducers)


class Flow(Enum):
    """What becomes of a body whose head has come."""

    PASS = "pass"  # noqa: S105  # no password
    HOLD = "hold"
    DROP = "drop"


class Body:
    """One body on its way, the request's or the answer's.

    Attributes:
        flow: nothing before its head has come.
        held: what was held back of it so far.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.flow: Flow | None = None
        self.is_over = False
        self.held = bytearray()
        self._size = 0

    def hold(self, piece: bytes) -> None:
        """Hold a piece back.

        Raises:
            BodyRefusedError: there would be too much. Prevents: memory filled by an answer that never ends.
        """
        if len(self.held) + len(piece) > self._bounds.most:
            raise BodyRefusedError("the body is too large")
        self._bounds.room.take(len(piece))
        self._size += len(piece)
        self.held += piece

    def hold_instead(self, size: int) -> None:
        """Hold so many bytes instead, until they were sent.

        Raises:
            BodyRefusedError: there is no room. Prevents: memory filled by many who ask for much and read slowly.
        """
        self.let_go()
        self._bounds.room.take(size)
        self._size = size

    def let_go(self) -> None:
        """Forget what was held."""
        self._bounds.room.give_back(self._size)
        self._size = 0
        self.held = bytearray()
