"""Hash passwords with Argon2id off the event loop, a few at a time, and never keep anybody waiting for long.

Source: RFC 9106.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerificationError

from watchword.identity.errors import BusyError
from watchword.identity.handles import encode
from watchword.identity.settings import IdentitySettings
from watchword.kernel import Entropy

T = TypeVar("T")

_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the password was right, and a new hash when the cost has changed since it was stored."""

    is_right: bool
    rehashed: str | None = None


class PasswordHashing:
    """A small pool of threads with lower priority than the decisions beside them.

    A recognised browser may queue where a stranger is turned away, so that a flood of guesses does not shut the
    owner out.
    """

    def __init__(self, settings: IdentitySettings, entropy: Entropy) -> None:
        profile = settings.argon2
        self._argon2 = Argon2(profile.time_cost, profile.memory_kib, profile.parallelism, type=Type.ID)
        self._pool = ThreadPoolExecutor(settings.hash_workers, "watchword-hash", initializer=_be_nice)
        self._limit = settings.hash_workers + settings.hash_queue
        self._lock = threading.Lock()
        self._under_way = 0
        self._dummy_password = encode(entropy.token_bytes(32))
        self._dummy: str | None = None

    @property
    def under_way(self) -> int:
        """How many hashes are being computed or wait for a thread."""
        return self._under_way

    async def hash(self, password: str) -> str:
        """Return the encoded hash of a normalised password.

        Raises:
            BusyError: too many wait already.
        """
        return await self._run(lambda: self._argon2.hash(password), limit=self._limit * 2)

    async def verify(self, encoded: str | None, password: str | None, *, is_recognised: bool = False) -> Verdict:
        """Check a password; without a stored hash the same work is done on a dummy and the answer is no.

        Args:
            encoded: the stored hash, nothing for a user who is unknown or has no password.
            password: normalised, nothing when it cannot be anybody's.
            is_recognised: the browser signed in to this account before.

        Raises:
            BusyError: too many wait already; nothing was checked.
        """
        return await self._run(
            lambda: self._verify(encoded, password), limit=self._limit * 2 if is_recognised else self._limit
        )

    def close(self) -> None:
        """Let the threads end; what waits is given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, encoded: str | None, password: str | None) -> Verdict:
        # Prevents: learning from the time taken whether the user exists or has a password.
        known = encoded if encoded is not None and password is not None else self._dummy_hash()
        try:
            self._argon2.verify(known, password or "")
        except (VerificationError, InvalidHashError):
            return Verdict(is_right=False)
        if encoded is None or password is None:
            return Verdict(is_right=False)
        return Verdict(True, self._argon2.hash(password) if self._argon2.check_needs_rehash(encoded) else None)

    def _dummy_hash(self) -> str:
        if self._dummy is None:
            self._dummy = self._argon2.hash(self._dummy_password)
        return self._dummy

    async def prepare(self) -> None:
        """Compute the dummy hash, so that the first unknown user costs no more than the next."""
        await self._run(self._dummy_hash, limit=self._limit * 2)

    async def _run(self, work: Callable[[], T], *, limit: int) -> T:
        with self._lock:
            # Prevents: memory and latency growing with the number of guesses.
            if self._under_way >= limit:
                raise BusyError("too many people are signing in at once", hint="try again shortly")
            self._under_way += 1
        try:
            future = self._pool.submit(work)
        except RuntimeError as error:
            self._done(None)
            raise BusyError("sign-in is shutting down", hint="try again shortly") from error
        # Counted down by the work itself: a client that goes away does not free a thread that still computes.
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _future: Future[T] | None) -> None:
        with self._lock:
            self._under_way -= 1


def _be_nice() -> None:
    """Lower this thread's priority, and that of the lanes Argon2 starts from it (Linux; elsewhere nothing)."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
