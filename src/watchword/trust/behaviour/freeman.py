"""The published score, as a baseline and an option: Freeman et al., in the form Wiefling et al. evaluated.

    S = product over features of p(x) / p(x | user)  times  p(user | attack) / p(user | legitimate)

A feature's probability is interpolated over its levels, each with a fixed weight; p(user | attack) is one over the
number of users, p(user | legitimate) their share of all sign-ins. Features are the address with autonomous system and
country, and the user agent with browser, operating system and type.

Source: Freeman, Jain, Dürmuth, Biggio, Giacinto, "Who Are You? A Statistical Approach to Measuring User
Authenticity", NDSS 2016, equation 7, doi:10.14722/ndss.2016.23240. Weights of the levels, the smoothing of unseen
values (equation 5 there) and the quarter for what a user never showed: Wiefling, Jørgensen, Thunem, Lo Iacono, "Pump
Up Password Security!", ACM TOPS 2022, doi:10.1145/3546069, and the notebook published with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log

from watchword.trust.behaviour.model import sigmoid
from watchword.trust.behaviour.score import NO_WEIGHTS, PRIOR, Score, Term, weighed
from watchword.trust.observation import Act, Observation

_ADDRESS_WEIGHTS = (0.6, 0.3, 0.1)
_AGENT_WEIGHTS = (0.5386653840551359, 0.2680451498625666, 0.18818295100109536, 0.0051065150812021525)
_NEVER_SHOWN = 4.0
_MOST_USERS = 100_000
_MOST_VALUES = 50_000
_LONGEST_TEXT = 512

Values = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(slots=True)
class _Counts:
    """How often each value was seen; keys are feature, level and value. `kinds` counts the values of a level."""

    sign_ins: int = 0
    seen: dict[tuple[int, int, str], int] = field(default_factory=dict)
    kinds: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, values: Values) -> None:
        self.sign_ins += 1
        for feature, levels in enumerate(values):
            for level, value in enumerate(levels):
                times = self.seen.get((feature, level, value))
                if times is not None:
                    self.seen[feature, level, value] = times + 1
                elif len(self.seen) < _MOST_VALUES:
                    self.seen[feature, level, value] = 1
                    self.kinds[feature, level] = self.kinds.get((feature, level), 0) + 1


class Freeman:
    """Score sign-ins by the published formula; learns from verified sign-ins.

    The probability of a level is the share of sign-ins with its value. Over all users the finest level is smoothed:
    one unseen value for each that was seen at a coarser level is expected, and one more.
    """

    def __init__(self) -> None:
        self._all = _Counts()
        self._users: dict[str, _Counts] = {}

    def observe(self, observation: Observation) -> None:
        """Learn from a verified sign-in; nothing from anything else."""
        if observation.act is not Act.SIGN_IN or not observation.is_success or not observation.is_verified:
            return
        values = _values(observation)
        if observation.user not in self._users and len(self._users) >= _MOST_USERS:
            return
        self._all.add(values)
        self._users.setdefault(observation.user, _Counts()).add(values)

    def judge(self, observation: Observation) -> float:
        """Return the natural logarithm of the score; 0 for an account without any verified sign-in."""
        return sum([value for _, value in self._terms(observation)])

    def score(self, observation: Observation) -> Score:
        """Return the score in the form of ours: the published one taken as the odds that an attacker signs in."""
        user = self._users.get(observation.user)
        history = user.sign_ins if user else 0
        rows = [(name, value, "", True) for name, value in self._terms(observation)]
        terms = (Term(PRIOR, 0.0, 0.0), *weighed(rows, NO_WEIGHTS, 1.0))
        log_odds = sum([term.value for term in terms])
        probability = sigmoid(log_odds)
        versions = {"model": "freeman/1", "population": str(self._all.sign_ins)}
        return Score(round(probability * 100), probability, log_odds, terms, versions, history, is_cold=not history)

    def _terms(self, observation: Observation) -> list[tuple[str, float]]:
        user = self._users.get(observation.user)
        if user is None:
            return []
        found = [("account", log(self._all.sign_ins / user.sign_ins / len(self._users)))]
        for feature, (name, levels, weights) in enumerate(
            zip(("address", "agent"), _values(observation), (_ADDRESS_WEIGHTS, _AGENT_WEIGHTS), strict=True)
        ):
            everybody = self._likelihood(feature, levels, weights)
            shown = [user.seen.get((feature, level, levels[level]), 0) for level in range(len(weights))]
            own = sum([weight * times for weight, times in zip(weights, shown, strict=True)]) / user.sign_ins
            found.append((name, log(everybody / (own or everybody / _NEVER_SHOWN))))
        return found

    def _likelihood(self, feature: int, levels: tuple[str, ...], weights: tuple[float, ...]) -> float:
        unseen = 1 + sum([self._all.kinds.get((feature, level), 0) for level in range(1, len(weights))])
        count = self._all.sign_ins
        found = 0.0
        for level, weight in enumerate(weights):
            times = self._all.seen.get((feature, level, levels[level]), 0)
            if level == 0:
                # A value seen gives up what the unseen ones are expected to take.
                found += weight * (times / count * (1 - unseen / (count + unseen)) if times else 1 / (count + unseen))
            else:
                found += weight * times / count
        return found


def _values(observation: Observation) -> Values:
    place, agent = observation.place, observation.agent
    return (
        (observation.ip[:_LONGEST_TEXT], str(place.asn), str(place.country)),
        tuple([text[:_LONGEST_TEXT] for text in (agent.full, agent.browser, agent.system, agent.kind)]),
    )
