"""People with habits: a month of mornings in London, with one browser on one device."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from decision_world import LONDON, DecisionWorld, Visit

from watchword.kernel import Acr, EventId
from watchword.trust import Act, Observation, agent_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 Edg/126.0.0.0"
)
PARIS = "193.48.1.1"


async def living(world: DecisionWorld, visit: Visit, *, days: int = 30, ip: str = LONDON) -> None:
    """Let somebody work for a month: a sign-in each morning."""
    now = world.clock.now()
    for day in range(days, 0, -1):
        made = world.event(
            "identity.session.started",
            visit.session.id,
            user=visit.user.id,
            session=visit.session.id,
            acr=Acr.MULTI_FACTOR.value,
            ip=ip,
            user_agent=FIREFOX,
            device=visit.session.device_id or "",
        )
        await world.trust.observe([replace(made, at=now - timedelta(days=day))])
    await world.trust.habits.learn_waiting()


async def at_home(world: DecisionWorld) -> Visit:
    user = await world.person()
    visit = await world.session(user, await world.device(user), ip=LONDON)
    await living(world, visit)
    return visit


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
