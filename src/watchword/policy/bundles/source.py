"""Keep the policies of signed bundles in force: verified, last-known-good, never backwards, never beyond their end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from watchword.kernel import Clock, WatchwordError
from watchword.kernel.events import Json
from watchword.policy.bundles.alarm import Alarm, Notice
from watchword.policy.bundles.apart import apart
from watchword.policy.bundles.carriers import Carrier
from watchword.policy.bundles.errors import (
    BundleError,
    BundleExpiredError,
    BundleKeptError,
    BundleKeyError,
    BundleSignatureError,
    BundleUnreachableError,
)
from watchword.policy.bundles.events import (
    BUNDLE_ACCEPTED,
    BUNDLE_EXPIRED,
    BUNDLE_EXPIRING,
    BUNDLE_REFUSED,
    BUNDLE_UNREACHABLE,
)
from watchword.policy.bundles.kept import Kept
from watchword.policy.bundles.keys import TrustedKeys
from watchword.policy.bundles.manifest import Manifest
from watchword.policy.bundles.parcel import Parcel, VerifiedBundle
from watchword.policy.bundles.verification import Memory, check_time, verify
from watchword.policy.engine import PolicySet
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.load import EMPTY

_POLL_S: Final = 30.0
# How long a start waits for the first look: longer while nothing is in force, for then nobody is served anyway.
_FIRST_LOOK_S: Final = 10.0
_NEWER_LOOK_S: Final = 2.0
_TELL_AFTER_FAILURES: Final = 3
_MOST_UNTOLD: Final = 100
_LAST_PART: Final = 4
_TRY_AGAIN_S: Final = 5.0
_MOMENT: Final = timedelta(seconds=1)
_PASSING: Final = (BundleExpiredError, BundleKeptError, BundleKeyError, BundleSignatureError, OSError)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a bundle must meet here.

    Attributes:
        name: of the bundles that are taken.
        trusted: asked anew for each bundle, because the node's own keys change.
        denies_when_expired: whether nothing is permitted once the bundle in force has reached its end; else it stays
            in force and only people are told.
    """

    name: str
    trusted: Callable[[], TrustedKeys]
    denies_when_expired: bool = True


@dataclass(frozen=True, slots=True)
class _InForce:
    """One consistent picture; replaced whole."""

    policies: PolicySet
    manifest: Manifest | None = None
    directory: Path | None = None
    signers: tuple[str, ...] = ()


_NOTHING: Final = _InForce(PolicySet(EMPTY))


