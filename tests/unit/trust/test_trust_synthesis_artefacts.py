"""No trait of the writing tells who acted: whatever one field alone would say, some owners do as well."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise
from statistics import fmean, median

import pytest

from watchword.trust.observation import Act, NetworkTraits, Observation
from watchword.trust.synthesis import Attacker, Labelled, OrganisationSpec, Profile, generate
from watchword.trust.synthesis.draws import stream_of
from watchword.trust.synthesis.networks import is_listed
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.providers import PROVIDERS, Line
from watchword.trust.synthesis.work import size_of
from watchword.trust.synthesis.workers import Worker

SPEC = OrganisationSpec(users=60, days=32, incidents=12, requests_a_session=4.0)
NAME = re.compile(r"act_[0-9a-f]{16}")


@pytest.fixture(scope="module")
def traffic() -> list[Labelled]:
    return list(generate(SPEC, seed=71))


def requests_of(traffic: list[Labelled], attacker: Attacker | None) -> list[Observation]:
    name = attacker.value if attacker else None
    return [one.observation for one in traffic if one.attacker == name and one.observation.act is Act.REQUEST]


def test_the_name_of_an_act_tells_neither_whose_it_is_nor_what_came_before(traffic: list[Labelled]) -> None:
    names = [one.observation.id for one in traffic]

    assert all(NAME.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("profile", list(Profile))
def test_owners_come_through_hosters_vpns_and_tor_as_well(profile: Profile) -> None:
    organisation = Organisation(OrganisationSpec(users=2_000, days=30, profile=profile), 71)
    people = [organisation.person(number) for number in range(2_000)]
    kinds = Counter(PROVIDERS[one.detour.provider].line for one in people if one.detour)

    assert set(kinds) == {Line.VPN, Line.HOSTING, Line.TOR}
    assert kinds[Line.VPN] > kinds[Line.HOSTING] > kinds[Line.TOR]
    assert sum(kinds.values()) < 0.08 * len(people)


def test_some_programs_of_people_at_work_run_at_hosters(traffic: list[Labelled]) -> None:
    programs = [each for each in requests_of(traffic, None) if each.agent.kind == "program"]

    assert 0.2 < fmean(each.traits.is_hosting for each in programs) < 0.8


def test_some_customers_let_a_program_sign_in() -> None:
    spec = OrganisationSpec(users=400, days=365, profile=Profile.PUBLIC, attackers=())
    kinds = Counter(one.observation.agent.kind for one in generate(spec, seed=71))

    assert 0 < kinds["program"] < 0.06 * kinds.total()


def test_households_of_attackers_speak_ipv6_as_often_as_others(traffic: list[Labelled]) -> None:
    first = {one.incident: one.observation for one in traffic if one.attacker in {"naive", "vpn", "targeted"}}
    fixed = [each for each in first.values() if each.traits == NetworkTraits()]

    assert 0.1 < fmean(":" in each.ip for each in fixed) < 0.6


def test_a_session_can_be_ridden_from_its_sign_in_on_and_not_before() -> None:
    organisation = Organisation(SPEC, 71)
    failed = 0
    for number in range(20):
        last = None
        for at, act, session in Worker(organisation.person(number), SPEC, 71).moments():
            if session is not None:
                assert (act.act, act.is_success, act.session) == (Act.SIGN_IN, True, session.id)
                assert session.start == at
                failed += last is not None and not last.is_success
            last = act
    assert failed  # some began with a mistyped password


def test_nobody_makes_a_request_in_a_session_before_it_was_opened(traffic: list[Labelled]) -> None:
    opened: set[str] = set()
    for each in (one.observation for one in traffic):
        if each.act is Act.REQUEST and not each.session.startswith("tok_"):
            assert each.session in opened
        opened.add(each.session)


def test_a_prompt_that_was_given_is_followed_at_no_fixed_distance() -> None:
    spec = OrganisationSpec(users=30, days=30, attackers=("mfa_bombing",), incidents=40)
    incidents = defaultdict(list)
    for one in generate(spec, seed=71):
        if one.attacker:
            incidents[one.incident].append(one.observation)
    gaps = []
    for acts in incidents.values():
        for before, after in pairwise(acts):
            if before.act is Act.PROMPT and after.act is Act.SIGN_IN:
                gaps.append(round(after.at - before.at, 2))
            assert after.at > before.at

    assert len(gaps) > 4
    assert len(set(gaps)) > len(gaps) / 2


@pytest.mark.parametrize("attacker", [Attacker.INSIDER, None])
def test_another_team_refuses_whoever_asks_alike(traffic: list[Labelled], attacker: Attacker | None) -> None:
    asked = [each for each in requests_of(traffic, attacker) if each.resource.count("/") == 2 and each.group]
    astray = [each for each in asked if not each.resource.startswith(f"/{each.group}/")]

    assert 0.1 < fmean(not each.is_success for each in astray) < 0.35
    assert all(each.size_bytes == 0 for each in astray if not each.is_success)


def test_whoever_takes_little_at_a_time_takes_pieces_that_are_not_out_of_the_ordinary(traffic: list[Labelled]) -> None:
    taken = requests_of(traffic, Attacker.SLOW_EXFILTRATION)
    chance = stream_of(71, "sizes")
    ranks = [
        fmean(size_of(chance, each.application, each.action) < each.size_bytes for _ in range(200)) for each in taken
    ]

    assert 0.75 < median(ranks) < 0.97
    assert fmean(rank > 0.995 for rank in ranks) < 0.1  # larger than 199 of 200


def test_a_list_does_not_know_who_uses_the_owners_line(traffic: list[Labelled]) -> None:
    within = {Attacker.SLOW_EXFILTRATION.value, Attacker.INSIDER.value, Attacker.LATERAL_MOVEMENT.value}

    for one in traffic:
        if one.attacker in within:
            assert one.is_listed == is_listed(one.observation.network, one.observation.traits)


def test_most_exits_of_tor_are_listed_and_few_of_hosters() -> None:
    networks = [f"20.{number >> 8}.{number & 255}.0/24" for number in range(4_000)]
    tor = NetworkTraits(is_hosting=True, is_tor=True)

    assert 0.85 < fmean(is_listed(network, tor) for network in networks) < 0.95
    assert 0.03 < fmean(is_listed(network, NetworkTraits(is_hosting=True)) for network in networks) < 0.1
    assert fmean(is_listed(network, NetworkTraits()) for network in networks) < 0.01
