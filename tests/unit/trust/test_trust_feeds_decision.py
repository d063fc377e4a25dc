"""A feed in a live decision: from a list on the web to the answer, its reason and back again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, serving
from decision_world import DecisionWorld, fact
from feed_world import run_here

from watchword.kernel import Answer, FrozenClock, Reason
from watchword.storage import Database
from watchword.trust import NetworkLists
from watchword.trust.feeds import FeedFormat, Feeds, FeedSettings, Meaning

LISTED = "81.2.69.142"


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy)


async def fed(world: DecisionWorld, root: Path, meaning: Meaning, server: BundleServer) -> Feeds:
    """Let the decisions of a world read a feed."""
    settings = FeedSettings(
        name="drop", format=FeedFormat.PLAIN, url=server.url("/list"), allow_private=True, meaning=meaning
    )
    feeds = Feeds([settings], root, world.database, world.clock, world.entropy, run=run_here)
    await feeds.refresh("drop")
    world.rewired(networks=NetworkLists(world.database, feeds.reputation))
    return feeds


async def test_a_suspicious_address_of_a_feed_raises_the_risk_and_names_the_feed(
    world: DecisionWorld, tmp_path: Path
) -> None:
    with BundleServer(serving(b"81.2.69.0/24\n")) as server:
        visit = await world.visit()
        away = replace(visit.request(), client_ip=LISTED)
        before = world.procedure.decide(away)
        await fed(world, tmp_path, Meaning.SUSPICIOUS, server)
        after = world.procedure.decide(away)
    assert before.assessment is not None
    assert after.assessment is not None
    assert after.assessment.risk == before.assessment.risk + 35
    assert [each.detail for each in after.assessment.contributions if each.indicator == "suspicious_ip"] == [
        "the network is listed: feed drop lists 81.2.69.0/24"
    ]


async def test_a_blocked_address_of_a_feed_is_denied_until_the_feed_is_stale(
    world: DecisionWorld, tmp_path: Path
) -> None:
    with BundleServer(serving(f"{LISTED}\n".encode())) as server:
        await fed(world, tmp_path, Meaning.BLOCK, server)
    visit = await world.visit()
    denied = world.procedure.decide(replace(visit.request(), client_ip=LISTED))
    assert (denied.answer, denied.reasons) == (Answer.DENY, (Reason.NETWORK_BLOCKED,))
    assert fact(denied, "network.blocked").value == "feed drop lists 81.2.69.142/32"
    world.clock.advance(timedelta(hours=3))
    again = await world.visit(name="bob")
    assert world.procedure.decide(replace(again.request(), client_ip=LISTED)).reasons != (Reason.NETWORK_BLOCKED,)


async def test_a_feed_in_force_does_not_make_repeated_requests_differ(world: DecisionWorld, tmp_path: Path) -> None:
    with BundleServer(serving(b"45.1.0.0/16\n")) as server:
        await fed(world, tmp_path, Meaning.SUSPICIOUS, server)
    networks = world.sources.networks
    first = networks.standing("45.1.2.3", world.clock.now())
    world.clock.advance(timedelta(minutes=30))
    assert networks.standing("45.1.2.3", world.clock.now()) == first
