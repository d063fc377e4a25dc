"""Hold every throttle of this process in memory, and store each change with the failure that caused it.

Asking costs no database; only a failure whose secret was really checked is written, and those are as rare as the
hashing pool is slow. So a flood neither fills tables nor waits on disks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from watchword.identity import events, session_store, throttle
from watchword.identity.errors import ThrottledError
from watchword.identity.handles import keyed
from watchword.identity.model import Client
from watchword.identity.throttle import Rule, ThrottleBook, wait_s
from watchword.kernel import Clock, DeviceId, Entropy, Event, UserId
from watchword.storage import Database, UnitOfWork

_PAIR_BYTES = 16
_MEMBER_BYTES = 8
_BROWSERS_PER_USER = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One counter that an attempt has to pass."""

    key: str
    rule: Rule
    member: bytes = b""


class Throttles:
    """Decide whether an attempt is looked at, and learn from its outcome.

    A browser that signed in to an account before has a counter of its own for it and passes the others by.
    Prevents: a stranger locking the owner out by guessing on purpose.
    """

    def __init__(self, database: Database, clock: Clock, entropy: Entropy, *, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._key = key
        self._book = ThrottleBook()
        self._recognised: set[bytes] = set()
        self._loading = asyncio.Lock()
        self._is_loaded = False

    def __len__(self) -> int:
        return len(self._book)

    async def load(self) -> None:
        """Read what was stored, once; a restart forgives nobody."""
        async with self._loading:
            if self._is_loaded:
                return
            async with self._database.read() as connection:
                for key, bucket in await session_store.load_throttles(connection):
                    self._book.restore(key, bucket)
                self._recognised = await session_store.load_recognised(connection)
            self._is_loaded = True

    def for_password(self, name_key: str, device_id: DeviceId | None, client: Client) -> tuple[Check, ...]:
        """Name the counters of a password attempt."""
        if self.is_recognised(name_key, device_id):
            return (Check(self._name("d", str(device_id), name_key), throttle.DEVICE),)
        member = keyed(self._key, "member", name_key)[:_MEMBER_BYTES]
        return (
            Check(self._name("a", name_key), throttle.ACCOUNT),
            Check(f"n:{client.network}", throttle.NETWORK, member),
        )

    def for_second_factor(self, user_id: UserId, name_key: str, device_id: DeviceId | None) -> tuple[Check, ...]:
        """Name the counters of an attempt with a code."""
        if self.is_recognised(name_key, device_id):
            return (Check(self._name("e", str(device_id), name_key), throttle.SECOND_FACTOR),)
        return (Check(f"s:{user_id}", throttle.SECOND_FACTOR),)

    def for_passkey(self, client: Client) -> tuple[Check, ...]:
        """Name the counters of an attempt with a passkey; nothing can be guessed, so only the network counts."""
        return (Check(f"p:{client.network}", throttle.PASSKEYS),)

    def is_recognised(self, name_key: str, device_id: DeviceId | None) -> bool:
        """Tell whether this browser signed in to this account before."""
        return device_id is not None and self._pair(name_key, device_id) in self._recognised

    @contextmanager
    def attempt(self, checks: Sequence[Check]) -> Iterator[None]:
        """Hold a place in every counter while the attempt is under way.

        Raises:
            ThrottledError: a counter says wait; nothing was looked at and nothing is written.
        """
        now = self._clock.now()
        admitted = []
        try:
            for check in checks:
                if left := self._book.admit(check.key, check.rule, now):
                    raise ThrottledError(
                        "too many attempts", retry_after_s=left, hint="wait a little, or use a passkey"
                    )
                admitted.append(check)
            yield
        finally:
            for check in admitted:
                self._book.release(check.key)

    async def failed(self, unit: UnitOfWork, checks: Sequence[Check], user_id: UserId | None, client: Client) -> None:
        """Count a failure in every counter and store it; tell when one of them begins to wait."""
        now = self._clock.now()
        for check in checks:
            bucket, suppressed = self._book.fail(check.key, check.rule, now, check.member)
            await session_store.put_throttle(unit.connection, check.key, bucket)
            if left := wait_s(bucket, check.rule, now):
                unit.emit(self._throttled_event(check.rule, left, suppressed, user_id, client, now))
        if dropped := self._book.overflow():
            await session_store.drop_throttles(unit.connection, dropped)

    async def succeeded(self, unit: UnitOfWork, checks: Sequence[Check]) -> None:
        """Forget the failures of the account; those of the network stay, so that an own account buys no guesses."""
        cleared = [check.key for check in checks if _is_personal(check.rule) and self._book.clear(check.key)]
        if cleared:
            await session_store.drop_throttles(unit.connection, cleared)

    async def remember(self, unit: UnitOfWork, user_id: UserId, name_key: str, device_id: DeviceId) -> None:
        """Recognise this browser for this account from now on; ten of them for each user, the latest."""
        pair = self._pair(name_key, device_id)
        now = self._clock.now()
        dropped = await session_store.put_recognised(unit.connection, pair, user_id, now, most=_BROWSERS_PER_USER)
        self._recognised.add(pair)
        self._recognised.difference_update(dropped)

    def _throttled_event(
        self, rule: Rule, left: int, suppressed: int, user_id: UserId | None, client: Client, now: datetime
    ) -> Event:
        return events.SIGN_IN_THROTTLED.at(
            now,
            self._entropy,
            actor="system",
            subject=user_id or "unknown",
            user=user_id or "",
            scope=rule.scope,
            wait_s=left,
            suppressed=suppressed,
            ip=client.ip,
        )

    def _name(self, kind: str, *parts: str) -> str:
        # Names that people type are not stored, not even those of nobody: they may be a password in the wrong field.
        return f"{kind}:{keyed(self._key, kind, *parts).hex()[:32]}"

    def _pair(self, name_key: str, device_id: DeviceId) -> bytes:
        return keyed(self._key, "pair", device_id, name_key)[:_PAIR_BYTES]


def _is_personal(rule: Rule) -> bool:
    return rule in (throttle.ACCOUNT, throttle.DEVICE, throttle.SECOND_FACTOR)
