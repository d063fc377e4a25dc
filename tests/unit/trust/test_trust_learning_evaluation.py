from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from watchword.trust import Place
from watchword.trust.behaviour import Model
from watchword.trust.learning import FEATURES, ExtraMissingError, TooFewLabelsError, generic_detectors
from watchword.trust.learning.errors import ObservationsError
from watchword.trust.learning.evaluation import Evaluation, Plan, draw_labels, evaluate
from watchword.trust.learning.figures import figures
from watchword.trust.learning.refit import Recipe, margin_of
from watchword.trust.learning.replaying import UNREADABLE, Replay
from watchword.trust.observation import Act, Agent, Observation
from watchword.trust.synthesis import Labelled, OrganisationSpec, generate

_HOME = Place(country="DE", asn=64500, latitude=50.1, longitude=8.7, radius_km=20.0)
_AWAY = Place(country="VN", asn=64999, latitude=10.8, longitude=106.7, radius_km=20.0)
_DAY = 86_400.0
_FIRST_DAY = 20_700  # of 2026


def _sign_in(number: int, *, at: float | None = None, **more: object) -> Observation:
    usual = Observation(
        id=f"obs_{number}",
        at=(_FIRST_DAY + number) * _DAY + 30_000.0 if at is None else at,
        user="usr_ann",
        act=Act.SIGN_IN,
        is_verified=True,
        ip="203.0.113.7",
        network="203.0.113.0/24",
        place=_HOME,
        agent=Agent("Firefox/128.0 (Windows)", "Firefox 128", "Windows 10", "desktop"),
        device="dev_ann",
        session=f"ses_{number}",
    )
    return replace(usual, **more)  # type: ignore[arg-type]  # fields of the observation


_ABROAD = {"ip": "198.51.100.9", "network": "198.51.100.0/24", "place": _AWAY, "device": ""}


def _margins(observations: Sequence[Observation]) -> list[float]:
    return [each.margin for each in Replay(Model()).run([Labelled(each) for each in observations])]


def _network(observations: Sequence[Observation]) -> float:
    return Replay(Model()).run([Labelled(each) for each in observations])[-1].values["network"]


def test_whether_a_second_factor_was_given_is_hidden_from_the_judge_of_a_sign_in() -> None:
    past = [_sign_in(day) for day in range(8)]
    verified = _margins([*past, _sign_in(9, **_ABROAD)])
    not_verified = _margins([*past, _sign_in(9, **_ABROAD, is_verified=False)])
    assert verified == not_verified


def test_an_answered_prompt_teaches_nothing_before_its_sign_in_is_judged() -> None:
    past = [_sign_in(day) for day in range(8)]
    prompt = _sign_in(8, **_ABROAD, act=Act.PROMPT, session="", id="prompt")
    later = _sign_in(8, **_ABROAD, at=prompt.at + 20.0)
    assert _margins([*past, prompt, later])[-1] == _margins([*past, later])[-1]


def test_an_answered_prompt_without_a_sign_in_is_learned_in_the_end() -> None:
    past = [_sign_in(day) for day in range(8)]
    prompts = [_sign_in(day, **_ABROAD, act=Act.PROMPT, session="", id=f"prompt {day}") for day in (8, 9)]
    again = _sign_in(10, **_ABROAD)
    asked = _sign_in(9, at=prompts[-1].at + 3_600.0, act=Act.REQUEST, id="asked")
    assert _network([*past, *prompts, asked, again]) < _network([*past, asked, again]) - 1


def test_an_attackers_act_that_passes_for_verified_is_learned_like_any_other() -> None:
    past = [_sign_in(day) for day in range(8)]
    stolen, again = _sign_in(8, **_ABROAD), _sign_in(9, **_ABROAD)
    taught = Replay(Model()).run(
        [Labelled(each) for each in past] + [Labelled(stolen, "thief", "one"), Labelled(again)]
    )
    untaught = Replay(Model()).run([Labelled(each) for each in [*past, again]])
    assert taught[-1].margin < untaught[-1].margin
    assert [each.number for each in taught][-2:] == [-1, 8]


def test_acts_out_of_order_are_refused() -> None:
    with pytest.raises(ObservationsError, match="older"):
        _margins([_sign_in(2), _sign_in(1)])


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    spec = OrganisationSpec(
        users=30, days=30, attackers=("naive", "targeted"), incidents=24, requests_a_session=0.0, quiet_days=10
    )
    plan = Plan(labels=24, seed=5, recipe=Recipe(least_labels=20))
    return evaluate(generate(spec, seed=1), Model(), plan)


def test_every_attacker_and_all_are_measured_on_the_same_acts(evaluation: Evaluation) -> None:
    found = evaluation.own.by_attacker
    assert set(found) == {"naive", "targeted", "all"}
    assert found["all"].attacks == found["naive"].attacks + found["targeted"].attacks
    assert found["naive"].owners == found["all"].owners > 100
    assert found["naive"].auc > 0.9
    assert all(each.at >= evaluation.since for each in evaluation.scored)


def test_a_model_applied_to_what_indicators_said_is_the_score(evaluation: Evaluation) -> None:
    readable = [each for each in evaluation.scored if UNREADABLE not in each.values]
    assert len(readable) > 100
    for each in readable:
        assert margin_of(each.values, evaluation.model) == pytest.approx(each.margin, abs=1e-4)


def test_labels_come_from_before_what_is_measured_and_of_each_attack_once(evaluation: Evaluation) -> None:
    assert len(evaluation.labels) == 24
    assert all(each.given_at.timestamp() < evaluation.since for each in evaluation.labels)
    assert sum(each.is_attack for each in evaluation.labels) == 12
    assert evaluation.with_labels is not None
    assert evaluation.refitted is not None
    assert evaluation.with_labels.by_attacker["all"].attacks == evaluation.own.by_attacker["all"].attacks


