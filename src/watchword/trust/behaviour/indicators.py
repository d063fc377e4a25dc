"""Every indicator that is read from a baseline, as plain rows: name, evidence, words, and whether it is known."""

from __future__ import annotations

from watchword.trust.behaviour import rhythm
from watchword.trust.behaviour.chains import Path, Paths, site_of
from watchword.trust.behaviour.company import member
from watchword.trust.behaviour.comparison import Comparison
from watchword.trust.behaviour.device import device_evidence
from watchword.trust.behaviour.likelihood import (
    ACTION,
    AGENT,
    ENOUGH_EVENTS,
    NETWORK,
    RESOURCE,
    Chain,
    clipped,
    evidence,
    traits_evidence,
)
from watchword.trust.behaviour.novelty import novelty
from watchword.trust.behaviour.profile import BehaviourProfile, is_new
from watchword.trust.behaviour.settling import unsettled
from watchword.trust.behaviour.travel import travel
from watchword.trust.observation import Observation

Row = tuple[str, float, str, bool]

OVERLONG = "overlong"
FAMILIAR_NETWORK, SHARED_DEVICE = "familiar_network", "shared_device"
_OVERLONG: Row = (OVERLONG, 1.0, "something the client sent is longer than any honest client makes it", True)
_FAMILIAR = (0.0, -0.7, -1.1, -1.4, -1.6, -1.8, -2.0, -2.0, -2.0)
_SHARED = (0.0, 0.3, -0.3, -0.6, -0.6, -0.6, -0.6, -0.6, -0.6)
_TELLING = 1.0  # below this much evidence a habit is not worth a sentence
# Company counts in full in a network from which this share of everybody's events come, such as an office, and else in
# proportion: some other customer of a public service is in every network.
_DENSE = 0.05


def history(profile: BehaviourProfile, own_one: int) -> float:
    """Return how many events a baseline is worth: two a day at most, older ones fading with what came after."""
    return profile.under.get("x", 0) / own_one


def habits(
    paths: Paths,
    observation: Observation,
    held: Comparison,
) -> list[Row]:
    """Return what every chain says, and what is seen for the first time."""
    rows: list[Row] = []
    doubted = unsettled(paths, held)
    _habit(rows, NETWORK, paths.network, held, doubted)
    _habit(rows, AGENT, paths.agent, held, doubted)
    _device(rows, paths.device, held, doubted)
    # What is asked for is no witness of who asks, and is believed at once.
    _habit(rows, RESOURCE, paths.resource, held)
    _habit(rows, ACTION, paths.action, held)
    _traits(rows, paths.traits, held, doubted)
    found = travel(observation, paths.network, held.profile, held.own_one)
    rows.append((found.indicator, found.value, found.detail, found.is_known))
    _companies(rows, paths, observation, held, doubted)
    if paths.is_cut:
        rows.append(_OVERLONG)
    return rows


def _habit(rows: list[Row], chain: Chain, path: Path, held: Comparison, doubted: int = 0) -> None:
    if not path:
        rows.append((chain.name, 0.0, "unknown: nothing was said about it", False))
        return
    value = clipped(evidence(chain, path, held, doubted))
    if value > _TELLING:
        whose = "this" if held.profile.under.get(path[0]) else "any"
        rows.append((chain.name, value, f"{chain.words} is unusual for {whose} account", True))
    else:
        rows.append((chain.name, value, "", True))
    found = novelty(chain, path, held, doubted)
    if found is not None:
        name, value, words = found
        rows.append((name, clipped(value), words, True))


def _device(rows: list[Row], path: Path, held: Comparison, doubted: int) -> None:
    name, value, words = device_evidence(path, held, doubted)
    rows.append((name, clipped(value), words, True))


def _traits(rows: list[Row], path: Path, held: Comparison, doubted: int) -> None:
    value = clipped(traits_evidence(path, held, doubted))
    words = f"comes from a network of the kind `{path[1][2:]}`, unusual for this account" if value > _TELLING else ""
    rows.append(("traits", value, words, True))


def _companies(rows: list[Row], paths: Paths, observation: Observation, held: Comparison, doubted: int) -> None:
    population, path, weight_of = held.population, paths.network, held.profile.totals.get
    site = site_of(path)
    if site and is_new(weight_of(site, 0), doubted):
        others = population.networks.others(site, member(observation.user))
        if others:
            words = f"{others} other accounts were verified in this network"
            share = population.totals.get(site, 0) / (population.under.get(path[0], 0) or 1)
            rows.append((FAMILIAR_NETWORK, min(1.0, share / _DENSE) * _FAMILIAR[others], words, True))
    device = paths.device[-1]
    if observation.device and is_new(weight_of(device, 0), doubted):
        others = population.devices.others(device, member(observation.user))
        if others:
            words = f"{others} other accounts were verified on this device"
            rows.append((SHARED_DEVICE, _SHARED[others], words, True))


def times(paths: Paths, held: Comparison, *, support: float) -> list[Row]:
    """Return what the time says.

    Args:
        support: the evidence of all other indicators that speak for an attacker; time never adds more than this.
    """
    events = held.profile.under.get("h", 0) / held.own_one
    if not events:
        return [("hour", 0.0, "unknown: no verified sign-in to compare with", False)]
    share = events / ENOUGH_EVENTS if events < ENOUGH_EVENTS else 1.0
    least, most = rhythm.LEAST_TIME * share, rhythm.MOST_TIME * share
    hour = _between(least, rhythm.hour_evidence(paths.hour, held), most)
    weekday = _between(least, rhythm.weekday_evidence(paths.weekday, held), most)
    turn = _between(least, rhythm.rhythm_evidence(paths.hour, paths.weekday, held), most)
    total = hour + weekday + turn
    # Prevents: somebody at work in the night being asked for a second factor for that alone.
    if total > support:
        share = support / total
        hour, weekday, turn = hour * share, weekday * share, turn * share
    words = f"{paths.hour}:00 is an unusual time for this account" if total > _TELLING else ""
    return [("hour", hour, words, True), ("weekday", weekday, "", True), ("rhythm", turn, "", True)]


def _between(least: float, value: float, most: float) -> float:
    if value < least:
        return least
    return value if value <= most else most  # noqa: FURB136  # a call costs as much as the rest, and no number is the most
