"""Stored forests and peer groups that somebody wrote to do harm, and drift where nothing has moved."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from watchword.trust.learning.batch import Forest, PeerGroups, Stability, drift, psi

_STORED: dict[str, Any] = {
    "format": 1,
    "names": ["a"],
    "roots": [0],
    "feature": [0, -1, -1],
    "threshold": [0.5, 3.0, 2.0],
    "child": [1, -1, -1],
    "scale": 8.0,
    "quantiles": [0.4, 0.5],
}
_PEERS: dict[str, Any] = {
    "format": 1,
    "rarity": {"wiki": 1.0},
    "centres": {"peers-01": {"wiki": 1.0}},
    "members": {"usr_ann": "peers-01"},
}


def _chain(depth: int) -> dict[str, Any]:
    """Return a tree that goes on to the right for so long."""
    return {
        "feature": [0, -1] * depth + [-1],
        "child": [number + 1 if number % 2 == 0 else -1 for number in range(2 * depth)] + [-1],
        "threshold": [0.0] * (2 * depth + 1),
    }


@pytest.mark.parametrize(
    "damage",
    [
        {"scale": float("inf")},  # everything would be as isolated as can be
        {"scale": float("nan")},
        {"scale": 5e-324},
        {"scale": 10**400},
        {"threshold": [0.5, -1e308, 2.0]},  # a score beyond every number
        {"threshold": [0.5, 1e308, 2.0]},
        {"threshold": [0.5, True, 2.0]},
        {"quantiles": [float("nan")] * 3},
        {"quantiles": [0.9, 0.1]},
        {"quantiles": "0123456789"},
        {"feature": [0.9, -1, -1]},
        {"feature": [False, -1, -1]},
        {"feature": "0--"},
        {"child": [1.5, -1, -1]},
        {"names": "a"},
        {"names": [None]},
        {"roots": {"0": 0}},
    ],
)
def test_a_forest_that_somebody_altered_is_refused(damage: dict[str, Any]) -> None:
    assert Forest.from_json(json.dumps(_STORED)).score([0.0]) == 2 ** (-3.0 / 8.0)
    with pytest.raises(ValueError, match="forest"):
        Forest.from_json(json.dumps(_STORED | damage))


def test_a_forest_of_one_tree_named_a_million_times_is_refused() -> None:
    with pytest.raises(ValueError, match="too many trees"):
        Forest.from_json(json.dumps(_STORED | {"roots": [0] * 100_000}))


def test_a_tree_as_deep_as_its_nodes_is_refused() -> None:
    assert Forest.from_json(json.dumps(_STORED | _chain(20))).score([1.0]) == 1.0
    with pytest.raises(ValueError, match="out of range"):
        Forest.from_json(json.dumps(_STORED | _chain(5_000)))


@pytest.mark.parametrize(
    "damage",
    [
        {"rarity": {"wiki": 10**400}},
        {"rarity": {"wiki": float("inf")}},
        {"rarity": {"wiki": -1.0}},
        {"rarity": {"wiki": None}},
        {"centres": {"peers-01": {"wiki": float("nan")}, "peers-02": {"wiki": 1.0}}},
        {"centres": {f"peers-{number}": {} for number in range(2_000)}},
        {"centres": [["peers-01", {}]]},
        {"members": [["usr_ann", "peers-01"]]},
    ],
)
def test_peer_groups_that_somebody_altered_are_refused(damage: dict[str, Any]) -> None:
    assert PeerGroups.from_json(json.dumps(_PEERS)).group_of({"wiki": 3.0}) == "peers-01"
    with pytest.raises(ValueError, match="stored peer groups"):
        PeerGroups.from_json(json.dumps(_PEERS | damage))


# --- drift ------------------------------------------------------------------------------------------------------------


def _values(drawer: random.Random, mean: float, spread: float, count: int) -> list[dict[str, float]]:
    return [{"network": drawer.gauss(mean, spread)} for _ in range(count)]


@pytest.mark.parametrize("count", [50, 100, 200, 400])
def test_what_chance_alone_does_to_few_log_ins_is_no_drift(count: int) -> None:
    drawer = random.Random(count)  # noqa: S311  # drawn from a fixed seed, for figures
    told = [drift(_values(drawer, 0.0, 1.0, count), _values(drawer, 0.0, 1.0, count))[0].stability for _ in range(40)]

    assert Stability.DRIFTED not in told
    assert Stability.MOVING not in told


def test_what_moves_a_few_log_ins_far_enough_is_told_all_the_same() -> None:
    drawer = random.Random(3)  # noqa: S311  # as above
    (found,) = drift(_values(drawer, 0.0, 1.0, 60), _values(drawer, 3.0, 1.0, 60))

    assert found.stability is Stability.DRIFTED
    assert found.moved == pytest.approx(3.0, abs=0.5)


def test_narrow_values_that_move_by_less_than_any_answer_have_not_drifted() -> None:
    drawer = random.Random(4)  # noqa: S311  # as above
    past, recent = _values(drawer, -0.9838, 0.0001, 500), _values(drawer, -0.9842, 0.0001, 500)
    (found,) = drift(past, recent)

    assert psi([each["network"] for each in past], [each["network"] for each in recent]) > 0.25
    assert found.psi is not None
    assert found.psi > 0.25
    assert (found.stability, found.moved) == (Stability.STABLE, pytest.approx(0.0004, abs=0.0002))


def test_values_that_change_places_around_the_same_mean_have_drifted() -> None:
    past = [{"hour": 0.0}] * 500
    recent = [{"hour": 2.0}] * 250 + [{"hour": -2.0}] * 250
    (found,) = drift(past, recent)

    assert (found.before, found.after, found.moved) == (0.0, 0.0, 2.0)
    assert found.stability is Stability.DRIFTED
