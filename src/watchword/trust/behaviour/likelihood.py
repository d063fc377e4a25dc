"""How much likelier an observation is from an attacker than from its user: one chain of keys, coarse to fine.

At each step P_u(v | parent) = (c_u(v) + m P_G(v | parent)) / (c_u(parent) + m): the user's own counts, filled up with
what is usual for everybody else. The attacker is everybody else, spread more evenly. The evidence of a chain is the
sum over its steps of log P_A - log P_u.

Source: design section 5; Freeman et al., NDSS 2016, section III, for the ratio; Wiefling et al., ACM TOPS 2022, for
the hierarchy of values.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from watchword.trust.behaviour.chains import Path
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile

LEAST_EVIDENCE, MOST_EVIDENCE = -4.0, 6.0
# Below this much history evidence is limited in proportion.
ENOUGH_EVENTS = 5
# How many events' worth everybody else counts in one user's probabilities; the unknown counts one in everybody's.
_M = 1.5


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain's constants, a step each.

    Attributes:
        name: of the indicator.
        priors: probability of one value before anything is known: one over how many there could be.
        spread: how evenly an attacker is spread, 0 (as everybody) to 1 (over all values alike).
        new: names of the first-seen indicators.
        rates: how often a user's next event is new at this step, before anything is known.
        attacks: how often an attacker's first event is new at this step and not at a coarser one.
    """

    name: str
    words: str
    priors: tuple[float, ...]
    spread: tuple[float, ...]
    new: tuple[str, ...]
    rates: tuple[float, ...]
    attacks: tuple[float, ...]


NETWORK = Chain(
    "network",
    "this network",
    (1 / 100, 1 / 50, 1 / 200, 1 / 50),
    (0.5, 0.5, 0.5, 0.5),
    ("new_country", "new_asn", "new_network", "new_address"),
    (0.02, 0.04, 0.08, 0.10),
    (0.40, 0.30, 0.25, 0.04),
)
AGENT = Chain(
    "agent",
    "this browser",
    (1 / 4, 1 / 8, 1 / 20, 1 / 10),
    (0.5, 0.3, 0.3, 0.3),
    ("new_kind", "new_system", "new_browser", "new_agent"),
    (0.01, 0.02, 0.06, 0.08),
    (0.15, 0.25, 0.30, 0.15),
)
RESOURCE = Chain(
    "resource",
    "what was asked for",
    (1 / 20, 1 / 50),
    (0.3, 0.3),
    ("new_application", "new_resource"),
    (0.05, 0.15),
    (0.20, 0.40),
)
ACTION = Chain("action", "the action", (1 / 3, 1 / 8), (0.0, 0.3), ("new_act", "new_action"), (0.02, 0.05), (0.02, 0.2))
# What kind of network attackers come from; everybody else's is learned. Source: Wiefling et al., ACM TOPS 2022, and
# Microsoft Digital Defense Report 2023, both roughly: rented servers and anonymisers before access lines.
ATTACKERS_TRAITS = {"t|tor": 0.10, "t|vpn": 0.20, "t|hosting": 0.30, "t|mobile": 0.10, "t|plain": 0.30}


def evidence(chain: Chain, path: Path, profile: BehaviourProfile, population: Population, one: int) -> float:
    """Return log P_A - log P_u over one path, neither clipped nor limited; 0 for an empty path.

    Args:
        one: the weight of one event today.
    """
    totals, under = profile.totals.get, profile.under.get
    all_totals, all_under = population.totals.get, population.under.get
    mine = _M * one
    ratio = 1.0
    for prior, spread, parent, key in zip(chain.priors, chain.spread, path, path[1:], strict=False):
        own, own_parent = totals(key, 0), under(parent, 0)
        # Everybody else: one's own habits must not make an attacker with the same ones likely.
        others, rest = all_totals(key, 0) - own, all_under(parent, 0) - own_parent
        others = max(0, others)
        rest = max(rest, others)
        usual = (others + one * prior) / (rest + one)
        ratio *= (usual + spread * (prior - usual)) * (own_parent + mine) / (own + mine * usual)
    return log(ratio)


def traits_evidence(path: Path, profile: BehaviourProfile, population: Population, one: int) -> float:
    """Return log P_A - log P_u of the kind of network, against what is known of attackers everywhere."""
    key = path[1]
    own, all_own = profile.totals.get(key, 0), profile.under.get("t", 0)
    others, all_others = population.totals.get(key, 0) - own, population.under.get("t", 0) - all_own
    usual = (max(0, others) + one * ATTACKERS_TRAITS[key]) / (max(0, all_others) + one)
    return log(ATTACKERS_TRAITS[key] * (all_own + _M * one) / (own + _M * one * usual))


def clipped(value: float) -> float:
    """Clip evidence to [-4, +6]; what is no number is the worst there is."""
    return max(LEAST_EVIDENCE, min(MOST_EVIDENCE, value)) if value == value else MOST_EVIDENCE  # noqa: PLR0124  # NaN


def limited(value: float, events: float) -> float:
    """Clip evidence to [-4, +6], and by n/5 of that below five events."""
    share = 1.0 if events >= ENOUGH_EVENTS else events / ENOUGH_EVENTS
    return max(LEAST_EVIDENCE * share, min(MOST_EVIDENCE * share, value))
