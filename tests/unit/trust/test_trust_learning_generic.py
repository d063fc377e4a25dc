"""What is given to detectors that know nothing of log-ins."""

from __future__ import annotations

from watchword.trust.learning.features import CODES, FEATURES
from watchword.trust.learning.generic import ENCODINGS, FREQUENCY, GENERIC_ENCODINGS

_PER_USER = ("own_", "new_", "hour_off", "history", "distance", "speed", "hours_since")


def _row(**changes: float) -> list[float]:
    names = (*FEATURES, *CODES)
    assert changes.keys() <= set(names)
    return [changes.get(name, 0.0) for name in names]


def test_the_encodings_to_beat_hold_nothing_of_one_users_habits() -> None:
    plain = [_row()]
    assert not [name for name in FREQUENCY if name.startswith(_PER_USER)]
    assert set(GENERIC_ENCODINGS) == {"", "_one_hot", "_four"} < set(ENCODINGS)
    for suffix in GENERIC_ENCODINGS:
        for name in FEATURES:
            if name.startswith(_PER_USER):
                assert ENCODINGS[suffix](plain, [_row(**{name: 9.0})]) == ENCODINGS[suffix](plain, plain)


def test_an_encoding_that_is_handed_our_habits_has_them_all() -> None:
    _, (row,) = ENCODINGS["_habits"]([_row()], [_row(history=4.0, new_asn=1.0)])
    assert dict(zip(FEATURES, row, strict=True))["history"] == 4.0
    _, (stateful,) = ENCODINGS["_stateful"]([_row()], [_row(history=4.0, new_asn=1.0, speed_kmh=7.0)])
    assert sorted(stateful)[-2:] == [1.0, 7.0]


def test_each_frequent_value_has_a_column_and_the_rest_have_one() -> None:
    past = [_row(asn=float(number % 30), failures=2.0) for number in range(90)]
    learned, rows = ENCODINGS["_one_hot"](past, [_row(asn=3.0), _row(asn=29.0), _row(asn=99.0)])
    assert {len(row) for row in (*learned, *rows)} == {len(rows[0])}
    known, late, unknown = (tuple(row) for row in rows)
    assert len({known, late, unknown}) == 2  # the twenty most frequent, and one for all others
    assert late == unknown
    assert sum(known) == sum(unknown) == len(CODES)
