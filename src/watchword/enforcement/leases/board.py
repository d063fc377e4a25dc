"""The memory in which the control plane says which leases hold, and the edge how often it used them.

One file that both processes map. A lease is a slot with the moment of its end, on the clock that never goes back. The
edge looks at it for each request, so a lease ends with one store, before the change that ended it is acknowledged:
nothing is sent, and nothing can arrive late. All leases rest while the control plane has not said for a moment that
it is alive, and from the moment it is gone: it holds a lock on the file, which the system lets go of when it dies.

A slot is eight aligned bytes, which both architectures that Envoy is built for read and write whole. The control plane
alone writes ends; each worker of the edge counts in a lane of its own, so that no count is lost between two of them.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import deque
from dataclasses import dataclass
from fcntl import F_OFD_SETLK, F_WRLCK, fcntl
from math import inf, nextafter
from pathlib import Path
from typing import Final

from watchword.enforcement.leases.errors import LeaseBoardError

SLOTS: Final = 4096
LANES: Final = 32

_MAGIC: Final = b"WWLEASE1"
_ALIVE: Final = 8
_ENDS: Final = 64
_USES: Final = _ENDS + 8 * SLOTS
_ACCOUNTED: Final = _USES + 4 * LANES * SLOTS
_NAMES: Final = _ACCOUNTED + 4 * SLOTS
_NAME_BYTES: Final = 32
_SIZE: Final = _NAMES + _NAME_BYTES * SLOTS
_NO_USES: Final = memoryview(bytes(4 * LANES)).cast("I")
_MODE: Final = 0o600
# `struct flock` of Linux on 64 bits: type, whence, start, length, process. Fewer than so many bytes are lanes.
_LOCK: Final = "hhqqi4x"
_PRESENCE: Final = 1024

# Where the edge finds things, in bytes from the start of the file.
LAYOUT: Final = {
    "magic": _MAGIC.decode(),
    "alive": _ALIVE,
    "ends": _ENDS,
    "uses": _USES,
    "size": _SIZE,
    "presence": _PRESENCE,
}


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """Uses of a lease that an earlier control plane granted and did not live to journal."""

    decision: str
    uses: int


class LeaseBoard:
    """The shared memory, as the control plane sees it.

    Attributes:
        left: what an earlier run left without an account.
    """

    def __init__(self, file: int, memory: mmap.mmap) -> None:
        self._file = file
        self._memory = memory
        whole = memoryview(memory)
        self._whole = whole
        self._alive = whole[_ALIVE : _ALIVE + 8].cast("d")
        self._ends = whole[_ENDS:_USES].cast("d")
        self._uses = whole[_USES:_ACCOUNTED].cast("I")
        self._accounted = whole[_ACCOUNTED:_NAMES].cast("I")
        self._free = deque(range(SLOTS))
        self._last = 0.0
        self.left = self._begin()

    @classmethod
    def open(cls, path: Path) -> LeaseBoard:
        """Map the board, or make it; no lease of an earlier run holds afterwards.

        The file stays the same one, because an Envoy that outlived the control plane has it mapped.

        Raises:
            LeaseBoardError: the file cannot be made, something else lies there, or another control plane has it.
        """
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            _check_size(file, path)
            fcntl(file, F_OFD_SETLK, struct.pack(_LOCK, F_WRLCK, os.SEEK_SET, _PRESENCE, 1, 0))
            # Prevents: a disk that is full later killing both processes at a page that has no block yet.
            os.posix_fallocate(file, 0, _SIZE)
            return cls(file, mmap.mmap(file, _SIZE))
        except OSError as error:
            os.close(file)
            raise _unusable(path, error) from error
        except LeaseBoardError:
            os.close(file)
            raise

    def _begin(self) -> tuple[Unaccounted, ...]:
        self._alive[0] = 0.0
        self._whole[_ENDS:_USES] = bytes(_USES - _ENDS)
        left = tuple(
            Unaccounted(name, uses)
            for slot, name in enumerate(self._names())
            if name and (uses := self.used(slot) - self._accounted[slot]) > 0
        )
        self._whole[_USES:_SIZE] = bytes(_SIZE - _USES)
        self._whole[: len(_MAGIC)] = _MAGIC
        return left

    def _names(self) -> list[str]:
        raw = bytes(self._whole[_NAMES:_SIZE])
        pieces = [raw[at : at + _NAME_BYTES].rstrip(b"\0") for at in range(0, len(raw), _NAME_BYTES)]
        return [piece.decode("ascii", "replace") for piece in pieces]

    def take(self, decision: str, ends: float) -> tuple[int, float] | None:
        """Put up a lease; return its slot and its exact end, or nothing while every slot is taken.

        Args:
            decision: whose allow it is; at most 32 ASCII characters.
            ends: moment of its end, on the monotonic clock.
        """
        if not self._free:
            return None
        slot = self._free.popleft()
        # Two leases never end at the same moment, so that a slot can never be taken for the lease that had it before.
        self._last = ends = max(ends, nextafter(self._last, inf))
        self._uses[slot * LANES : (slot + 1) * LANES] = _NO_USES
        self._accounted[slot] = 0
        at = _NAMES + _NAME_BYTES * slot
        self._whole[at : at + _NAME_BYTES] = decision.encode("ascii").ljust(_NAME_BYTES, b"\0")[:_NAME_BYTES]
        self._ends[slot] = ends
        return slot, ends

    def end(self, slot: int) -> None:
        """End a lease at once."""
        self._ends[slot] = 0.0

    def used(self, slot: int) -> int:
        """Return how often the edge used the lease of a slot so far."""
        return sum(self._uses[slot * LANES : (slot + 1) * LANES])

    def account(self, slot: int, uses: int) -> None:
        """Note that so many uses in all are in the journal."""
        self._accounted[slot] = uses

    def give_back(self, slot: int) -> None:
        """Let a slot be taken again; its lease has ended, and every use of it is accounted for."""
        self._free.append(slot)

    def live_until(self, moment: float) -> None:
        """Say until when the control plane counts as alive; 0 lets every lease rest."""
        self._alive[0] = moment

    def close(self) -> None:
        """Let every lease rest, and unmap."""
        self._alive[0] = 0.0
        for view in (self._alive, self._ends, self._uses, self._accounted, self._whole):
            view.release()
        self._memory.close()
        os.close(self._file)


def _check_size(file: int, path: Path) -> None:
    if os.fstat(file).st_size > _SIZE:
        raise LeaseBoardError(f"`{path}` is not a board of leases", hint="remove it and start again")


def _unusable(path: Path, error: OSError) -> LeaseBoardError:
    return LeaseBoardError(f"the board of leases `{path}` cannot be used: {os.strerror(error.errno or 0).lower()}")
