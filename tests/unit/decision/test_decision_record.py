"""What the journal keeps of a decision: personal data apart, and everything needed to tell it in words."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from decision_world import LONDON, TOKYO, DecisionWorld, fact

from watchword.cli.explanation import explain_record
from watchword.console.model import decision_view
from watchword.kernel import Answer, Reason
from watchword.trust import NetworkList

ASN_OF_LONDON, ASN_OF_TOKYO = 20712, 2501


async def _journey(world: DecisionWorld) -> dict[str, Any]:
    """Make the record of somebody who is usually in London and asks from a suspicious network in Tokyo."""
    visit = await world.visit()
    await world.settle_in(visit.user)
    await world.list_network(NetworkList.SUSPICIOUS, TOKYO)
    record: dict[str, Any] = json.loads(json.dumps(visit.asks(client_ip=TOKYO).record()))
    return record


async def test_nothing_outside_personal_tells_where_somebody_is_or_was(world: DecisionWorld) -> None:
    record = await _journey(world)
    personal = record.pop("personal")
    assert any("Japan" in words or "JP" in words for words in personal["details"].values())
    assert personal["facts"]["network.country"] == "JP"
    public = json.dumps(record)
    for told in (*personal["details"].values(), "JP", "GB", "because", "203.0.113", TOKYO, str(ASN_OF_TOKYO)):
        assert told not in public, told


async def test_a_blocked_network_and_its_reason_are_personal(world: DecisionWorld) -> None:
    visit = await world.visit()
    await world.list_network(NetworkList.BLOCK, TOKYO)
    record = visit.asks(client_ip=TOKYO).record()
    personal = record.pop("personal")
    assert personal["facts"]["network.blocked"] == "because"
    assert "because" not in json.dumps(record)


async def test_a_fact_is_personal_unless_it_is_known_to_be_public(world: DecisionWorld) -> None:
    record = await _journey(world)
    told = {name for name, value, _ in record["facts"] if value is not None}
    assert told <= {"snapshot", "session", "user", "device", "device.posture", "baseline", "failed_attempts"}
    assert (
        {name for name, _, _ in record["facts"]} - told
        >= record["personal"]["facts"].keys()
        >= {
            "mfa",
            "network.asn",
            "network.country",
        }
    )


async def test_every_point_keeps_its_words(world: DecisionWorld) -> None:
    record = await _journey(world)
    pairs = [*record["contributions"], *record["trust_contributions"]]
    assert {name for name, _ in pairs} == record["personal"]["details"].keys()
    assert sum(points for _, points in record["contributions"]) == record["risk"] > 0
    view = decision_view(record)
    assert all(weight.detail for weight in (*view.contributions, *view.trust_contributions))
    assert next(read.value for read in view.facts if read.name == "network.country") == "JP"


async def test_an_explanation_tells_places_and_networks(world: DecisionWorld) -> None:
    record = await _journey(world)
    lines = "\n".join(explain_record(record))
    assert f"{ASN_OF_TOKYO}" in lines
    for words in record["personal"]["details"].values():
        assert words in lines


async def test_a_record_without_its_personal_part_can_still_be_read(world: DecisionWorld) -> None:
    record = await _journey(world)
    del record["personal"]
    assert "network.country" in "\n".join(explain_record(record))
    view = decision_view(record)
    assert [weight.points for weight in view.contributions] == [points for _, points in record["contributions"]]
    assert {read.value for read in view.facts if read.name.startswith("network.")} == {"not known"}


async def test_a_policy_can_decide_by_the_autonomous_system(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy(
        f"""@id("all") permit (principal, action, resource);
        @id("not-from-there") forbid (principal, action, resource)
        when {{ context.network has asn && context.network.asn == {ASN_OF_LONDON} }};""",
        tmp_path / "policies",
    )
    world.clock.advance(timedelta(seconds=1))
    refused, let_in = visit.asks(client_ip=LONDON), visit.asks(client_ip=TOKYO)
    assert fact(refused, "network.asn").value == ASN_OF_LONDON
    assert (refused.answer, refused.reasons[0]) == (Answer.DENY, Reason.POLICY_FORBIDS)
    assert [name for name, _ in refused.policies] == ["not-from-there"]
    assert fact(let_in, "network.asn").value == ASN_OF_TOKYO
    assert Reason.POLICY_FORBIDS not in let_in.reasons
    nowhere = visit.asks()
    assert fact(nowhere, "network.asn").value is None
    assert nowhere.answer is Answer.ALLOW
