"""What was stored before browsers had a step without their version is read as if it had been learned today."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from behaviour_cases import AT_WORK, FIREFOX, crowd, event, taught

from watchword.trust.behaviour import (
    BehaviourProfile,
    Population,
    dump,
    dump_population,
    learn,
    parse,
    parse_population,
)
from watchword.trust.observation import Agent

LONG = Agent("Mozilla/5.0 (long)", "Samsung Internet Lite 27", "Windows 10", "desktop")


def former(key: str) -> str | None:
    """Return a key as format 1 had it; nothing for what it did not have."""
    steps = key.split("|")
    if steps[0] != "a" or len(steps) < 4:
        return key
    return "|".join((*steps[:3], *steps[4:])) if len(steps) > 4 else None


def counts(stored: dict[str, Any]) -> dict[str, Any]:
    return {old: value for key, value in stored.items() if (old := former(key)) is not None}


def learned() -> tuple[BehaviourProfile, Population]:
    everybody = crowd(4)
    profile = taught(3, everybody)
    for number, agent in enumerate(
        (replace(FIREFOX, browser="Firefox 129"), LONG, Agent("curl/8.5.0", "curl", "", ""))
    ):
        learn(event(10 + number, agent=agent), profile, everybody, now=AT_WORK.at + 99 * 86_400)
    return profile, everybody


def test_a_profile_of_the_former_format_is_read_whole() -> None:
    profile, _ = learned()
    stored = json.loads(dump(profile))
    old = {**stored, "v": 1, "t": counts(stored["t"]), "d": {day: counts(every) for day, every in stored["d"].items()}}

    assert len(old["t"]) < len(stored["t"])
    assert parse(json.dumps(old)) == profile


def test_a_population_of_the_former_format_is_read_whole() -> None:
    _, everybody = learned()
    stored = json.loads(dump_population(everybody))
    under = {key: value for key, value in stored["u"].items() if not (key.startswith("a|") and key.count("|") == 3)}
    levels = {"a4": "a3", "a5": "a4"}
    distinct = {levels.get(level, level): value for level, value in stored["s"].items() if level != "a3"}
    old = {**stored, "v": 1, "t": counts(stored["t"]), "u": counts(under), "s": distinct}
    read = parse_population(json.dumps(old))

    assert (read.totals, read.under) == (everybody.totals, everybody.under)
    assert read.distinct == {**everybody.distinct, "a3": everybody.distinct["a4"]}
    assert dump_population(read).startswith('{"v":2')


@pytest.mark.parametrize("broken", [{"t": 7}, {"d": [1]}, {"d": {"1": None}}])
def test_a_former_profile_that_is_none_is_refused(broken: dict[str, Any]) -> None:
    stored = {**json.loads(dump(taught(2))), "v": 1, **broken}
    with pytest.raises(ValueError, match="not a stored profile"):
        parse(json.dumps(stored))
