"""The console over real identity, devices and facts on one database; the rest is plain and can be told what to say."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, ClassVar
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
from identity_world import CHEAP, HOME, PASSWORD, World
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from watchword.app.policy_adapters import RelationAdapter
from watchword.bus import Bus
from watchword.console import (
    AuthzenOverview,
    ConsoleSettings,
    JournalOverview,
    PolicyFile,
    PolicyOverview,
    PublishedApplication,
    Services,
    Tally,
    Verdict,
    Verification,
    WatchingPolicies,
    create_console,
    pages,
)
from watchword.decision import FactBase
from watchword.devices import DeviceReader, Devices
from watchword.identity import Client, Identity, IdentitySettings, SessionFacts, UserFacts
from watchword.kernel import Answer, Clock, DecisionId, DeviceId, Event, Reason, RiskLevel
from watchword.keys import MasterKey, Sealer
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.policy.relations import RelationModel, read_tuple
from watchword.policy.relations.keeping import Relations, RelationTuples
from watchword.policy.telling import Recollection, recollect
from watchword.storage import Database, OutboxRelay


class Compiled(BytecodeCache):
    """Templates as they were compiled for an earlier test: each world has pages of its own."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key + bucket.checksum in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key + bucket.checksum])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


pages.Environment = partial(pages.Environment, bytecode_cache=Compiled())  # type: ignore[misc,assignment]  # tests alone

NOTES_HOST = "notes.localhost"
LOW = Verdict(Answer.ALLOW, 0, 60, RiskLevel.LOW)


class Risk:
    """Says what it was told to."""

    def __init__(self) -> None:
        self.at_sign_in = LOW
        self.in_session = LOW
        self.asked: list[tuple[str, bool]] = []

    async def assess_sign_in(
        self, user: UserFacts, client: Client, *, device_id: DeviceId | None, is_multi_factor: bool
    ) -> Verdict:
        del client, device_id
        self.asked.append((user.name, is_multi_factor))
        return self.at_sign_in

    async def assess_session(self, session: SessionFacts, client: Client) -> Verdict:
        del session, client
        return self.in_session


class Applications:
    """One application, notes, unless told otherwise."""

    def __init__(self, port: int | None) -> None:
        suffix = f":{port}" if port else ""
        self.listed = [PublishedApplication("notes", "Notes", (f"https://{NOTES_HOST}{suffix}",))]
        self.answer = (Answer.ALLOW, Reason.POLICY_PERMITS)

    def published(self) -> Sequence[PublishedApplication]:
        return self.listed

    async def outlook(self, name: str, session: SessionFacts, client: Client) -> tuple[Answer, Reason]:
        del name, session, client
        return self.answer


class Decisions:
    """Journal records in a list; new ones are pushed to whoever follows."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.tally = Tally()
        self.readers: list[asyncio.Queue[Mapping[str, Any]]] = []

    def push(self, record: Mapping[str, Any]) -> None:
        self.records.insert(0, record)
        with suppress(ValueError):
            self.tally.note(datetime.fromisoformat(str(record["at"])), Answer(record["answer"]))
        for reader in self.readers:
            reader.put_nowait(record)

    def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        return self.records[:limit]

    def last_hour(self, now: datetime) -> Sequence[Mapping[Answer, int]]:
        return self.tally.last_hour(now)

    async def find(self, decision_id: DecisionId) -> Mapping[str, Any] | None:
        return next((record for record in self.records if record["id"] == decision_id), None)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
        queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.readers.append(queue)
        try:
            yield _drain(queue)
        finally:
            self.readers.remove(queue)


async def _drain(queue: asyncio.Queue[Mapping[str, Any]]) -> AsyncIterator[Mapping[str, Any]]:
    while True:
        yield await queue.get()


POLICY = """@id("members-read-notes")
@reason("Members of staff may read notes.")
permit (
  principal in Watchword::Group::"staff",
  action == Watchword::Action::"read",
  resource in Watchword::Application::"notes"
);

