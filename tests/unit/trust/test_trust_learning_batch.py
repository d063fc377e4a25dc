from __future__ import annotations

import math
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from watchword.trust.learning import FEATURES, ExtraMissingError, ModelKeptError, TooFewLabelsError
from watchword.trust.learning.batch import (
    FOREST_FEATURES,
    Forest,
    Night,
    PeerGroups,
    Stability,
    drift,
    fit_forest,
    keep,
    kept_forest,
    kept_peers,
    peer_groups,
    psi,
)
from watchword.trust.learning.batch.drift import settled
from watchword.trust.learning.features import FOUR
from watchword.trust.learning.replaying import Scored
from watchword.trust.observation import Act

# Two trees over two features: one splits on the first, the other is a single leaf.
_FOREST = Forest(
    names=("a", "b"),
    roots=(0, 3),
    feature=(0, -1, -1, -1),
    threshold=(0.5, 1.0, 3.0, 2.0),
    child=(1, -1, -1, -1),
    scale=4.0,
    quantiles=(0.40, 0.45, 0.50, 0.55),
)


def test_a_walk_ends_at_a_leaf_and_lengths_become_a_score() -> None:
    assert _FOREST.score([0.5, 9.0]) == 2 ** (-(1.0 + 2.0) / 4.0)
    assert _FOREST.score([0.6, 9.0]) == 2 ** (-(3.0 + 2.0) / 4.0)


def test_numbers_are_compared_in_single_precision_as_trees_were_grown() -> None:
    assert _FOREST.score([0.5 + 1e-12, 0.0]) == _FOREST.score([0.5, 0.0])


@pytest.mark.parametrize("row", [[], [1.0], [1.0, 2.0, 3.0], [math.nan, 1.0], [1.0, math.inf]])
def test_a_row_that_does_not_fit_is_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="2 numbers"):
        _FOREST.score(row)


@pytest.mark.parametrize(
    "damage",
    [
        {"child": (0, -1, -1, -1)},  # a walk without end
        {"child": (3, -1, -1, -1)},  # beyond the arrays
        {"feature": (2, -1, -1, -1)},
        {"feature": (-2, -1, -1, -1)},
        {"roots": (9,)},
        {"roots": ()},
        {"threshold": (0.5, 1.0, 3.0)},
        {"threshold": (math.nan, 1.0, 3.0, 2.0)},
        {"scale": 0.0},
        {"names": ()},
        {"quantiles": (0.5,) * 2000},
    ],
)
def test_a_stored_forest_that_would_not_end_or_read_beyond_itself_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a forest"):
        replace(_FOREST, **damage)  # type: ignore[arg-type]  # fields of the forest


def test_a_forest_is_read_as_it_was_written() -> None:
    assert Forest.from_json(_FOREST.to_json()) == _FOREST


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format":2}', '{"format":1,"names":["a"]}', "[" * 100_000])
def test_a_text_that_is_no_forest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"forest|Expecting|recursion"):
        Forest.from_json(text)


def test_only_what_is_rare_is_evidence_and_within_a_bound() -> None:
    quantiles = tuple(number / 1000 for number in range(1000))
    forest = replace(_FOREST, quantiles=quantiles)
    assert forest.finding([0.0, 0.0]).value == 0.0
    rare = replace(forest, quantiles=tuple(each / 10 for each in quantiles)).finding([0.0, 0.0])
    assert rare.value == 3.0
    assert "only 0.0%" in rare.detail


def test_without_the_library_the_batch_plane_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ExtraMissingError) as refused:
        fit_forest([[1.0]] * 200, ("a",))
    assert refused.value.hint == "pip install 'watchword[batch]'"


def test_too_little_makes_neither_a_forest_nor_peers() -> None:
    with pytest.raises(TooFewLabelsError):
        fit_forest([[1.0]] * 99, ("a",))
    with pytest.raises(TooFewLabelsError):
        peer_groups({f"usr_{n}": {"wiki": 1.0} for n in range(11)})


_GROUPS = PeerGroups(
    {"ledger": 2.0, "wiki": 1.0, "code": 2.0},
    {"peers-01": {"ledger": 0.9, "wiki": 0.436}, "peers-02": {"code": 0.9, "wiki": 0.436}},
    {"usr_ann": "peers-01"},
)


def test_somebody_new_belongs_to_those_who_use_the_same() -> None:
    assert _GROUPS.group_of({"ledger": 4.0, "wiki": 100.0}) == "peers-01"
    assert _GROUPS.group_of({"code": 1.0}) == "peers-02"
    assert _GROUPS.group_of({"somewhere else": 50.0}) == ""
    assert _GROUPS.group_of({}) == ""


