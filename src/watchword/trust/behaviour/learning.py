"""Learning: what a verified outcome adds to the counters of a user and of everybody."""

from __future__ import annotations

from bisect import insort
from enum import StrEnum
from zlib import crc32

from watchword.trust.behaviour.chains import NO_DEVICE, Paths, paths_of
from watchword.trust.behaviour.company import member
from watchword.trust.behaviour.decay import day_of, weight_of
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import ID_BITS, MOST_IDS, BehaviourProfile, Step
from watchword.trust.behaviour.travel import last_place_of
from watchword.trust.observation import Observation

# Two clocks of one deployment may differ by this much.
CLOCK_SKEW_S = 60.0
_LONGEST_ID = 256


class Lesson(StrEnum):
    """What became of an observation that was to be learned."""

    LEARNED = "learned"
    NOT_VERIFIED = "not_verified"
    DUPLICATE = "duplicate"
    FROM_THE_FUTURE = "from_the_future"
    TOO_LATE = "too_late"
    ENOUGH = "enough"
    UNREADABLE = "unreadable"


def learn(observation: Observation, profile: BehaviourProfile, population: Population, *, now: float) -> Lesson:
    """Add a verified outcome to a profile and the population, in place, and say what became of it; never raises.

    Events may come in any order within two days and among the newest of a user: the counters become the same, as long
    as neither the guard nor a bound had to leave something out. A clock that goes back makes the newest events wait
    for it (`FROM_THE_FUTURE`), or reads as events that come late.

    Args:
        now: seconds since 1970; the only clock that is read.
    """
    if observation.is_verified is not True or not observation.is_success:
        return Lesson.NOT_VERIFIED
    try:
        return _learn(observation, profile, population, now)
    except (ValueError, TypeError, OverflowError, AttributeError):  # a time that is none, a text that is none
        return Lesson.UNREADABLE


def _learn(observation: Observation, profile: BehaviourProfile, population: Population, now: float) -> Lesson:
    if observation.at > now + CLOCK_SKEW_S:
        return Lesson.FROM_THE_FUTURE
    day = day_of(observation.at)
    paths = paths_of(observation)  # whatever cannot be read is refused before anything is counted
    place = last_place_of(observation)
    if profile.ids and profile.ids[-1] >> ID_BITS > now + CLOCK_SKEW_S:
        profile.turn_back(now)
    if not profile.open_day(day):
        return Lesson.TOO_LATE
    # Prevents: one delivered again, or replayed, counting twice; of what is older than the oldest remembered nobody
    # could tell.
    event, known = _event(observation), profile.ids
    if event in known:
        return Lesson.DUPLICATE
    if len(known) >= MOST_IDS and event < known[0]:
        return Lesson.TOO_LATE
    insort(known, event)
    population.learned += 1
    population.users += profile.learned == 0
    profile.learned += 1
    if place is not None and (profile.last_place is None or place > profile.last_place):
        profile.last_place = place
    _count(observation, paths, day, profile, population)
    profile.forget()
    return Lesson.LEARNED


def _event(observation: Observation) -> int:
    digest = crc32(observation.id[:_LONGEST_ID].encode("utf-8", "replace"))
    return (max(0, int(observation.at)) << ID_BITS) | digest


def _count(observation: Observation, paths: Paths, day: int, profile: BehaviourProfile, population: Population) -> None:
    counted: list[Step] = []
    # What says neither from where nor with what somebody acted says nothing of their device and their hours either.
    witness = paths.network or paths.agent
    told = (paths.network, paths.agent, paths.traits, paths.device) if witness else ()
    for path in (*told, paths.resource, paths.action):
        if path:
            profile.count(path, day, counted)
    if witness:
        profile.count_time(paths.hour, paths.weekday, day, counted)
    if counted:
        population.count(counted, weight_of(day))
        _meet(observation.user, counted, weight_of(day), population)


def _meet(user: str, counted: list[Step], weight: int, population: Population) -> None:
    for level, _, key, _ in counted:
        if level == "n3":
            population.networks.count(key, member(user), weight)
        elif level == "d1" and key != NO_DEVICE:
            population.devices.count(key, member(user), weight)
