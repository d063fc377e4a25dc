from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import select

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.storage.model import outbox
from watchword.trust.behaviour import Model, Platt
from watchword.trust.learning import store
from watchword.trust.learning.errors import FeedbackMalformedError, ModelKeptError, TooFewLabelsError
from watchword.trust.learning.kept import KeptModels, State
from watchword.trust.learning.labels import Label, Source
from watchword.trust.learning.recorded import judged_of
from watchword.trust.learning.refit import margin_of
from watchword.trust.learning.training import Training
from watchword.trust.learning.trial import Rules, compare, train

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_SHIPPED = Model()


def _labels(count: int, *, seed: int = 1, now: datetime = _NOW, noise: float = 3.0, days: int = 30) -> list[Label]:
    drawer = random.Random(seed)  # noqa: S311  # drawn from a fixed seed, for figures
    found = []
    for number in range(count):
        is_attack = number % 2 == 0
        mean = 3.0 if is_attack else -2.0
        values = {"network": drawer.gauss(mean, 1.5), "hour": drawer.gauss(0.0, noise)}
        when = now - timedelta(days=days * (number + 0.5) / count)
        label = Label(
            f"lbl_{number:04}",
            f"act_{number}",
            f"usr_{number % 50}",
            Source.ANALYST,
            is_attack,
            "usr_admin",
            when,
            when,
            margin=values["network"],
            values=values,
        )
        found.append(label)
    return found


def test_a_refit_on_good_labels_is_promoted() -> None:
    challenger, trial = train(_labels(300), _SHIPPED, _SHIPPED, version="1", now=_NOW)
    assert trial.is_promoted, trial
    assert challenger.weights["hour"] < 0.7
    assert trial.attacks + trial.owners + trial.learned == 300


def test_poisoned_labels_never_lower_detection() -> None:
    """Whoever shaped the older labels cannot shape what happened last week as well."""
    labels = [
        replace(each, is_attack=not each.is_attack) if _NOW - each.observed_at > timedelta(days=7) else each
        for each in _labels(300)
    ]
    _, trial = train(labels, _SHIPPED, _SHIPPED, version="1", now=_NOW)
    assert not trial.is_promoted
    assert trial.challenger.detection < trial.champion.detection


def _asking(shift: float) -> Model:
    return Model(bias=-1.0, calibration=Platt(shift=shift))


def test_a_challenger_that_asks_everybody_is_not_promoted() -> None:
    trial = compare(_labels(100), _asking(0.0), _asking(9.0))
    assert trial.challenger.detection >= trial.champion.detection
    assert (trial.is_promoted, trial.challenger.reauthentication) == (False, 1.0)


def test_a_challenger_that_finds_less_is_not_promoted_however_quiet_it_is() -> None:
    trial = compare(_labels(100), _asking(0.0), _asking(-9.0))
    assert (trial.is_promoted, trial.challenger.reauthentication) == (False, 0.0)
    assert trial.challenger.detection < trial.champion.detection


def test_a_challenger_that_does_nothing_better_is_not_promoted() -> None:
    assert not compare(_labels(100), _SHIPPED, replace(_SHIPPED, name="same")).is_promoted


def test_a_trial_on_too_little_is_none() -> None:
    with pytest.raises(TooFewLabelsError, match="labelled attacks"):
        compare(_labels(20), _SHIPPED, _SHIPPED)
    with pytest.raises(TooFewLabelsError, match="300 newer ones are kept"):
        train(_labels(300, days=6), _SHIPPED, _SHIPPED, version="1", now=_NOW)


# --- kept versions ----------------------------------------------------------------------------------------------------

_ONE, _TWO = (Model("refit", str(n), MappingProxyType({"hour": n / 10})) for n in (1, 2))


@pytest.fixture
def kept(tmp_path: Path) -> KeptModels:
    return KeptModels(tmp_path / "models")


def test_without_any_the_shipped_score_is_in_force(kept: KeptModels) -> None:
    assert (kept.current(), kept.state()) == (Model(), State())
    with pytest.raises(ModelKeptError, match="no other score"):
        kept.rollback()


def test_a_rollback_puts_the_one_before_in_force_again(kept: KeptModels) -> None:
    assert kept.promote(_ONE, over=_SHIPPED) == 1
    assert kept.promote(_TWO, over=_ONE) == 2
    assert kept.current() == _TWO
    assert kept.rollback() == (1, 2)
    assert kept.current() == _ONE
    assert kept.rollback() == (0, 1)
    assert kept.current() == Model()
    assert kept.rollback(to=2) == (2, 0)
    assert kept.rollback() == (0, 2)


def test_a_number_is_never_given_twice(kept: KeptModels) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    kept.rollback()
    assert kept.promote(_TWO, over=_SHIPPED) == 2


