"""A model has bounds and a name of its own; thresholds follow from costs; the published score is as published."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest
from behaviour_cases import AT_WORK, CURL, SYDNEY, THIEF, event
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.kernel import RiskLevel, Sensitivity
from watchword.trust import Thresholds, level
from watchword.trust.behaviour import (
    SHIPPED_COSTS,
    Costs,
    Freeman,
    Isotonic,
    Model,
    Platt,
    sigmoid,
    thresholds_by_sensitivity,
    thresholds_from,
)
from watchword.trust.observation import Act


def test_the_same_model_has_the_same_hash_and_another_has_another() -> None:
    first = Model(weights={"network": 1.5, "agent": 0.5})
    assert first.hash == Model(weights={"agent": 0.5, "network": 1.5}).hash
    assert first.hash != Model(weights={"network": 1.5, "agent": 0.6}).hash
    assert first.hash != replace(first, version="2").hash
    assert first.hash != replace(first, calibration=Platt(0.9)).hash


@pytest.mark.parametrize("calibration", [Platt(0.8, 0.2), Isotonic((-3.0, 0.0, 2.0), (0.0, 0.2, 1.0))])
def test_a_model_is_read_back_as_it_was_written(calibration: Platt | Isotonic) -> None:
    model = Model(name="refit", version="7", weights={"network": 0.25}, bias=-3.5, calibration=calibration)
    again = Model.from_json(model.to_json())
    assert again == model
    assert again.hash == model.hash


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"name":1}', '{"name":"a","version":"b","weights":[],"bias":0,"calibration":{}}',
     '{"name":"a","version":"b","weights":{},"bias":0,"default_weight":1,"calibration":{"kind":"platt","slope":1}}'],
)  # fmt: skip
def test_garbage_is_no_model(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Model.from_json(text)


@pytest.mark.parametrize(
    "given",
    [
        {"weights": {"network": -0.1}},
        {"weights": {"network": 3.1}},
        {"weights": {"network": float("nan")}},
        {"default_weight": 9.0},
        {"bias": -16.0},
        {"bias": float("nan")},
        {"weights": {str(number): 1.0 for number in range(300)}},
    ],
)
def test_no_refit_can_turn_an_indicator_around_or_make_it_decide_alone(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        Model(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edges", "values"),
    [((), ()), ((0.0,), ()), ((1.0, 0.0), (0.1, 0.2)), ((0.0, 1.0), (0.9, 0.2)), ((0.0,), (1.2,)), ((1e999,), (0.5,))],
)  # fmt: skip
def test_calibration_never_falls(edges: tuple[float, ...], values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="calibration"):
        Isotonic(edges, values)
    with pytest.raises(ValueError, match="calibration"):
        Platt(slope=-1.0)


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_more_evidence_is_never_less_probability(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for calibration in (Platt(0.7, -1.0), Isotonic((-3.0, 0.0, 2.0), (0.0, 0.2, 1.0))):
        assert 0.0 <= calibration.probability(low) <= calibration.probability(high) <= 1.0


def test_steps_hold_from_their_edges_on() -> None:
    steps = Isotonic((-1.0, 1.0), (0.2, 0.8))
    assert [steps.probability(at) for at in (-5.0, -1.0, 0.99, 1.0, 9.0)] == [0.2, 0.2, 0.2, 0.8, 0.8]
    assert sigmoid(0.0) == 0.5


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.1, 1e5),
    st.floats(0.01, 100.0),
    st.floats(1.01, 1000.0),
    st.floats(0.001, 0.999),
    st.integers(0, 100),
)
def test_each_threshold_is_where_the_cheapest_answer_changes(
    takeover: float, step_up: float, times: float, pass_rate: float, risk: int
) -> None:
    costs = Costs(takeover, step_up, step_up * times, pass_rate)
    found = thresholds_from(costs)
    p = risk / 100
    price = {
        RiskLevel.LOW: p * takeover,
        RiskLevel.MEDIUM: (1 - p) * step_up + p * pass_rate * takeover,
        RiskLevel.HIGH: (1 - p) * costs.denial,
    }
    chosen = level(risk, Sensitivity.INTERNAL, {Sensitivity.INTERNAL: found})
    if found.step_up > 1 and found.deny < 100:
        assert price[chosen] <= min(price.values()) * (1 + 1e-9) + 1e-9


def test_what_is_more_sensitive_is_guarded_earlier() -> None:
    found = [thresholds_by_sensitivity()[sensitivity] for sensitivity in Sensitivity]
    assert [each.step_up for each in found] == sorted([each.step_up for each in found], reverse=True)
    assert [each.deny for each in found] == sorted([each.deny for each in found], reverse=True)
    assert set(SHIPPED_COSTS) == set(Sensitivity)


def test_where_refusing_costs_little_nobody_is_asked() -> None:
    assert thresholds_from(Costs(takeover=100.0, step_up=1.0, denial=1.01, pass_rate=0.9)) == Thresholds(1, 1)


@pytest.mark.parametrize(
    "costs", [(0.0, 1.0, 2.0, 0.1), (9.0, 2.0, 1.0, 0.1), (9.0, 0.0, 1.0, 0.1), (9.0, 1.0, 2.0, 1.0)]
)
def test_costs_under_which_nothing_is_ever_best_are_refused(costs: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="costs must satisfy"):
        Costs(*costs)


def test_the_published_score_of_a_value_the_user_always_shows() -> None:
    """Two users with three sign-ins each, all values different: worked out by hand from the formula."""
    freeman = Freeman()
    for number in range(3):
        freeman.observe(event(number))
        freeman.observe(replace(THIEF, id=f"b{number}", user="usr_bert", is_verified=True))
    # The address: 0.6 smoothed, (3/6)(1 - u/(6+u)) with u = 1 + 2 systems + 2 countries; 0.3 and 0.1 of 3/6.
    address = 0.6 * 0.5 * (1 - 5 / 11) + 0.4 * 0.5
    # The agent: u = 1 + 2 browsers + 2 systems + 2 types.
    agent = 0.5386653840551359 * 0.5 * (1 - 7 / 13) + (1 - 0.5386653840551359) * 0.5
    assert freeman.judge(AT_WORK) == pytest.approx(log(address * agent), abs=1e-9)


def test_the_published_score_of_what_the_user_never_showed_is_four() -> None:
    freeman = Freeman()
    for number in range(3):
        freeman.observe(event(number))
        freeman.observe(replace(THIEF, id=f"b{number}", user="usr_bert", is_verified=True))
    assert exp(freeman.judge(THIEF)) == pytest.approx(16.0)


def test_the_published_score_can_stand_where_ours_stands() -> None:
    freeman = Freeman()
    for number in range(3):
        freeman.observe(event(number))
        freeman.observe(replace(THIEF, id=f"b{number}", user="usr_bert", is_verified=True))
    found = freeman.score(THIEF)
    assert [term.indicator for term in found.contributions] == ["prior", "account", "address", "agent"]
    assert found.log_odds == sum(term.value for term in found.contributions)
    assert found.log_odds == pytest.approx(freeman.judge(THIEF), abs=1e-5)
    assert found.risk == 94  # 16 to 1
    assert freeman.score(replace(THIEF, user="usr_nobody")).is_cold


def test_the_published_score_learns_from_verified_sign_ins_alone() -> None:
    freeman = Freeman()
    freeman.observe(replace(AT_WORK, is_verified=False))
    freeman.observe(replace(AT_WORK, act=Act.REQUEST))
    freeman.observe(replace(AT_WORK, is_success=False))
    assert freeman.judge(AT_WORK) == 0.0
    freeman.observe(AT_WORK)
    assert freeman.judge(replace(AT_WORK, agent=CURL, place=SYDNEY, ip="1.2.3.4")) > freeman.judge(AT_WORK)
