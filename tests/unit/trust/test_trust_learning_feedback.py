from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from watchword.kernel import Acr, FrozenClock
from watchword.storage import Database
from watchword.storage.model import outbox
from watchword.trust import Place
from watchword.trust.learning import store
from watchword.trust.learning.errors import FeedbackMalformedError, FeedbackRefusedError, FeedbackUnknownError
from watchword.trust.learning.feedback import Feedback
from watchword.trust.learning.guard import Admitted
from watchword.trust.learning.labels import Judged, Review, Source, Witness
from watchword.trust.learning.suppressions import SILENCES, Scope, silenced
from watchword.trust.observation import Act, Finding, Observation


@pytest.fixture
def feedback(plain_database: Database, clock: FrozenClock, entropy: Any) -> Feedback:
    return Feedback(plain_database, clock, entropy)


@pytest.fixture
def act(clock: FrozenClock) -> Judged:
    values = {"network": 3.0, "agent": -1.0}
    return Judged("dec_1", "usr_ann", clock.now(), 1.5, values, session="ses_doubted", device="dev_new")


@pytest.fixture
def witness(clock: FrozenClock) -> Witness:
    long_ago = clock.now() - timedelta(days=30)
    return Witness("usr_ann", "ses_own", Acr.MULTI_FACTOR, "dev_own", long_ago, long_ago, is_fresh=True)


async def _events(database: Database) -> list[tuple[str, str, str]]:
    async with database.read() as connection:
        rows = await connection.execute(select(outbox).order_by(outbox.c.position))
        return [(row.type, row.actor, row.data) for row in rows]


async def test_what_somebody_said_is_kept_with_its_event(
    feedback: Feedback, plain_database: Database, act: Judged
) -> None:
    label = await feedback.verdict(act, is_attack=True, actor="usr_admin")
    found = await feedback.admitted()
    assert found.counted == (label,)
    ((kind, actor, data),) = await _events(plain_database)
    assert (kind, actor) == ("trust.feedback.given", "usr_admin")
    assert '"is_attack":true' in data


async def test_labels_and_suppressions_are_the_same_on_either_database(
    database: Database, clock: FrozenClock, entropy: Any, act: Judged
) -> None:
    feedback = Feedback(database, clock, entropy)
    label = await feedback.verdict(act, is_attack=True, actor="usr_admin")
    await feedback.review(label.id, is_released=True, actor="usr_other")
    given = await feedback.suppress("usr_ann", Scope.COUNTRY, "FR", days=3, reason="moved", actor="usr_admin")
    assert (await feedback.admitted()).counted == (replace(label, review=Review.RELEASED),)
    assert await feedback.suppressions() == [given]
    await feedback.forget("usr_ann")
    assert ((await feedback.admitted()).counted, await feedback.suppressions()) == ((), [])


async def test_an_owner_says_not_me_from_anywhere(feedback: Feedback, act: Judged, witness: Witness) -> None:
    doubted = replace(witness, session=act.session, device="", device_since=None, acr=Acr.SINGLE_FACTOR)
    label = await feedback.owner_says(act, is_attack=True, witness=doubted)
    assert (label.source, label.is_attack) == (Source.OWNER, True)


async def test_the_session_in_doubt_cannot_say_that_it_was_the_owner(
    feedback: Feedback, plain_database: Database, act: Judged, witness: Witness
) -> None:
    with pytest.raises(FeedbackRefusedError, match="cannot vouch for itself"):
        await feedback.owner_says(act, is_attack=False, witness=replace(witness, session=act.session))
    assert (await feedback.admitted()).counted == ()
    assert [kind for kind, _, _ in await _events(plain_database)] == ["trust.feedback.refused"]
    await feedback.owner_says(act, is_attack=False, witness=witness)
    assert len((await feedback.admitted()).counted) == 1


async def test_an_owner_who_said_not_me_is_not_overruled_by_whoever_took_the_account_over_since(
    feedback: Feedback, act: Judged, witness: Witness
) -> None:
    await feedback.owner_says(act, is_attack=True, witness=witness)
    with pytest.raises(FeedbackRefusedError, match="said before"):
        await feedback.owner_says(act, is_attack=False, witness=witness)
    label = await feedback.verdict(act, is_attack=False, actor="usr_admin")
    assert (await feedback.admitted()).counted == (label,)


async def test_nobody_answers_for_another_account(feedback: Feedback, act: Judged, witness: Witness) -> None:
    for is_attack in (True, False):
        with pytest.raises(FeedbackRefusedError):
            await feedback.owner_says(act, is_attack=is_attack, witness=replace(witness, user="usr_eve"))