@pytest.mark.parametrize("text", ["[]", "{}", '{"format":1}', '{"format":9}'])
def test_a_text_that_is_no_peer_group_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="peer groups"):
        PeerGroups.from_json(text)
    assert PeerGroups.from_json(_GROUPS.to_json()) == _GROUPS


# --- drift ------------------------------------------------------------------------------------------------------------


def _drawn(mean: float, count: int = 2000) -> list[float]:
    drawer = random.Random(f"{mean}")  # noqa: S311  # drawn from a fixed seed, for figures
    return [drawer.gauss(mean, 1.0) for _ in range(count)]


def test_what_stays_the_same_does_not_drift_and_what_moves_does() -> None:
    assert psi(_drawn(0.0), _drawn(0.001)) < 0.05
    assert 0.1 < psi(_drawn(0.0), _drawn(0.4)) < 0.25
    assert psi(_drawn(0.0), _drawn(1.0)) > 0.5


def test_an_indicator_that_begins_to_fire_is_noticed_although_it_was_nearly_always_silent() -> None:
    silent, firing = [0.0] * 990 + [2.0] * 10, [0.0] * 700 + [2.0] * 300
    assert psi(silent, list(silent)) < 0.01
    assert psi(silent, firing) > 0.25


def test_silence_and_speaking_for_the_owner_are_not_the_same() -> None:
    assert psi([0.0] * 900 + [2.0] * 100, [-1.0] * 900 + [2.0] * 100) > 0.25


def test_drift_is_told_for_each_indicator_what_moved_most_first() -> None:
    past = [{"network": value, "hour": 0.5} for value in _drawn(0.0, 400)]
    recent = [{"network": value, "hour": 0.5} for value in _drawn(2.0, 400)]
    found = drift(past, recent)
    assert [(each.indicator, each.stability) for each in found] == [
        ("network", Stability.DRIFTED),
        ("hour", Stability.STABLE),
    ]
    assert found[0].after - found[0].before == pytest.approx(2.0, abs=0.2)


def test_small_values_that_crossed_an_edge_are_no_drift_whatever_the_index_says() -> None:
    past, recent = [{"device": -3.03}] * 400, [{"device": -3.09}] * 400
    (found,) = drift(past, recent)
    assert found.psi is not None
    assert found.psi > 0.25
    assert found.stability is Stability.STABLE
    assert found.moved == pytest.approx(0.06)
    (far,) = drift(past, [{"device": -2.7}] * 400)
    assert far.stability is Stability.DRIFTED


def test_the_log_ins_of_newcomers_are_no_drift() -> None:
    acts = [Scored("", 0.0, "", Act.SIGN_IN, "", "", number, 0.0, 0.0, {}) for number in (-1, 0, 11, 12, 40)]
    assert [each.number for each in settled(acts)] == [12, 40]


def test_too_little_says_nothing_of_drift() -> None:
    (found,) = drift([{"network": 1.0}] * 49, [{"network": 9.0}] * 500)
    assert (found.psi, found.stability) == (None, Stability.UNKNOWN)


@pytest.mark.parametrize(("past", "recent"), [([], [1.0]), ([1.0], []), ([math.nan], [1.0])])
def test_an_index_of_nothing_is_refused(past: list[float], recent: list[float]) -> None:
    with pytest.raises(ValueError, match="samples"):
        psi(past, recent)


def test_the_four_features_of_a_log_in_anomaly_are_among_those_of_the_forest() -> None:
    assert FOUR == ("hour", "distinct_addresses", "failures", "resources")
    assert set(FOUR) < set(FOREST_FEATURES) < set(FEATURES)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_kept_file_that_somebody_damaged_is_refused_by_name(tmp_path: Path) -> None:
    assert (kept_forest(tmp_path), kept_peers(tmp_path)) == (None, None)
    (tmp_path / "forest.json").write_text(_FOREST.to_json()[:-9])
    (tmp_path / "peers.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelKeptError, match="no forest"):
        kept_forest(tmp_path)
    with pytest.raises(ModelKeptError, match="no peer groups"):
        kept_peers(tmp_path)


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    keep(tmp_path / "batch", Night(_FOREST, _GROUPS, (), (), 0))
    assert (kept_forest(tmp_path / "batch"), kept_peers(tmp_path / "batch")) == (_FOREST, _GROUPS)
