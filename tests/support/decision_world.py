"""A decision point in memory: the real procedure over the real rooms, with people who are one line each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from watchword.decision import (
    AccessRequest,
    Application,
    Decision,
    DecisionPoint,
    DecisionSettings,
    FactBase,
    Procedure,
    ResourceRule,
    Sources,
)
from watchword.devices import DeviceFacts, device_handle
from watchword.identity import SessionFacts, UserFacts, network_of
from watchword.kernel import (
    Acr,
    DeviceId,
    Event,
    EventId,
    FrozenClock,
    Sensitivity,
    SessionId,
    UserId,
)
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.storage import Database
from watchword.trust import (
    STATISTICAL,
    ContextSource,
    Habits,
    NetworkList,
    NetworkListing,
    NetworkLists,
    TrustSettings,
    TrustState,
    profiles,
)

KEY = b"k" * 32
HOST = "notes.localhost"
# Addresses whose country the shipped data knows, and one that no place belongs to.
LONDON, TOKYO, HOME = "81.2.69.142", "133.11.0.1", "203.0.113.7"
DEFAULT_POLICIES = DEFAULT_DIRECTORY / "policies"
PERMIT_ALL = '@id("all") permit (principal, action, resource);'

NOTES = Application(
    name="notes",
    title="Notes",
    hosts=(HOST, "notes.example.com"),
    upstream="unix:/nowhere",
    resources=(
        ResourceRule("admin", "/admin", Sensitivity.CONFIDENTIAL),
        ResourceRule("vault", "/vault", Sensitivity.RESTRICTED),
        ResourceRule("press", "/press", Sensitivity.PUBLIC),
        ResourceRule("default", "/", Sensitivity.INTERNAL),
    ),
    open_paths=(ResourceRule("open", "/healthz", Sensitivity.PUBLIC),),
    permissions=("delete", "admin"),
)


class People:
    """The directories of users, sessions and devices, as the tables would have them."""

    def __init__(self) -> None:
        self.all_users: dict[UserId, UserFacts] = {}
        self.all_sessions: dict[SessionId, SessionFacts] = {}
        self.all_devices: dict[DeviceId, DeviceFacts] = {}
        self.reads: list[str] = []

    async def users(self) -> Sequence[UserFacts]:
        self.reads.append("users")
        return list(self.all_users.values())

    async def user(self, user_id: UserId) -> UserFacts | None:
        self.reads.append(user_id)
        return self.all_users.get(user_id)

    async def sessions(self) -> Sequence[SessionFacts]:
        return [session for session in self.all_sessions.values() if session.ended_at is None]

    async def session(self, session_id: SessionId) -> SessionFacts | None:
        self.reads.append(session_id)
        return self.all_sessions.get(session_id)

    async def devices(self) -> Sequence[DeviceFacts]:
        return list(self.all_devices.values())

    async def device(self, device_id: DeviceId) -> DeviceFacts | None:
        self.reads.append(device_id)
        return self.all_devices.get(device_id)


class MemoryJournal:
    """Keeps records; refuses with whatever error it is given."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def submit(self, record: bytes, settled: Callable[[Exception | None], None]) -> None:
        if self.error is None:
            self.records.append(json.loads(record))
        settled(self.error)


