"""Run labelled traffic through the score as a node would have met it: judge first, learn afterwards, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from zlib import crc32

from watchword.trust.behaviour import BehaviourProfile, Model, Population, Term, learn, score
from watchword.trust.detectors import Detectors
from watchword.trust.labelled import Labelled
from watchword.trust.learning.errors import ObservationsError
from watchword.trust.learning.features import Features, codes_of
from watchword.trust.observation import Act, Observation

# A prompt that was answered is learned when the sign-in that it belongs to has been judged, or after this long.
PROMPT_WAITS_S = 600.0
# One in so many of the owners' requests and prompts is scored; of attackers' all are.
_SAMPLED = 5
_PRIOR = "prior"
# The one contribution of an act that the score could not read, and so holds for the worst.
UNREADABLE = "unreadable"

Tell = Callable[[int], None]


class Rival(Protocol):
    """Another way to score the same acts."""

    def judge(self, observation: Observation) -> float:
        """Score an act, higher for more suspicious; nothing of it is remembered."""
        ...

    def observe(self, observation: Observation) -> None:
        """Learn from an act whose outcome is known."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """One act as it was judged.

    Attributes:
        attacker: whose it was; the empty text for the account's owner.
        number: of the owner's completed sign-ins until then, from 0; -1 for anything else.
        margin: log-odds before calibration.
        values: what each indicator said, before weights.
        rivals: what the others said of it, in the order of their names.
        features: of a log-in, for generic detectors: `FEATURES`, then `CODES`; empty if nobody asked for them.
    """

    id: str
    at: float
    user: str
    act: Act
    attacker: str
    incident: str
    number: int
    margin: float
    probability: float
    values: Mapping[str, float]
    rivals: tuple[float, ...] = ()
    features: tuple[float, ...] = ()

    @property
    def is_attack(self) -> bool:
        """Whether somebody else acted."""
        return bool(self.attacker)


class Replay:
    """A node's memory without the node.

    What decides whether a replay is honest:

    - An act is judged before anything is learned from it or from what came after it.
    - Whether a second factor was given is hidden from the judge of a sign-in or a prompt: a risk score is there to
      decide whether to ask for one. What a prompt's answer teaches waits until its sign-in has been judged.
    - An act of which nobody knows whose it was is learned like any other, and not counted.
    - Attackers' acts are learned wherever they would pass for verified; nobody is told which they are.

    Args:
        rivals: by name; they see the same acts in the same order.
        features: whether log-ins are described in numbers as well.
        asks_from: from this probability on whoever signs in is asked for more than a password. The owner gives it, and
            so proves who they are; nobody else does. Nothing means that what was recorded is all that was proved.
    """

    def __init__(
        self,
        model: Model,
        rivals: Mapping[str, Rival] | None = None,
        *,
        features: bool = False,
        asks_from: float | None = None,
    ) -> None:
        self._model = model
        self._asks_from = asks_from
        self._features = Features() if features else None
        self._rivals = tuple((rivals or {}).values())
        self._detectors = Detectors()
        self._population = Population()
        self._profiles: dict[str, BehaviourProfile] = {}
        self._signed_in: dict[str, int] = {}
        self._waiting: dict[str, list[Observation]] = {}

    def run(self, traffic: Iterable[Labelled], tell: Tell = lambda _count: None) -> list[Scored]:
        """Judge what is to be judged, learn everything.

        Raises:
            ObservationsError: the acts are not in order of time.
        """
        return list(self.each(traffic, tell))

    def each(self, traffic: Iterable[Labelled], tell: Tell = lambda _count: None) -> Iterator[Scored]:
        """Do so, and yield each act as soon as it was judged.

        Args:
            tell: is told every now and then how many acts were seen.

        Raises:
            ObservationsError: the acts are not in order of time.
        """
        newest, count = float("-inf"), 0
        for labelled in traffic:
            if labelled.observation.at < newest:
                raise ObservationsError(
                    f"`{labelled.observation.id[:80]}` is older than what stands before it",
                    hint="sort the observations by `at`",
                )
            newest = labelled.observation.at
            yield from self._step(labelled)
            count += 1
            if not count % 1000:
                tell(count)
        tell(count)

    def _step(self, labelled: Labelled) -> list[Scored]:
        observation = labelled.observation
        scored = [self._judge(labelled)] if _is_judged(labelled) else []
        if scored and self._is_asked(scored[0], labelled):
            observation = replace(observation, is_verified=True)
        if observation.act is Act.PROMPT and observation.is_success:
            self._waiting.setdefault(observation.user, []).append(observation)
            return scored
        waiting = self._waiting.get(observation.user)
        if waiting and (_is_sign_in(observation) or observation.at - waiting[0].at > PROMPT_WAITS_S):
            for each in self._waiting.pop(observation.user):
                self._learn(each)
        self._learn(observation)
        if _is_sign_in(observation) and not labelled.attacker:
            self._signed_in[observation.user] = self._signed_in.get(observation.user, 0) + 1
        return scored

    def _is_asked(self, scored: Scored, labelled: Labelled) -> bool:
        """Tell whether an owner signs in and is asked to prove it."""
        asks_from = self._asks_from
        is_own = not labelled.attacker and _is_sign_in(labelled.observation)
        return asks_from is not None and is_own and scored.probability >= asks_from

    def _judge(self, labelled: Labelled) -> Scored:
        seen = labelled.observation
        if seen.act is not Act.REQUEST:
            seen = replace(seen, is_verified=False)
        profile = self._profiles.get(seen.user) or BehaviourProfile()
        found = score(seen, profile, self._population, self._model, self._detectors.judge(seen), now=seen.at)
        is_own_sign_in = _is_sign_in(seen) and not labelled.attacker
        return Scored(
            id=seen.id,
            at=seen.at,
            user=seen.user,
            act=seen.act,
            attacker=labelled.attacker or "",
            incident=labelled.incident,
            number=self._signed_in.get(seen.user, 0) if is_own_sign_in else -1,
            margin=found.log_odds,
            probability=found.probability,
            values={term.indicator: term.evidence for term in found.contributions if _is_weighed(term)},
            rivals=tuple([rival.judge(seen) for rival in self._rivals]),
            features=(*self._features.row(seen), *codes_of(seen)) if self._features and _is_sign_in(seen) else (),
        )

    def _learn(self, observation: Observation) -> None:
        profile = self._profiles.get(observation.user)
        if profile is None:
            profile = self._profiles[observation.user] = BehaviourProfile()
        learn(observation, profile, self._population, now=observation.at)
        self._detectors.observe(observation)
        for rival in self._rivals:
            rival.observe(observation)
        if self._features is not None:
            self._features.observe(observation)


def _is_weighed(term: Term) -> bool:
    return term.evidence != 0 and term.indicator != _PRIOR


def _is_sign_in(observation: Observation) -> bool:
    return observation.act is Act.SIGN_IN and observation.is_success


def _is_judged(labelled: Labelled) -> bool:
    observation = labelled.observation
    if not labelled.is_labelled:
        return False
    if observation.act is Act.SIGN_IN:
        return observation.is_success
    return bool(labelled.attacker) or crc32(observation.id.encode()) % _SAMPLED == 0
