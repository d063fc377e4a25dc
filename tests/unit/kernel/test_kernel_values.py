"""Secret, clock, events, reasons: the small values that everything else leans on."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from watchword.kernel import (
    Acr,
    Entropy,
    EventType,
    FrozenClock,
    Reason,
    RiskLevel,
    Secret,
    SystemClock,
    SystemEntropy,
    Visibility,
    WatchwordError,
    event_types,
)

_TESTED = EventType("kernel_test.thing.tested", "Something was tested.", public="shown count", personal="ip")


# --- secret ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["hunter2", b"hunter2"])
def test_a_secret_is_shown_nowhere(value: str | bytes) -> None:
    secret = Secret(value)
    shown = f"{secret} {secret!r} {secret!s:>20} {secret:10} {[secret]} { ({'a': secret}) }"
    assert "hunter2" not in shown
    assert secret.reveal() == value


def test_a_secret_leaves_the_process_in_no_serialised_form() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))
    with pytest.raises(TypeError):
        json.dumps(Secret("hunter2"))
    assert not hasattr(Secret("hunter2"), "__dict__")


def test_secrets_compare_by_value_and_with_nothing_else() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("\u00e4") == Secret("\u00e4")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))


# --- clock and entropy ----------------------------------------------------------------------------------------------


def test_a_frozen_clock_moves_only_when_told() -> None:
    clock = FrozenClock(datetime(2026, 11, 21, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(timedelta(seconds=5))
    assert (clock.now().second, clock.monotonic()) == (5, 5.0)
    clock.step(timedelta(hours=-1))
    assert clock.now() == datetime(2026, 11, 20, 23, 0, 5, tzinfo=UTC)
    assert clock.monotonic() == 5.0


def test_monotonic_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        FrozenClock(datetime(2026, 11, 21, tzinfo=UTC)).advance(timedelta(seconds=-1))


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        FrozenClock(datetime(2026, 11, 21))  # noqa: DTZ001  # that is the attack


def test_the_systems_own_clock_and_entropy_are_what_they_say() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
    assert len(SystemEntropy().token_bytes(32)) == 32
    assert SystemEntropy().token_bytes(16) != SystemEntropy().token_bytes(16)


@pytest.mark.parametrize("length", [1, 10, 12, 13, 32])
def test_the_system_gives_as_many_bytes_as_asked_for(length: int) -> None:
    entropy = SystemEntropy()
    assert {len(entropy.token_bytes(length)) for _ in range(300)} == {length}


def test_bytes_for_identifiers_are_never_given_twice_even_to_threads_at_once() -> None:
    entropy = SystemEntropy()
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: entropy.token_bytes(10), range(20_000)))
    assert len(set(drawn)) == len(drawn)


# --- events ---------------------------------------------------------------------------------------------------------


def test_an_event_carries_what_its_type_declares(clock: FrozenClock, entropy: Entropy) -> None:
    event = _TESTED.at(clock.now(), entropy, actor="system", subject="thing", shown="x", ip="192.0.2.1")
    assert (event.type, event.at, event.actor, event.subject) == (_TESTED.name, clock.now(), "system", "thing")
    assert _TESTED.fields["ip"] is Visibility.PERSONAL
    assert event_types()[_TESTED.name] is _TESTED
    with pytest.raises(TypeError):
        event.data["shown"] = "y"  # type: ignore[index]  # that is the attack


def test_an_unclassified_field_is_refused_by_name_and_not_by_value(clock: FrozenClock, entropy: Entropy) -> None:
    with pytest.raises(WatchwordError, match="does not declare `password`") as caught:
        _TESTED.at(clock.now(), entropy, actor="system", subject="thing", password="hunter2")
    assert "hunter2" not in str(caught.value)


def test_an_event_type_is_declared_once() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        EventType("kernel_test.thing.tested", "Again.")


# --- the access vocabulary ------------------------------------------------------------------------------------------


def test_authentication_strength_is_ordered() -> None:
    assert [acr.strength for acr in (Acr.NONE, Acr.SINGLE_FACTOR, Acr.MULTI_FACTOR, Acr.PHISHING_RESISTANT)] == [
        0,
        1,
        2,
        3,
    ]
    assert RiskLevel.LOW < RiskLevel.MEDIUM < RiskLevel.HIGH


def test_each_reason_has_words_for_the_person_concerned() -> None:
    for reason in Reason:
        assert reason.words.endswith(".")
        assert reason.remedy == "" or reason.remedy.endswith(".")
        assert reason.code == reason.name.lower()
