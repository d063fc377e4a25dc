from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.devices import device_handle, verify_device_handle
from watchword.devices.model import describe
from watchword.kernel import DeviceId

KEY = bytes(range(32))
DEVICE = DeviceId("dev_01jd0000000000000000000000")
HANDLE = device_handle(KEY, DEVICE, "notes.localhost").reveal()


def test_a_handle_proves_its_device_on_its_host() -> None:
    assert verify_device_handle(KEY, HANDLE, "notes.localhost") == DEVICE


@pytest.mark.parametrize("host", ["watchword.localhost", "", "NOTES.localhost", "notes.localhost.", "\ud800"])
def test_a_handle_of_one_host_is_worth_nothing_on_another(host: str) -> None:
    assert verify_device_handle(KEY, HANDLE, host) is None


def test_a_handle_under_another_key_is_refused() -> None:
    assert verify_device_handle(bytes(32), HANDLE, "notes.localhost") is None


@pytest.mark.parametrize("at", range(0, len(HANDLE), 7))
def test_no_changed_letter_is_forgiven(at: int) -> None:
    changed = HANDLE[:at] + ("x" if HANDLE[at] != "x" else "y") + HANDLE[at + 1 :]
    assert verify_device_handle(KEY, changed, "notes.localhost") is None


@pytest.mark.parametrize(
    "handle", ["", ".", HANDLE + "=", HANDLE[:-1], " " + HANDLE[1:], HANDLE.upper(), "\ud800" * len(HANDLE)]
)
def test_no_other_spelling_is_taken(handle: str) -> None:
    assert verify_device_handle(KEY, handle, "notes.localhost") is None


@given(st.text(alphabet=st.characters(), max_size=90), st.text(alphabet=st.characters(), max_size=20))
def test_no_text_makes_verifying_raise(handle: str, host: str) -> None:
    assert verify_device_handle(KEY, handle, host) is None


def test_a_host_with_the_separator_in_it_does_not_prove_another_device() -> None:
    inside = device_handle(KEY, DEVICE, "a|b").reveal()
    assert verify_device_handle(KEY, inside, "b") is None


def test_a_handle_is_not_shown_by_accident() -> None:
    assert HANDLE not in f"{device_handle(KEY, DEVICE, 'notes.localhost')!r}"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.9", "Browser"),
        ("", "Browser"),
        ("<script>" * 100, "Browser"),
    ],
)
def test_a_device_is_named_after_its_browser_in_our_own_words(user_agent: str, name: str) -> None:
    assert describe(user_agent) == name
