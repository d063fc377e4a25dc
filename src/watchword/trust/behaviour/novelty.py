"""First-seen flags: how surprising it is that something is new, given how often new things happen to this user.

One flag a chain: at the coarsest step that is new, for everything finer is new with it.
"""

from __future__ import annotations

from math import log

from watchword.trust.behaviour.chains import LEVELS, Path
from watchword.trust.behaviour.likelihood import Chain
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile

# How many events' worth everybody else counts in one user's rate of new things, and a guess in everybody's.
_M = 4.0
_M_POPULATION = 20.0
_MOST_RATE = 0.6


def novelty(
    chain: Chain, path: Path, profile: BehaviourProfile, population: Population, one: int
) -> tuple[str, float, str] | None:
    """Return indicator, evidence and the new value of the coarsest step of a path that is new; nothing if none is."""
    totals = profile.totals
    if path[-1] in totals:
        return None
    for step in range(1, len(path)):
        if path[step] not in totals:
            rate = rate_of_new(path[0], step, chain.rates[step - 1], profile, population, one)
            return chain.new[step - 1], log(chain.attacks[step - 1] / rate), path[step].rpartition("|")[2]
    return None


def rate_of_new(
    chain: str, step: int, guess: float, profile: BehaviourProfile, population: Population, one: int
) -> float:
    """Return how often a user's next value at a step is new below one that is not.

    The first of each kind is no surprise: under every coarser value there is one.
    """
    level, coarser = LEVELS[chain][step], LEVELS[chain][step - 1]
    mine = profile.distinct.get(level, 0) - (profile.distinct.get(coarser, 0) or 1)
    all_new = population.distinct.get(level, 0) - (population.distinct.get(coarser, 0) or population.users)
    events, all_events = profile.under.get(chain, 0) / one, population.under.get(chain, 0) / one
    usual = (max(0, all_new) + _M_POPULATION * guess) / (all_events + _M_POPULATION)
    return min(_MOST_RATE, (max(0, mine) + _M * usual) / (events + _M))
