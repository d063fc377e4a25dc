"""Credential stuffing: spread over networks, joined by its program and by names that nobody has."""

from __future__ import annotations

from detector_acts import CURL, DAY, FIREFOX, MINUTE, SHARED, START, sign_in

from watchword.trust.detectors import Detectors
from watchword.trust.observation import Finding


def _found(findings: tuple[Finding, ...], indicator: str = "credential_stuffing") -> float:
    return next((finding.value for finding in findings if finding.indicator == indicator), 0.0)


def _stuff(detectors: Detectors, attempts: int, *, networks: int = 1000, known_each: int = 6) -> list[float]:
    return [
        _found(
            detectors.observe(
                sign_in(
                    START + n * 20,
                    user="" if n % known_each else f"user-{n}",
                    network=f"net-{n % networks}",
                    agent=CURL,
                    is_success=False,
                )
            )
        )
        for n in range(attempts)
    ]


def test_a_stolen_list_tried_from_everywhere_with_one_program_is_found() -> None:
    found = _stuff(Detectors(), 40)
    assert found[:4] == [0.0] * 4
    assert found[24] >= 2.0


def test_a_stolen_list_tried_from_one_network_is_found() -> None:
    assert _stuff(Detectors(), 40, networks=1)[-1] >= 2.0


def test_a_few_wrong_names_from_few_networks_are_not_spread_on_purpose() -> None:
    assert max(_stuff(Detectors(), 16, networks=4, known_each=99)[1:]) == 0.0
    assert max(_stuff(Detectors(), 16, networks=8, known_each=99)[1:]) > 0.3


def test_the_pair_that_fits_pays_for_the_list() -> None:
    detectors = Detectors()
    _stuff(detectors, 60)
    lucky = sign_in(START + 1300, user="reuser", network="net-fresh", agent=CURL)
    assert _found(detectors.observe(lucky)) >= 4.0
    assert _found(detectors.findings_for("reuser", "", "net-fresh", START + 1400)) >= 4.0


def test_people_who_mistype_their_own_name_are_no_list() -> None:
    detectors = Detectors()
    for n in range(300):
        at, network = START + n * 10 * MINUTE, f"net-{n % 40}"
        if n % 10 == 0:
            assert _found(detectors.observe(sign_in(at, user="", network=network, is_success=False))) == 0.0
        assert _found(detectors.observe(sign_in(at + 30, user=f"u{n % 100}", network=network))) == 0.0


def test_somebody_who_uses_the_same_program_as_the_attacker_is_not_denied_for_it() -> None:
    detectors = Detectors()
    detectors.observe(sign_in(START - 2 * DAY, network="home", agent=FIREFOX, is_verified=True))
    for n in range(200):
        detectors.observe(sign_in(START + n, user="", network=f"net-{n}", agent=FIREFOX, is_success=False))
        detectors.observe(sign_in(START + n, user=f"u{n}", network=f"net-{n}", agent=FIREFOX, is_success=False))
    for found in (
        detectors.judge(sign_in(START + 300, network="home", agent=FIREFOX)),
        detectors.judge(sign_in(START + 300, network="hotel", agent=FIREFOX)),
        detectors.judge(sign_in(START + 300, user="new", network="hotel", agent=FIREFOX, is_verified=True)),
        detectors.judge(sign_in(START + 300, user="new", network="hotel", agent=FIREFOX, traits=SHARED)),
    ):
        assert sum(finding.value for finding in found) <= 4.0
        assert max((_found(found), _found(found, "password_spray"))) <= 2.0
    own = detectors.judge(sign_in(START + 300, network="hotel", agent=FIREFOX))
    assert _found(own) <= 0.5
    assert _found(own, "password_spray") <= 0.5


def test_where_nobody_has_a_second_factor_a_spray_with_everybody_s_program_denies_nobody() -> None:
    detectors = Detectors()
    for day in range(5):
        for n in range(4):
            detectors.observe(sign_in(START - (5 - day) * DAY + n, user=f"member-{n}", network=f"home-{n}"))
    for n in range(200):
        detectors.observe(sign_in(START + n, user=f"u{n}", network=f"net-{n}", is_success=False))
    for network in ("home-1", "hotel"):
        found = detectors.judge(sign_in(START + 300, user="member-1", network=network))
        assert sum(finding.value for finding in found) <= 0.5
    newcomer = detectors.judge(sign_in(START + 300, user="newcomer", network="hotel"))
    assert _found(newcomer, "password_spray") <= 2.0


def test_whoever_guessed_a_password_does_not_make_himself_at_home_with_it() -> None:
    detectors = Detectors()
    for n in range(60):
        detectors.observe(sign_in(START + n, user=f"u{n}", network="bad", agent=CURL, is_success=False))
    found = [
        _found(
            detectors.observe(sign_in(START + n * 8 * 3600, user="victim", network="bad", agent=CURL)), "password_spray"
        )
        for n in range(1, 8)
    ]
    assert min(found) >= 4.0
