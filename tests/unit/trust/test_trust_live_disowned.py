"""What a session taught is taken back when its owner says that it was not them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from watchword.kernel import Acr, Event, EventId, FrozenClock
from watchword.storage import Database
from watchword.trust import Act, ContextSource, Observation, TrustState, usual_of

CONTEXT = ContextSource.open()
LONDON, PARIS = "81.2.69.142", "193.48.1.1"
USER = "usr_01jd0000000000000000000000"


@pytest.fixture
async def trust(anyio_backend: str, migrated_sqlite_url: str, clock: FrozenClock) -> AsyncIterator[TrustState]:  # noqa: ARG001  # for anyio
    database = Database(migrated_sqlite_url)
    yield TrustState(database, clock, CONTEXT)
    await database.close()


class Teller:
    def __init__(self, trust: TrustState, clock: FrozenClock, entropy: Any) -> None:
        self._trust, self._clock, self._entropy = trust, clock, entropy

    async def __call__(self, kind: str, subject: str, *, ago: timedelta = timedelta(), **data: Any) -> None:
        now = self._clock.now()
        event = Event(EventId.new(now, self._entropy), kind, now - ago, "test", subject, {"user": USER, **data})
        await self._trust.observe([event])
        await self._trust.habits.learn_waiting()

    async def signed_in(self, session: str, ip: str, *, days_ago: float) -> None:
        about = {"session": session, "ip": ip, "acr": Acr.MULTI_FACTOR.value, "user_agent": "Firefox/128.0"}
        await self("identity.session.started", session, ago=timedelta(days=days_ago), **about)


@pytest.fixture
def tell(trust: TrustState, clock: FrozenClock, entropy: Any) -> Teller:
    return Teller(trust, clock, entropy)


def known_places(trust: TrustState) -> tuple[set[str], set[str]]:
    learned = usual_of(trust.habits.known(USER).profile)
    return set(trust.baseline(USER).countries), {name for name, _ in learned.countries}


async def test_the_place_of_a_disowned_session_is_forgotten(trust: TrustState, tell: Teller) -> None:
    for day in range(9, 4, -1):
        await tell.signed_in(f"ses_home{day}", LONDON, days_ago=day)
    await tell.signed_in("ses_thief", PARIS, days_ago=2)
    assert known_places(trust) == ({"GB", "FR"}, {"GB", "FR"})
    await tell("identity.session.ended", "ses_thief", reason="disowned")
    assert known_places(trust) == ({"GB"}, {"GB"})
    assert trust.baseline(USER).outcomes == 5
    await trust.flush()
    await trust.habits.flush()


async def test_a_session_that_merely_ended_has_taught_for_good(trust: TrustState, tell: Teller) -> None:
    await tell.signed_in("ses_a", LONDON, days_ago=2)
    await tell.signed_in("ses_b", PARIS, days_ago=1)
    await tell("identity.session.ended", "ses_b", reason="signed_out")
    assert known_places(trust)[0] == {"GB", "FR"}


async def test_disowning_a_later_session_does_not_bring_the_lesson_of_an_earlier_one_back(
    trust: TrustState, tell: Teller
) -> None:
    await tell.signed_in("ses_home", LONDON, days_ago=5)
    await tell.signed_in("ses_thief", PARIS, days_ago=3)
    await tell.signed_in("ses_other", LONDON, days_ago=2)
    await tell("identity.session.ended", "ses_thief", reason="disowned")
    await tell("identity.session.ended", "ses_other", reason="disowned")
    assert known_places(trust) == ({"GB"}, {"GB"})


async def test_what_waits_to_be_learned_of_a_disowned_session_is_dropped(
    trust: TrustState, clock: FrozenClock, tell: Teller
) -> None:
    await tell.signed_in("ses_home", LONDON, days_ago=5)
    waiting = Observation(id="x", at=clock.now().timestamp(), user=USER, act=Act.SIGN_IN, is_verified=True)
    trust.habits.note(replace(waiting, session="ses_thief"))
    await tell("identity.session.ended", "ses_thief", reason="disowned")
    assert trust.habits.waiting == 0
    assert trust.habits.known(USER).profile.learned == 1
