"""Accounts of the synthetic traffic begin and end, and nobody attacks one that is not there."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import fmean

import pytest

from watchword.trust.observation import Act
from watchword.trust.synthesis import Labelled, OrganisationSpec, Profile, generate
from watchword.trust.synthesis.model import DAY_S
from watchword.trust.synthesis.organisation import Organisation

SERVICE = OrganisationSpec(users=300, days=365, profile=Profile.PUBLIC, requests_a_session=0.5)
STAFF = OrganisationSpec(users=40, days=300, requests_a_session=0.0, incidents=20, attackers=("naive", "vpn", "spray"))


@pytest.fixture(scope="module")
def service() -> list[Labelled]:
    return list(generate(SERVICE, seed=1020))


@pytest.fixture(scope="module")
def staff() -> list[Labelled]:
    return list(generate(STAFF, seed=1021))


def test_an_account_of_a_service_begins_with_its_owner_who_proves_an_address(service: list[Labelled]) -> None:
    first: dict[str, Labelled] = {}
    for each in service:
        first.setdefault(each.observation.user, each)
    del first[""]  # names that were mistyped or guessed

    assert len(first) > 250
    assert not [each for each in first.values() if each.attacker]
    assert all(each.observation.is_verified and each.observation.is_success for each in first.values())


def test_few_customers_show_a_second_factor_each_time(service: list[Labelled]) -> None:
    """Milka 2018: fewer than one account in ten."""
    shown: dict[str, list[bool]] = defaultdict(list)
    for each in service:
        seen = each.observation
        if seen.act is Act.SIGN_IN and seen.is_success and not each.attacker:
            shown[seen.user].append(seen.is_verified)

    assert 0.03 < fmean(all(every[1:]) for every in shown.values() if len(every) > 2) < 0.2


def test_a_year_replaces_a_quarter_of_the_people_at_work() -> None:
    """Mercer 2022: 24.7 %."""
    spec = OrganisationSpec(users=1_000, days=365)
    organisation = Organisation(spec, 1022)
    people = [list(organisation.seat(number)) for number in range(spec.users)]
    left = sum(person.until < spec.end for seat in people for person in seat)

    assert left / spec.users == pytest.approx(0.235, abs=0.03)  # some seats are empty for a while
    assert {later.number % spec.users == number for number, seat in enumerate(people) for later in seat} == {True}
    assert all(before.until <= after.since for seat in people for before, after in pairwise(seat))
    assert len({person.user for seat in people for person in seat}) == sum(map(len, people))


def test_nobody_works_before_their_first_day_or_after_their_last(staff: list[Labelled]) -> None:
    organisation = Organisation(STAFF, 1021)
    accounts = {person.user: person for number in range(STAFF.users) for person in organisation.seat(number)}
    seen = [each.observation for each in staff if each.observation.user and not each.attacker]

    assert len(accounts) > STAFF.users
    assert all(accounts[one.user].since <= one.at <= accounts[one.user].until for one in seen)
    assert {one.user for one in seen} == set(accounts)


def test_nobody_attacks_an_account_that_is_not_there(staff: list[Labelled]) -> None:
    organisation = Organisation(STAFF, 1021)
    accounts = {person.user: person for number in range(STAFF.users) for person in organisation.seat(number)}
    attacked = [each.observation for each in staff if each.observation.user and each.attacker]

    assert len(attacked) > 100
    # An attack may go on for some hours after its victim was chosen.
    assert all(accounts[one.user].since + DAY_S <= one.at <= accounts[one.user].until + DAY_S for one in attacked)


def test_a_targeted_attacker_shows_what_the_victim_uses_most() -> None:
    spec = OrganisationSpec(
        users=200, days=120, profile=Profile.PUBLIC, attackers=("very_targeted",), incidents=60, requests_a_session=0.0
    )
    organisation = Organisation(spec, 1023)
    people = {person.user: person for number in range(spec.users) for person in organisation.seat(number)}
    attacks = [each.observation for each in generate(spec, seed=1023) if each.attacker]
    on_phone = [people[one.user].habits.by_phone for one in attacks if one.agent.kind == "mobile"]
    at_computer = [people[one.user].habits.by_phone for one in attacks if one.agent.kind == "desktop"]

    assert min(on_phone) > 0.5 > max(at_computer)
