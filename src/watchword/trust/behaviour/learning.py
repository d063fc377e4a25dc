"""Learning: what a verified outcome adds to the counters of a user and of everybody."""

from __future__ import annotations

import itertools
from enum import StrEnum

from watchword.trust.behaviour.chains import paths_of
from watchword.trust.behaviour.decay import day_of, weight_of
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile
from watchword.trust.observation import Observation

# Two clocks of one deployment may differ by this much.
CLOCK_SKEW_S = 60.0


class Lesson(StrEnum):
    """What became of an observation that was to be learned."""

    LEARNED = "learned"
    NOT_VERIFIED = "not_verified"
    DUPLICATE = "duplicate"
    FROM_THE_FUTURE = "from_the_future"
    TOO_LATE = "too_late"
    UNREADABLE = "unreadable"


def learn(observation: Observation, profile: BehaviourProfile, population: Population, *, now: float) -> Lesson:
    """Add a verified outcome to a profile and the population, in place; say why if not.

    The order of events makes no difference within two days, as long as nothing had to be evicted.
    """
    if not observation.is_verified or not observation.is_success:
        return Lesson.NOT_VERIFIED
    if observation.at > now + CLOCK_SKEW_S:
        return Lesson.FROM_THE_FUTURE
    return _fold(observation, profile, population)


def _fold(observation: Observation, profile: BehaviourProfile, population: Population) -> Lesson:
    paths = paths_of(observation)
    day = day_of(observation.at)
    weight = weight_of(day)
    for path in (paths.network, paths.agent, paths.resource, paths.action, paths.traits, paths.device):
        for parent, key in itertools.pairwise(path):
            for counted in (profile, population):
                counted.totals[key] = counted.totals.get(key, 0) + weight
                counted.under[parent] = counted.under.get(parent, 0) + weight
    population.users += profile.learned == 0
    profile.learned += 1
    population.learned += 1
    return Lesson.LEARNED
