"""What an observation is compared with: what its user did, what everybody does, and what one event weighs in either."""

from __future__ import annotations

from typing import NamedTuple

from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile


class Comparison(NamedTuple):
    """Both sides of a score.

    Attributes:
        one: the weight of one event today.
        own_one: the weight of one event in this user's counters.
    """

    profile: BehaviourProfile
    population: Population
    one: int
    own_one: int