class DecisionWorld:
    """One application, and short words for who asks for what from where."""

    def __init__(
        self,
        database: Database,
        clock: FrozenClock,
        entropy: Any,
        *,
        applications: Sequence[Application] = (NOTES,),
        settings: DecisionSettings | None = None,
        trust_settings: TrustSettings | None = None,
        known_obligations: frozenset[str] = frozenset(),
        learns: Collection[str] = (STATISTICAL,),
    ) -> None:
        self.database, self.clock, self.entropy = database, clock, entropy
        self.people = People()
        self.fresh_at: float | None = None
        self.facts = FactBase(
            self.people,
            self.people,
            clock,
            fresh_at=lambda: clock.monotonic() if self.fresh_at is None else self.fresh_at,
        )
        self.policies = PolicySet.load(DEFAULT_POLICIES)
        self.places = ContextSource.open()
        self.networks = NetworkLists(database)
        habits = Habits(database, clock, places="; ".join(self.places.sources), learns=learns)
        self.trust = TrustState(database, clock, self.places, habits=habits)
        self.sources = Sources(
            applications=applications,
            facts=self.facts,
            policies=lambda: self.policies,
            trust=self.trust,
            places=self.places,
            networks=self.networks,
            profiles=profiles(trust_settings),
            device_key=KEY,
            settings=settings or DecisionSettings(),
            known_obligations=known_obligations,
        )
        self.procedure = Procedure(self.sources, clock, entropy)
        self.journal = MemoryJournal()
        self.point = DecisionPoint(self.procedure, self.journal)

    def rewired(self, **changes: Any) -> Procedure:
        """Make a procedure some of whose sources are others."""
        self.sources = replace(self.sources, **changes)
        self.procedure = Procedure(self.sources, self.clock, self.entropy)
        return self.procedure

    def policy(self, text: str, directory: Path) -> None:
        """Put other policies in force."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test.cedar").write_text(text)
        self.policies = PolicySet.load(directory)

    async def person(self, name: str = "ada", *, groups: Sequence[str] = ("members",), **about: Any) -> UserFacts:
        user = UserFacts(
            **{
                "id": UserId.new(self.clock.now(), self.entropy),
                "name": name,
                "display_name": name.title(),
                "email": f"{name}@example.com",
                "timezone": "UTC",
                "groups": frozenset(groups),
                "is_administrator": "administrators" in groups,
                "is_disabled": False,
                "is_privileged": False,
            }
            | about
        )
        self.people.all_users[user.id] = user
        await self.tell("identity.user.changed", user.id)
        return user

    async def device(self, *users: UserFacts, **about: Any) -> DeviceFacts:
        now = self.clock.now()
        device = DeviceFacts(
            **{
                "id": DeviceId.new(now, self.entropy),
                "user_ids": frozenset(user.id for user in users),
                "first_seen_at": now - timedelta(days=3),
                "last_seen_at": now,
                "name": "Firefox on Linux",
            }
            | about
        )
        self.people.all_devices[device.id] = device
        await self.tell("devices.device.registered", device.id)
        return device

    async def session(
        self, user: UserFacts, device: DeviceFacts | None = None, *, ip: str = HOME, host: str = HOST, **about: Any
    ) -> Visit:
        """Sign in with two factors just now."""
        now = self.clock.now()
        handle = hashlib.sha256(self.entropy.token_bytes(32)).hexdigest()[:43]
        session = SessionFacts(
            **{
                "id": SessionId.new(now, self.entropy),
                "user_id": user.id,
                "device_id": device.id if device else None,
                "acr": Acr.MULTI_FACTOR,
                "amr": ("pwd", "otp"),
                "authenticated_at": now,
                "mfa_at": now,
                "mfa_network": network_of(ip),
                "expires_at": now + timedelta(hours=1),
                "ended_at": None,
                "ip": ip,
                "user_agent": "Mozilla/5.0",
                "handles": {hashlib.sha256(handle.encode()).digest(): host},
            }
            | about
        )
        await self.put(session)
        key = device_handle(KEY, device.id, host).reveal() if device else None
        return Visit(self, user, session, handle, key, ip, host)

    async def visit(self, **about: Any) -> Visit:
        """Make a person who has just signed in on a known device."""
        user = await self.person(**about)
        return await self.session(user, await self.device(user))

    async def put(self, session: SessionFacts) -> None:
        self.people.all_sessions[session.id] = session
        await self.tell("identity.session.started", session.id)

    async def tell(self, kind: str, subject: str, **data: Any) -> Event:
        event = self.event(kind, subject, **data)
        await self.facts.observe([event])
        return event

    def event(self, kind: str, subject: str, **data: Any) -> Event:
        now = self.clock.now()
        return Event(EventId.new(now, self.entropy), kind, now, "test", subject, data)

    async def fail_sign_ins(self, user: UserFacts, times: int = 4) -> None:
        """Make an account's failed attempts count."""
        await self.trust.observe(
            [self.event("identity.sign_in.failed", user.id, user=user.id, ip=HOME) for _ in range(times)]
        )

    async def settle_in(self, user: UserFacts, ip: str = LONDON) -> None:
        """Make a place usual for a user: two verifications with a second factor, a day apart, the last an hour ago."""
        now = self.clock.now()
        for ago in (timedelta(hours=25), timedelta(hours=1)):
            made = self.event(
                "identity.session.started", user.id, user=user.id, session="", acr=Acr.MULTI_FACTOR.value, ip=ip
            )
            await self.trust.observe([replace(made, at=now - ago)])

    async def list_network(self, kind: NetworkList, network: str, expires_at: datetime | None = None) -> None:
        listing = NetworkListing(self.database, self.clock, self.entropy)
        await listing.add(kind, network, reason="because", actor="test", expires_at=expires_at)
        await self.networks.load()


class Visit:
    """A live session and the browser it lives in."""

    def __init__(
        self,
        world: DecisionWorld,
        user: UserFacts,
        session: SessionFacts,
        handle: str,
        device_handle_: str | None,
        ip: str,
        host: str,
    ) -> None:
        self.world, self.user, self.session = world, user, session
        self.handle, self.device_handle, self.ip, self.host = handle, device_handle_, ip, host

    def request(self, path: str = "/", method: str = "GET", **about: Any) -> AccessRequest:
        return AccessRequest(
            **{
                "method": method,
                "host": self.host,
                "path": path,
                "client_ip": self.ip,
                "user_agent": "Mozilla/5.0",
                "session_handle": self.handle,
                "device_handle": self.device_handle,
            }
            | about
        )

    def asks(self, path: str = "/", method: str = "GET", **about: Any) -> Decision:
        """Ask the procedure."""
        return self.world.procedure.decide(self.request(path, method, **about))

    async def change(self, **about: Any) -> None:
        """Change the session as it is committed, and tell."""
        self.session = replace(self.session, **about)
        await self.world.put(self.session)

    async def change_user(self, **about: Any) -> None:
        self.user = replace(self.user, **about)
        self.world.people.all_users[self.user.id] = self.user
        await self.world.tell("identity.user.changed", self.user.id)


def fact(decision: Decision, name: str) -> Any:
    """Return a fact of the read-set; `LookupError` when it was not read."""
    found = [each for each in decision.facts if each.name == name]
    if not found:
        raise LookupError(name)
    return found[0]
