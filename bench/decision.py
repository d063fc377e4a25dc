"""Measure the whole decision in process, everything but the journal, for 10,000 users.

Three times: with 1,000 policies; with 5,000 policies and relations in play (`*_5000`), where each request asks whether
its user is an auditor of the application, by way of a group that audits it, among 20,000 tuples; and with 1,000
policies and risk by the habits of everybody, a week of sign-ins each (`*_statistical`).

The facts are the ones a node holds in memory. Each request is of somebody drawn from all of them, for a path that was
never asked for, so some come back while what they were allowed still holds, as with any node: `repeated_share` says how
many, and `fresh_*` are the figures of the others alone. Places are looked up in the shipped data.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter_ns

from bench.figures import show
from watchword.app.main import spare_the_collector
from watchword.decision import AccessRequest, Application, DecisionSettings, FactBase, Procedure, ResourceRule, Sources
from watchword.devices import DeviceFacts, device_handle
from watchword.identity import SessionFacts, UserFacts, network_of
from watchword.kernel import Acr, Answer, DeviceId, Sensitivity, SessionId, SystemClock, SystemEntropy, UserId
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.policy.relations import Graph, RelationView, read_tuple
from watchword.storage import Database
from watchword.trust import (
    ADDITIVE,
    STATISTICAL,
    Act,
    ContextSource,
    Habits,
    NetworkLists,
    Observation,
    TrustState,
    agent_of,
    profiles,
)

USERS, APPLICATIONS, GROUPS = 10_000, 50, 200
FEW, MANY = 1_000, 5_000
MODEL = """model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type application
  relations
    define auditor: [user, group#member]
type resource
  relations
    define parent: [application]
    define auditor: [user] or auditor from parent
"""
WARM_UP, MEASURED = 2_000, 20_000
SHIPPED = 7
KEY = b"k" * 32
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class World:
    """An organisation, made from a fixed seed."""

    def __init__(self) -> None:
        self._random = random.Random(20261121)
        self._clock, self._entropy = SystemClock(), SystemEntropy()
        now = self._clock.now()
        self.applications = [
            Application(
                f"app{i}",
                f"App {i}",
                (f"app{i}.localhost",),
                "unix:/nowhere",
                (
                    ResourceRule("admin", "/admin", Sensitivity.CONFIDENTIAL),
                    ResourceRule("default", "/", Sensitivity.INTERNAL),
                ),
            )
            for i in range(APPLICATIONS)
        ]
        self.people = [self._person(now) for _ in range(USERS)]

    def _person(self, now: datetime) -> tuple[UserFacts, SessionFacts, DeviceFacts, str, Application]:
        pick = self._random
        user_id, session_id = UserId.new(now, self._entropy), SessionId.new(now, self._entropy)
        device_id, handle = DeviceId.new(now, self._entropy), hashlib.sha256(pick.randbytes(32)).hexdigest()[:43]
        app = pick.choice(self.applications)
        groups = frozenset({"members", *(f"team{pick.randrange(GROUPS)}" for _ in range(4)), f"team{app.name}"})
        user = UserFacts(user_id, f"user{user_id[-6:]}", "A User", None, "Europe/Berlin", groups, False, False, False)
        ip = f"81.{pick.randrange(1, 250)}.{pick.randrange(256)}.{pick.randrange(1, 255)}"
        session = SessionFacts(
            session_id,
            user_id,
            device_id,
            Acr.MULTI_FACTOR,
            ("pwd", "otp"),
            now,
            now,
            network_of(ip),
            now + timedelta(hours=1),
            None,
            ip,
            AGENT,
            {hashlib.sha256(handle.encode()).digest(): app.hosts[0]},
        )
        return user, session, DeviceFacts(device_id, frozenset({user_id}), now, now, "Firefox on Linux"), handle, app

    async def users(self) -> Sequence[UserFacts]:
        return [person[0] for person in self.people]

    async def user(self, _user_id: UserId) -> UserFacts | None:
        return None

    async def sessions(self) -> Sequence[SessionFacts]:
        return [person[1] for person in self.people]

    async def session(self, _session_id: SessionId) -> SessionFacts | None:
        return None

    async def devices(self) -> Sequence[DeviceFacts]:
        return [person[2] for person in self.people]

    async def device(self, _device_id: DeviceId) -> DeviceFacts | None:
        return None

    def policies(self, directory: Path, count: int, *, with_relations: bool) -> PolicySet:
        """Write a set of the wanted size: the shipped policies, the grants of teams, and what auditors may do."""
        shipped = sorted((DEFAULT_DIRECTORY / "policies").glob("*.cedar"))
        for path in shipped:
            (directory / path.name).write_text(path.read_text())
        audits = [_audit(f"app{n}") for n in range(APPLICATIONS)] if with_relations else []
        if with_relations:
            (directory / "relations.fga").write_text(MODEL)
        grants = [self._grant(n) for n in range(count - SHIPPED - len(audits))]
        (directory / "50-grants.cedar").write_text("\n".join(grants + audits))
        return PolicySet.load(directory)

    def graph(self) -> Graph:
        """Relate everybody to groups and groups to applications; 20,000 tuples and some."""
        graph = Graph()
        for number, (user, *_) in enumerate(self.people):
            for crew in (number % GROUPS, number * 7 % GROUPS):
                graph.put(read_tuple(f"group:crew{crew}", "member", f"user:{user.id}"))
        for number in range(GROUPS):
            graph.put(read_tuple(f"application:app{number % APPLICATIONS}", "auditor", f"group:crew{number}#member"))
        for app in self.applications:
            for rule in app.resources:
                graph.put(read_tuple(f"resource:{app.name}/{rule.name}", "parent", f"application:{app.name}"))
        return graph

    def _grant(self, n: int) -> str:
        app = f"app{n % APPLICATIONS}"
        team = f"team{app}" if n < APPLICATIONS else f"team{n % GROUPS}"
        return (
            f'@id("grant-{n}") permit (principal in Watchword::Group::"{team}", '
            f'action in Watchword::Action::"access", resource in Watchword::Application::"{app}") '
            f"when {{ context.risk.score < {20 + n % 60} }};"
        )

    async def procedure(self, policies: PolicySet, database: Database, graph: Graph, profile: str) -> Procedure:
        facts = FactBase(self, self, self._clock, fresh_at=self._clock.monotonic)
        await facts.load()
        places = ContextSource.open()
        view = RelationView(policies.relations, graph) if policies.relations is not None else None
        trust = TrustState(database, self._clock, places)
        if profile == STATISTICAL:
            await self._teach(trust.habits, places)
        sources = Sources(
            applications=[replace(app, profile=profile) for app in self.applications],
            facts=facts,
            policies=lambda: policies,
            trust=trust,
            places=places,
            networks=NetworkLists(database),
            profiles=profiles(),
            device_key=KEY,
            settings=DecisionSettings(),
            relations=lambda _model: view,
        )
        return Procedure(sources, self._clock, self._entropy)

    async def _teach(self, habits: Habits, places: ContextSource) -> None:
        """Let everybody have signed in once a day for a week, as they come now."""
        now = self._clock.now().timestamp()
        for day in range(7, 0, -1):
            for user, session, device, _, app in self.people:
                seen = Observation(
                    id=f"{user.id} {day}",
                    at=now - day * 86_400,
                    user=user.id,
                    act=Act.SIGN_IN,
                    is_verified=True,
                    ip=session.ip,
                    network=network_of(session.ip),
                    place=places.place_of(session.ip),
                    agent=agent_of(AGENT),
                    device=device.id,
                    application=app.name,
                    resource="default",
                )
                habits.note(seen)
            await habits.learn_waiting()

    def requests(self, count: int) -> list[AccessRequest]:
        made = []
        for _ in range(count):
            _, session, device, handle, app = self._random.choice(self.people)
            made.append(
                AccessRequest(
                    "GET",
                    app.hosts[0],
                    f"/files/{self._random.randrange(10**6)}",
                    session.ip,
                    AGENT,
                    handle,
                    device_handle(KEY, device.id, app.hosts[0]).reveal(),
                )
            )
        return made


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    show(asyncio.run(_measure()), as_json=json)


async def _measure() -> dict[str, float | int]:
    world = World()
    few = await _measured(world, FEW, with_relations=False)
    many = await _measured(world, MANY, with_relations=True)
    learned = await _measured(world, FEW, with_relations=False, profile=STATISTICAL)
    figures = few | {f"{name}_5000": value for name, value in many.items()}
    figures |= {f"{name}_statistical": value for name, value in learned.items()}
    return figures | {"users": USERS, "policies": FEW, "policies_5000": MANY, "decisions": MEASURED}


async def _measured(
    world: World, count: int, *, with_relations: bool, profile: str = ADDITIVE
) -> dict[str, float | int]:
    """Return median and 99th percentile of a decision, in microseconds: of all, and of those that repeat none."""
    with tempfile.TemporaryDirectory() as directory:
        policies = world.policies(Path(directory), count, with_relations=with_relations)
        database = Database(f"sqlite:///{directory}/bench.db")
    if len(policies) != count:
        raise SystemExit(f"{len(policies)} policies were written, not {count}")
    procedure = await world.procedure(policies, database, world.graph(), profile)
    for request in world.requests(WARM_UP):
        procedure.decide(request)
    requests = world.requests(MEASURED)
    before = gc.get_threshold()
    spare_the_collector()  # as a node does when it has started
    took: list[float] = []
    fresh: list[float] = []
    allowed = 0
    for request in requests:
        begun = perf_counter_ns()
        decision = procedure.decide(request)
        took.append((perf_counter_ns() - begun) / 1000)
        if decision.repeats is None:
            fresh.append(took[-1])
        by_habits = decision.assessment is not None and decision.assessment.weighed is not None
        allowed += decision.answer is Answer.ALLOW and by_habits == (profile == STATISTICAL)
    gc.unfreeze()
    gc.set_threshold(*before)
    await database.close()
    if allowed != MEASURED:
        raise SystemExit(
            f"only {allowed} of {MEASURED} were allowed and judged as meant: this would measure something else"
        )
    every, alone = statistics.quantiles(took, n=100), statistics.quantiles(fresh, n=100)
    return {
        "p50_us": round(every[49], 1),
        "p99_us": round(every[98], 1),
        "fresh_p50_us": round(alone[49], 1),
        "fresh_p99_us": round(alone[98], 1),
        "repeated_share": round(1 - len(fresh) / len(took), 2),
    }


def _audit(app: str) -> str:
    return (
        f'@id("audit-{app}") permit (principal, action == Watchword::Action::"read", '
        f'resource in Watchword::Application::"{app}") when {{ context.rel.contains("auditor") }};'
    )
