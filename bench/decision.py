"""Measure the whole decision in process: 10,000 users, 1,000 policies, everything but the journal.

The facts are the ones a node holds in memory; each request comes from another user, address and path, so nothing is
measured twice in a row and caches by request do not help. Places are looked up in the shipped data.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import statistics
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter_ns

from bench.figures import show
from watchword.decision import AccessRequest, Application, DecisionSettings, FactBase, Procedure, ResourceRule, Sources
from watchword.devices import DeviceFacts, device_handle
from watchword.identity import SessionFacts, UserFacts, network_of
from watchword.kernel import Acr, Answer, DeviceId, Sensitivity, SessionId, SystemClock, SystemEntropy, UserId
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.storage import Database
from watchword.trust import ContextSource, NetworkLists, TrustState, profiles

USERS, POLICIES, APPLICATIONS, GROUPS = 10_000, 1_000, 50, 200
WARM_UP, MEASURED = 2_000, 20_000
KEY = b"k" * 32


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
            "Mozilla/5.0",
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

    def policies(self, directory: Path) -> PolicySet:
        """Write a set of the wanted size: the shipped policies, and the grants of teams on applications."""
        shipped = sorted((DEFAULT_DIRECTORY / "policies").glob("*.cedar"))
        for path in shipped:
            (directory / path.name).write_text(path.read_text())
        grants = [self._grant(n) for n in range(POLICIES - 7)]
        (directory / "50-grants.cedar").write_text("\n".join(grants))
        return PolicySet.load(directory)

    def _grant(self, n: int) -> str:
        app = f"app{n % APPLICATIONS}"
        team = f"team{app}" if n < APPLICATIONS else f"team{n % GROUPS}"
        return (
            f'@id("grant-{n}") permit (principal in Watchword::Group::"{team}", '
            f'action in Watchword::Action::"access", resource in Watchword::Application::"{app}") '
            f"when {{ context.risk.score < {20 + n % 60} }};"
        )

    async def procedure(self, policies: PolicySet, database: Database) -> Procedure:
        facts = FactBase(self, self, self._clock, fresh_at=self._clock.monotonic)
        await facts.load()
        places = ContextSource.open()
        sources = Sources(
            applications=self.applications,
            facts=facts,
            policies=lambda: policies,
            trust=TrustState(database, self._clock, places),
            places=places,
            networks=NetworkLists(database),
            profiles=profiles(),
            device_key=KEY,
            settings=DecisionSettings(),
        )
        return Procedure(sources, self._clock, self._entropy)

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
                    "Mozilla/5.0",
                    handle,
                    device_handle(KEY, device.id, app.hosts[0]).reveal(),
                )
            )
        return made


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    show(asyncio.run(_measure()), as_json=json)


async def _measure() -> dict[str, float | int]:
    world = World()
    with tempfile.TemporaryDirectory() as directory:
        policies = world.policies(Path(directory))
        database = Database(f"sqlite:///{directory}/bench.db")
    procedure = await world.procedure(policies, database)
    for request in world.requests(WARM_UP):
        procedure.decide(request)
    requests = world.requests(MEASURED)
    gc.collect()
    gc.freeze()
    took, allowed = [], 0
    for request in requests:
        begun = perf_counter_ns()
        decision = procedure.decide(request)
        took.append((perf_counter_ns() - begun) / 1000)
        allowed += decision.answer is Answer.ALLOW
    await database.close()
    if allowed != MEASURED:
        raise SystemExit(f"only {allowed} of {MEASURED} were allowed: this would measure something else")
    cuts = statistics.quantiles(took, n=100)
    return {
        "p50_us": round(cuts[49], 1),
        "p99_us": round(cuts[98], 1),
        "users": USERS,
        "policies": len(policies),
        "decisions": MEASURED,
    }
