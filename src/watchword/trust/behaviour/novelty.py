"""First-seen flags: how surprising it is that something is new, given how often new things happen to this user.

One flag a chain: at the coarsest step that is new, for everything finer is new with it.
"""

from __future__ import annotations

from math import log

from watchword.trust.behaviour.chains import LEVELS, Path
from watchword.trust.behaviour.comparison import Comparison
from watchword.trust.behaviour.likelihood import Chain, First
from watchword.trust.behaviour.profile import is_new

# How many events' worth everybody else counts in one user's rate of new things, and a guess in everybody's.
_M = 4.0
_M_POPULATION = 20.0
_MOST_RATE = 0.6
_FIRST = "seen for the first time with this account"
_UNSETTLED = "not yet proven with this account on a second day"


def novelty(chain: Chain, path: Path, held: Comparison, doubted: int = 0) -> tuple[str, float, str] | None:
    """Return indicator, evidence and words of the coarsest step of a path that is new; nothing if none is.

    To an account without history everything is new, whoever comes, and nothing is said.

    Args:
        doubted: up to this weight, what a single day taught still counts as new.
    """
    weight_of = held.profile.totals.get
    if weight_of(path[-1], 0) > doubted or not held.profile.under.get(path[0]):
        return None
    for step in range(1, len(path)):
        weight = weight_of(path[step], 0)
        if is_new(weight, doubted):
            first = chain.firsts[step - 1]
            rate = rate_of_new(path[0], step, first, held)
            words = f"{_UNSETTLED if weight else _FIRST}: {path[step].rpartition('|')[2]}"
            # What is new never speaks for the owner, however often it is.
            return first.name, max(0.0, log(first.attacks / rate)), words
    return None


def rate_of_new(chain: str, step: int, first: First, held: Comparison) -> float:
    """Return how often a user's next value at a step is new below one that is not.

    The first of each kind is no surprise: under every coarser value there is one. Whoever was seen a few times has
    more that is yet to be seen than everybody on average.

    Source: Ewens, "The sampling theory of selectively neutral alleles", 1972, for the share of the unseen after n.
    """
    profile, population, one, own_one = held
    level, coarser = LEVELS[chain][step], LEVELS[chain][step - 1]
    mine = profile.distinct.get(level, 0) - (profile.distinct.get(coarser, 0) or 1)
    all_new = population.distinct.get(level, 0) - (population.distinct.get(coarser, 0) or population.users)
    events, all_events = profile.under.get(chain, 0) / own_one, population.under.get(chain, 0) / one
    usual = (max(0, all_new) + _M_POPULATION * first.rate) / (all_events + _M_POPULATION)
    rate = (max(0, mine) + _M * usual) / (events + _M)
    return min(_MOST_RATE, max(rate, first.early / (first.early + events)))
