"""Every fact a decision reads, in memory: loaded at start, kept fresh by committed events."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from watchword.devices import DeviceFacts
from watchword.identity import SessionFacts, UserFacts
from watchword.kernel import Clock, DeviceId, Event, SessionId, UserId

# Ended sessions are kept this long so that their owner is told "ended" rather than "unknown".
_REMEMBER_ENDED = timedelta(hours=1)
_PRUNE_EVERY = 1000


class Directory(Protocol):
    """Read users and sessions as they are committed."""

    async def users(self) -> Sequence[UserFacts]:
        """Return every user."""
        ...

    async def user(self, user_id: UserId) -> UserFacts | None:
        """Return one user, or nothing if deleted."""
        ...

    async def sessions(self) -> Sequence[SessionFacts]:
        """Return every live session."""
        ...

    async def session(self, session_id: SessionId) -> SessionFacts | None:
        """Return one session, ended or not."""
        ...


class DeviceDirectory(Protocol):
    """Read devices as they are committed."""

    async def devices(self) -> Sequence[DeviceFacts]:
        """Return every device."""
        ...

    async def device(self, device_id: DeviceId) -> DeviceFacts | None:
        """Return one device, or nothing if forgotten."""
        ...


class FactBase:
    """The picture of the world that decisions are made from.

    Reading is synchronous and never leaves memory. Writing happens in `observe`, which re-reads what an event names,
    so that delivering an event twice does no harm.

    Attributes:
        version: counts the changes it has followed since it was loaded.
    """

    def __init__(
        self, directory: Directory, devices: DeviceDirectory, clock: Clock, *, fresh_at: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._device_directory = devices
        self._clock = clock
        self._fresh_at = fresh_at
        self._users: dict[UserId, UserFacts] = {}
        self._sessions: dict[SessionId, SessionFacts] = {}
        self._devices: dict[DeviceId, DeviceFacts] = {}
        self._handles: dict[bytes, tuple[SessionFacts, str]] = {}
        self.version = 0

    async def load(self) -> None:
        """Read everything; until this returns, every decision denies for want of facts."""
        self._users = {user.id: user for user in await self._directory.users()}
        self._devices = {device.id: device for device in await self._device_directory.devices()}
        for session in await self._directory.sessions():
            self._put_session(session)

    def age_s(self) -> float:
        """Return how old the picture may be, in seconds; infinite before the first round of the relay."""
        return self._clock.monotonic() - self._fresh_at()

    def session_by_handle(self, handle: str) -> tuple[SessionFacts, str] | None:
        """Return the session that a handle opens, and the host the handle is good on.

        Only the hash of a handle is kept, so a copy of this memory or of the database opens nothing.
        """
        return self._handles.get(hashlib.sha256(handle.encode()).digest())

    def session(self, session_id: SessionId) -> SessionFacts | None:
        """Return a session by its identifier."""
        return self._sessions.get(session_id)

    def user(self, user_id: UserId) -> UserFacts | None:
        """Return a user."""
        return self._users.get(user_id)

    def users(self) -> Iterable[UserFacts]:
        """Return every user, for searches; take them all before anything else may run."""
        return self._users.values()

    def device(self, device_id: DeviceId) -> DeviceFacts | None:
        """Return a device."""
        return self._devices.get(device_id)

    def counts(self) -> dict[str, int]:
        """Return how much is known, for readiness and metrics."""
        return {"users": len(self._users), "sessions": len(self._sessions), "devices": len(self._devices)}

    async def observe(self, events: Sequence[Event]) -> None:
        """Follow committed events: re-read each thing they name, once."""
        for room, read in self._readers.items():
            for subject in dict.fromkeys(event.subject for event in events if event.type.startswith(room)):
                await read(self, subject)
        self.version += len(events)
        if self.version % _PRUNE_EVERY < len(events):
            self._prune()

    async def _read_user(self, subject: str) -> None:
        user_id = UserId(subject)
        user = await self._directory.user(user_id)
        if user is None:
            self._users.pop(user_id, None)
        else:
            self._users[user_id] = user

    async def _read_session(self, subject: str) -> None:
        session_id = SessionId(subject)
        session = await self._directory.session(session_id)
        if session is None:
            self._forget_session(session_id)
        else:
            self._put_session(session)

    async def _read_device(self, subject: str) -> None:
        device_id = DeviceId(subject)
        device = await self._device_directory.device(device_id)
        if device is None:
            self._devices.pop(device_id, None)
        else:
            self._devices[device_id] = device

    async def _read_group(self, _subject: str) -> None:
        # A group that was renamed or deleted touches any number of users; it is rare, so read them all.
        self._users = {user.id: user for user in await self._directory.users()}

    _readers: dict[str, Callable[[FactBase, str], Awaitable[None]]] = {  # noqa: RUF012  # a constant table of the class
        "identity.user.": _read_user,
        "identity.group.": _read_group,
        "identity.session.": _read_session,
        "devices.": _read_device,
    }

    def _put_session(self, session: SessionFacts) -> None:
        known = self._sessions.get(session.id)
        if session.ended_at is not None and known is not None:
            # Its handles are gone from the tables; here they still say "ended", and open nothing.
            session = replace(session, handles=known.handles)
        self._forget_session(session.id)
        self._sessions[session.id] = session
        for digest, host in session.handles.items():
            self._handles[digest] = session, host

    def _forget_session(self, session_id: SessionId) -> None:
        known = self._sessions.pop(session_id, None)
        if known is not None:
            for digest in known.handles:
                self._handles.pop(digest, None)

    def _prune(self) -> None:
        before = self._clock.now() - _REMEMBER_ENDED
        for session in [s for s in self._sessions.values() if s.expires_at < before]:
            self._forget_session(session.id)
