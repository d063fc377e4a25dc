from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust.behaviour import Isotonic, Platt, sigmoid
from watchword.trust.learning.calibration import ISOTONIC_FROM, Case, calibrated, isotonic, platt
from watchword.trust.learning.metrics import ece

_CASES = st.lists(
    st.builds(Case, st.integers(-6, 6).map(float), st.booleans(), st.sampled_from([0.25, 1.0, 2.0])),
    min_size=2,
    max_size=40,
).filter(lambda cases: len({case.is_attack for case in cases}) == 2)


def _drawn(seed: int, count: int, slope: float, shift: float) -> list[Case]:
    drawer = random.Random(seed)  # noqa: S311  # drawn from a fixed seed, for figures
    margins = [drawer.uniform(-6, 6) for _ in range(count)]
    return [Case(margin, drawer.random() < sigmoid(slope * margin + shift)) for margin in margins]


def test_a_line_finds_by_how_much_scores_were_too_sure() -> None:
    found = platt(_drawn(4, 3000, 0.5, -1.0), Platt())
    assert (found.slope, found.shift) == (pytest.approx(0.5, abs=0.06), pytest.approx(-1.0, abs=0.15))


def test_a_line_never_turns_the_ranking_round() -> None:
    assert platt([Case(4.0, is_attack=False)] * 50 + [Case(-4.0, is_attack=True)] * 50, Platt()).slope > 0


def test_labels_that_separate_perfectly_do_not_make_certainty() -> None:
    found = platt([Case(1.0, is_attack=True)] * 10 + [Case(-1.0, is_attack=False)] * 10, Platt())
    assert 0.8 < found.probability(1.0) < 0.99


@given(_CASES)
def test_the_staircase_rises_and_is_never_certain(cases: list[Case]) -> None:
    found = isotonic(cases)
    assert all(before <= after for before, after in pairwise(found.values))
    assert found.values[0] > 0.0
    assert found.values[-1] < 1.0


@given(_CASES)
def test_between_its_ends_the_staircase_predicts_what_was_seen(cases: list[Case]) -> None:
    found = isotonic(cases)
    for edge, after, value in list(zip(found.edges, found.edges[1:], found.values, strict=False))[1:]:
        inside = [case for case in cases if edge <= case.margin < after]
        attacks = sum(case.weight for case in inside if case.is_attack)
        assert value == pytest.approx(attacks / sum(case.weight for case in inside))


def test_neighbours_in_the_wrong_order_are_pooled() -> None:
    wrong = [Case(0.0, is_attack=True), Case(1.0, is_attack=False), Case(1.0, is_attack=False)]
    found = isotonic([Case(-5.0, is_attack=False), *wrong, Case(5.0, is_attack=True)])
    assert found.edges == (-5.0, 0.0, 5.0)
    assert found.values[1] == pytest.approx(1 / 3)


def test_a_staircase_of_very_many_steps_is_made_coarser() -> None:
    rising = range(1, 601)
    cases = [Case(float(n), is_attack=True, weight=float(n)) for n in rising]
    found = isotonic([*cases, *(Case(float(n), is_attack=False, weight=601.0 - n) for n in rising)])
    assert len(found.edges) == 200


def test_the_staircase_calibrates_what_no_line_can() -> None:
    drawer = random.Random(11)  # noqa: S311  # as above
    margins = [drawer.uniform(-4, 4) for _ in range(4000)]
    cases = [Case(margin, drawer.random() < (0.05 if margin < 1 else 0.6)) for margin in margins]
    labels = [case.is_attack for case in cases]
    straight, stairs = (
        ece([found.probability(margin) for margin in margins], labels)
        for found in (platt(cases, Platt()), isotonic(cases))
    )
    assert stairs < 0.02 < straight


def test_the_staircase_is_for_many_labels_only() -> None:
    cases = [Case(float(n % 7), is_attack=n % 2 == 0) for n in range(ISOTONIC_FROM)]
    assert isinstance(calibrated(cases[:-1], Platt()), Platt)
    assert isinstance(calibrated(cases, Platt()), Isotonic)


def test_labels_of_one_kind_calibrate_nothing() -> None:
    for count in (3, ISOTONIC_FROM):
        with pytest.raises(ValueError, match="both kinds"):
            calibrated([Case(1.0, is_attack=True)] * count, Platt())


def test_a_line_begins_from_the_one_that_was_shipped() -> None:
    shipped = Platt(0.4, -2.0)
    few = [Case(2.0, is_attack=True), Case(-2.0, is_attack=False)]
    found = platt(few, shipped)
    assert (found.slope, found.shift) == (pytest.approx(0.4, abs=0.15), pytest.approx(-2.0, abs=0.7))


@pytest.mark.parametrize("count", [400, ISOTONIC_FROM])
def test_attacks_that_are_commoner_among_labels_than_in_traffic_are_allowed_for(count: int) -> None:
    drawer = random.Random(9)  # noqa: S311  # as above
    cases = [Case(drawer.gauss(2.0, 1.0), is_attack=True) for _ in range(count // 2)]
    cases += [Case(drawer.gauss(-2.0, 1.0), is_attack=False) for _ in range(count // 2)]
    found = calibrated(cases, Platt(), by=3.0)
    rare = [(drawer.gauss(2.0, 1.0), True) for _ in range(200)] + [
        (drawer.gauss(-2.0, 1.0), False) for _ in range(4000)
    ]
    said = [found.probability(margin) for margin, _ in rare]
    assert ece(said, [is_attack for _, is_attack in rare]) < 0.015
