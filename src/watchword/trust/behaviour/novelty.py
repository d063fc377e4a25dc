"""First-seen flags: how surprising it is that something is new, given how often new things happen to this user.

One flag a chain: at the coarsest step that is new, for everything finer is new with it.
"""

from __future__ import annotations

from math import log

from watchword.trust.behaviour.chains import Path
from watchword.trust.behaviour.likelihood import Chain
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile

# How many events' worth everybody else counts in one user's rate of new things.
_M = 4.0
_M_POPULATION = 20.0
_MOST_RATE = 0.6


def novelty(
    chain: Chain, path: Path, profile: BehaviourProfile, population: Population
) -> tuple[str, float, str] | None:
    """Return indicator, evidence and the new value of the coarsest step of a path that is new; nothing if none is."""
    totals = profile.totals
    if path[-1] in totals:
        return None
    for step in range(1, len(path)):
        if path[step] not in totals:
            rate = _rate(f"{path[0]}{step}", f"{path[0]}{step - 1}", chain.rates[step - 1], profile, population)
            return chain.new[step - 1], log(chain.attacks[step - 1] / rate), path[step].rpartition("|")[2]
    return None


def _rate(level: str, coarser: str, prior: float, profile: BehaviourProfile, population: Population) -> float:
    """How often a value at this level is new below a value that is not."""
    mine = profile.distinct.get(level, 0) - (profile.distinct.get(coarser, 0) or 1)
    all_new = population.distinct.get(level, 0) - (population.distinct.get(coarser, 0) or population.users)
    usual = (max(0, all_new) + _M_POPULATION * prior) / (population.learned + _M_POPULATION)
    return min(_MOST_RATE, (max(0, mine) + _M * usual) / (profile.learned + _M))
