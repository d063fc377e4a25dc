"""The log-ins of a night in little room."""

from __future__ import annotations

import pytest

from watchword.trust.learning.batch import Stability
from watchword.trust.learning.batch.loginrows import LogIns
from watchword.trust.learning.replaying import Scored
from watchword.trust.observation import Act


def scored(number: int, value: float, *, settled: int = 50) -> Scored:
    return Scored(
        id=f"act_{number}",
        at=float(number),
        user=f"usr_{number % 7}",
        act=Act.SIGN_IN,
        attacker="",
        incident="",
        number=settled,
        margin=-2.0,
        probability=0.1,
        values={"network": value},
        features=(float(number), 0.5, value),
    )


def test_rows_are_what_was_kept_of_the_features_in_the_order_of_the_log_ins() -> None:
    rows = LogIns((0, 2), seed=1)
    for number in range(5):
        rows.add(scored(number, 0.25))

    assert [list(row) for row in rows] == [[float(number), 0.25] for number in range(5)]
    assert list(rows[-1]) == [4.0, 0.25]
    assert [list(row) for row in rows[1:4:2]] == [[1.0, 0.25], [3.0, 0.25]]
    assert rows.head(3) == ("act_3", "usr_3", 3.0, -2.0)
    with pytest.raises(IndexError):
        rows[5]


def test_users_are_held_once_however_often_they_sign_in() -> None:
    rows = LogIns((0,), seed=1)
    for number in range(14):
        rows.add(scored(number, 0.0))

    assert rows.head(0)[1] is rows.head(7)[1]


def test_drift_is_told_from_a_sample_of_bounded_size_from_both_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.trust.learning.batch.loginrows._MOST_COMPARED", 400)
    rows = LogIns((0,), seed=1)
    for number in range(4_000):
        rows.add(scored(number, 0.0 if number < 2_000 else 2.0))
    (found,) = rows.drifts()

    assert len(rows._sample) == 400
    assert (found.before, found.after, found.stability) == (0.0, 2.0, Stability.DRIFTED)


def test_newcomers_are_no_drift() -> None:
    rows = LogIns((0,), seed=1)
    for number in range(400):
        rows.add(scored(number, float(number), settled=3))

    assert rows.drifts() == []
