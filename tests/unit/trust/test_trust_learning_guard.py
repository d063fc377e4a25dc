"""Every way in which labels could be made to teach the wrong thing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchword.kernel import Acr
from watchword.trust.learning.guard import Caps, Hold, admit
from watchword.trust.learning.labels import Doubted, Label, Review, Source, Witness, may_vouch, step_up_weight

_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _label(number: int, **more: object) -> Label:
    usual = Label(
        id=f"lbl_{number:04}",
        act=f"act_{number}",
        user=f"usr_{number}",
        source=Source.OWNER,
        is_attack=False,
        given_by=f"usr_{number}",
        given_at=_NOON + timedelta(minutes=number),
        observed_at=_NOON,
        values={"network": 1.0},
    )
    return replace(usual, **more)  # type: ignore[arg-type]  # fields of the label


def _held(labels: list[Label], caps: Caps | None = None) -> Counter[Hold]:
    return Counter(each.why for each in admit(labels, caps or Caps()).held)


def test_ordinary_labels_count() -> None:
    labels = [_label(n, is_attack=n % 2 == 0) for n in range(20)]
    assert admit(labels).counted == tuple(labels)


def test_one_account_cannot_outweigh_the_others() -> None:
    labels = [_label(n, user="usr_mallory", given_by="root") for n in range(30)]
    found = admit(labels)
    assert sum(each.weight for each in found.counted) == 4.0
    assert found.counted[-1].id == "lbl_0029"
    assert {each.why for each in found.held} == {Hold.USER_CAP}


def test_an_account_taken_over_cannot_push_out_what_analysts_said_of_it() -> None:
    verdicts = [_label(n, user="usr_ann", source=Source.ANALYST, given_by="usr_admin") for n in range(3)]
    mallory = [_label(n, user="usr_ann", given_by="usr_ann") for n in range(10, 30)]
    assert admit([*mallory, *verdicts]).counted[:3] == tuple(verdicts)


def test_the_cap_of_an_account_is_counted_for_each_kind_of_label_apart() -> None:
    owners = [_label(n, user="usr_ann", given_by="root") for n in range(9)]
    attacks = [_label(n, user="usr_ann", given_by="root", is_attack=True) for n in range(10, 19)]
    assert Counter(each.is_attack for each in admit([*owners, *attacks]).counted) == {True: 4, False: 4}


def test_a_giver_counts_so_often_a_day() -> None:
    labels = [_label(n, source=Source.ANALYST, given_by="usr_admin") for n in range(80)]
    assert _held(labels) == {Hold.GIVER_CAP: 30}


def test_labels_that_contradict_the_score_in_bulk_are_held_for_review() -> None:
    """An attacker with many accounts says of each of their attacks that it was the owner."""
    honest = [_label(n, is_attack=n % 2 == 0, margin=3.0 if n % 2 == 0 else -3.0) for n in range(12)]
    poison = [_label(n, margin=4.0) for n in range(100, 112)]
    found = admit([*honest, *poison])
    assert {each.id for each in found.counted} == {each.id for each in honest}
    assert [each.why for each in found.for_review] == [Hold.BULK] * 12


def test_one_giver_cannot_contradict_in_bulk_by_taking_days_over_it() -> None:
    slow = [
        _label(n, source=Source.ANALYST, given_by="usr_admin", margin=4.0, given_at=_NOON + timedelta(days=n))
        for n in range(10)
    ]
    assert _held(slow) == {Hold.BULK: 10}


def test_some_contradictions_among_many_labels_are_what_labels_are_for() -> None:
    labels = [_label(n, margin=4.0 if n < 7 else -4.0) for n in range(40)]
    assert len(admit(labels).counted) == 40


def test_attacks_called_harmless_and_owners_called_attackers_are_both_contradictions() -> None:
    labels = [_label(n, is_attack=True, margin=-4.0) for n in range(10)]
    assert _held(labels) == {Hold.BULK: 10}


def test_what_an_analyst_released_counts_and_what_was_rejected_never_does() -> None:
    poison = [_label(n, margin=4.0) for n in range(12)]
    poison[3] = replace(poison[3], review=Review.RELEASED)
    poison[4] = replace(poison[4], review=Review.REJECTED)
    found = admit(poison)
    assert [each.id for each in found.counted] == ["lbl_0003"]
    assert Counter(each.why for each in found.held) == {Hold.BULK: 10, Hold.REJECTED: 1}


def test_owner_and_analyst_who_disagree_are_settled_by_the_analyst() -> None:
    owner = _label(1, is_attack=False)
    analyst = _label(2, act=owner.act, user=owner.user, source=Source.ANALYST, is_attack=True, given_by="usr_admin")
    assert admit([owner, analyst]).counted == (analyst,)


def test_two_analysts_who_disagree_are_held() -> None:
    one = _label(1, source=Source.ANALYST, is_attack=True)
    other = _label(2, act=one.act, source=Source.ANALYST, is_attack=False)
    assert _held([one, other]) == {Hold.DISPUTED: 2}


def test_three_voices_about_one_act_are_one_label() -> None:
    owner = _label(1, is_attack=True)
    weak = _label(2, act=owner.act, source=Source.STEP_UP, is_attack=True, weight=0.1)
    assert admit([weak, owner]).counted == (owner,)


def test_weak_labels_never_outweigh_verdicts() -> None:
    """An attacker who relays codes makes as many passed step-ups as they like."""
    strong = [_label(n, is_attack=n % 2 == 0) for n in range(6)]
    weak = [_label(n, source=Source.STEP_UP, given_by="system", weight=0.3) for n in range(100, 400)]
    found = admit([*strong, *weak], Caps(giver_per_day=1000))
    total = sum(each.weight for each in found.counted)
    assert sum(each.weight for each in found.counted if each.source is Source.STEP_UP) <= 0.25 * total + 1e-9


def test_weak_labels_alone_teach_nothing() -> None:
    assert admit([_label(n, source=Source.STEP_UP, weight=0.3) for n in range(60)]).counted == ()


@pytest.mark.parametrize(
    "damage", [{"margin": math.nan}, {"weight": 0.0}, {"weight": 5.0}, {"values": {}}, {"values": {"x": math.inf}}]
)
def test_a_label_that_cannot_be_read_does_not_count(damage: dict[str, object]) -> None:
    assert _held([_label(1, **damage)]) == {Hold.UNREADABLE: 1}


def test_the_order_in_which_labels_come_makes_no_difference() -> None:
    labels = [_label(n % 40, id=f"lbl_{n}", user=f"usr_{n % 7}", margin=float(n % 9 - 4)) for n in range(90)]
    assert admit(labels) == admit(labels[::-1])
    assert admit(labels).counted


# --- who may vouch ----------------------------------------------------------------------------------------------------

_DOUBTED = Doubted("act_1", "usr_ann", _NOON, session="ses_doubted", device="dev_new")
_LONG_AGO = _NOON - timedelta(days=30)
_HONEST = Witness(
    "usr_ann",
    "ses_other",
    Acr.MULTI_FACTOR,
    device="dev_own",
    device_since=_LONG_AGO,
    factor_since=_LONG_AGO,
    is_fresh=True,
)


def test_an_owner_vouches_from_another_device_that_was_known_before() -> None:
    assert may_vouch(_HONEST, _DOUBTED) == ""


@pytest.mark.parametrize(
    ("attack", "witness"),
    [
        ("the session in doubt vouches for itself", replace(_HONEST, session="ses_doubted")),
        ("another account vouches", replace(_HONEST, user="usr_eve")),
        ("a second session of the attacker vouches", replace(_HONEST, device="dev_new")),
        ("a session without a device vouches", replace(_HONEST, device="", device_since=None)),
        ("a stolen password vouches", replace(_HONEST, acr=Acr.SINGLE_FACTOR)),
        ("a device enrolled from the doubted session vouches", replace(_HONEST, device_since=_NOON)),
        ("a factor added from the doubted session vouches", replace(_HONEST, factor_since=_NOON)),
        ("a factor of unknown age vouches", replace(_HONEST, factor_since=None)),
        ("a session left open long after its factor vouches", replace(_HONEST, is_fresh=False)),
        ("a session that is doubted itself vouches", replace(_HONEST, is_doubted=True)),
    ],
)
def test_nobody_lowers_the_bar_from_where_an_attacker_could_stand(attack: str, witness: Witness) -> None:
    assert may_vouch(witness, _DOUBTED), attack


def test_an_act_without_a_session_is_vouched_for_by_nobody() -> None:
    assert may_vouch(replace(_HONEST, session=""), replace(_DOUBTED, session=""))


def test_a_prompt_that_somebody_was_worn_down_by_is_no_evidence_for_the_owner() -> None:
    assert step_up_weight(Acr.MULTI_FACTOR, is_passed=True, prompts=4) == 0.0
    assert step_up_weight(Acr.MULTI_FACTOR, is_passed=True, prompts=1) > 0.0


def test_a_factor_that_can_be_phished_says_less_and_a_password_nothing() -> None:
    phished = step_up_weight(Acr.MULTI_FACTOR, is_passed=True, prompts=1)
    assert phished < step_up_weight(Acr.PHISHING_RESISTANT, is_passed=True, prompts=1) < 1.0
    assert step_up_weight(Acr.SINGLE_FACTOR, is_passed=True, prompts=1) == 0.0
