"""What an answer says to whom, what it obliges to, and that it is proved before it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from authzen_shop import write_shop
from authzen_world import AuthzenWorld, question

from watchword.app.recorded import recorded_of
from watchword.enforcement.authzen import Caller
from watchword.enforcement.authzen.reading import read_question
from watchword.kernel import FrozenClock
from watchword.policy import PolicySet
from watchword.policy.replay import Rehearsal


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return PolicySet.load(write_shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def shop(clock: FrozenClock, entropy: Any, policies: PolicySet) -> AuthzenWorld:
    world = AuthzenWorld(clock, entropy, policies)
    world.people.add("ada", groups=["members"])
    world.people.add("boss", groups=["administrators"])
    return world


_LARGE = question("user/boss", {"name": "refund", "properties": {"amount": 500}}, "order/1")
_SHIP = question("user/ada", "ship", "order/1")
_RECORD = {"id": "obl-1", "type": "custom", "properties": {"vendor": "watchword", "action": "record_session"}}


async def test_a_permit_is_the_decision_and_nothing_more(shop: AuthzenWorld) -> None:
    assert await shop.decides(question("user/ada", "view", "Shop::Order/1")) == {"decision": True}


async def test_a_forbid_tells_the_policy_to_administrators_and_its_words_to_the_user(shop: AuthzenWorld) -> None:
    said = await shop.decides(_LARGE)
    assert said == {
        "decision": False,
        "context": {
            "id": shop.journal.records[0]["id"],
            "reason_admin": {"403": "policy_forbids: `large-refunds-are-refused`"},
            "reason_user": {"403": "Refunds of more than 100 need a manager."},
        },
    }
    assert "large-refunds" not in str(said["context"]["reason_user"])


async def test_a_caller_that_is_told_nothing_hears_the_decision_alone(shop: AuthzenWorld) -> None:
    assert await shop.decides(_LARGE, caller="quiet") == {"decision": False}
    assert shop.journal.records[0]["policies"] == [
        ["large-refunds-are-refused", "Refunds of more than 100 need a manager."]
    ]


async def test_ignored_properties_are_named_where_the_answer_is_no(shop: AuthzenWorld) -> None:
    order = {"type": "order", "id": "1", "properties": {"totl": 1}}
    said = await shop.decides(question("user/ada", "refund", order, context={"hours": 1}))
    assert said["context"]["ignored"] == ["resource.properties.totl", "context.hours"]


@pytest.mark.parametrize("caller", ["shop", "quiet"])
async def test_an_obligation_rides_on_the_permit_in_the_profiles_form(shop: AuthzenWorld, caller: str) -> None:
    said = await shop.decides(question("user/ada", "audit", "order/1"), caller=caller)
    assert said == {"decision": True, "context": {"obligations": [_RECORD]}}
    assert shop.journal.records[0]["obligations"] == ["record_session"]


@pytest.mark.parametrize(
    ("supported", "expected"),
    [(["custom"], True), (["custom", "made-up"], True), (["step-up"], False), ([], False), (["record_session"], False)],
)
async def test_a_caller_that_cannot_do_what_a_permit_asks_is_not_given_one(
    shop: AuthzenWorld,
    supported: list[str],
    expected: bool,  # noqa: FBT001  # a column of the table
) -> None:
    asked = question("user/ada", "audit", "order/1", context={"supported_obligations": supported})
    said = await shop.decides(asked)
    assert said["decision"] is expected
    if not expected:
        assert said["context"]["reason_admin"]["403"].startswith("obligation_unknown")
        assert "obligations" not in said["context"]


async def test_a_step_up_is_a_denial_that_says_what_would_help(shop: AuthzenWorld) -> None:
    said = await shop.decides(_SHIP)
    context = said["context"]
    assert said["decision"] is False
    assert context["reason_user"] == {"401": "Shipping needs a fresh second factor."}
    assert (context["acr_values"], context["amr_values"]) == ("urn:watchword:acr:phr", "mfa hwk")
    assert context["obligations"] == [
        {
            "id": "obl-1",
            "type": "step-up",
            "properties": {"acr_value": "urn:watchword:acr:phr", "amr_values": ["mfa", "hwk"], "max_age": 300},
        }
    ]
    assert (shop.journal.records[0]["answer"], shop.journal.records[0]["reasons"]) == (
        "step_up",
        ["policy_asks_step_up"],
    )


async def test_an_obligation_that_nobody_defined_denies(clock: FrozenClock, entropy: Any, tmp_path: Path) -> None:
    (write_shop(tmp_path) / "obligations.yaml").unlink()
    world = AuthzenWorld(clock, entropy, tmp_path)
    world.people.add("ada", groups=["members"])
    said = await world.decides(question("user/ada", "audit", "order/1"))
    assert said["context"]["reason_admin"] == {"403": "obligation_unknown: `audits-are-recorded`"}


async def test_rules_for_answers_are_joined_to_the_most_restrictive(shop: AuthzenWorld) -> None:
    said = await shop.decides(question("user/ada", "export", "order/1"))
    (duty,) = said["context"]["obligations"]
    rules = duty["properties"].pop("rules")
    assert duty == {
        "id": "obl-1",
        "type": "custom",
        "properties": {
            "vendor": "watchword",
            "action": "filter_response",
            "names": ["hide_card", "mask_card", "mask_name"],
        },
    }
    assert ["**.card", "exclude"] in rules["fields"]
    assert not any(field[:2] == ["**.card", "mask"] for field in rules["fields"])


@pytest.mark.parametrize(("configured", "expected"), [((), True), (("custom",), True), (("step-up",), False)])
async def test_the_operator_says_what_a_caller_fulfils_where_it_does_not(
    shop: AuthzenWorld,
    configured: tuple[str, ...],
    expected: bool,  # noqa: FBT001  # a column of the table
) -> None:
    asked = read_question(question("user/ada", "audit", "order/1"))
    verdict = await shop.service.evaluate(asked, Caller("shop", obligations=configured))
    assert verdict.is_permit is expected


async def test_an_approval_is_a_no_that_says_what_is_missing(shop: AuthzenWorld) -> None:
    said = await shop.decides(question("user/ada", "lend", "order/1"))
    assert said["decision"] is False
    assert said["context"]["reason_admin"]["403"].startswith("policy_asks_approval")


# --- the journal ------------------------------------------------------------------------------------------------------


async def test_the_record_has_the_shape_of_every_decision_and_says_who_asked(shop: AuthzenWorld) -> None:
    asked = question("user/ada", "view", {"type": "Shop::Order", "id": "1", "properties": {"address": {"city": "Ulm"}}})
    await shop.post("/access/v1/evaluation", asked, X_Request_ID="r-1")
    (record,) = shop.journal.records
    public = {name: value for name, value in record.items() if name != "personal"}
    assert (record["type"], record["door"], record["pep"], record["request_id"]) == (
        "decision",
        "authzen",
        "shop",
        "r-1",
    )
    assert (record["answer"], record["action"], record["resource"]) == ("allow", 'Shop::Action::"view"', "Shop::Order")
    assert record["personal"]["question"] == asked
    # What a caller says of people and things is personal, whatever it is.
    assert "Ulm" not in str(public)
    assert "order/1" not in str(public)


@pytest.mark.parametrize("error", [OSError("disk full"), RuntimeError("closed")])
async def test_what_cannot_be_journaled_is_denied(shop: AuthzenWorld, error: Exception) -> None:
    shop.journal.error = error
    said = await shop.decides(question("user/ada", "view", "Shop::Order/1"))
    assert said["decision"] is False
    assert said["context"]["reason_admin"] == {"503": "journal_unwritable"}
    batch = {"evaluations": [question("user/ada", "view", "Shop::Order/1"), _SHIP]}
    told = (await shop.post("/access/v1/evaluations", batch)).json["evaluations"]
    assert [each["context"]["reason_admin"] for each in told] == [{"503": "journal_unwritable"}] * 2
    # The obligations of an answer that is not given are not told either.
    assert all("obligations" not in each["context"] for each in told)


async def test_a_search_that_cannot_be_journaled_tells_nothing(shop: AuthzenWorld) -> None:
    shop.journal.error = OSError("disk full")
    asked = {"subject": {"type": "user"}, "action": {"name": "audit"}, "resource": {"type": "order", "id": "1"}}
    reply = await shop.post("/access/v1/search/subject", asked)
    assert reply.status == 503
    assert reply.json["code"] == "enforcement.authzen_unprovable"


async def test_a_long_question_is_kept_as_its_hash(shop: AuthzenWorld) -> None:
    asked = question("user/ada", "view", "Shop::Order/1", context={"note": "x" * 20_000})
    await shop.decides(asked)
    personal = shop.journal.records[0]["personal"]
    assert set(personal["question"]) == {"sha256", "bytes"}
    assert personal["asked"]["request"]["context"] == {}  # the note was ignored, so the policies were not asked with it


async def test_a_replay_asks_again_what_was_asked_and_gets_the_same_answer(shop: AuthzenWorld) -> None:
    order = {"type": "order", "id": "1", "properties": {"address": {"city": "Ulm"}, "tags": ["a"], "price": "1.50"}}
    for asked in (question("user/ada", "audit", order), _LARGE, _SHIP, question("user/ada", "edit", order)):
        await shop.decides(asked)
    recorded = [recorded_of(record, number) for number, record in enumerate(shop.journal.records)]
    replay = Rehearsal(shop.policies)
    report = replay.look_at_all([each for each in recorded if each is not None])
    assert len(recorded) == report.decisions == 4
    assert (replay.evaluated, report.malformed, report.not_recorded) == (4, 0, 0)
    assert report.flips == 0


async def test_a_batch_does_not_multiply_its_defaults_in_the_journal(shop: AuthzenWorld) -> None:
    batch = question("user/ada", "view", "Shop::Order/1", context={"note": "x" * 15_000}) | {"evaluations": [{}] * 500}
    reply = await shop.post("/access/v1/evaluations", batch)
    assert len(reply.json["evaluations"]) == 500
    assert len(str(shop.journal.records)) < 1_500_000


async def test_a_failure_inside_denies_and_tells_no_more_than_its_name(
    shop: AuthzenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(PolicySet, "evaluate", broken)
    said = await shop.decides(question("user/ada", "view", "Shop::Order/1"))
    assert said["context"]["reason_admin"] == {"500": "internal_error: ZeroDivisionError"}


async def test_a_failure_of_the_api_itself_is_a_problem_and_no_decision(
    shop: AuthzenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.service, "_bench", lambda: 1 / 0)
    reply = await shop.post("/access/v1/evaluation", _SHIP, X_Request_ID="r-1")
    assert (reply.status, reply.headers["x-request-id"]) == (500, "r-1")
    assert "division" not in reply.body.decode()


async def test_an_empty_directory_of_policies_denies(clock: FrozenClock, entropy: Any, tmp_path: Path) -> None:
    world = AuthzenWorld(clock, entropy, PolicySet.load(tmp_path))
    assert (await world.decides(question()))["decision"] is False
