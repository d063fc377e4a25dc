"""What policies see of the clock is where the user is, this very minute, whoever asked before."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from decision_world import PERMIT_ALL, DecisionWorld
from hypothesis import given
from hypothesis import strategies as st

from watchword.decision.vocabulary import _time_in
from watchword.kernel import Answer
from watchword.trust import WorkingHours

ZONES = ("Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "UTC", "no/zone")
HOURS = (WorkingHours(), WorkingHours(frozenset({6, 7}), time(22), time(6)))


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001  # given UTC below
    st.sampled_from(ZONES),
    st.sampled_from(HOURS),
)
def test_the_minute_that_is_remembered_is_the_minute_that_it_is(at: datetime, zone: str, hours: WorkingHours) -> None:
    now = at.replace(tzinfo=UTC)
    local = now.astimezone(UTC if zone == "no/zone" else ZoneInfo(zone))
    assert _time_in(zone, int(now.timestamp() // 60), hours) == {
        "hour": local.hour,
        "minute": local.minute,
        "weekday": local.isoweekday(),
        "is_working_hours": hours.cover(local),
    }


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("Asia/Tokyo", 21)])
async def test_a_policy_about_the_time_turns_with_the_minute(
    world: DecisionWorld, tmp_path: Path, zone: str, hour: int
) -> None:
    before = f"context.time.hour < {hour} || (context.time.hour == {hour} && context.time.minute < 3)"
    world.policy(PERMIT_ALL + f"forbid (principal, action, resource) unless {{ {before} }};", tmp_path)
    assert world.clock.now().hour == 12
    world.clock.advance(timedelta(seconds=1))
    visit = await world.session(user := await world.person(timezone=zone), await world.device(user))
    for minute, answer in enumerate([Answer.ALLOW, Answer.ALLOW, Answer.ALLOW, Answer.DENY, Answer.DENY]):
        assert visit.asks(f"/{minute}").answer is answer, minute
        world.clock.advance(timedelta(minutes=1))
