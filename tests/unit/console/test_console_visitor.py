"""Who counts as a visitor: every condition alone turns somebody into nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from console_world import ConsoleWorld
from identity_world import HOME

from watchword.console.visitor import find_visitor
from watchword.identity import SessionFacts, UserFacts

HOST = "watchword.localhost"


class Facts:
    """Answers with one session of one user, whatever is asked."""

    def __init__(self, session: SessionFacts | None, user: UserFacts | None, host: str = HOST) -> None:
        self._session, self._user, self._host = session, user, host

    def session_by_handle(self, _handle: str) -> tuple[SessionFacts, str] | None:
        return (self._session, self._host) if self._session else None

    def user(self, _user_id: str) -> UserFacts | None:
        return self._user

    def session(self, _session_id: str) -> SessionFacts | None:
        return self._session


async def signed_in(world: ConsoleWorld) -> tuple[SessionFacts, UserFacts, str]:
    user = await world.person()
    device, handle = await world.services.devices.recognise_or_register(None, HOME)
    assert handle is not None
    session = (await world.signed_in(device_id=device.id)).session
    return session, user, handle.reveal()


def found(world: ConsoleWorld, facts: Facts, device: str | None, **changes: Any) -> object:
    services = replace(world.services, visitors=facts)
    given = {"session_handle": "h" * 43, "device_handle": device, "host": HOST, "now": world.clock.now()}
    return find_visitor(services, **(given | changes))


async def test_the_holder_of_a_live_session_in_its_own_browser_is_a_visitor(world: ConsoleWorld) -> None:
    session, user, device = await signed_in(world)
    assert found(world, Facts(session, user), device) is not None


@pytest.mark.parametrize("missing", ["handle", "session", "host", "ended", "expired", "device", "user", "disabled"])
async def test_each_missing_condition_alone_makes_nobody(world: ConsoleWorld, missing: str) -> None:
    session, user, device = await signed_in(world)
    now = world.clock.now()
    cases: dict[str, tuple[Facts, str | None, dict[str, Any]]] = {
        "handle": (Facts(session, user), device, {"session_handle": None}),
        "session": (Facts(None, user), device, {}),
        "host": (Facts(session, user, "notes.localhost"), device, {}),
        "ended": (Facts(replace(session, ended_at=now), user), device, {}),
        "expired": (Facts(session, user), device, {"now": now + timedelta(hours=1)}),
        "device": (Facts(session, user), None, {}),
        "user": (Facts(session, None), device, {}),
        "disabled": (Facts(session, replace(user, is_disabled=True)), device, {}),
    }
    facts, handle, changes = cases[missing]
    assert found(world, facts, handle, **changes) is None
