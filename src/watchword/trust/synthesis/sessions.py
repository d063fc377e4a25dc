"""One session: how it begins, what is asked in it, and the observations that this makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from watchword.trust.observation import Act, Agent, Observation
from watchword.trust.synthesis.draws import Chance, name_of
from watchword.trust.synthesis.geography import offset_s
from watchword.trust.synthesis.model import DAY_S
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.work import REFUSED_ASTRAY

_PROMPTED = 0.35  # share of sign-ins with a prompt on the phone; the others use a key, or the device is remembered
_IGNORED = 0.05
_AGAIN = 0.3
_MOST_RETRIES = 4
ANSWERED_S = (3.0, 20.0)  # from a prompt that is given to the sign-in that it completes
_MISSPELT = 0.06
_REFUSED = 0.004


@dataclass(frozen=True, slots=True)
class Session:
    """One session, before it happens.

    Attributes:
        legs: when which line is used, in order; a session may be carried from home to the office.
        stem: what its observations are named after; a session that is taken up again has another one each time.
        is_registration: an account is made, and its address confirmed with what was sent to it.
        signs_in: it begins with a sign-in; one that goes on does not.
    """

    id: str
    stem: str
    person: Person
    start: float
    span_s: float
    requests: int
    agent: Agent
    device: str
    legs: tuple[tuple[float, Access], ...]
    signs_in: bool = True
    is_registration: bool = False

    @property
    def end(self) -> float:
        """The last moment of it."""
        return self.start + self.span_s

    @property
    def is_proved(self) -> bool:
        """Whether more than a password vouches for it."""
        return self.is_registration or self.person.habits.has_second_factor

    def since(self, at: float) -> Session:
        """Return what is left of it from a time on."""
        return replace(self, start=at, span_s=max(self.end - at, 1.0))

    def line(self, at: float) -> Access:
        """Return the line in use at a time."""
        found = self.legs[0][1]
        for since, access in self.legs:
            if since <= at:
                found = access
        return found


def acts(session: Session, chance: Chance) -> Iterator[Observation]:
    """Yield what happens in a session, in the order in which it happens."""
    at, count = session.start, 0
    if session.signs_in:
        for act, is_success, pause_s in _sign_in(session, chance):
            user = session.person.user
            if act is Act.SIGN_IN and not is_success and chance.random() < _MISSPELT:
                user = ""  # it is the name that was mistyped
            yield _seen(session, at, count, act, user=user, is_success=is_success)
            at, count = at + pause_s, count + 1
    left = max(session.end - at, 1.0)
    for moment in sorted(chance.random() for _ in range(session.requests)):
        yield _request(session, at + moment * left, count, chance)
        count += 1


def _sign_in(session: Session, chance: Chance) -> Iterator[tuple[Act, bool, float]]:
    person = session.person
    if session.is_registration:
        yield Act.SIGN_IN, True, chance.uniform(1.0, 8.0)
        return
    if chance.random() < person.habits.fails:
        yield Act.SIGN_IN, False, chance.uniform(4.0, 25.0)
        for _ in range(_MOST_RETRIES):
            if chance.random() >= _AGAIN:
                break
            yield Act.SIGN_IN, False, chance.uniform(4.0, 60.0)
    if person.habits.has_second_factor and chance.random() < _PROMPTED:
        if chance.random() < _IGNORED:
            yield Act.PROMPT, False, chance.uniform(30.0, 90.0)
        yield Act.PROMPT, True, chance.uniform(*ANSWERED_S)
    yield Act.SIGN_IN, True, chance.uniform(1.0, 8.0)


def _seen(session: Session, at: float, count: int, act: Act, *, user: str, is_success: bool) -> Observation:
    person, where = session.person, session.line(at).at(at)
    return Observation(
        id=name_of(session.stem, count),
        at=round(at, 3),
        user=user,
        act=act,
        is_success=is_success,
        is_verified=is_success and session.is_proved,
        ip=where.ip,
        network=where.network.text,
        place=where.network.place,
        traits=where.network.traits,
        agent=session.agent,
        utc_offset_s=offset_s(person.home.zone, int(at // DAY_S)) if user else 0,
        device=session.device,
        session=session.id if act is Act.SIGN_IN and is_success else "",
        group=person.role.name if user else "",
    )


def _request(session: Session, at: float, count: int, chance: Chance) -> Observation:
    person, where = session.person, session.line(at).at(at)
    wish = person.tastes.wish(chance, at)
    is_success = chance.random() >= (REFUSED_ASTRAY if wish.is_stray else _REFUSED)
    return Observation(
        id=name_of(session.stem, count),
        at=round(at, 3),
        user=person.user,
        act=Act.REQUEST,
        is_success=is_success,
        is_verified=is_success and session.is_proved,
        ip=where.ip,
        network=where.network.text,
        place=where.network.place,
        traits=where.network.traits,
        agent=session.agent,
        utc_offset_s=offset_s(person.home.zone, int(at // DAY_S)),
        device=session.device,
        session=session.id,
        group=person.role.name,
        application=wish.application,
        resource=wish.resource,
        action=wish.action,
        size_bytes=wish.size_bytes if is_success else 0,
    )