@id("fresh-factor-to-delete")
@reason("Deleting asks for a second factor that is newer than 15 minutes.")
@step_up("mfa") @max_age("15m")
forbid (principal, action == Watchword::Action::"delete", resource)
unless { context.mfa has age_min && context.mfa.age_min < 15 };
"""


class Policies:
    """One file in force."""

    def __init__(self, clock: Clock) -> None:
        self.files = (PolicyFile("notes.cedar", POLICY, (("members-read-notes", 1), ("fresh-factor-to-delete", 9))),)
        self.problem: str | None = None
        self.watching: tuple[WatchingPolicies, ...] = ()
        self._loaded_at = clock.now()

    def overview(self) -> PolicyOverview:
        return PolicyOverview("sha256:5e0c7a1f", self._loaded_at, self.files, self.problem, self.watching)

    def recollect(self, record: Mapping[str, Any]) -> Recollection | None:
        return recollect(self.shipped, record)

    @cached_property
    def shipped(self) -> PolicySet:
        return PolicySet.load(DEFAULT_DIRECTORY / "policies")


class Audit:
    """A journal that verifies as far as it was told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.run: Verification | None = None
        self.started = 0

    def overview(self) -> JournalOverview:
        return JournalOverview(1284, self._clock.now(), "key_01jd0000000000000000000000")

    def start_verification(self) -> None:
        self.started += 1
        self.run = Verification(self._clock.now(), 512, 1284)

    def verification(self) -> Verification | None:
        return self.run


class Places:
    """Every address is in one town."""

    def describe(self, ip: str) -> str:
        return "" if ip.startswith("127.") else "Zürich, Switzerland"


class Keys:
    """A key set without a key."""

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": []}


class Authzen:
    """The API as it was told to be."""

    def __init__(self) -> None:
        self.shown = AuthzenOverview(is_on=False, address="")

    def overview(self) -> AuthzenOverview:
        return self.shown


class Health:
    """Well, until told otherwise."""

    def __init__(self) -> None:
        self.well: dict[str, bool] = {"database": True, "journal": True, "policies": True, "facts": True}

    async def parts(self) -> Mapping[str, bool]:
        return self.well


class MemoryJournal:
    """Proves nothing; remembers how far it got."""

    def __init__(self) -> None:
        self.outbox_position = 0
        self.events: list[Event] = []

    async def append_events(self, events: Sequence[tuple[int, Event]]) -> None:
        self.events += [event for _, event in events]
        self.outbox_position = events[-1][0]


@dataclass
class ConsoleWorld(World):
    """The console and everything it stands on."""

    app: Any = None
    services: Any = None
    facts: Any = None
    risk: Risk = field(default_factory=Risk)
    applications: Any = None
    decisions: Decisions = field(default_factory=Decisions)
    policies: Any = None
    audit: Any = None
    health: Health = field(default_factory=Health)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    settings: Any = None
    settled: Any = None
    authzen: Authzen = field(default_factory=Authzen)
    relations: Any = None
    tuples: Any = None
    model: RelationModel | None = None

    async def relate(self, *words: str) -> None:
        """Write tuples, each as `user relation object`, and let the facts follow."""
        assert self.model is not None
        found = [read_tuple(object_, relation, user) for user, relation, object_ in map(str.split, words)]
        await self.tuples.write(found, model=self.model, actor="tests")
        await self.settled()

    @property
    def portal(self) -> str:
        return str(self.settings.portal_origin)

    @property
    def notes(self) -> str:
        return str(self.applications.listed[0].origins[0])

    def browser(self, ip: str = HOME.ip) -> Browser:
        """Open a browser with nothing in it."""
        return Browser(self, ip)

    async def administrator(self, name: str = "root") -> tuple[Browser, UserFacts]:
        """Make an administrator with an authenticator app and sign them in with it."""
        user = await self.person(name, groups=["administrators"])
        browser = self.browser()
        await browser.sign_in(name)
        session = (await self.identity.sessions.list_for(user.id))[0]
        enrolment = await self.with_totp(session)
        await browser.step_up(self.code(enrolment))
        self.step()
        return browser, user


