"""Join everybody's days into one stream, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, merge
from operator import attrgetter
from zlib import crc32

from watchword.trust.observation import Observation
from watchword.trust.synthesis.attackers import ATTACKS, Scene
from watchword.trust.synthesis.days import Life
from watchword.trust.synthesis.draws import stream_of
from watchword.trust.synthesis.model import DAY_S, Attacker, Labelled, OrganisationSpec
from watchword.trust.synthesis.organisation import Organisation

_AT = attrgetter("observation.at")
# How many of 10,000 networks that people use are on somebody's list all the same; an assumption.
_LISTED_VPN = 600
_LISTED_MOBILE = 100
_LISTED = 30


def generate(spec: OrganisationSpec, *, seed: int) -> Iterator[Labelled]:
    """Yield an organisation's traffic in order of time, each observation with its label.

    The same specification and seed give the same observations, to the bit. Memory grows with the number of users and
    not with the number of days: nobody is planned further ahead than one day.
    """
    organisation = Organisation(spec, seed)
    lives = (_life(organisation, number) for number in range(spec.users))
    return merge(*lives, *(_attacks(organisation, Attacker(name)) for name in dict.fromkeys(spec.attackers)), key=_AT)


def _life(organisation: Organisation, number: int) -> Iterator[Labelled]:
    life = Life(organisation.person(number), organisation.spec, organisation.seed)
    for observation in life.observations():
        yield Labelled(observation, is_listed=_is_listed(observation))


def _is_listed(observation: Observation) -> bool:
    traits = observation.traits
    share = _LISTED_VPN if traits.is_vpn else _LISTED_MOBILE if traits.is_mobile else _LISTED
    return crc32(observation.network.encode()) % 10_000 < share


def _attacks(organisation: Organisation, attacker: Attacker) -> Iterator[Labelled]:
    """Yield the attacks of one attacker, which may overlap, in order of time."""
    spec = organisation.spec
    chance = stream_of(organisation.seed, "attacks", attacker)
    first = spec.start + spec.first_attack_day * DAY_S
    starts = sorted(chance.uniform(first, spec.end) for _ in range(spec.attacks))
    waiting: list[tuple[float, int, Labelled, Iterator[Labelled]]] = []
    for number, start in enumerate(starts):
        while waiting and waiting[0][0] < start - DAY_S:
            yield _advance(waiting)
        incident = f"att_{stream_of(organisation.seed, attacker, number).getrandbits(64):016x}"
        scene = Scene(organisation, stream_of(organisation.seed, attacker, number), attacker.value, incident)
        _put(waiting, number, ATTACKS[attacker](scene, start), spec)
    while waiting:
        yield _advance(waiting)


def _advance(waiting: list[tuple[float, int, Labelled, Iterator[Labelled]]]) -> Labelled:
    _, number, found, rest = heappop(waiting)
    following = next(rest, None)
    if following is not None:
        heappush(waiting, (following.observation.at, number, following, rest))
    return found


def _put(
    waiting: list[tuple[float, int, Labelled, Iterator[Labelled]]],
    number: int,
    steps: Iterator[Labelled],
    spec: OrganisationSpec,
) -> None:
    first = next(steps, None)
    if first is not None and spec.start <= first.observation.at < spec.end:
        heappush(waiting, (first.observation.at, number, first, steps))