def test_a_challenger_tried_against_another_score_is_not_put_in_force(kept: KeptModels) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    with pytest.raises(ModelKeptError, match="during the trial"):
        kept.promote(_TWO, over=_SHIPPED)
    assert kept.current() == _ONE


def test_weights_that_somebody_edited_are_refused_and_a_rollback_still_works(kept: KeptModels, tmp_path: Path) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    (path,) = (tmp_path / "models").glob("0*.json")
    path.write_text(_TWO.to_json())
    with pytest.raises(ModelKeptError, match="changed"):
        kept.current()
    assert kept.rollback() == (0, 1)


def test_another_kept_version_is_not_passed_off_as_the_one_in_force(kept: KeptModels, tmp_path: Path) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    (path,) = (tmp_path / "models").glob("0*.json")
    path.unlink()
    (tmp_path / "models" / f"00000001-{_TWO.hash}.json").write_text(_TWO.to_json())
    with pytest.raises(ModelKeptError, match="not the one that was promoted"):
        kept.current()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version":"x"}', "x" * 300_000])
def test_a_damaged_state_is_not_taken_for_none(kept: KeptModels, tmp_path: Path, damage: str) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    (tmp_path / "models" / "state.json").write_text(damage)
    with pytest.raises(ModelKeptError, match="nobody knows"):
        kept.current()


def test_only_the_newest_versions_are_kept_and_never_without_the_one_in_force(kept: KeptModels) -> None:
    champion = _SHIPPED
    for number in range(1, 30):
        challenger = Model("refit", str(number))
        kept.promote(challenger, over=champion)
        champion = challenger
    assert len(kept.versions()) == 21
    assert kept.rollback() == (28, 29)


def test_files_are_for_their_owner_only(kept: KeptModels, tmp_path: Path) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "models").iterdir()} == {0o600}


def _record(**more: object) -> dict[str, Any]:
    versions = {"model": _ONE.label}
    return {
        "id": "dec_1",
        "at": _NOW.isoformat(),
        "user": "usr_ann",
        "contributions": [["prior", -4.0], ["network", 3.0], ["hour", 0.25], ["agent", 0.0]],
        "behaviour": {"log_odds": -0.75, "versions": versions},
    } | more


def test_a_recorded_decision_gives_back_what_indicators_said_before_weights(kept: KeptModels) -> None:
    kept.promote(_ONE, over=_SHIPPED)
    about = judged_of(_record(), kept)
    assert (about.act, about.user, about.at, about.margin) == ("dec_1", "usr_ann", _NOW, -0.75)
    assert dict(about.values) == {"network": 3.0, "hour": pytest.approx(2.5)}
    assert margin_of(about.values, _ONE) == pytest.approx(-0.75)


@pytest.mark.parametrize(
    "record",
    [_record(behaviour=None), _record(user=None), _record(behaviour={"log_odds": 0.0, "versions": {}}), _record()],
)
def test_a_decision_whose_weights_are_not_known_cannot_be_learned_from(
    kept: KeptModels, record: dict[str, Any]
) -> None:
    with pytest.raises((FeedbackMalformedError, ModelKeptError)):
        judged_of(record, kept)


# --- the use case -----------------------------------------------------------------------------------------------------


async def _told(database: Database) -> list[str]:
    async with database.read() as connection:
        return list((await connection.execute(select(outbox.c.type).order_by(outbox.c.position))).scalars())


async def test_training_promotes_tells_the_journal_and_goes_back(
    plain_database: Database, clock: FrozenClock, entropy: Any, kept: KeptModels
) -> None:
    async with plain_database.work() as work:
        for each in _labels(300, now=clock.now()):
            await store.put_label(work.connection, each)
    training = Training(plain_database, clock, entropy, kept)
    rehearsed = await training.train(actor="cli:root", is_dry=True)
    assert (rehearsed.version, rehearsed.trial.is_promoted, kept.state().version) == (0, True, 0)
    trained = await training.train(actor="cli:root")
    assert (trained.version, trained.former, kept.current()) == (1, 0, trained.model)
    assert await training.rollback(actor="cli:root") == (0, 1)
    assert await _told(plain_database) == ["trust.model.promoted", "trust.model.rolled_back"]


async def test_training_that_finds_nothing_better_changes_nothing(
    plain_database: Database, clock: FrozenClock, entropy: Any, kept: KeptModels
) -> None:
    async with plain_database.work() as work:
        for each in _labels(300, now=clock.now()):
            await store.put_label(work.connection, each)
    training = Training(plain_database, clock, entropy, kept)
    trained = await training.train(actor="cli:root", rules=Rules(threshold=0.0))
    again = await training.train(actor="cli:root", rules=Rules(threshold=0.0))
    assert (trained.version, again.version, again.trial.is_promoted) == (1, 1, False)
    assert await _told(plain_database) == ["trust.model.promoted"]