async def open_world(
    database: Database, clock: Any, entropy: Any, *, port: int | None = 8443, argon2: Any = CHEAP
) -> ConsoleWorld:
    """Put the console together on a database that has its tables."""
    suffix = f":{port}" if port else ""
    origin = f"https://watchword.localhost{suffix}"
    sealer = Sealer(MasterKey(b"\x11" * 32), entropy)
    identity = Identity.open(
        database, clock, entropy, sealer=sealer, settings=IdentitySettings(portal_origin=origin, argon2=argon2)
    )
    bus, journal, reader = Bus(), MemoryJournal(), DeviceReader(database)
    relay = OutboxRelay(database, bus, journal, clock)
    facts = FactBase(identity.reader, reader, clock, fresh_at=lambda: relay.fresh_at)
    await relay.start_at_end()
    await facts.load()
    bus.subscribe(facts.observe)
    world = ConsoleWorld(
        identity=identity,
        database=database,
        clock=clock,
        entropy=entropy,
        sealer=sealer,
        facts=facts,
        journal=journal,
        applications=Applications(port),
        policies=Policies(clock),
        audit=Audit(clock),
        settings=ConsoleSettings(portal_origin=origin),
        settled=relay.catch_up,
    )
    world.relations, world.tuples = Relations(database), RelationTuples(database, clock, entropy)
    bus.subscribe(world.relations.observe)
    world.services = Services(
        clock=clock,
        csrf_key=sealer.derive("console.csrf"),
        identity=identity,
        devices=Devices(database, clock, entropy, key=sealer.derive("devices.handle"), host="watchword.localhost"),
        device_reader=reader,
        visitors=facts,
        risk=world.risk,
        applications=world.applications,
        decisions=world.decisions,
        policies=world.policies,
        audit=world.audit,
        places=Places(),
        keys=Keys(),
        health=world.health,
        settled=relay.catch_up,
        authzen=world.authzen,
        relations=RelationAdapter(lambda: world.relations.view(world.model), world.tuples, facts),
    )
    world.app = create_console(world.services, world.settings, entropy=entropy)
    return world