class BundleSource:
    """Follow a carrier; hold the last bundle that was right. Takes the place of a `PolicySource`.

    A bundle is fetched, verified, written, parsed and compiled in a thread and put in force by one assignment, so no
    request waits and none sees half a set.

    Args:
        carrier: brings what is on offer, unverified.
        kept: what was in force before, and must not be gone back behind.
        alarm: is told of what was taken and what was refused, each once.
        load: reads and checks a directory; raises `PolicyLoadError`.
        poll_s: seconds between two looks.
    """

    def __init__(
        self,
        carrier: Carrier,
        kept: Kept,
        rules: Rules,
        clock: Clock,
        *,
        alarm: Alarm,
        load: Callable[[Path], PolicySet] = PolicySet.load,
        poll_s: float = _POLL_S,
    ) -> None:
        self._carrier = carrier
        self._kept = kept
        self._rules = rules
        self._clock = clock
        self._alarm = alarm
        self._load = load
        self._poll_s = poll_s
        self._in_force = _NOTHING
        self._good: _InForce = _NOTHING
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._looked = asyncio.Event()
        self._refused: tuple[Problem, ...] = ()
        self._ended: tuple[Problem, ...] = ()
        self._unreachable: tuple[Problem, ...] = ()
        self._failures = 0
        self._waiting: Parcel | None = None
        self._tried_at = float("-inf")
        self._untold: list[Notice] = []
        self._told: set[tuple[str, str]] = set()

    @property
    def current(self) -> PolicySet:
        """What is in force; without a bundle that may be, a set without policies, and that denies."""
        return self._in_force.policies

    @property
    def manifest(self) -> Manifest | None:
        """What the bundle in force says of itself."""
        return self._in_force.manifest

    @property
    def directory(self) -> Path | None:
        """Where the files of the bundle in force lie."""
        return self._in_force.directory

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the bundle in force and with the one on offer; empty when all is well."""
        return (*self._ended, *self._refused, *self._unreachable)

    @property
    def problem(self) -> str | None:
        """Everything that is wrong, a line each, for people; nothing when all is well."""
        return "\n".join(map(str, self.problems)) or None

    @property
    def is_well(self) -> bool:
        """Whether this node can answer: a refused bundle on offer does not hinder it."""
        return len(self.current) > 0

    async def start(self) -> None:
        """Put in force what was last in force, then look for newer; never raises, but denies and says why.

        A source that is slow to answer is not waited for longer than a moment: it is followed all the same.
        """
        async with self._turn:
            await self._resume()
        self._task = asyncio.create_task(self._watch(), name="bundle-source")
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_S if self._good is _NOTHING else _NEWER_LOOK_S):
                await self._looked.wait()

    async def stop(self) -> None:
        """End the watching; what is in force stays."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def reload(self) -> bool:
        """Look now; tell whether another set is in force afterwards."""
        async with self._turn:
            before = self.current.version
            await self._look()
            await self._watch_the_end()
            await self._tell()
            return self.current.version != before

    async def _watch(self) -> None:
        while True:
            await self.reload()
            self._looked.set()
            await asyncio.sleep(self._poll_s)

    async def _resume(self) -> None:
        """Verify what this machine kept as if it had just come; disks and keys change between two starts."""
        try:
            self._good = self._in_force = await asyncio.to_thread(self._resumed)
        except Exception as error:  # noqa: BLE001  # whatever a disk holds, the node starts and denies
            self._refuse(error, offered=None)

    def _resumed(self) -> _InForce:
        directory = self._kept.current()
        if directory is None:
            return _NOTHING
        memory = self._kept.memory()
        parcel, now = self._kept.read(memory.version), self._clock.now()
        if not self._rules.denies_when_expired:
            manifest = Manifest.from_bytes(parcel.envelope.payload)
            memory, now = replace(memory, is_expired=False), max(manifest.created, min(now, manifest.expires - _MOMENT))
        bundle = self._verified(parcel, memory, now)
        return _InForce(self._load(directory), bundle.manifest, directory)

    async def _look(self) -> None:
        parcel: Parcel | None = None
        try:
            parcel = await apart(self._carrier.fetch)
            self._failures, self._unreachable = 0, ()
            parcel = parcel or self._due()
            if parcel is not None:
                self._waiting, self._tried_at = None, self._clock.monotonic()
                fresh = await asyncio.to_thread(self._admitted, parcel)
                self._refused = ()
                self._put_in_force(fresh)
        except BundleUnreachableError as error:
            self._note_failure(error)
        except Exception as error:  # noqa: BLE001  # whatever a bundle does to its readers, the former set stays
            if isinstance(error, _PASSING):
                self._waiting = parcel
            self._refuse(error, offered=parcel)

    def _due(self) -> Parcel | None:
        """Return a bundle that was refused for something that may pass: the time, a key, the disk."""
        is_due = self._clock.monotonic() - self._tried_at >= _TRY_AGAIN_S
        return self._waiting if is_due else None

    def _admitted(self, parcel: Parcel) -> _InForce:
        found: list[VerifiedBundle] = []

        def decide(memory: Memory) -> VerifiedBundle:
            bundle = self._verified(parcel, memory, self._clock.now())
            found.append(bundle)
            return bundle

        policies, directory = self._kept.admit(decide, self._load)
        return _InForce(policies, found[0].manifest, directory, found[0].signers)

    def _verified(self, parcel: Parcel, memory: Memory, now: datetime) -> VerifiedBundle:
        return verify(parcel, trusted=self._rules.trusted(), memory=memory, name=self._rules.name, now=now)

    def _put_in_force(self, fresh: _InForce) -> None:
        former, self._good = self._good, fresh
        self._in_force = fresh
        self._ended = ()
        assert fresh.manifest is not None
        if former.manifest is None or fresh.manifest.digest != former.manifest.digest:
            self._told.clear()
            self._note(
                BUNDLE_ACCEPTED.name,
                Notice(
                    BUNDLE_ACCEPTED,
                    fresh.manifest.name,
                    {
                        "version": fresh.manifest.version,
                        "digest": fresh.manifest.digest,
                        "keys": list(fresh.signers),
                        "expires_at": fresh.manifest.expires.isoformat(),
                        "former_version": former.manifest.version if former.manifest else None,
                    },
                ),
            )

    # --- the end of what is in force ------------------------------------------------------------------------------

    async def _watch_the_end(self) -> None:
        """Look at the clock; a bundle that nobody replaces ends by itself.

        # Prevents (freeze): an attacker who only has to keep newer bundles away.
        """
        manifest = self._good.manifest
        if manifest is None:
            return
        now = self._clock.now()
        try:
            memory = await asyncio.to_thread(self._kept.memory)
            check_time(manifest, memory, now)
        except BundleExpiredError as error:
            self._ended = (_problem(error),)
            if self._rules.denies_when_expired:
                self._in_force = _NOTHING
            await self._note_end(manifest, error, is_over=manifest.expires <= now or memory.is_expired)
            return
        except WatchwordError as error:  # the memory cannot be read; the next bundle is refused and says so
            self._ended = (_problem(error),)
            return
        self._ended = ()
        self._in_force = self._good
        if (manifest.expires - now) * _LAST_PART < manifest.expires - manifest.created:
            data: dict[str, Json] = {"version": manifest.version, "expires_at": manifest.expires.isoformat()}
            self._note(manifest.digest, Notice(BUNDLE_EXPIRING, manifest.name, data))

    async def _note_end(self, manifest: Manifest, error: BundleExpiredError, *, is_over: bool) -> None:
        # Prevents: a clock that is wrong for a moment, before the bundle was made, ending it for ever.
        if not is_over:
            said: dict[str, Json] = {"reason": error.code, "detail": error.message, "version": manifest.version}
            self._note(error.message, Notice(BUNDLE_REFUSED, manifest.name, said))
            return
        data: dict[str, Json] = {
            "version": manifest.version,
            "expires_at": manifest.expires.isoformat(),
            "denies": self._rules.denies_when_expired,
        }
        self._note(manifest.digest, Notice(BUNDLE_EXPIRED, manifest.name, data))
        with suppress(WatchwordError):  # the next look tries again
            await asyncio.to_thread(self._kept.note_expired, manifest)

    # --- telling --------------------------------------------------------------------------------------------------

    def _refuse(self, error: Exception, *, offered: Parcel | None) -> None:
        code = error.code if isinstance(error, WatchwordError) else "policy.bundle_refused"
        problems = error.problems if isinstance(error, PolicyLoadError) else (_problem(error),)
        self._refused = tuple(problems)
        data: dict[str, Json] = {"reason": code, "detail": str(problems[0]), "version": _said_version(offered)}
        # The bytes on offer are part of what is told once: the same refusal of another bundle is another event.
        offer = hashlib.sha256(offered.envelope.payload).hexdigest() if offered else ""
        mark = f"{code} {offer} {problems[0]}"
        self._note(mark, Notice(BUNDLE_REFUSED, self._rules.name, data))

    def _note_failure(self, error: BundleUnreachableError) -> None:
        self._failures += 1
        self._unreachable = (_problem(error),)
        if self._failures >= _TELL_AFTER_FAILURES:
            version = self.manifest.version if self.manifest else None
            data: dict[str, Json] = {"detail": error.message, "version": version}
            self._note(error.message, Notice(BUNDLE_UNREACHABLE, self._rules.name, data))

    def _note(self, mark: str, notice: Notice) -> None:
        """Remember to tell something, once for each mark until a bundle is taken."""
        key = (notice.type.name, mark)
        if key in self._told:
            return
        # Prevents: a source that offers another wrong bundle at each look filling the memory.
        if len(self._told) < _MOST_UNTOLD * 10:
            self._told.add(key)
        if len(self._untold) < _MOST_UNTOLD:
            self._untold.append(notice)

    async def _tell(self) -> None:
        while self._untold:
            try:
                await self._alarm(self._untold[0])
            except Exception:  # noqa: BLE001  # a database that fails for a while must not end the watching
                return
            del self._untold[0]


def _problem(error: Exception) -> Problem:
    if isinstance(error, BundleError):
        return Problem("", 0, 0, f"{error.message} ({error.hint})" if error.hint else error.message)
    if isinstance(error, WatchwordError):
        return Problem("", 0, 0, error.message)
    return Problem("", 0, 0, f"the bundle cannot be used: {type(error).__name__}")


def _said_version(offered: Parcel | None) -> int | None:
    """Read which version a refused bundle claims to be; nobody vouches for it."""
    try:
        return Manifest.from_bytes(offered.envelope.payload).version if offered else None
    except BundleError:
        return None
