"""Grant leases for what is asked again and again, end them with the first fact that changes, account for their use.

A lease covers the very same request only: same method, host, path and query, address, agent and cookies. So each thing
that anybody was let in to has a decision of its own in the journal before its first answer, and only how often it was
asked for again is told afterwards, once a second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from watchword.decision import Decision, Lasting
from watchword.enforcement.leases.board import LeaseBoard, Unaccounted
from watchword.kernel import Clock, Event

LEASE_HEADER: Final = "watchword-lease"
LONGEST_S: Final = 30.0
# What of a request may change the answer to it, and what the application is told because of it: the pseudo headers
# and headers that a door reads on its way to an allow. The edge compares them byte for byte.
LEASED_BY: Final = (
    ":method",
    ":authority",
    ":path",
    "x-watchword-client-ip",
    "x-watchword-application",
    "user-agent",
    "cookie",
    "authorization",
    "dpop",
    "upgrade",
    "x-watchword-stream",
)
# None of these may be there: what they ask for outlives a lease, or is good for once.
_NEVER: Final = (b"dpop", b"upgrade", b"x-watchword-stream")
_METHODS: Final = frozenset({"GET", "HEAD"})
_TO_REMOVE: Final = b"x-envoy-auth-headers-to-remove"
_SHORTEST_S: Final = 0.5
_LONGEST_TEXT: Final = 8 * 1024
_MOST_ASKED: Final = 8192
_MOST_OF_SESSION: Final = 256
# How long the edge goes on without a word from us, and how often it gets one.
_ALIVE_S: Final = 0.5
_TICK_S: Final = 0.1
_TICKS_TO_ACCOUNT: Final = 10

_REST_S: Final = 1.0
_CLOSE_WITHIN_S: Final = 2.0
_HEADER: Final = LEASE_HEADER.encode()

Header = tuple[bytes, bytes]


class Point(Protocol):
    """The decision point, as far as leases need it."""

    def lasting(self, decision: Decision) -> Lasting | None:
        """Tell how long an allow lasts; nothing where it may not be leased."""
        ...

    def account(self, decision: Decision, uses: int, told: Callable[[Exception | None], None]) -> None:
        """Journal that the edge gave a leased allow so many times more, and say once whether that was possible."""
        ...

    def account_left(self, decision: str, uses: int, now: datetime, told: Callable[[Exception | None], None]) -> None:
        """Journal what an earlier run did not live to account for."""
        ...


@dataclass(slots=True, eq=False)
class _Lease:
    """A lease on the board.

    Attributes:
        decision: the one that granted it.
        ends: moment of its end; once it is over, moment at which it was.
        told: uses that are in the journal.
        is_telling: more of them are on their way there.
    """

    slot: int
    decision: Decision
    lasting: Lasting
    ends: float
    told: int = 0
    is_over: bool = False
    is_telling: bool = False


class LeaseDesk:
    """Say to the edge which allows it may give again by itself.

    Args:
        lease_s: the longest a lease lasts.
        is_well: tells whether decisions could be made and journaled now; while not, every lease rests.
    """

    def __init__(
        self, board: LeaseBoard, point: Point, clock: Clock, *, lease_s: float, is_well: Callable[[], bool]
    ) -> None:
        self._board = board
        self._point = point
        self._clock = clock
        self._lease_s = lease_s
        self._is_well = is_well
        self._leases: dict[int, _Lease] = {}
        self._of_session: Counter[str] = Counter()
        self._left = board.left
        self._asked: set[int] = set()
        self._asked_before: set[int] = set()
        self._turn_at = 0.0
        self._is_refused = False
        self._telling = 0
        self._told = asyncio.Event()

    def __len__(self) -> int:
        return sum(not lease.is_over for lease in self._leases.values())

    def offer(
        self, decision: Decision, *, method: str, target: str, headers: Mapping[bytes, bytes], told: Sequence[Header]
    ) -> Header | None:
        """Return the header that grants a lease, or nothing.

        Only what was asked for before within the last moments is leased, so that what is asked for once costs nothing.

        Args:
            decision: an allow.
            target: path and query as the edge sent them.
            headers: of the request, by lower-case name.
            told: the headers of the answer, which the application is to get again.
        """
        if decision.repeats is None or method not in _METHODS or self._is_refused:
            return None
        host = headers.get(b"host", b"")
        # Prevents: thousands of long addresses, each asked for once, filling the memory of those that are remembered.
        asked = hash((decision.repeats, method, host, target))
        if asked not in self._asked and asked not in self._asked_before:
            if len(self._asked) < _MOST_ASKED:
                self._asked.add(asked)
            return None
        if any(name in headers for name in _NEVER):
            return None
        lasting = self._point.lasting(decision)
        if lasting is None:
            return None
        return self._grant(decision, lasting, [*_request(method, host, target, headers), *_changes(told)])

    def _grant(self, decision: Decision, lasting: Lasting, texts: Sequence[str]) -> Header | None:
        lasts_s = min(lasting.remaining_s(), self._lease_s)
        # Prevents: a request whose parts run into one another, so that two different ones look the same to the edge.
        is_plain = all(text.isascii() and text.isprintable() for text in texts)
        if not is_plain or lasts_s < _SHORTEST_S or sum(map(len, texts)) > _LONGEST_TEXT:
            return None
        session = _session_of(decision)
        # Prevents: one visitor with thousands of addresses taking the slots of everybody.
        if self._of_session[session] >= _MOST_OF_SESSION:
            return None
        taken = self._board.take(decision.id, self._clock.monotonic() + lasts_s)
        if taken is None:
            return None
        slot, ends = taken
        self._leases[slot] = _Lease(slot, decision, lasting, ends)
        self._of_session[session] += 1
        return _HEADER, "\t".join([str(slot), repr(ends), *texts, "."]).encode()

    def verify(self) -> None:
        """End every lease whose allow would not be given again now."""
        moment = self._clock.monotonic()
        held: dict[Lasting, bool] = {}
        for lease in self._leases.values():
            if lease.is_over:
                continue
            holds = held.get(lease.lasting)
            if holds is None:
                holds = held[lease.lasting] = lease.lasting.holds()
            if not holds or moment >= lease.ends:
                self._end(lease, moment)

    async def observe(self, _events: Sequence[Event]) -> None:
        """Look at every lease after facts changed."""
        self.verify()

    def end_all(self) -> None:
        """End every lease at once."""
        moment = self._clock.monotonic()
        for lease in self._leases.values():
            if not lease.is_over:
                self._end(lease, moment)

    def _end(self, lease: _Lease, moment: float) -> None:
        self._board.end(lease.slot)
        lease.is_over, lease.ends = True, moment

    async def run(self) -> None:
        """Say that we are alive, look at the leases, account for them; until cancelled."""
        while True:
            for _ in range(_TICKS_TO_ACCOUNT):
                self.tick()
                await asyncio.sleep(_TICK_S)
            self.account()

    def tick(self) -> None:
        """Look at every lease, and let them go on for a moment if all is well."""
        moment = self._clock.monotonic()
        self.verify()
        self._board.live_until(moment + _ALIVE_S if self._is_well() and not self._is_refused else 0.0)
        if moment >= self._turn_at:
            self._asked, self._asked_before = set(), self._asked
            self._turn_at = moment + self._lease_s

    def account(self) -> None:
        """Journal what was used since the last time, and let go of leases that are over."""
        self.account_left()
        moment = self._clock.monotonic()
        for lease in tuple(self._leases.values()):
            # Prevents: a slot that another lease has when the journal answers, and uses told twice or never.
            if lease.is_telling:
                continue
            uses = self._board.used(lease.slot)
            if uses > lease.told:
                self._tell(lease, uses)
            # A worker of the edge may be between its look at the slot and its count; after a while it is not.
            elif lease.is_over and moment >= lease.ends + _REST_S:
                del self._leases[lease.slot]
                self._board.give_back(lease.slot)
                session = _session_of(lease.decision)
                self._of_session[session] -= 1
                if not self._of_session[session]:
                    del self._of_session[session]

    def account_left(self) -> None:
        """Journal what an earlier run of this node did not; again, where the journal refused."""
        left, self._left = self._left, ()
        for each in left:
            self._tell_left(each)

    def _tell_left(self, left: Unaccounted) -> None:
        self._telling += 1

        def told(error: Exception | None) -> None:
            if error is not None:
                self._left += (left,)
            self._note_told(error)

        self._point.account_left(left.decision, left.uses, self._clock.now(), told)

    def _tell(self, lease: _Lease, uses: int) -> None:
        lease.is_telling = True
        self._telling += 1

        def told(error: Exception | None) -> None:
            lease.is_telling = False
            if error is None:
                lease.told = uses
                self._board.account(lease.slot, uses)
            self._note_told(error)

        self._point.account(lease.decision, uses - lease.told, told)

    def _note_told(self, error: Exception | None) -> None:
        # Prevents: an edge that goes on letting in while the journal cannot say so.
        self._is_refused = error is not None
        if error is not None:
            self.end_all()
        self._telling -= 1
        if not self._telling:
            self._told.set()

    async def close(self) -> None:
        """End every lease, account for all of them, and let go of the board."""
        self.end_all()
        self._told.clear()
        self.account()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S if self._telling else 0):
                await self._told.wait()
        self._board.close()


def _session_of(decision: Decision) -> str:
    return decision.session.id if decision.session is not None else ""


def _request(method: str, host: bytes, target: str, headers: Mapping[bytes, bytes]) -> list[str]:
    known = {":method": method, ":authority": host.decode("latin-1"), ":path": target}
    return [known[name] if name in known else headers.get(name.encode(), b"").decode("latin-1") for name in LEASED_BY]


def _changes(told: Sequence[Header]) -> Iterator[str]:
    """Yield what the edge does to the request, in pairs: a name, and `=` with its value or nothing to remove it."""
    for name, value in told:
        if name == _TO_REMOVE:
            yield from (value.decode("latin-1"), "")
        else:
            yield from (name.decode("latin-1"), "=" + value.decode("latin-1"))