async def test_an_administrator_gives_no_verdict_on_their_own_account(feedback: Feedback, act: Judged) -> None:
    with pytest.raises(FeedbackRefusedError, match="own account"):
        await feedback.verdict(act, is_attack=False, actor="usr_ann")


@pytest.mark.parametrize("other", ["usr_admin", "cli:root"])
async def test_a_newer_verdict_of_the_same_analyst_or_the_machine_s_owner_replaces_the_older(
    feedback: Feedback, act: Judged, other: str
) -> None:
    await feedback.verdict(act, is_attack=False, actor="usr_admin")
    newer = await feedback.verdict(act, is_attack=True, actor=other)
    assert await feedback.admitted() == Admitted(counted=(newer,), held=())


async def test_a_flood_of_answers_from_one_account_ends_after_a_day_has_enough(
    feedback: Feedback, act: Judged, witness: Witness, clock: FrozenClock
) -> None:
    for number in range(20):
        await feedback.owner_says(replace(act, act=f"dec_{number}"), is_attack=True, witness=witness)
    with pytest.raises(FeedbackRefusedError, match="enough"):
        await feedback.owner_says(replace(act, act="dec_99"), is_attack=True, witness=witness)
    await feedback.verdict(replace(act, act="dec_99"), is_attack=True, actor="usr_admin")
    clock.advance(timedelta(days=1, seconds=1))
    await feedback.owner_says(replace(act, act="dec_99"), is_attack=True, witness=witness)


async def test_a_step_up_is_a_weak_label_or_none(feedback: Feedback, act: Judged) -> None:
    assert await feedback.step_up(act, acr=Acr.MULTI_FACTOR, is_passed=True, prompts=9) is None
    label = await feedback.step_up(act, acr=Acr.PHISHING_RESISTANT, is_passed=True)
    assert label is not None
    assert (label.weight < 0.5, label.is_attack) == (True, False)


@pytest.mark.parametrize(
    "damage", [{"act": ""}, {"act": "x" * 121}, {"user": ""}, {"margin": math.nan}, {"values": {"network": 1e9}}]
)
async def test_what_cannot_be_learned_from_is_refused(
    feedback: Feedback, act: Judged, damage: dict[str, object]
) -> None:
    with pytest.raises(FeedbackMalformedError):
        await feedback.verdict(replace(act, **damage), is_attack=True, actor="usr_admin")  # type: ignore[arg-type]


async def test_an_act_from_the_future_is_refused(feedback: Feedback, act: Judged) -> None:
    with pytest.raises(FeedbackMalformedError, match="future"):
        await feedback.verdict(replace(act, at=act.at + timedelta(hours=1)), is_attack=True, actor="usr_admin")


async def test_a_damaged_row_counts_for_nothing(feedback: Feedback, plain_database: Database, act: Judged) -> None:
    await feedback.verdict(act, is_attack=True, actor="usr_admin")
    async with plain_database.work() as work:
        await work.connection.execute(update(store.labels).values(indicator_values='["no"'))
    found = await feedback.admitted()
    assert (found.counted, len(found.held)) == ((), 1)


async def test_labels_of_last_year_are_forgotten(feedback: Feedback, act: Judged, clock: FrozenClock) -> None:
    await feedback.verdict(act, is_attack=True, actor="usr_admin")
    clock.advance(timedelta(days=366))
    assert (await feedback.admitted()).counted == ()


async def test_nobody_releases_their_own_label(feedback: Feedback, plain_database: Database, act: Judged) -> None:
    label = await feedback.verdict(act, is_attack=True, actor="usr_admin")
    for own in ("usr_admin", "usr_ann"):
        with pytest.raises(FeedbackRefusedError, match="own"):
            await feedback.review(label.id, is_released=True, actor=own)
    assert (await feedback.review(label.id, is_released=False, actor="usr_admin")).review is Review.REJECTED
    assert (await feedback.review(label.id, is_released=True, actor="usr_other")).review is Review.RELEASED
    assert [kind for kind, _, _ in await _events(plain_database)][1:] == ["trust.feedback.reviewed"] * 2
    with pytest.raises(FeedbackUnknownError):
        await feedback.review("lbl_nothing", is_released=True, actor="usr_other")


# --- suppressions -----------------------------------------------------------------------------------------------------

