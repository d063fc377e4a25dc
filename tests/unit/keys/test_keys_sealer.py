from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.keys import MasterKey, SealBrokenError, Sealer

_SEALER = Sealer(MasterKey(b"m" * 32))


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_what_was_sealed_opens_at_its_own_place(plaintext: bytes, purpose: str, context: str) -> None:
    sealed = _SEALER.seal(plaintext, purpose=purpose, context=context)
    assert _SEALER.open(sealed, purpose=purpose, context=context) == plaintext
    assert len(sealed) == len(plaintext) + 29


@given(st.data(), st.binary(max_size=60))
def test_any_altered_bit_of_an_envelope_is_refused(data: st.DataObject, plaintext: bytes) -> None:
    sealed = bytearray(_SEALER.seal(plaintext, purpose="p", context="c"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBrokenError):
        _SEALER.open(bytes(sealed), purpose="p", context="c")


@given(st.binary(max_size=64))
def test_an_invented_envelope_is_refused(invented: bytes) -> None:
    with pytest.raises(SealBrokenError):
        _SEALER.open(invented, purpose="p", context="c")


def test_a_sealed_secret_moved_to_another_row_is_refused() -> None:
    sealed = _SEALER.seal(b"totp", purpose="identity.totp", context="aut_1")
    with pytest.raises(SealBrokenError):
        _SEALER.open(sealed, purpose="identity.totp", context="aut_2")


def test_a_sealed_secret_put_to_another_use_is_refused() -> None:
    sealed = _SEALER.seal(b"totp", purpose="identity.totp", context="aut_1")
    with pytest.raises(SealBrokenError):
        _SEALER.open(sealed, purpose="identity.recovery", context="aut_1")


def test_another_master_key_opens_nothing() -> None:
    sealed = _SEALER.seal(b"totp", purpose="p", context="c")
    with pytest.raises(SealBrokenError):
        Sealer(MasterKey(b"n" * 32)).open(sealed, purpose="p", context="c")


def test_sealing_twice_shows_no_equality() -> None:
    assert _SEALER.seal(b"same", purpose="p", context="c") != _SEALER.seal(b"same", purpose="p", context="c")


def test_derived_keys_differ_by_purpose_and_are_stable() -> None:
    assert _SEALER.derive("devices.handle") == Sealer(MasterKey(b"m" * 32)).derive("devices.handle")
    assert _SEALER.derive("devices.handle") != _SEALER.derive("devices.other")
    assert len(_SEALER.derive("devices.handle")) == 32
    assert repr(_SEALER) == "Sealer(***)"
