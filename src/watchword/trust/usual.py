"""Say what is usual for a user, as a person would like to see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from watchword.storage import Database
from watchword.trust import store
from watchword.trust.behaviour import SEPARATOR, BehaviourProfile, SignIns, parse, parse_sign_ins
from watchword.trust.habits import Habits
from watchword.trust.settings import FREEMAN, STATISTICAL

_MOST: Final = 5
_HOURS, _DAYS = 24, 7
_NETWORK, _AGENT, _RESOURCE, _HOUR, _WEEKDAY = "n", "a", "r", "h", "w"

Shares = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for one user; each list holds the most frequent first, with its share of all, 0 to 1.

    Attributes:
        profile: that learned it; the empty text where none does.
        history: how many verified acts were learned from.
        hours: share of each hour of the user's own day.
        weekdays: share of each day of the week, Monday first.
        last_place: where the newest of them came from, in words.
    """

    profile: str = ""
    history: int = 0
    countries: Shares = ()
    systems: Shares = ()
    networks: Shares = ()
    browsers: Shares = ()
    applications: Shares = ()
    hours: tuple[float, ...] = (0.0,) * _HOURS
    weekdays: tuple[float, ...] = (0.0,) * _DAYS
    last_place: str = ""


def usual_of(profile: BehaviourProfile) -> Usual:
    """Read what is usual out of a profile."""
    totals = profile.totals
    place = profile.last_place
    return Usual(
        STATISTICAL,
        profile.learned,
        countries=_shares(totals, _NETWORK, 1),
        systems=tuple((f"AS {name}", share) for name, share in _shares(totals, _NETWORK, 2)),
        networks=_shares(totals, _NETWORK, 3),
        browsers=_shares(totals, _AGENT, 4, _browser),
        applications=_shares(totals, _RESOURCE, 1),
        hours=_circle(totals, _HOUR, _HOURS),
        weekdays=_circle(totals, _WEEKDAY, _DAYS),
        last_place=place.words if place is not None else "",
    )


def usual_of_sign_ins(own: SignIns) -> Usual:
    """Read what is usual out of the sign-ins that the published score has counted."""
    return Usual(
        FREEMAN,
        own.sign_ins,
        countries=_shown(own, "02"),
        systems=tuple((f"AS {name}", share) for name, share in _shown(own, "01")),
        networks=_shown(own, "00"),
        browsers=_shown(own, "11"),
    )


async def usual_for(database: Database, user: str, by: str = STATISTICAL) -> Usual:
    """Read what is usual for a user from storage, which is a few seconds behind the running node.

    Args:
        by: the profile that learned it.

    Raises:
        ValueError: what is stored cannot be read.
    """
    kind = store.Learned.SIGN_INS if by == FREEMAN else store.Learned.HABITS
    async with database.read() as connection:
        found = await store.learned_of(connection, kind, [user])
    if user not in found:
        return Usual(by)
    return usual_of_sign_ins(parse_sign_ins(found[user])) if by == FREEMAN else usual_of(parse(found[user]))


async def usual_now(habits: Habits, database: Database, user: str) -> Usual:
    """Say what is usual for a user by what this node learns: as it is in memory, else as it is stored."""
    if STATISTICAL in habits.learns:
        known = habits.known(user)
        return await usual_for(database, user) if known.is_away else usual_of(known.profile)
    if FREEMAN in habits.learns:
        counted = habits.known_sign_ins(user)
        return await usual_for(database, user, FREEMAN) if counted.is_away else usual_of_sign_ins(counted.own)
    return Usual()


def _shown(own: SignIns, level: str) -> Shares:
    """Return the values that were shown most often at a level."""
    found = {key[len(level) + 1 :]: times for key, times in own.seen.items() if key.startswith(level)}
    most = sorted(found, key=lambda value: (-found[value], value))[:_MOST]
    return tuple((value or "unknown", found[value] / own.sign_ins) for value in most)


def _last(steps: list[str]) -> str:
    return steps[-1]


def _browser(steps: list[str]) -> str:
    _, _, system, _, browser = steps
    known = [step for step in (browser, system) if step != "-"]
    return " on ".join(known) or "unknown program"


def _shares(totals: Mapping[str, int], chain: str, depth: int, words: Callable[[list[str]], str] = _last) -> Shares:
    """Return the most frequent values of a chain at a depth."""
    found = {key: weight for key, weight in totals.items() if key[0] == chain and key.count(SEPARATOR) == depth}
    everything = sum(found.values())
    most = sorted(found, key=lambda key: (-found[key], key))[:_MOST]
    return tuple((words(key.split(SEPARATOR)), found[key] / everything) for key in most)


def _circle(totals: Mapping[str, int], chain: str, size: int) -> tuple[float, ...]:
    weights = [totals.get(f"{chain}{SEPARATOR}{number}", 0) for number in range(size)]
    everything = sum(weights) or 1
    return tuple(weight / everything for weight in weights)
