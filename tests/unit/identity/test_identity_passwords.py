from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.identity import PasswordRefusedError
from watchword.identity.passwords import MAX_BYTES, accept, normalise


def _rule(password: str, *, stands_alone: bool = True, context: tuple[str, ...] = ()) -> str:
    with pytest.raises(PasswordRefusedError) as caught:
        accept(password, stands_alone=stands_alone, context=context)
    return caught.value.rule


def test_a_password_that_stands_alone_needs_fifteen_characters() -> None:
    assert _rule("fourteen chars") == "too_short"
    assert accept("fifteen charact", stands_alone=True) == "fifteen charact"


def test_a_password_beside_a_second_factor_needs_eight() -> None:
    assert _rule("seven7!", stands_alone=False) == "too_short"
    assert accept("eight 8!", stands_alone=False) == "eight 8!"


def test_no_composition_is_asked_for() -> None:
    assert accept("only lower case words", stands_alone=True)
    assert accept("m\u00f6wen essen k\u00e4se am see", stands_alone=True)
    assert accept("🦉🌲🔥🎈🦊🌊🍀🎺🏔🚲🪁🧭🪵🧊🪐", stands_alone=True)


def test_a_code_point_counts_as_one_character() -> None:
    assert _rule("🦉🌲🔥🎈🦊🌊🍀🎺🏔🚲🪁🧭🪵🧊") == "too_short"


def test_long_passwords_are_taken_whole_up_to_1024_bytes() -> None:
    long = "".join(f"{number} owls, " for number in range(200))[:MAX_BYTES]
    assert accept(long, stands_alone=True) == long
    assert _rule(long + "x") == "too_long"
    assert normalise("é" * 513) is None


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("password", "too_common"),
        ("PassWord", "too_common"),
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "too_common"),
        ("aaaaaaaaaaaaaaaaaa", "too_common"),
        ("passwordpassword", "too_common"),
        ("abababababababab", "too_common"),
        ("abcdefghijklmnopqrs", "too_common"),
        ("9876543210987654", "too_common"),
        ("0123456789012345", "too_common"),
    ],
)
def test_what_is_tried_first_is_refused(password: str, rule: str) -> None:
    assert _rule(password, stands_alone=False) == rule


@pytest.mark.parametrize(
    "password",
    ["ada.lovelace2026!", "AdaLovelace!!!!!", "watchword-2026-ada", "lovelace password", "ada@example.org123"],
)
def test_ones_own_name_and_the_name_of_the_service_are_refused(password: str) -> None:
    context = ("ada.lovelace", "Ada Lovelace", "ada@example.org", "Watchword", "watchword.localhost")
    assert _rule(password, context=context) == "context"


def test_a_name_inside_a_longer_password_does_no_harm() -> None:
    assert accept("ada rides four green owls", stands_alone=True, context=("ada",))


def test_two_ways_of_typing_one_password_are_one() -> None:
    composed, taken_apart = "contraseña señorial", unicodedata.normalize("NFD", "contraseña señorial")
    assert composed != taken_apart
    assert accept(composed, stands_alone=True) == accept(taken_apart, stands_alone=True)


@pytest.mark.parametrize("password", ["\ud800" * 16, "fine words and then \udfff"])
def test_a_lone_surrogate_is_refused_in_our_words(password: str) -> None:
    assert _rule(password) == "not_text"
    assert normalise(password) is None


@given(st.text(alphabet=st.characters(), max_size=400))
def test_no_text_makes_the_rules_raise_anything_else(text: str) -> None:
    normalise(text)
    try:
        accept(text, stands_alone=False, context=(text, "x"))
    except PasswordRefusedError:
        return
