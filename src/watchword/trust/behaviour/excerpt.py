"""What a score reads for one observation: a few dozen counters out of thousands, kept so that it can be had again.

By which keys they are read follows from the observation. So a record keeps the numbers alone, which tell of no place,
network or program, and whoever has the observation finds the keys to them again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple
from zlib import crc32

from watchword.trust.behaviour.chains import HOURS, LEVELS, NO_DEVICE, WEEKDAYS, Paths, site_of
from watchword.trust.behaviour.company import MOST_MEMBERS, Companies, member
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile, LastPlace

_DEPTHS: Final = (("n", 4), ("a", 5), ("r", 2), ("x", 2), ("d", 1))
_LEVELS: Final = tuple([LEVELS[chain][depth] for chain, most in _DEPTHS for depth in range(1, most + 1)])
_ZEROS: Final = repeat(0)  # for what was never counted
_ROOTS: Final = ("t", "d", "h", "w")


class ExcerptError(ValueError):
    """The numbers are not what this observation was scored from."""


class Excerpt(NamedTuple):
    """The numbers that one observation is scored from.

    Attributes:
        read: counters, in an order that follows from the observation.
        by: checksum of the keys that they were read by.
        rest: what is read whatever is observed, as JSON values; the last verified place is among it.
    """

    read: Sequence[int]
    by: str
    rest: Mapping[str, Any]


def excerpt(paths: Paths, user: str, profile: BehaviourProfile, population: Population) -> Excerpt:
    """Return everything that a score of these paths can read.

    Args:
        user: whose profile it is.
    """
    keys, parents = _keys(paths)
    numbers: list[int] = []
    for part in (profile, population):
        numbers += map(part.totals.get, keys, _ZEROS)
        numbers += map(part.under.get, parents, _ZEROS)
        numbers += map(part.distinct.get, _LEVELS, _ZEROS)
    near, beside, name = site_of(paths.network), paths.device[-1], member(user)
    numbers += (population.networks.others(near, name), population.devices.others(beside, name))
    last = profile.last_place
    rest = {
        "newest": profile.ids[-1] if profile.ids else None,
        "learned": profile.learned,
        "last_place": last._asdict() if last is not None else None,
        "circles": list(profile.circles),  # which goes on being taught
        "everybody": population.learned,
        "users": population.users,
    }
    return Excerpt(numbers, _checksum(paths), rest)


def restored(paths: Paths, taken: Excerpt) -> tuple[BehaviourProfile, Population]:
    """Return counters that such an observation scores as those did that the numbers were taken from.

    Raises:
        ExcerptError: they are not the numbers of such an observation.
        KeyError, TypeError, ValueError: `rest` is not what `excerpt` made.
    """
    keys, parents = _keys(paths)
    names = (*keys, *parents, *_LEVELS)
    read, each = taken.read, len(names)
    if len(read) != 2 * each + 2 or not all(type(number) is int for number in read):
        raise ExcerptError("there are not as many numbers as such an observation is scored from")
    if taken.by != _checksum(paths):
        raise ExcerptError("the numbers were read of something else")
    # Prevents: a record that was made up filling the memory of whoever replays it.
    if not all(0 <= others <= MOST_MEMBERS for others in read[-2:]):
        raise ExcerptError("more others are known in one place than are ever counted")
    rest, last = taken.rest, taken.rest["last_place"]
    profile = BehaviourProfile(
        ids=[] if rest["newest"] is None else [int(rest["newest"])],
        learned=int(rest["learned"]),
        last_place=None if last is None else LastPlace(**last),
        circles=[int(part) for part in rest["circles"]],
    )
    population = Population(
        learned=int(rest["everybody"]),
        users=int(rest["users"]),
        networks=_so_many(site_of(paths.network), read[-2]),
        devices=_so_many(paths.device[-1], read[-1]),
    )
    for part, numbers in ((profile, read[:each]), (population, read[each:-2])):
        known, sums = len(keys), len(keys) + len(parents)
        part.totals = dict(zip(keys, numbers[:known], strict=True))
        part.under = dict(zip(parents, numbers[known:sums], strict=True))
        part.distinct = dict(zip(_LEVELS, numbers[sums:], strict=True))
    return profile, population


def _keys(paths: Paths) -> tuple[list[str], list[str]]:
    """Return the keys whose totals are read, and those of which the sum of all finer ones is."""
    network, agent, resource, action, traits, device, hour, weekday, _ = paths
    keys = [*network[1:], *agent[1:], *resource[1:], *action[1:], *traits[1:], *device[1:], NO_DEVICE]
    keys += (HOURS[hour - 1], HOURS[hour], HOURS[(hour + 1) % 24], WEEKDAYS[weekday])
    return keys, [*network[:-1], *agent[:-1], *resource[:-1], *action[:-1], *_ROOTS]


def _checksum(paths: Paths) -> str:
    """Stand for the keys: each path's finest one holds all that are coarser."""
    network, agent, resource, action, traits, device, hour, weekday, _ = paths
    finest = [path[-1] for path in (network, agent, resource, action, traits, device) if path]
    return f"{crc32(chr(0).join([*finest, HOURS[hour], WEEKDAYS[weekday]]).encode('utf-8', 'replace')):08x}"


def _so_many(name: str, others: int) -> Companies:
    # Below zero no member has a name, so that each of these counts as another one.
    return Companies(1, OrderedDict({name: dict.fromkeys(range(-others, 0), 1)}) if others else OrderedDict())
