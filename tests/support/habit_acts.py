"""Verified sign-ins of people at home in London, and days of them, for habits that learn."""

from __future__ import annotations

from dataclasses import replace

from watchword.kernel import FrozenClock
from watchword.trust import Act, Agent, Habits, Observation, Place

LINUX = Agent("Mozilla/5.0 (X11; Linux) Firefox/128.0", "Firefox 128", "Linux", "desktop")


def act(clock: FrozenClock, user: str = "usr_ada", *, ago_days: float = 0, **about: object) -> Observation:
    at = clock.now().timestamp() - ago_days * 86_400
    made = Observation(
        id=f"{user} {at}",
        at=at,
        user=user,
        act=Act.SIGN_IN,
        is_verified=True,
        ip="81.2.69.142",
        network="81.2.69.0/24",
        place=Place(country="GB", asn=20712, latitude=51.5, longitude=-0.1, radius_km=50.0, city="London"),
        agent=LINUX,
        application="notes",
        resource="default",
    )
    return replace(made, **about)  # type: ignore[arg-type]  # fields of an observation


async def live(habits: Habits, clock: FrozenClock, user: str = "usr_ada", days: int = 10) -> None:
    for day in range(days, 0, -1):
        habits.note(act(clock, user, ago_days=day))
    await habits.learn_waiting()
