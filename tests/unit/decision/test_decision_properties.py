"""Whatever is asked: the procedure never raises, and never allows without a live session on that host."""

from __future__ import annotations

from datetime import timedelta

import pytest
from decision_world import HOST, DecisionWorld, Visit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchword.decision import AccessRequest, Decision
from watchword.kernel import Answer, Reason

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(["", "\0", "\ud800", "é" * 43, "A" * 9000, "%", "%2e%2e", "::1%eth0", "127.0.0.1", "\r\nx: y"]),
)
PATHS = st.one_of(
    HOSTILE,
    HOSTILE.map(lambda text: "/" + text),
    st.sampled_from(["/", "/admin", "/healthz", "/healthz/..", "/healthz/../admin", "/healthz/%2e%2e", "//healthz"]),
)


@pytest.fixture
async def visits(world: DecisionWorld) -> list[Visit]:
    """A live session, an ended one, an expired one, one of a disabled user and one of nobody."""
    live, ended, expired, disabled, orphan = [await world.visit(name=f"user{n}") for n in range(5)]
    await ended.change(ended_at=world.clock.now(), handles={})
    await expired.change(expires_at=world.clock.now() - timedelta(seconds=1))
    await disabled.change_user(is_disabled=True)
    del world.people.all_users[orphan.user.id]
    await world.tell("identity.user.deleted", orphan.user.id)
    return [live, ended, expired, disabled, orphan]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None)
@given(data=st.data())
def test_nobody_is_allowed_without_a_live_session_on_that_host(
    world: DecisionWorld, visits: list[Visit], data: st.DataObject
) -> None:
    live = visits[0]
    handles = [visit.handle for visit in visits]
    request = AccessRequest(
        method=data.draw(st.sampled_from(["GET", "POST", "DELETE", "TRACE", ""]) | HOSTILE),
        host=data.draw(st.sampled_from([HOST, "notes.example.com"]) | HOSTILE),
        path=data.draw(PATHS),
        client_ip=data.draw(st.sampled_from([live.ip, "81.2.69.142"]) | HOSTILE),
        user_agent=data.draw(HOSTILE),
        session_handle=data.draw(st.none() | st.sampled_from(handles) | HOSTILE),
        device_handle=data.draw(st.none() | st.sampled_from([visit.device_handle for visit in visits]) | HOSTILE),
        is_upgrade=data.draw(st.booleans()),
    )
    decision = world.procedure.decide(request)
    assert isinstance(decision, Decision)
    assert (decision.permit is not None) == (decision.answer is Answer.ALLOW)
    assert decision.reasons
    if decision.answer is not Answer.DENY and decision.reasons[0] is not Reason.OPEN_ROUTE:
        assert (request.session_handle, request.host) == (live.handle, HOST)
    if decision.reasons[0] is Reason.OPEN_ROUTE:
        assert request.path.startswith("/healthz")