def test_reauthentication_is_told_for_as_many_log_ins_as_people_reached(evaluation: Evaluation) -> None:
    assert 12 in evaluation.own.reauthentication
    assert all(0.0 <= rate <= 1.0 for rate in evaluation.own.reauthentication.values())


def test_the_same_traffic_gives_the_same_figures(evaluation: Evaluation) -> None:
    seed = 3
    first = draw_labels(evaluation.scored, 10, seed=seed)
    assert [each.id for each in first] == [each.id for each in draw_labels(evaluation.scored, 10, seed=seed)]


def test_traffic_without_attacks_measures_nothing() -> None:
    with pytest.raises(ObservationsError, match="no attack"):
        evaluate([Labelled(_sign_in(day)) for day in range(4)], Model())


def test_traffic_without_owners_measures_nothing() -> None:
    with pytest.raises(ObservationsError, match="owners"):
        evaluate([Labelled(_sign_in(day), "thief", str(day)) for day in range(4)], Model())


def test_labels_that_there_are_not_are_not_made_up() -> None:
    traffic = [Labelled(_sign_in(day), "thief" if day % 2 else None, str(day)) for day in range(40)]
    with pytest.raises(TooFewLabelsError):
        evaluate(traffic, Model(), Plan(labels=50))


def test_figures_have_the_names_that_benchmarks_ask_for(evaluation: Evaluation) -> None:
    found = figures(evaluation)
    assert {"auc_naive", "auc_targeted", "auc_all", "tpr_at_1pct_fpr", "ece", "reauth_rate_12"} <= found.keys()
    assert {"auc_all_24_labels", "tpr_at_1pct_fpr_24_labels", "ece_24_labels"} <= found.keys()
    assert found["auc_all"] == round(evaluation.own.by_attacker["all"].auc, 4)


def test_other_methods_are_measured_on_the_same_acts_and_never_see_the_outcome() -> None:
    class Distrustful:
        def __init__(self) -> None:
            self.judged: list[bool] = []
            self.seen = 0

        def judge(self, observation: Observation) -> float:
            self.judged.append(observation.is_verified)
            return 1.0 if observation.place == _AWAY else 0.0

        def observe(self, observation: Observation) -> None:
            self.seen += observation.is_verified

    rival = Distrustful()
    traffic = [Labelled(_sign_in(day)) for day in range(20)]
    traffic[4::6] = [Labelled(_sign_in(day, **_ABROAD), "thief", str(day)) for day in range(4, 20, 6)]
    found = evaluate(traffic, Model(), Plan(since=0.0), rivals={"naysayer": rival})
    assert figures(found)["naysayer_auc_all"] == 1.0
    assert (rival.judged, rival.seen) == ([False] * 20, 20)


def test_a_missing_detector_to_compare_with_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ExtraMissingError, match="sklearn") as refused:
        generic_detectors()
    assert "requirements/bench.txt" in refused.value.hint


def test_generic_detectors_learn_from_every_log_in_before_what_is_measured() -> None:
    learned: list[int] = []

    def counting(past: Sequence[Sequence[float]], rows: Sequence[Sequence[float]]) -> list[float]:
        learned.append(len(past))
        return [row[FEATURES.index("new_network")] for row in rows]

    traffic = [Labelled(_sign_in(day)) for day in range(80)]
    traffic[70] = Labelled(_sign_in(70, **_ABROAD), "thief", "one")
    found = evaluate(traffic, Model(), Plan(since=traffic[60].observation.at), generic={"new": counting})
    assert learned == [60]
    assert found.rivals["new"].by_attacker["thief"].auc == 1.0
    with pytest.raises(ObservationsError, match="only 40 log-ins"):
        evaluate(traffic, Model(), Plan(since=traffic[40].observation.at), generic={"new": counting})


def test_an_act_of_which_nobody_knows_whose_it_was_is_learned_and_not_counted() -> None:
    unknown = [Labelled(_sign_in(day), is_labelled=False) for day in range(8)]
    (found,) = Replay(Model()).run([*unknown, Labelled(_sign_in(9))])
    assert found.values["network"] < -1.0


def test_an_owner_who_is_asked_proves_it_and_teaches_and_nobody_else_does() -> None:
    def known(asks_from: float | None, attacker: str | None = None, after: int = 12) -> float:
        past = [Labelled(replace(_sign_in(day), is_verified=False), attacker, "one") for day in range(after)]
        found = Replay(Model(), asks_from=asks_from).run([*past, Labelled(_sign_in(20))])
        return found[-1].values.get("network", 0.0)

    assert known(None) == known(1.0) == known(0.0, "thief") == known(0.0, after=0)
    assert known(0.0) < known(None) - 1.0


def test_of_one_attack_only_one_log_in_is_labelled() -> None:
    past = [Labelled(_sign_in(day)) for day in range(20)]
    attacks = [Labelled(_sign_in(20 + n, **_ABROAD), "thief", f"attack_{n // 10}") for n in range(40)]
    drawn = draw_labels(Replay(Model()).run([*past, *attacks]), 40, seed=1)
    assert sum(each.is_attack for each in drawn) == 4


def test_an_attacker_who_does_what_no_owner_did_is_named_and_left_out() -> None:
    traffic = [Labelled(_sign_in(day), "thief" if day % 4 == 3 else None, str(day)) for day in range(12)]
    asked = _sign_in(12, act=Act.REQUEST, id="asked", application="wiki")
    found = evaluate([*traffic, Labelled(asked, "insider", "one")], Model(), Plan(since=0.0))
    assert (found.left_out, set(found.own.by_attacker)) == (("insider",), {"thief", "all"})
