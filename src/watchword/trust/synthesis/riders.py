"""Let attacks happen in the sessions of others, while these go by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers import RIDES, Scene
from watchword.trust.synthesis.draws import stream_of
from watchword.trust.synthesis.lives import Moment
from watchword.trust.synthesis.model import DAY_S, Attacker, OrganisationSpec
from watchword.trust.synthesis.networks import is_listed
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.sessions import Session

_BOARDS = 0.25  # of the sessions that begin when an attack is due, the first that chance picks is attacked
_LAST_START = 0.85  # of the time in which attacks happen: the longest go on for three weeks


class Waiting:
    """Attacks under way; the next step of any of them comes out first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Labelled, Iterator[Labelled]]] = []
        self._count = 0

    def put(self, steps: Iterator[Labelled]) -> None:
        """Take an attack in; its steps are in order of time."""
        first = next(steps, None)
        if first is not None:
            self._count += 1
            heappush(self._heap, (first.observation.at, self._count, first, steps))

    def until(self, at: float) -> Iterator[Labelled]:
        """Yield every step before a time."""
        while self._heap and self._heap[0][0] < at:
            _, number, found, rest = heappop(self._heap)
            following = next(rest, None)
            if following is not None:
                heappush(self._heap, (following.observation.at, number, following, rest))
            yield found


@dataclass(frozen=True, slots=True)
class _Riding:
    scene: Scene
    attacker: Attacker
    until: float


class Riders:
    """The attackers who need somebody else's session."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self._chance = stream_of(organisation.seed, "riders")
        self._due = deque(sorted(_plan(organisation)))
        self._riding: dict[int, list[_Riding]] = {}
        self._waiting = Waiting()

    def along(self, moments: Iterable[Moment]) -> Iterator[Labelled]:
        """Yield what people do and, in between, what is done in their sessions by others."""
        for at, observation, session in moments:
            yield from self._waiting.until(at)
            yield Labelled(observation, is_listed=is_listed(observation.network, observation.traits))
            if session is not None:
                self._board(session)
        yield from self._waiting.until(self._organisation.spec.end)

    def _board(self, session: Session) -> None:
        number = session.person.number
        for riding in self._riding.pop(number, []):
            if session.start < riding.until:
                self._ride(riding, session)
        if self._due and self._due[0][0] <= session.start and session.requests and self._chance.random() < _BOARDS:
            _, attacker, count = self._due.popleft()
            scene = scene_of(self._organisation, attacker, count)
            days = scene.chance.uniform(*RIDES[attacker].days)
            self._ride(_Riding(scene, attacker, session.start + days * DAY_S), session)

    def _ride(self, riding: _Riding, session: Session) -> None:
        self._waiting.put(RIDES[riding.attacker].act(riding.scene, session))
        if riding.until > session.start:
            self._riding.setdefault(session.person.number, []).append(riding)


def _plan(organisation: Organisation) -> Iterator[tuple[float, Attacker, int]]:
    spec = organisation.spec
    for attacker in spec.chosen:
        if attacker in RIDES:
            for number, start in enumerate(starts_of(spec, organisation.seed, attacker, share=_LAST_START)):
                yield start, attacker, number


def starts_of(spec: OrganisationSpec, seed: int, attacker: Attacker, *, share: float = 1.0) -> list[float]:
    """Draw when an attacker's attacks begin, in order; the last within that share of the time."""
    chance = stream_of(seed, "starts", attacker)
    first = spec.start + spec.first_attack_day * DAY_S
    return sorted(chance.uniform(first, first + share * (spec.end - first)) for _ in range(spec.attacks(attacker)))


def scene_of(organisation: Organisation, attacker: Attacker, number: int) -> Scene:
    """Prepare one attack."""
    chance = stream_of(organisation.seed, "attack", attacker, number)
    return Scene(organisation, chance, attacker.value, f"ses_{chance.getrandbits(64):016x}")
