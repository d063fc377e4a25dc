"""The small counts beneath every detector: the same in any order, bounded, and never too sure."""

from __future__ import annotations

import itertools
import random
from math import exp, lgamma, log

import pytest

from watchword.trust.detectors.fading import NOTHING, Fading, counted, worth
from watchword.trust.detectors.memory import Memory
from watchword.trust.detectors.newest import NONE, Newest, noted, seen_since, without
from watchword.trust.detectors.stored import fading, newest, number
from watchword.trust.detectors.surprise import surprise


def _counted_in_turn(times: tuple[float, ...]) -> Fading:
    known = NOTHING
    for at in times:
        known = counted(known, at, over_s=600)
    return known


def test_a_fading_count_is_the_same_in_any_order() -> None:
    counts = [_counted_in_turn(times) for times in itertools.permutations((100.0, 400.0, 401.0, 2000.0, 90_000.0))]
    assert all(one.weight == pytest.approx(counts[0].weight) for one in counts)
    assert {one.at for one in counts} == {90_000.0}


def test_a_fading_count_fades_and_never_grows() -> None:
    known = counted(NOTHING, 1000.0, over_s=600)
    assert worth(known, 1600.0, over_s=600) == pytest.approx(exp(-1))
    assert worth(known, 0.0, over_s=600) == 1.0
    assert worth(known, 1e300, over_s=600) == 0.0
    assert counted(Fading(1e300, 1.0), 1.0, over_s=600).weight < 1e7


def test_the_newest_few_are_the_same_in_any_order_and_however_often() -> None:
    told = [(f"k{n % 40}", float(n * 7 % 101)) for n in range(200)]
    results = []
    for seed in range(5):
        random.Random(seed).shuffle(told)  # noqa: S311  # a fixed seed
        known: Newest = NONE
        for key, at in told + told[:50]:
            known = noted(known, key, at, most=16)
        results.append(dict(known))
    assert all(result == results[0] for result in results)
    assert len(results[0]) == 16


def test_what_is_newest_can_be_counted_and_forgotten() -> None:
    known = noted(noted(NONE, "a", 5.0, most=8), "b", 9.0, most=8)
    assert seen_since(known, 5.0) == 1
    assert without(known, "a") == {"b": 9.0}
    assert without(known, "c") is known
    assert noted(known, "b", 3.0, most=8) is known


def _exact(count: int, usual: float, certainty: float) -> float:
    """Return minus the logarithm of the upper tail of the negative binomial distribution, summed term by term."""
    p = usual / (usual + certainty)
    tail = sum(
        exp(lgamma(k + certainty) - lgamma(certainty) - lgamma(k + 1) + certainty * log(1 - p) + k * log(p))
        for k in range(count, count + 4000)
    )
    return -log(tail)


@pytest.mark.parametrize(("usual", "certainty"), [(0.5, 2.0), (3.0, 3.0), (20.0, 2.0), (40.0, 40.0)])
def test_surprise_never_exceeds_what_the_distribution_says_and_comes_near_it(usual: float, certainty: float) -> None:
    for count in (int(usual * 2) + 1, int(usual * 4) + 2, int(usual * 8) + 4):
        found, exact = surprise(count, usual, certainty), _exact(count, usual, certainty)
        assert found <= exact
        assert found >= exact - 5.0


def test_surprise_rises_with_the_count_and_with_certainty() -> None:
    values = [surprise(count, 5.0, 3.0) for count in range(100)]
    assert values == sorted(values)
    assert values[5] == 0.0
    assert surprise(20, 5.0, 10.0) > surprise(20, 5.0, 1.0)
    assert surprise(float("nan"), 5.0, 1.0) == 0.0


def test_a_memory_forgets_the_least_recently_used() -> None:
    memory: Memory[float] = Memory(0.0, number, most=3)
    for key in ("a", "b", "c"):
        memory.put(key, 1.0)
    memory.put("a", 2.0)
    memory.put("d", 1.0)
    assert [key for key in "abcd" if key in memory] == ["a", "c", "d"]
    assert memory.get("b") == 0.0


def test_a_memory_tells_each_change_once_and_what_was_forgotten_if_it_was_told_before() -> None:
    memory: Memory[float] = Memory(0.0, number, most=2)
    memory.put("a", 1.0)
    memory.put("a", 2.0)
    memory.put("b", 1.0)
    assert dict(memory.changes()) == {"a": 2.0, "b": 1.0}
    assert dict(memory.changes()) == {}
    memory.put("c", 3.0)
    memory.put("d", 4.0)
    assert dict(memory.changes()) == {"a": None, "b": None, "c": 3.0, "d": 4.0}
    for n in range(100):
        memory.put(f"passing-{n}", 1.0)
    told = dict(memory.changes())
    assert set(told) == {"c", "d", "passing-98", "passing-99"}
    memory.put("c", 1.0)
    memory.drop("c")
    memory.put("c", 7.0)
    assert dict(memory.changes())["c"] == 7.0


@pytest.mark.parametrize("given", [None, "x", True, float("nan"), float("inf"), [], {}, [1], [1, "x"], [1, 2, 3]])
def test_what_was_not_stored_by_us_is_refused(given: object) -> None:
    for parse in (number, fading, lambda item: newest(item, most=2)):
        memory = Memory(None, parse, most=3)  # type: ignore[arg-type]
        if given != {} or parse in (number, fading):
            with pytest.raises(ValueError, match=r".+"):
                memory.restore("key", given)
            assert "key" not in memory
    with pytest.raises(ValueError, match="short mapping"):
        newest({"a": 1, "b": 1, "c": 1}, most=2)
