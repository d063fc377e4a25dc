"""The synthesiser's door: order, determinism, bounds."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from itertools import islice

import pytest

from watchword.trust.synthesis import Attacker, Labelled, OrganisationSpec, Profile, SpecificationError, generate
from watchword.trust.synthesis.model import WITHIN

SMALL = OrganisationSpec(users=40, days=21, incidents=5)


@pytest.fixture(scope="module")
def small() -> list[Labelled]:
    return list(generate(SMALL, seed=1000))


def test_the_same_seed_gives_the_same_traffic_to_the_bit(small: list[Labelled]) -> None:
    assert list(generate(SMALL, seed=1000)) == small


def test_another_seed_gives_another_organisation(small: list[Labelled]) -> None:
    other = {one.observation.user for one in islice(generate(SMALL, seed=1001), 2_000)}

    assert not other & {one.observation.user for one in small}


def test_traffic_comes_in_order_of_time_and_within_the_days_asked_for(small: list[Labelled]) -> None:
    times = [one.observation.at for one in small]

    assert times == sorted(times)
    assert SMALL.start <= times[0] <= times[-1] < SMALL.end


def test_no_two_observations_share_an_id(small: list[Labelled]) -> None:
    assert len({one.observation.id for one in small}) == len(small)


def test_every_attacker_asked_for_attacks_as_often_as_asked_and_nobody_else_does(small: list[Labelled]) -> None:
    incidents = Counter(attacker for attacker, _ in {(one.attacker, one.incident) for one in small if one.attacker})

    assert incidents == dict.fromkeys((attacker.value for attacker in Attacker), 5)


def test_nobody_attacks_in_the_quiet_days(small: list[Labelled]) -> None:
    first = min(one.observation.at for one in small if one.attacker)

    assert first >= SMALL.start + (SMALL.first_attack_day - 1) * 86_400


def test_people_do_the_same_whether_or_not_somebody_attacks(small: list[Labelled]) -> None:
    calm = generate(OrganisationSpec(users=40, days=21, attackers=()), seed=1000)

    assert [one.observation for one in calm] == [one.observation for one in small if one.attacker is None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"users": 0},
        {"users": 10**9},
        {"days": 0},
        {"days": 10**6},
        {"incidents": -1},
        {"quiet_days": 91},
        {"requests_a_session": float("nan")},
        {"profile": "nobody"},
        {"attackers": ("naive", "godzilla")},
        {"profile": "public", "attackers": ("insider",)},
    ],
)
def test_what_would_never_end_or_leave_something_out_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecificationError):
        OrganisationSpec(**wrong)  # type: ignore[arg-type]


def test_a_public_service_knows_no_roles_and_enrols_no_devices() -> None:
    found = list(generate(OrganisationSpec(users=60, days=60, profile=Profile.PUBLIC), seed=1002))

    assert found
    assert {one.attacker for one in found} <= {None, *(one.value for one in Attacker if one not in WITHIN)}
    assert {(one.observation.group, one.observation.device) for one in found} == {("", "")}


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize(("users", "days"), [(1, 1), (1, 5), (3, 2), (9, 9), (14, 8)])
def test_however_small_it_is_and_whenever_it_starts_order_and_bounds_hold(
    profile: Profile, users: int, days: int
) -> None:
    for start in (SMALL.start, SMALL.start + 4 * 86_400, SMALL.start + 200 * 86_400):
        spec = OrganisationSpec(users=users, days=days, profile=profile, incidents=3, quiet_days=0, start=start)
        times = [one.observation.at for one in generate(spec, seed=1014)]

        assert times == sorted(times)
        assert all(spec.start <= at <= spec.end for at in times)


def test_memory_holds_no_more_than_each_persons_next_day() -> None:
    traffic = generate(OrganisationSpec(users=20, days=3_000, attackers=("naive",)), seed=1004)
    for _ in islice(traffic, 1_000):
        pass
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in islice(traffic, 4_000):
        pass
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < 2_000_000


def test_another_process_with_other_hashes_makes_the_same_traffic() -> None:
    program = (
        "import hashlib;"
        "from watchword.trust.synthesis import OrganisationSpec, encode, generate;"
        "found = generate(OrganisationSpec(users=20, days=10), seed=1012);"
        "print(hashlib.sha256(b''.join(map(encode, found))).hexdigest())"
    )

    def digest(hashes: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(  # this Python, on the program above
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
        ).stdout

    assert digest("1") == digest("2")
