"""How much likelier an observation is from an attacker than from its user: one chain of keys, coarse to fine.

At each step P_u(v | parent) = (c_u(v) + m P_G(v | parent)) / (c_u(parent) + m): the user's own counts, filled up with
what is usual for everybody else, which is all there is without a history. The attacker is everybody else, spread more
evenly, or somebody who matches the victim: P_A = k P_u + (1 - k) P_spread. The evidence of a chain is the sum over its
steps of log P_A - log P_u; it never speaks for the owner by more than an attacker cannot copy.

Source: design section 5; Freeman et al., NDSS 2016, section III, for the ratio; Wiefling et al., ACM TOPS 2022, for
the hierarchy of values.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import NamedTuple

from watchword.trust.behaviour.chains import Path
from watchword.trust.behaviour.comparison import Comparison
from watchword.trust.behaviour.profile import is_new

LEAST_EVIDENCE, MOST_EVIDENCE = -4.0, 6.0
# Below this much history a baseline is called cold, and the time of day counts in proportion.
ENOUGH_EVENTS = 5
_M = 1.5  # how many events' worth everybody else counts in what one user's kinds of network are


class Step(NamedTuple):
    """What one step of a chain is weighed by.

    Attributes:
        prior: probability of one value before anything is known: one over how many there could be.
        spread: how evenly an attacker is spread, 0 (as everybody) to 1 (over all values alike).
        copied: share of attackers who match their victim here, having matched before.
        others: how many events' worth everybody else counts in one user's probabilities.
        unknown: how many events' worth the unknown counts in everybody's.
    """

    prior: float
    spread: float
    copied: float = 0.0
    others: float = 1.5
    unknown: float = 1.0


class First(NamedTuple):
    """What the first-seen indicator of a step is weighed by.

    Attributes:
        rate: how often a user's next event is new at this step, before anything is known.
        early: that rate is as much higher in a short history; after n events it is at least early / (early + n).
        attacks: how often an attacker's first event is new at this step and not at a coarser one.
    """

    name: str
    rate: float
    early: float
    attacks: float


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain's constants, a step each.

    Attributes:
        name: of the indicator.
    """

    name: str
    words: str
    steps: tuple[Step, ...]
    firsts: tuple[First, ...]


# Who attacks from the victim's own country or through one of its providers is no rarity (Freeman et al. and Wiefling
# et al. call them VPN and targeted attackers), who comes from the same /24 is, and has its address at hand as well. A
# browser is copied as a whole or not at all: phishing kits and the market of stolen profiles hand it over (Campobasso
# and Allodi, ACM CCS 2020).
NETWORK = Chain(
    "network",
    "this network",
    (
        Step(1 / 100, 0.5, copied=0.5, others=0.2),
        Step(1 / 50, 0.5, copied=0.4, others=0.2, unknown=3.0),
        Step(1 / 200, 0.5, copied=0.05, others=0.1, unknown=20.0),
        Step(1 / 50, 0.5, copied=0.5, others=0.5, unknown=5.0),
    ),
    (
        First("new_country", 0.02, 0.05, 0.40),
        First("new_asn", 0.04, 0.3, 0.30),
        First("new_network", 0.08, 0.1, 0.25),
        First("new_address", 0.10, 0.5, 0.04),
    ),
)
AGENT = Chain(
    "agent",
    "this browser",
    (
        Step(1 / 4, 0.5, copied=0.4, others=0.5),
        Step(1 / 8, 0.3, copied=0.8, others=0.3),
        Step(1 / 6, 0.3, copied=0.9, others=0.3, unknown=2.0),
        Step(1 / 20, 0.3, copied=0.8, unknown=5.0),
        Step(1 / 10, 0.3, copied=0.8, unknown=5.0),
    ),
    (
        First("new_kind", 0.01, 0.25, 0.15),
        First("new_system", 0.02, 0.03, 0.25),
        First("new_browser", 0.02, 0.03, 0.30),
        First("new_version", 0.06, 0.5, 0.20),
        First("new_agent", 0.08, 0.5, 0.15),
    ),
)
RESOURCE = Chain(
    "resource",
    "what was asked for",
    (Step(1 / 20, 0.3), Step(1 / 50, 0.3)),
    (First("new_application", 0.05, 1.5, 0.20), First("new_resource", 0.15, 10.0, 0.40)),
)
ACTION = Chain(
    "action",
    "the action",
    (Step(1 / 3, 0.0), Step(1 / 8, 0.3)),
    (First("new_act", 0.02, 0.3, 0.02), First("new_action", 0.05, 0.5, 0.2)),
)
# What kind of network attackers come from; everybody else's is learned. Source: Wiefling et al., ACM TOPS 2022, and
# Microsoft Digital Defense Report 2023, both roughly: rented servers and anonymisers before access lines.
ATTACKERS_TRAITS = {"t|tor": 0.10, "t|vpn": 0.20, "t|hosting": 0.30, "t|mobile": 0.10, "t|plain": 0.30}


def evidence(chain: Chain, path: Path, held: Comparison, doubted: int = 0) -> float:
    """Return log P_A - log P_u over one path, not clipped; 0 for an empty path.

    Args:
        doubted: up to this weight, what a single day taught this user's counters counts as never seen.
    """
    profile, population, one, own_one = held
    totals, under = profile.totals.get, profile.under.get
    all_totals, all_under = population.totals.get, population.under.get
    ratio, is_below_new = 1.0, False
    for (prior, spread, copied, worth, unknown), parent, key in zip(chain.steps, path, path[1:], strict=False):
        own, own_parent = totals(key, 0), under(parent, 0)
        # Everybody else: one's own habits must not make an attacker with the same ones likely.
        others, rest = all_totals(key, 0) - own, all_under(parent, 0) - own_parent
        if others < 0:  # noqa: PLR1730  # this runs fifteen times a score, and a call of `max` costs as much as the rest
            others = 0
        if rest < others:  # noqa: PLR1730  # as above
            rest = others
        if own <= doubted and is_new(own, doubted):
            if is_below_new:
                own_parent = 0
            own, is_below_new = 0, True
        unseen = unknown * one
        mine = worth * own_one
        usual = (others + unseen * prior) / (rest + unseen)
        anybody = (usual + spread * (prior - usual)) * (own_parent + mine) / (own + mine * usual)
        # Nobody matches what is not known of the victim.
        matched = copied if own_parent else 0.0
        ratio *= matched + (1.0 - matched) * anybody
    return log(ratio)


def traits_evidence(path: Path, held: Comparison, doubted: int = 0) -> float:
    """Return log P_A - log P_u of the kind of network, against what is known of attackers everywhere."""
    profile, population, one, own_one = held
    key = path[1]
    own, all_own = profile.totals.get(key, 0), profile.under.get("t", 0)
    others, all_others = population.totals.get(key, 0) - own, population.under.get("t", 0) - all_own
    usual = (max(0, others) + one * ATTACKERS_TRAITS[key]) / (max(0, all_others) + one)
    if is_new(own, doubted):
        own = 0
    return log(ATTACKERS_TRAITS[key] * (all_own + _M * own_one) / (own + _M * own_one * usual))


def clipped(value: float) -> float:
    """Clip evidence to [-4, +6]; what is no number is the worst there is."""
    if LEAST_EVIDENCE <= value <= MOST_EVIDENCE:
        return value
    return LEAST_EVIDENCE if value < LEAST_EVIDENCE else MOST_EVIDENCE
