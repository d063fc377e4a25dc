"""People with habits: a month of mornings in London, with one browser on one device."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from decision_world import LONDON, DecisionWorld, Visit

from watchword.kernel import Acr, EventId
from watchword.trust import Act, NetworkList, Observation, agent_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 Edg/126.0.0.0"
)
PARIS = "193.48.1.1"


async def living(
    world: DecisionWorld, visit: Visit, *, days: int = 30, ip: str = LONDON, agent: str = FIREFOX, until: int = 0
) -> None:
    """Let somebody work for a month, until so many days ago: a sign-in each morning."""
    now = world.clock.now()
    for day in range(days, until, -1):
        made = world.event(
            "identity.session.started",
            visit.session.id,
            user=visit.user.id,
            session=visit.session.id,
            acr=Acr.MULTI_FACTOR.value,
            ip=ip,
            user_agent=agent,
            device=visit.session.device_id or "",
        )
        await world.trust.observe([replace(made, at=now - timedelta(days=day))])
    await world.trust.habits.learn_waiting()


async def at_home(world: DecisionWorld) -> Visit:
    user = await world.person()
    visit = await world.session(user, await world.device(user), ip=LONDON)
    await living(world, visit)
    return visit


async def records_of(world: DecisionWorld, visit: Visit) -> list[dict[str, Any]]:
    """Decide about all kinds of requests of one user, and return what the journal would keep."""
    away = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    await world.list_network(NetworkList.SUSPICIOUS, "193.48.1.0/24")
    asked = [
        visit.asks(user_agent=FIREFOX),
        visit.asks("/admin", "POST", user_agent=EDGE),
        visit.asks(user_agent="", client_ip="2001:db8::1"),
        visit.asks(user_agent="A" * 5000, client_ip="10.0.0.1"),
        away.asks(user_agent=EDGE),
        away.asks(user_agent=FIREFOX, client_ip=LONDON),
    ]
    return [json.loads(decision.encoded()) for decision in asked]


def lesson(visit: Visit, world: DecisionWorld, agent: str = FIREFOX) -> Observation:
    now = world.clock.now()
    return Observation(
        id=EventId.new(now, world.entropy),
        at=now.timestamp(),
        user=visit.user.id,
        act=Act.REQUEST,
        is_verified=True,
        ip=LONDON,
        network="81.2.69.0/24",
        place=world.places.place_of(LONDON),
        agent=agent_of(agent),
        application="notes",
        resource="default",
        action="read",
    )
