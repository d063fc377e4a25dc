"""What each attacker knows and does, as the literature has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from statistics import fmean

import pytest

from watchword.trust.observation import Act, Observation
from watchword.trust.synthesis import Attacker, Labelled, OrganisationSpec, generate
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.work import typical_size

SPEC = OrganisationSpec(users=60, days=32, incidents=16, requests_a_session=4.0)


@pytest.fixture(scope="module")
def traffic() -> list[Labelled]:
    return list(generate(SPEC, seed=1011))


Incidents = Callable[[Attacker], list[list[Observation]]]


@pytest.fixture(scope="module")
def incidents(traffic: list[Labelled]) -> Incidents:
    found: dict[tuple[str | None, str], list[Observation]] = defaultdict(list)
    for one in traffic:
        found[one.attacker, one.incident].append(one.observation)
    return lambda attacker: [acts for (name, _), acts in found.items() if name == attacker.value]


@pytest.fixture(scope="module")
def owners(traffic: list[Labelled]) -> dict[str, list[Observation]]:
    found = defaultdict(list)
    for one in traffic:
        if one.attacker is None:
            found[one.observation.user].append(one.observation)
    return found


@pytest.mark.parametrize("attacker", list(Attacker))
def test_each_attacker_attacks_as_often_as_asked(incidents: Incidents, attacker: Attacker) -> None:
    assert len(incidents(attacker)) == SPEC.incidents


def test_the_naive_attacker_comes_from_the_whole_world(incidents: Incidents) -> None:
    assert len({acts[0].place.country for acts in incidents(Attacker.NAIVE)}) >= 6


def test_the_vpn_attacker_comes_from_the_victims_country(incidents: Incidents) -> None:
    organisation = Organisation(SPEC, 1011)
    homes = {person.user: person.home.country for person in map(organisation.person, range(SPEC.users))}

    for acts in incidents(Attacker.VPN):
        assert {one.place.country for one in acts} == {homes[acts[0].user]}


def test_the_targeted_attacker_has_the_victims_browser_and_system(incidents: Incidents, owners: dict) -> None:
    for acts in incidents(Attacker.TARGETED):
        known = {(one.agent.browser.rpartition(" ")[0], one.agent.system) for one in owners[acts[0].user]}
        assert {(one.agent.browser.rpartition(" ")[0], one.agent.system) for one in acts} <= known


def test_the_very_targeted_attacker_has_the_victims_agent_and_place_and_days(
    incidents: Incidents, owners: dict
) -> None:
    same = []
    for acts in incidents(Attacker.VERY_TARGETED):
        seen = owners[acts[0].user]
        same.append(acts[0].agent.browser in {one.agent.browser for one in seen})
        assert acts[0].place.country in {one.place.country for one in seen}
    assert fmean(same) > 0.9
    days = [int((acts[0].at + acts[0].utc_offset_s) // 86_400 + 3) % 7 for acts in incidents(Attacker.VERY_TARGETED)]
    assert fmean(day < 5 for day in days) > 0.9


@pytest.mark.parametrize("attacker", [Attacker.NAIVE, Attacker.VPN, Attacker.TARGETED, Attacker.VERY_TARGETED])
def test_who_knows_a_password_signs_in_without_second_factor_and_without_the_victims_key(
    incidents: Incidents, attacker: Attacker
) -> None:
    for acts in incidents(attacker):
        assert sum(one.act is Act.SIGN_IN and one.is_success for one in acts) == 1
        assert not any(one.is_verified or one.device for one in acts)


def test_a_spray_tries_many_accounts_once_each_from_few_addresses(incidents: Incidents) -> None:
    for acts in incidents(Attacker.SPRAY):
        tried = [one for one in acts if one.act is Act.SIGN_IN and one.user and not one.is_success]
        assert len(acts) >= 20 or any(one.is_success for one in acts)
        # the one that opens may be tried with an older password first
        assert len(tried) <= len({one.user for one in tried}) + 1
        assert len({one.ip for one in acts}) <= 4


def test_stuffing_tries_few_pairs_from_each_of_many_addresses_and_mostly_strangers(incidents: Incidents) -> None:
    for acts in incidents(Attacker.STUFFING):
        tried = [one for one in acts if one.act is Act.SIGN_IN]
        assert len({one.network for one in tried}) >= 10
        assert fmean(one.user == "" for one in tried) > 0.5


def test_mfa_bombing_prompts_one_victim_again_and_again_and_some_give_in(incidents: Incidents) -> None:
    gave_in = 0
    for acts in incidents(Attacker.MFA_BOMBING):
        prompts = [one for one in acts if one.act is Act.PROMPT]
        assert len({one.user for one in acts}) == 1
        assert sum(not one.is_success for one in prompts) >= 6
        gave_in += any(one.is_success for one in prompts)
    assert 0 < gave_in < SPEC.attacks(Attacker.MFA_BOMBING)


def test_a_replayed_token_is_used_in_the_owners_session_from_another_network_without_the_key(
    incidents: Incidents, owners: dict
) -> None:
    for acts in incidents(Attacker.TOKEN_REPLAY):
        own = [one for one in owners[acts[0].user] if one.session == acts[0].session]
        assert own
        assert own[0].at < acts[0].at
        assert not {one.network for one in acts} & {one.network for one in own}
        assert not any(one.device for one in acts)


def test_a_hijacker_goes_on_with_the_owners_agent_to_the_letter(incidents: Incidents, owners: dict) -> None:
    for acts in incidents(Attacker.SESSION_HIJACK):
        own = [one for one in owners[acts[0].user] if one.session == acts[0].session]
        assert {one.agent.full for one in acts} == {own[0].agent.full}
        assert {one.act for one in acts} == {Act.REQUEST}


@pytest.mark.parametrize("attacker", [Attacker.SLOW_EXFILTRATION, Attacker.INSIDER, Attacker.LATERAL_MOVEMENT])
def test_who_works_from_within_has_the_owners_device_and_session(
    incidents: Incidents, owners: dict, attacker: Attacker
) -> None:
    for acts in incidents(attacker):
        sessions = {(one.session, one.device, one.agent.full) for one in owners[acts[0].user]}
        assert {(one.session, one.device, one.agent.full) for one in acts} <= sessions


def test_slow_exfiltration_goes_on_for_days_in_pieces_larger_than_most_answers(incidents: Incidents) -> None:
    found = incidents(Attacker.SLOW_EXFILTRATION)
    pieces = [one for acts in found for one in acts]

    assert fmean(acts[-1].at - acts[0].at > 3 * 86_400 for acts in found) > 0.6
    assert all(one.size_bytes > typical_size(one.application, one.action, 0.0) for one in pieces)


def test_the_insider_looks_into_another_teams_space(incidents: Incidents) -> None:
    for acts in incidents(Attacker.INSIDER):
        teams = {one.resource.split("/")[1] for one in acts}
        assert acts[0].group not in teams


def test_lateral_movement_reaches_many_targets_and_is_refused_at_some(incidents: Incidents) -> None:
    found = incidents(Attacker.LATERAL_MOVEMENT)

    assert all(len({one.application for one in acts}) >= 7 for acts in found)
    assert 0.1 < fmean(not one.is_success for acts in found for one in acts) < 0.5
    assert all(acts[-1].at - acts[0].at < 4 * 3_600 for acts in found)
