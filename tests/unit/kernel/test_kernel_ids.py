from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.kernel import DecisionId, Entropy, FrozenClock, Id, SystemEntropy, UserId, WatchwordError

_ENTROPY = SystemEntropy()
_TIMES = st.datetimes(datetime(1970, 1, 2), datetime(3000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive by contract


@given(_TIMES)
def test_an_identifier_tells_when_it_was_made(at: datetime) -> None:
    made = UserId.new(at, _ENTROPY)
    assert timedelta() <= at - made.created_at < timedelta(milliseconds=1)


@given(_TIMES, _TIMES)
def test_identifiers_sort_by_creation(one: datetime, other: datetime) -> None:
    first, second = DecisionId.new(one, _ENTROPY), DecisionId.new(other, _ENTROPY)
    if first.created_at != second.created_at:
        assert (first < second) == (one < other)


def test_a_made_identifier_is_a_well_formed_one(clock: FrozenClock, entropy: Entropy) -> None:
    made = UserId.new(clock.now(), entropy)
    assert UserId(str(made)) == made
    assert made.startswith("usr_")
    assert len(made) == 30


def test_the_body_is_the_ulid_of_the_specification() -> None:
    """The time in the specification's own example, 01ARZ3NDEK..., is 2016-07-30T23:54:10.259Z."""
    assert UserId("usr_01arz3ndektsv4rrffq69g5fav").created_at == datetime(2016, 7, 30, 23, 54, 10, 259000, tzinfo=UTC)


def test_a_thousand_identifiers_of_one_moment_differ(clock: FrozenClock) -> None:
    assert len({UserId.new(clock.now(), _ENTROPY) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usr_",
        "dec_01arz3ndektsv4rrffq69g5fav",
        "usr-01arz3ndektsv4rrffq69g5fav",
        "usr_01arz3ndektsv4rrffq69g5fa",
        "usr_01arz3ndektsv4rrffq69g5favv",
        "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "usr_81arz3ndektsv4rrffq69g5fav",
        "usr_01arz3ndektsv4rrffq69g5fiv",
        "usr_01arz3ndektsv4rrffq69g5fa\n",
        "usr_01arz3ndektsv4rrffq69g5fa'",
        "usr_0\uff11arz3ndektsv4rrffq69g5fav",
    ],
)
def test_what_is_no_identifier_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(WatchwordError) as caught:
        UserId(text)
    assert caught.value.code == "kernel.malformed_id"
    assert "copy the whole of it" in (caught.value.hint or "")
    assert text == "" or text not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_identifier_or_refused(text: str) -> None:
    try:
        found = UserId("usr_" + text)
    except WatchwordError:
        return
    assert found.created_at.tzinfo is UTC


def test_each_kind_has_a_prefix_of_its_own() -> None:
    prefixes = [kind.prefix for kind in Id.__subclasses__()]
    assert len(prefixes) == len(set(prefixes))
    assert all(prefix and len(prefix) == 3 for prefix in prefixes)