@dataclass
class Shown:
    """An answer as a browser shows it."""

    response: httpx2.Response

    @property
    def status(self) -> int:
        return int(self.response.status_code)

    @property
    def text(self) -> str:
        return str(self.response.text)

    @property
    def location(self) -> str:
        return str(self.response.headers.get("location", ""))

    @property
    def title(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        return found[1] if found else ""

    @property
    def passkey_options(self) -> dict[str, Any]:
        """What the passkey script would hand to the browser."""
        found = re.search(r'data-options="([^"]+)"', self.text)
        assert found is not None
        options: dict[str, Any] = json.loads(html.unescape(found[1]))
        return options

    def header(self, name: str) -> str:
        return str(self.response.headers.get(name, ""))


class Browser:
    """Keeps cookies by host, sends what browsers send, and can be told to send something else."""

    def __init__(self, world: ConsoleWorld, ip: str) -> None:
        self.world = world
        self.ip = ip
        self.jar: dict[str, dict[str, str]] = {}
        self.user_agent = HOME.user_agent
        self.page: Shown | None = None
        self._token = ""

    def cookies(self, host: str = "watchword.localhost") -> dict[str, str]:
        return self.jar.setdefault(host, {})

    async def get(self, path: str = "/", **changes: Any) -> Shown:
        """Open an address; on the portal unless it is absolute."""
        return await self.request("GET", path, **changes)

    async def post(self, path: str, fields: Mapping[str, Any] | None = None, **changes: Any) -> Shown:
        """Send a form with the token of the page that is open."""
        shown = (self.page.csrf if self.page else "") or self._token
        token = {"csrf": shown} if shown else {}
        body = urlencode({**token, **(fields or {})}, doseq=True).encode()
        return await self.request("POST", path, body=body, **changes)

    async def submit(self, path: str, fields: Mapping[str, Any] | None = None) -> Shown:
        """Send a form and follow where it leads."""
        return await self.follow(await self.post(path, fields))

    async def follow(self, shown: Shown) -> Shown:
        """Follow redirections as long as they stay with us."""
        for _ in range(10):
            if shown.status not in {302, 303}:
                return shown
            shown = await self.get(urljoin(str(shown.response.request.url), shown.location))
        raise AssertionError("redirected for ever")

    async def visit(self, path: str = "/") -> Shown:
        """Open an address and follow where it leads."""
        return await self.follow(await self.get(path))

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str | None] | None = None,
    ) -> Shown:
        """Send one request.

        Args:
            method: as given.
            path: on the portal unless absolute.
            body: as given.
            headers: over the usual ones; nothing drops one.
        """
        url = urljoin(self.world.portal, path)
        parts = urlsplit(url)
        sent: dict[str, str | None] = {
            "host": parts.netloc,
            "user-agent": self.user_agent,
            "x-watchword-client-ip": self.ip,
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies(parts.hostname or "").items())
            or None,
        }
        if method == "POST":
            sent |= {
                "origin": f"https://{parts.netloc}",
                "sec-fetch-site": "same-origin",
                "content-type": "application/x-www-form-urlencoded",
            }
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        given = {name: value for name, value in sent.items() if value is not None}
        transport = httpx2.ASGITransport(app=self.world.app)
        async with httpx2.AsyncClient(transport=transport) as client:
            response = await client.request(method, url, content=body, headers=given)
        shown = Shown(response)
        self._keep(parts.hostname or "", response)
        if response.headers.get("content-type", "").startswith("text/html"):
            self.page = shown
            # A page that only says what went wrong has no form; the one before it is still in the history.
            self._token = shown.csrf or self._token
        return shown

    def _keep(self, host: str, response: httpx2.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0].strip('"')
            if "Max-Age=0" in line:
                self.cookies(host).pop(name, None)
            else:
                self.cookies(host)[name] = value

    async def sign_in(self, name: str = "ada", password: str = PASSWORD, return_to: str = "") -> Shown:
        """Sign in with a password and follow to the end."""
        await self.get(f"/sign-in?{urlencode({'return_to': return_to})}" if return_to else "/sign-in")
        return await self.submit("/sign-in", {"username": name, "password": password})

    async def step_up(self, code: str) -> Shown:
        """Step up with a code."""
        await self.visit("/step-up")
        return await self.submit("/sign-in/code", {"code": code})


def record(
    world: ConsoleWorld,
    *,
    answer: Answer = Answer.ALLOW,
    reasons: Sequence[Reason] = (Reason.POLICY_PERMITS,),
    user: UserFacts | None = None,
    path: str = "/",
    ago: timedelta = timedelta(),
    details: Mapping[str, str] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Make the journal record of a decision."""
    at = world.clock.now() - ago
    return {
        "type": "decision",
        "id": str(DecisionId.new(at, world.entropy)),
        "at": at.isoformat(),
        "answer": answer.value,
        "reasons": [reason.code for reason in reasons],
        "application": "notes",
        "resource": "default",
        "action": "read",
        "method": "GET",
        "host": NOTES_HOST,
        "path": path,
        "user": str(user.id) if user else None,
        "session": None,
        "device": None,
        "risk": 0,
        "trust": 60,
        "level": "low",
        "contributions": [],
        "trust_contributions": [],
        "policies": [["members-read-notes", ""]],
        "policy_version": "sha256:5e0c7a1f",
        "policy_errors": [],
        "obligations": [],
        "permissions": [],
        "step_up": None,
        "facts": [["session.live", True, 12.5], ["user.enabled", True, 310.0], ["network.country", None, None]],
        "snapshot": 41,
        "cost_us": 84,
        "personal": {
            "ip": HOME.ip,
            "user_agent": HOME.user_agent,
            "country": "CH",
            "facts": {"network.country": "CH"},
            "details": dict(details or {}),
        },
        **changes,
    }