_SEEN = Observation(
    id="obs",
    at=0.0,
    user="usr_ann",
    act=Act.SIGN_IN,
    network="203.0.113.0/24",
    device="dev_1",
    place=Place(country="DE"),
)
_FINDINGS = (
    Finding("network", 3.0, "unusual"),
    Finding("new_device", 2.0, "new"),
    Finding("reputation", 1.5, "listed"),
    Finding("session_hijack", 5.0, "two hands"),
    Finding("hour", -0.5, "usual"),
    Finding("new_asn", -0.7, "speaks for the owner"),
)


async def _quiet(feedback: Feedback, scope: Scope, value: str, seen: Observation, clock: FrozenClock) -> list[str]:
    await feedback.suppress("usr_ann", scope, value, days=30, reason="works from there", actor="usr_admin")
    found = silenced(_FINDINGS, seen, await feedback.suppressions(), now=clock.now())
    return [after.indicator for before, after in zip(_FINDINGS, found, strict=True) if after.value != before.value]


async def test_a_suppression_silences_its_scope_alone(feedback: Feedback, clock: FrozenClock) -> None:
    assert await _quiet(feedback, Scope.NETWORK, "203.0.113.0/24", _SEEN, clock) == ["network", "reputation"]


async def test_a_suppression_of_a_country_says_nothing_of_reputation(feedback: Feedback, clock: FrozenClock) -> None:
    assert await _quiet(feedback, Scope.COUNTRY, "DE", _SEEN, clock) == ["network"]


async def test_a_suppression_is_for_one_user_and_one_value(feedback: Feedback, clock: FrozenClock) -> None:
    assert await _quiet(feedback, Scope.DEVICE, "dev_1", replace(_SEEN, user="usr_bob"), clock) == []
    assert await _quiet(feedback, Scope.DEVICE, "dev_2", replace(_SEEN, device="dev_3"), clock) == []


async def test_a_suppression_ends_by_itself(feedback: Feedback, clock: FrozenClock) -> None:
    given = await feedback.suppress("usr_ann", Scope.DEVICE, "dev_1", days=30, reason="", actor="usr_admin")
    assert silenced(_FINDINGS, _SEEN, [given], now=clock.now())[1].value == 0.0
    clock.advance(timedelta(days=30))
    assert silenced(_FINDINGS, _SEEN, [given], now=clock.now()) == _FINDINGS
    assert await feedback.suppressions() == []


def test_what_tells_of_a_stolen_session_is_never_silenced() -> None:
    never = {"session_hijack", "token_replay", "context_change", "mfa_fatigue", "password_spray", "credential_stuffing"}
    assert not never & frozenset().union(*SILENCES.values())


@pytest.mark.parametrize(
    ("user", "value", "days"),
    [("", "203.0.113.0/24", 30), ("usr_ann", " ", 30), ("usr_ann", "x", 91), ("usr_ann", "x", 0), ("usr_ann", "x", -1)],
)
async def test_a_suppression_for_everybody_for_nothing_or_for_ever_is_refused(
    feedback: Feedback, user: str, value: str, days: float
) -> None:
    with pytest.raises(FeedbackMalformedError):
        await feedback.suppress(user, Scope.NETWORK, value, days=days, reason="", actor="usr_admin")


async def test_nobody_suppresses_for_themselves(feedback: Feedback) -> None:
    with pytest.raises(FeedbackRefusedError):
        await feedback.suppress("usr_ann", Scope.NETWORK, "203.0.113.0/24", days=1, reason="", actor="usr_ann")


async def test_a_user_has_only_so_many_suppressions(feedback: Feedback) -> None:
    for number in range(20):
        await feedback.suppress("usr_ann", Scope.DEVICE, f"dev_{number}", days=1, reason="", actor="usr_admin")
    with pytest.raises(FeedbackMalformedError, match="20"):
        await feedback.suppress("usr_ann", Scope.DEVICE, "dev_20", days=1, reason="", actor="usr_admin")


async def test_a_suppression_is_taken_back(feedback: Feedback, plain_database: Database) -> None:
    given = await feedback.suppress("usr_ann", Scope.DEVICE, "dev_1", days=1, reason="", actor="usr_admin")
    await feedback.unsuppress(given.id, actor="usr_other")
    assert await feedback.suppressions() == []
    with pytest.raises(FeedbackUnknownError):
        await feedback.unsuppress(given.id, actor="usr_other")
    kinds = [kind for kind, _, _ in await _events(plain_database)]
    assert kinds == ["trust.suppression.added", "trust.suppression.removed"]
