"""Attack: a stolen session used from elsewhere, on a node that judges by behaviour; and what its tools tell of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from siege import Citizen, SiegeNode, until

from watchword.app import open_services
from watchword.demo import client
from watchword.kernel import UserId
from watchword.settings import load
from watchword.trust import Act, ContextSource, Habits, Observation, agent_of, network_of

pytestmark = pytest.mark.e2e

HOME, AWAY = "81.2.69.142", "193.48.1.1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
_DAY = 86_400


@pytest.fixture
def node() -> Iterator[SiegeNode]:
    made = SiegeNode(extra={"WATCHWORD_TRUST__PROFILE": "statistical"})
    yield made
    made.close()


async def prepare(node: SiegeNode) -> str:
    """Invite a member who has worked from home for a month; return the one-time link."""
    settings = load(data=node.data, environment=node.environment)
    async with open_services(settings) as services:
        user = await services.identity.accounts.create_user("ada", actor="test", groups=["members"])
        habits = Habits(services.database, services.clock)
        for observation in month(user.id, services.clock.now().timestamp()):
            habits.note(observation)
        await habits.learn_waiting()
        await habits.flush()
        invitation = await services.identity.accounts.invite(user.id, actor="test")
        return f"{node.portal}/invite/{invitation.token.reveal()}"


def month(user: UserId, now: float) -> Iterator[Observation]:
    place = ContextSource.open().place_of(HOME)
    for day in range(30, 0, -1):
        one = Observation(
            id=f"sign-in {day}",
            at=now - day * _DAY,
            user=user,
            act=Act.SIGN_IN,
            is_verified=True,
            ip=HOME,
            network=network_of(HOME),
            place=place,
            agent=agent_of(FIREFOX),
        )
        yield one
        asked = replace(one, id=f"request {day}", act=Act.REQUEST)
        yield replace(asked, application="notes", resource="default", action="read")


def told(node: SiegeNode, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watchword", *words]
    return subprocess.run(command, env=node.environment, capture_output=True, text=True, timeout=30, check=False)


def newest(node: SiegeNode, answer: str) -> dict[str, Any]:
    """Return the newest decision of an answer that repeats no other."""
    found = [record for record in node.records("decision") if record["answer"] == answer and "behaviour" in record]
    return found[-1]


def test_a_session_used_from_elsewhere_with_another_browser_is_refused_and_its_contributions_are_named(
    node: SiegeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = asyncio.run(prepare(node))
    node.start()
    monkeypatch.setattr(client, "_AGENT", FIREFOX)
    ada = Citizen(node, "ada", HOME)
    ada.enrol(link)
    assert ada.enter(f"{node.notes}/").status == 200
    at_home = newest(node, "allow")
    assert at_home["behaviour"]["versions"]["profile"] == "statistical/2"

    monkeypatch.setattr(client, "_AGENT", EDGE)
    thief = ada.browser.clone(without="device")
    thief.travel(AWAY)
    # Habits alone would ask; a session without the device key that it began with is a cause beside them.
    assert thief.get(f"{node.notes}/", follow=False).status == 403
    stolen = newest(node, "deny")
    assert stolen["reasons"] == ["risk_high"]
    assert stolen["risk"] > at_home["risk"]

    said = told(node, "decisions", "explain", stolen["id"])
    assert said.returncode == 0, said.stderr
    for indicator in ("network", "new_country", "agent", "token_replay"):
        assert indicator in said.stdout
    again = told(node, "--output", "json", "risk", "replay")
    assert again.returncode == 0, again.stdout
    assert json.loads(again.stdout)["same"] >= 2

    # The owner goes on at home as before, and what they do is learned behind their back.
    monkeypatch.setattr(client, "_AGENT", FIREFOX)
    assert ada.enter(f"{node.notes}/").status == 200
    assert until(lambda: (node.status() or {}).get("habits", {}).get("learned", 0) >= 1)
