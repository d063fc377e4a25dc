from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.identity import NameRefusedError
from watchword.identity.names import email_address, group_name, time_zone, user_name


@pytest.mark.parametrize(
    "name", ["ada", "a@b@c@d", "Ada.Lovelace+x@example.org", "ølaf", "\u0412\u0435\u0440\u0430", "ada!", "x" * 128]
)
def test_an_ordinary_name_is_kept_as_it_is_shown(name: str) -> None:
    assert user_name(name).shown == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a\tb",
        "a\x00b",
        "a\nb",
        "ada\u202e",
        "a\u200bda",
        "a\u2066da",
        "\ufeffada",
        "x" * 129,
        "x" * 10**6,
        "a\ud800",
        "ada\xa0",
        "\u0430da",
        "ad\u03b1",
        "\U000e0041da",
        "a\xadda",
    ],
)
def test_a_name_with_letters_that_cannot_be_seen_or_that_pass_for_others_is_refused(name: str) -> None:
    with pytest.raises(NameRefusedError):
        user_name(name)


@pytest.mark.parametrize(
    ("one", "other"), [("Ada", "ada"), ("\uff21\uff24\uff21", "ada"), ("Straße", "STRASSE"), ("\ufb01ona", "fiona")]
)
def test_spellings_of_one_name_are_looked_up_alike(one: str, other: str) -> None:
    assert user_name(one).key == user_name(other).key


def test_a_name_all_in_look_alike_letters_has_the_skeleton_of_the_one_it_imitates() -> None:
    imitation = user_name("\u0440\u0430\u0443\u0440\u0430")
    assert imitation.key != "paypa"
    assert imitation.skeleton == user_name("paypa").skeleton


@given(st.text(max_size=300))
def test_no_text_makes_a_name_raise_anything_else_and_its_key_is_stable(text: str) -> None:
    try:
        name = user_name(text)
    except NameRefusedError:
        return
    assert user_name(name.key).key == name.key
    assert name.shown.isprintable()
    assert len(name.key) <= 128


@pytest.mark.parametrize("name", ["", "Admins", "a b", "-a", "a" * 65, "ä", "a\n"])
def test_a_group_name_that_is_no_short_lower_case_word_is_refused(name: str) -> None:
    with pytest.raises(NameRefusedError):
        group_name(name)


@pytest.mark.parametrize("address", ["a", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a\x00@b", "x" * 300 + "@b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(NameRefusedError):
        email_address(address)


def test_an_unknown_time_zone_is_refused() -> None:
    assert time_zone("Europe/Berlin") == "Europe/Berlin"
    for zone in ("../etc/passwd", "Mars/Base", ""):
        with pytest.raises(NameRefusedError):
            time_zone(zone)
