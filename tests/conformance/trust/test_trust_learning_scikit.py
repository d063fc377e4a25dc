"""Our figures against scikit-learn's: recorded ones always, and drawn ones where it is installed.

`scikit-learn.json` was written by `tools/scikit_vectors.py`. What is compared live runs in the environment of
`requirements/bench.txt`, which `./dev bench trust` makes.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from watchword.trust.behaviour import Model
from watchword.trust.labelled import decode, encode
from watchword.trust.learning import Bounds, Case, Example, TooFewLabelsError, auc, fit, tpr_at_fpr
from watchword.trust.learning.batch import (
    Forest,
    Night,
    PeerGroups,
    export_forest,
    fit_forest,
    keep,
    kept_forest,
    kept_peers,
    night,
    peer_groups,
    resources_used,
)
from watchword.trust.learning.calibration import isotonic
from watchword.trust.synthesis import OrganisationSpec, generate

_RECORDED = json.loads((Path(__file__).parent / "scikit-learn.json").read_text())


class _Array(list[Any]):
    """A list that passes for an array."""

    def tolist(self) -> list[Any]:
        return list(self)


def _recorded_forest() -> Any:
    found = _RECORDED["forest"]
    trees = [
        SimpleNamespace(tree_=SimpleNamespace(**{name: _Array(values) for name, values in tree.items()}))
        for tree in found["trees"]
    ]
    return SimpleNamespace(
        estimators_=trees,
        **{name: found[name] for name in ("n_features_in_", "max_features")},
        max_samples_=found["max_samples_"],
    )


def test_a_flattened_forest_scores_as_it_did_before() -> None:
    forest = export_forest(_recorded_forest(), ("a", "b", "c", "d"))
    found = _RECORDED["forest"]
    assert len(found["rows"]) > 20
    for row, score in zip(found["rows"], found["scores"], strict=True):
        assert forest.score(row) == pytest.approx(score, abs=1e-9)


@pytest.mark.parametrize("case", _RECORDED["ranking"])
def test_rankings_are_measured_as_scikit_learn_does(case: dict[str, Any]) -> None:
    assert auc(case["scores"], case["labels"]) == pytest.approx(case["auc"], abs=1e-12)
    assert tpr_at_fpr(case["scores"], case["labels"], fpr=0.01) == pytest.approx(case["tpr_at_1pct"], abs=1e-12)
    assert tpr_at_fpr(case["scores"], case["labels"], fpr=0.2) == pytest.approx(case["tpr_at_20pct"], abs=1e-12)


def test_a_regression_pulled_towards_nothing_is_the_usual_one() -> None:
    found = _RECORDED["regression"]
    names = ("a", "b", "c")
    examples = [
        Example(dict(zip(names, row, strict=True)), label)
        for row, label in zip(found["values"], found["labels"], strict=True)
    ]
    fitted = fit(examples, dict.fromkeys(names, 0.0), bounds=Bounds(-10.0, 10.0, found["strength"]))
    assert [fitted.weights[name] for name in names] == pytest.approx(found["weights"], abs=1e-6)
    assert fitted.intercept == pytest.approx(found["intercept"], abs=1e-6)


def test_the_staircase_is_the_usual_one_between_its_ends() -> None:
    found = _RECORDED["isotonic"]
    cases = [Case(margin, label) for margin, label in zip(found["margins"], found["labels"], strict=True)]
    steps = isotonic(cases)
    inside = [(at, value) for at, value in zip(found["at"], found["fitted"], strict=True) if 0 < value < 1]
    assert len({value for _, value in inside}) > 2
    for at, value in inside:
        assert steps.probability(at) == pytest.approx(value, abs=1e-9)


# --- where scikit-learn is installed ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sklearn() -> Any:
    return pytest.importorskip(
        "sklearn.metrics", reason="compared live only in the environment of requirements/bench.txt"
    )


def test_drawn_rankings_are_measured_as_scikit_learn_does(sklearn: Any) -> None:
    drawer = random.Random(1)  # noqa: S311  # drawn from a fixed seed, for figures
    for _ in range(100):
        scores = [round(drawer.gauss(0, 1), drawer.choice((0, 1, 3))) for _ in range(drawer.randint(2, 300))]
        labels = [drawer.random() < 0.3 for _ in scores]
        labels[:2] = [True, False]
        assert auc(scores, labels) == pytest.approx(float(sklearn.roc_auc_score(labels, scores)), abs=1e-12)
        wrong, right, _ = sklearn.roc_curve(labels, scores, drop_intermediate=False)
        assert tpr_at_fpr(scores, labels) == pytest.approx(float(max(right[wrong <= 0.01])), abs=1e-12)


def test_a_fitted_forest_scores_as_scikit_learn_does(sklearn: Any) -> None:
    assert sklearn is not None
    ensemble = pytest.importorskip("sklearn.ensemble")
    drawer = random.Random(2)  # noqa: S311  # as above
    rows = [[drawer.gauss(0, 1), float(drawer.randint(0, 3)), drawer.expovariate(1)] for _ in range(600)]
    fitted = ensemble.IsolationForest(n_estimators=50, random_state=3).fit(rows)
    forest = export_forest(fitted, ("a", "b", "c"))
    others = [*rows[:50], *([3 * value for value in row] for row in rows[50:150])]
    for row, score in zip(others, fitted.score_samples(others), strict=True):
        assert forest.score(row) == pytest.approx(-float(score), abs=1e-9)


def test_what_is_rare_in_the_forest_is_evidence_and_what_is_usual_is_none(sklearn: Any) -> None:
    assert sklearn is not None
    drawer = random.Random(4)  # noqa: S311  # as above
    rows = [[drawer.gauss(0, 1), drawer.gauss(0, 1)] for _ in range(400)]
    forest = fit_forest(rows, ("a", "b"), seed=1)
    assert forest.finding([0.0, 0.0]).value == 0.0
    assert forest.finding([6.0, -6.0]).value == 3.0
    assert Forest.from_json(forest.to_json()) == forest


def test_people_who_use_the_same_become_peers(sklearn: Any) -> None:
    assert sklearn is not None
    drawer = random.Random(5)  # noqa: S311  # as above
    used = {
        f"usr_{team}{number}": {f"{team} {drawer.randint(1, 12)}": 3.0 for _ in range(8)} | {"mail inbox": 40.0}
        for team in ("sales", "build", "people")
        for number in range(15)
    }
    groups = peer_groups(used)
    teams = {
        team: {groups.members[user] for user in used if user.startswith(f"usr_{team}")}
        for team in ("sales", "build", "people")
    }
    assert [len(found) for found in teams.values()] == [1, 1, 1]
    assert len(set.union(*teams.values())) == 3
    assert groups.group_of({"sales 1": 5.0, "sales 2": 1.0, "mail inbox": 9.0}) in teams["sales"]
    assert groups.group_of({"never seen": 5.0}) == ""
    assert PeerGroups.from_json(groups.to_json()) == groups
    assert peer_groups(dict(reversed(used.items()))) == groups


def test_what_one_person_uses_alone_makes_nobody_a_peer(sklearn: Any) -> None:
    assert sklearn is not None
    alone = {f"usr_{number}": {f"own {number} {place}": 1.0 for place in range(50)} for number in range(20)}
    assert peer_groups(alone) == PeerGroups({}, {}, {})

    shared = {
        user: used | {"wiki home": 2.0, f"team {place % 2}": 2.0} for place, (user, used) in enumerate(alone.items())
    }
    groups = peer_groups(shared)
    assert set(groups.rarity) == {"wiki home", "team 0", "team 1"}
    assert len(groups.centres) == 2
    assert groups.group_of({"team 0": 1.0}) != groups.group_of({"team 1": 1.0})


def test_people_who_all_use_the_same_are_one_group(sklearn: Any) -> None:
    assert sklearn is not None
    groups = peer_groups({f"usr_{number}": {"wiki home": 3.0, "mail inbox": 1.0} for number in range(15)})
    assert (list(groups.centres), len(groups.members)) == (["peers-01"], 15)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_forest_over_constant_features_finds_nothing_unusual(sklearn: Any, value: float) -> None:
    assert sklearn is not None
    forest = fit_forest([[value, 1.0]] * 150, ("a", "b"))
    assert forest.finding([value, 1.0]).value == 0.0
    assert Forest.from_json(forest.to_json()) == forest


def test_a_file_of_one_user_makes_a_forest_and_no_peers(sklearn: Any, tmp_path: Path) -> None:
    assert sklearn is not None
    pytest.importorskip("polars", reason="counted only in the environment of requirements/bench.txt")
    one = [
        {"id": f"act_{day}", "at": 1.7e9 + day * 86_400.0, "user": "usr_ann", "act": "sign_in", "is_verified": True}
        for day in range(120)
    ]
    file = tmp_path / "one.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in one))
    found = night(file, Model(), most=3)
    assert (found.log_ins, found.peers, len(found.unusual)) == (120, None, 3)


def test_a_file_without_log_ins_is_refused_by_its_number(sklearn: Any, tmp_path: Path) -> None:
    assert sklearn is not None
    pytest.importorskip("polars", reason="counted only in the environment of requirements/bench.txt")
    file = tmp_path / "empty.jsonl"
    file.write_text("")
    with pytest.raises(TooFewLabelsError, match="0 log-ins"):
        night(file, Model())


def test_tables_count_what_people_used(sklearn: Any, tmp_path: Path) -> None:
    assert sklearn is not None
    pytest.importorskip("polars", reason="counted only in the environment of requirements/bench.txt")
    lines = [
        {"id": "1", "at": 1.0, "user": "usr_ann", "act": "request", "application": "wiki", "resource": "home"},
        {"id": "2", "at": 2.0, "user": "usr_ann", "act": "request", "application": "wiki", "resource": "home"},
        {"id": "3", "at": 3.0, "user": "usr_ann", "act": "request", "application": "wiki", "is_success": False},
        {"id": "4", "at": 4.0, "user": "usr_bob", "act": "sign_in"},
        {"id": "5", "at": 5.0, "user": "", "act": "request", "application": "wiki", "resource": "home"},
    ]
    file = tmp_path / "made.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert resources_used(file) == {"usr_ann": {"wiki home": 2.0}}


@pytest.fixture(scope="module")
def worked(sklearn: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Night]:
    assert sklearn is not None
    pytest.importorskip("polars", reason="counted only in the environment of requirements/bench.txt")
    file = tmp_path_factory.mktemp("batch") / "made.jsonl"
    spec = OrganisationSpec(users=24, days=30, attackers=("naive",), incidents=6, requests_a_session=4.0, quiet_days=15)
    made = list(generate(spec, seed=4))
    file.write_bytes(b"".join(encode(each) + b"\n" for each in made))
    return file, night(file, Model(), most=12)


def test_a_night_lists_the_attacks_among_the_most_unusual_log_ins(worked: tuple[Path, Night]) -> None:
    file, found = worked
    attacks = {each.observation.id for each in map(decode, file.read_bytes().splitlines()) if each.attacker}
    listed = [each.id for each in found.unusual]
    assert len(listed) == 12
    assert len(attacks.intersection(listed)) >= 3
    assert found.log_ins > 200


def test_a_night_groups_people_by_what_they_use(worked: tuple[Path, Night]) -> None:
    _, found = worked
    assert found.peers is not None
    assert 2 <= len(found.peers.centres) <= 8
    assert len(found.peers.members) > 12


def test_what_a_night_found_is_kept_and_read_again(worked: tuple[Path, Night], tmp_path: Path) -> None:
    _, found = worked
    assert (kept_forest(tmp_path), kept_peers(tmp_path)) == (None, None)
    keep(tmp_path / "batch", found)
    assert kept_forest(tmp_path / "batch") == found.forest
    assert kept_peers(tmp_path / "batch") == found.peers
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "batch").iterdir()} == {0o600}
