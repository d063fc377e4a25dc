"""Ordinary days raise no alarm, and what attackers do to the same organisation does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from detector_acts import DAY, FIREFOX, FIREFOX_NEWER, HOUR, SAFARI, START, act, prompt, sign_in

from watchword.trust.detectors import Detectors
from watchword.trust.model import Place
from watchword.trust.observation import Finding, NetworkTraits, Observation
from watchword.trust.synthesis import OrganisationSpec, generate

ALARM = 2.0
MIDNIGHT = START - START % DAY
OFFICE = "192.0.2.0/24"
GROUPS = {"engineer": ("code", "wiki", "builds"), "sales": ("crm", "wiki"), "finance": ("ledger", "wiki", "files")}


def _alarms(findings: tuple[Finding, ...]) -> bool:
    return sum(finding.value for finding in findings) >= ALARM


def _day(chance: random.Random, number: int, day: int) -> Iterator[Observation]:
    """Yield one person's day: mistyped passwords, ignored prompts, a telephone on the train, an update now and then."""
    user, group = f"user-{number}", list(GROUPS)[number % len(GROUPS)]
    at = MIDNIGHT + day * DAY + chance.gauss(8, 0.7) * HOUR
    is_phone, is_home = chance.random() < 0.2, chance.random() < 0.4
    where = {
        "network": f"mobile-{chance.randrange(9)}" if is_phone else f"home-{number}" if is_home else OFFICE,
        "place": Place(country="DE", asn=1000 + (number if is_home else 0) + is_phone, latitude=52.0, longitude=13.0),
        "traits": NetworkTraits(is_mobile=is_phone, is_shared=not is_home and not is_phone),
        "agent": SAFARI if is_phone else FIREFOX_NEWER if day > 12 else FIREFOX,
        "group": group,
        "user": user,
        "session": f"{user}-{day}",
        "device": f"key-{user}-{is_phone}" if number % 2 else "",
    }
    while chance.random() < 0.08:
        yield sign_in(at := at + chance.uniform(5, 60), **where, is_success=False)
    while chance.random() < 0.05:
        yield prompt(at := at + chance.uniform(20, 60), **where, is_success=False)
    yield prompt(at := at + 20, **where, is_verified=True)
    yield sign_in(at := at + 1, **where, is_verified=True)
    for _ in range(chance.randint(5, 30)):
        application = chance.choices(GROUPS[group], weights=range(len(GROUPS[group]), 0, -1))[0]
        at += chance.expovariate(1 / 900)
        yield act(
            at,
            **where,
            application=application,
            resource=f"/{chance.choice(('a', 'b', 'c'))}/{chance.randrange(99)}",
            action=chance.choice(("read", "read", "read", "write")),
            size_bytes=int(chance.lognormvariate(10, 1.5)),
            is_verified=True,
            is_success=chance.random() < 0.995,
        )


@pytest.fixture(scope="module")
def ordinary() -> list[Observation]:
    """Return six weeks of forty people."""
    chance = random.Random(20)  # noqa: S311  # a fixed seed
    days = (list(_day(chance, number, day)) for day in range(42) if day % 7 < 5 for number in range(40))
    return sorted((one for day in days for one in day), key=lambda one: one.at)


@pytest.fixture(scope="module")
def learned(ordinary: list[Observation]) -> tuple[Detectors, int]:
    """Return detectors that have seen them, and how many alarms they raised."""
    detectors = Detectors()
    return detectors, sum(_alarms(detectors.observe(one)) for one in ordinary)


def test_ordinary_days_raise_hardly_an_alarm(ordinary: list[Observation], learned: tuple[Detectors, int]) -> None:
    assert len(ordinary) >= 20_000
    assert learned[1] / len(ordinary) <= 0.001


def test_ordinary_days_as_others_imagine_them_raise_hardly_an_alarm() -> None:
    acts, found = 20_000, Counter[str]()
    for seed in (7, 8):  # alarms come in heaps: one restless person makes most of one organisation's
        detectors = Detectors()
        for labelled in islice(generate(OrganisationSpec(users=40, days=40, attackers=()), seed=seed), acts):
            findings = detectors.observe(labelled.observation)
            if _alarms(findings):
                found.update(finding.indicator for finding in findings)
    assert found.total() / (2 * acts) <= 0.004, found


def test_attacks_among_ordinary_days_are_found(ordinary: list[Observation], learned: tuple[Detectors, int]) -> None:
    detectors, _ = learned
    at = ordinary[-1].at + HOUR
    elsewhere = {"network": "203.0.113.0/24", "place": Place(country="XX", asn=7), "agent": SAFARI, "device": ""}
    sprayed = [detectors.observe(sign_in(at + n, user=f"user-{n}", is_success=False, **elsewhere)) for n in range(20)]
    assert _alarms(sprayed[-1])
    assert not _alarms(sprayed[9])
    bombed = [
        detectors.observe(prompt(at + n * 40, user="user-3", session="", is_success=False, **elsewhere))
        for n in range(5)
    ]
    assert _alarms(bombed[-1])
    last = ordinary[-1]
    stolen = act(at + 300, user=last.user, session=last.session, group=last.group, **elsewhere)
    assert _alarms(detectors.judge(stolen))
    assert _alarms(detectors.observe(stolen))
