"""Words for people who never met a logarithm, and names for two letters."""

from __future__ import annotations

import csv
from importlib.resources import files
from math import log

import pytest

from watchword.trust import country_name, factor_words, indicator_words, is_country, told_of

_TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize(
    ("log_odds", "words"),
    [
        (log(10), f"{_TIMES}10"),
        (-log(55), "÷55"),
        (0.0, f"{_TIMES}1.0"),
        (log(403), f"{_TIMES}400"),
        (log(3_260_000), f"{_TIMES}3,300,000"),
        (40.0, f"{_TIMES}a billion"),
        (-1e9, "÷a billion"),
    ],
)
def test_log_odds_are_told_as_how_many_times_likelier(log_odds: float, words: str) -> None:
    assert factor_words(log_odds) == words


def test_what_a_score_left_unsaid_is_told_and_what_it_said_is_kept() -> None:
    assert told_of("hour", 0.8, "") == "unusual for this account"
    assert told_of("hour", -0.8, "") == "as usual for this account"
    assert "rare" in told_of("prior", -4.0, "")
    assert told_of("hour", 0.8, "at night") == "at night"
    assert told_of("hour", 0.0, "") == ""


def test_codes_in_what_a_score_said_are_told_in_words() -> None:
    assert told_of("new_country", 5.0, "seen for the first time: FR") == "seen for the first time: France"
    assert told_of("new_system", 5.0, "seen for the first time: Windows 10") == "seen for the first time: Windows 10"


def test_an_indicator_without_words_of_its_own_reads_like_some() -> None:
    assert indicator_words("new_country") == "New country"
    assert indicator_words("not_vouched") == "Signs of the owner set aside"


def test_every_country_that_addresses_have_has_a_name() -> None:
    text = files("watchword.trust").joinpath("data", "countries.csv").read_text(encoding="utf-8")
    codes = [row["country"] for row in csv.DictReader(text.splitlines())]
    assert len(codes) > 200
    assert [code for code in codes if not is_country(code)] == []
    assert country_name("GB") == "United Kingdom"
    assert country_name("??") == "??"
