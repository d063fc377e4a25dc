"""The published score, as a baseline and a profile: Freeman et al., in the form Wiefling et al. evaluated.

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

from collections.abc import Mapping, Sequence
from math import log
from typing import Final, NamedTuple

from watchword.trust.behaviour.freeman_counts import Everybody, Shown, Values, values_of
from watchword.trust.behaviour.given import cap_reputation
from watchword.trust.behaviour.indicators import Row
from watchword.trust.behaviour.likelihood import clipped
from watchword.trust.behaviour.model import sigmoid
from watchword.trust.behaviour.score import NO_VERSIONS, NO_WEIGHTS, PRIOR, Score, Term, weighed
from watchword.trust.observation import Act, Finding, Observation

PUBLISHED: Final = "freeman/1"  # stands in an assessment where the label of a model does
_WEIGHTS = ((0.6, 0.3, 0.1), (0.5386653840551359, 0.2680451498625666, 0.18818295100109536, 0.0051065150812021525))
_FEATURES = ("address", "agent")
_LEVELS = (("address", "network operator", "country"), ("version", "browser", "operating system", "kind of program"))
_NEVER_SHOWN = 4.0
_UNREADABLE = 20.0
_MOST_USERS = 100_000
_NOBODY = Shown()


class Reading(NamedTuple):
    """Every number that the formula reads; it needs nothing else, so that it can be computed again.

    Attributes:
        users: how many accounts have sign-ins.
        own: in how many sign-ins of this account; `everybody` those of all accounts.
        shown: of each feature, how often this account showed the value of each level.
        seen: the same of all accounts.
        unseen: of each feature, how many values that nobody showed yet are to be expected.
    """

    users: int
    own: int
    everybody: int
    shown: tuple[tuple[int, ...], ...]
    seen: tuple[tuple[int, ...], ...]
    unseen: tuple[int, ...]

    @property
    def is_cold(self) -> bool:
        """Whether there is nothing to compare with."""
        return not (self.users and self.own and self.everybody)


def read(values: Values, own: Shown, everybody: Everybody, users: int) -> Reading:
    """Look up what the formula reads."""
    kinds = everybody.kinds
    return Reading(
        users,
        own.sign_ins,
        everybody.sign_ins,
        tuple([tuple([own.seen.get(key, 0) for key in levels]) for levels in values]),
        tuple([tuple([everybody.seen.get(key, 0) for key in levels]) for levels in values]),
        tuple(
            [
                1 + sum([kinds.get(f"{feature}{level}", 0) for level in range(1, len(levels))])
                for feature, levels in enumerate(values)
            ]
        ),
    )


def published(reading: Reading) -> list[Row]:
    """Compute the formula: the logarithm of each factor; nothing where there is nothing to compare with."""
    if reading.is_cold:
        return []
    found: list[Row] = [("account", log(reading.everybody / reading.own / reading.users), "", True)]
    for feature, weights in enumerate(_WEIGHTS):
        shown = reading.shown[feature]
        own = sum([weight * times for weight, times in zip(weights, shown, strict=True)]) / reading.own
        anybody = _anybody(reading, feature, weights)
        value = log(anybody / (own or anybody / _NEVER_SHOWN))
        found.append((_FEATURES[feature], value, _words(feature, shown) if value > 0.0 else "", True))
    return found


def _anybody(reading: Reading, feature: int, weights: Sequence[float]) -> float:
    count, unseen = reading.everybody, reading.unseen[feature]
    finest, *coarser = reading.seen[feature]
    # A value seen gives up what the unseen ones are expected to take.
    found = weights[0] * (finest / count * (1 - unseen / (count + unseen)) if finest else 1 / (count + unseen))
    for weight, times in zip(weights[1:], coarser, strict=True):
        found += weight * times / count
    return found


def _words(feature: int, shown: Sequence[int]) -> str:
    new = [name for name, times in zip(_LEVELS[feature], shown, strict=True) if not times]
    return f"never shown with this account: {', '.join(new)}" if new else "unusual for this account"


def score_reading(
    reading: Reading,
    findings: Sequence[Finding] = (),
    *,
    prior: float = 0.0,
    versions: Mapping[str, str] = NO_VERSIONS,
) -> Score:
    """Take the published score for the odds that somebody else acts; pure and total, as `score` is.

    Args:
        prior: log-odds before anything was seen, which the formula leaves to whoever uses it.
        findings: of lists and of the stream detectors, which the formula does not know: added as log-odds. Without
            any it is the published score.
    """
    try:
        return _score(reading, findings, prior, versions)
    except Exception as error:  # noqa: BLE001  # fail closed: a decision must not fail on what was stored
        detail = f"the observation could not be read ({type(error).__name__})"
        terms = (Term("unreadable", _UNREADABLE, _UNREADABLE, detail),)
        return Score(100, 1.0, _UNREADABLE, terms, {"model": PUBLISHED}, 0.0, is_cold=False)


def _score(reading: Reading, findings: Sequence[Finding], prior: float, versions: Mapping[str, str]) -> Score:
    rows = published(reading)
    for item in cap_reputation(findings):
        rows.append((item.indicator, clipped(item.value) if item.is_known else 0.0, item.detail, item.is_known))
    terms = weighed([(PRIOR, prior, "", True), *rows], NO_WEIGHTS, 1.0)
    log_odds = sum([term.value for term in terms])
    probability = sigmoid(log_odds)
    read_from = {"model": PUBLISHED, "history": str(reading.own), "population": str(reading.everybody)}
    return Score(
        round(probability * 100),
        probability,
        log_odds,
        tuple(terms),
        {**versions, **read_from},
        reading.own,
        is_cold=reading.is_cold,
    )


class Freeman:
    """Score sign-ins by the published formula; learns from verified sign-ins, each as much as the other.

    The probability of a level is the share of sign-ins with its value. Over all users the finest level is smoothed:
    one unseen value for each that was seen at a coarser level is expected, and one more.
    """

    def __init__(self) -> None:
        self._all = Everybody()
        self._users: dict[str, Shown] = {}

    def observe(self, observation: Observation) -> None:
        """Learn from a verified sign-in; nothing from anything else."""
        if observation.act is not Act.SIGN_IN or not observation.is_success or not observation.is_verified:
            return
        if observation.user not in self._users and len(self._users) >= _MOST_USERS:
            return
        values = values_of(observation)
        self._all.count(values)
        self._users.setdefault(observation.user, Shown()).add(values)

    def judge(self, observation: Observation) -> float:
        """Return the natural logarithm of the score; 0 for an account without any verified sign-in."""
        return sum([row[1] for row in published(self._read(observation))])

    def score(self, observation: Observation) -> Score:
        """Return the score in the form of ours: the published one taken as the odds that an attacker signs in."""
        return score_reading(self._read(observation))

    def _read(self, observation: Observation) -> Reading:
        own = self._users.get(observation.user, _NOBODY)
        return read(values_of(observation), own, self._all, len(self._users))
