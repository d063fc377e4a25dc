from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.identity.totp import code_at, matching_step, new_secret, provisioning_uri, spelled
from watchword.kernel import Secret, SystemEntropy

_SECRET = Secret(b"12345678901234567890")
_NOW = datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC)
_STEP = int(_NOW.timestamp()) // 30


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_code_one_step_around_now_is_taken(offset: int) -> None:
    assert matching_step(_SECRET, code_at(_SECRET.reveal(), _STEP + offset), _NOW, after=0) == _STEP + offset


@pytest.mark.parametrize("offset", [-2, 2, 100])
def test_a_code_from_another_time_is_refused(offset: int) -> None:
    assert matching_step(_SECRET, code_at(_SECRET.reveal(), _STEP + offset), _NOW, after=0) is None


def test_a_replayed_totp_code_is_refused() -> None:
    code = code_at(_SECRET.reveal(), _STEP)
    assert matching_step(_SECRET, code, _NOW, after=_STEP) is None
    assert matching_step(_SECRET, code, _NOW + timedelta(seconds=29), after=_STEP) is None


def test_an_older_code_is_refused_after_a_newer_one_was_used() -> None:
    assert matching_step(_SECRET, code_at(_SECRET.reveal(), _STEP - 1), _NOW, after=_STEP) is None


def test_spaces_and_full_width_digits_are_forgiven() -> None:
    code = code_at(_SECRET.reveal(), _STEP)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    for typed in (f" {code[:3]} {code[3:]}\n", wide, f"{code[:3]}\u00a0{code[3:]}"):
        assert matching_step(_SECRET, typed, _NOW, after=0) == _STEP


@given(st.text(alphabet=st.characters(), max_size=60))
def test_no_text_makes_a_code_raise(text: str) -> None:
    matching_step(_SECRET, text, _NOW, after=0)


def test_a_secret_has_160_bits_and_shows_itself_only_when_asked() -> None:
    secret = new_secret(SystemEntropy())
    assert len(secret.reveal()) == 20
    uri = provisioning_uri(secret, account="a@b", issuer="Watchword")
    assert spelled(secret).reveal() in uri.reveal()
    assert spelled(secret).reveal() not in f"{uri} {uri!r} {spelled(secret)}"
