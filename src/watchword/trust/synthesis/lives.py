"""What every person's life has in common: journeys, lines, sessions, and the order of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from heapq import merge
from operator import itemgetter

from watchword.trust.observation import Act, Observation
from watchword.trust.synthesis.draws import mixed, poisson, stream_of
from watchword.trust.synthesis.geography import City
from watchword.trust.synthesis.model import DAY_S, OrganisationSpec
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.sessions import Session, acts
from watchword.trust.synthesis.trips import Trip, travel_h, trips

HOUR_S = 3_600.0
GAP_S = 600.0  # between two sessions at least; longer than any sign-in takes
_AT = itemgetter(0)

# When, what, and the session if this act has opened it.
Moment = tuple[float, Observation, Session | None]


class Life(ABC):
    """One person's sessions, day by day; `Worker` and `Customer` say which.

    Attributes:
        chance: their own stream of it.
        first: the first day, counted from 1970.
    """

    def __init__(self, person: Person, spec: OrganisationSpec, seed: int) -> None:
        self.person = person
        self.spec = spec
        self.seed = seed
        self.chance = stream_of(seed, "life", person.number)
        self.first = int(person.since // DAY_S)
        self.end = min(spec.end, person.until)
        self._trips = trips(person, self.first, self.chance)
        self._trip = next(self._trips)
        self._busy_until = person.since
        self._here = person.home
        self._count = 0

    def moments(self) -> Iterator[Moment]:
        """Yield everything that the person does, in order of time."""
        for sessions in self.sessions():
            yield from merge(*(self._moments(session) for session in sessions), key=_AT)

    def _moments(self, session: Session) -> Iterator[Moment]:
        for observation in acts(session, self.chance):
            has_opened = observation.act is Act.SIGN_IN and observation.is_success
            yield observation.at, observation, session.since(observation.at) if has_opened else None

    def sessions(self) -> Iterator[list[Session]]:
        """Yield each day's sessions; none of a day begins before all of the day before have ended."""
        for sessions in self._plan():
            kept = [session for session in sessions if session.end < self.end]
            if kept:
                self._busy_until = max(self._busy_until, *(session.end for session in kept))
                yield kept

    @abstractmethod
    def _plan(self) -> Iterator[list[Session]]:
        """Plan each day; sessions of one day begin when `_arrive` says so, or later."""

    def _trip_on(self, day: int) -> Trip | None:
        while day > self._trip.last_day:
            self._trip = next(self._trips)
        return self._trip if day >= self._trip.first_day else None

    def _arrive(self, here: City, at: float) -> float:
        """Return when somebody can begin there: as planned, or when the journey from the last place is over."""
        if here is not self._here:
            self._busy_until += travel_h(self._here, here) * HOUR_S
            self._here = here
        return max(at, self._busy_until + GAP_S)

    def _line(self, day: int, at: float, trip: Trip | None) -> Access:
        chance, person = self.chance, self.person
        if person.vpn and chance.random() < person.habits.via_vpn:
            return person.vpn
        if person.detour and chance.random() < person.habits.via_detour:
            return person.detour
        return self._nearest(day, at, trip)

    def _nearest(self, day: int, at: float, trip: Trip | None) -> Access:
        """Return the line of the place where somebody is."""
        if trip:
            return trip.hotel
        if self.person.office and (day + 3) % 7 in self.person.habits.office_days:
            return self.person.office
        return self.person.at_home(at)

    def _session(
        self,
        start: float,
        span_s: float,
        legs: tuple[tuple[float, Access], ...],
        *,
        share: float = 1.0,
        is_on_phone: bool = False,
    ) -> Session:
        person = self.person
        device = person.phone(start) if is_on_phone else person.computer(start)
        name = self._name()
        return Session(
            id=name,
            stem=name,
            person=person,
            start=start,
            span_s=span_s,
            requests=poisson(self.chance, person.habits.requests * share),
            agent=device.machine.agent(start),
            device=device.key,
            legs=legs,
        )

    def _name(self) -> str:
        self._count += 1
        return f"ses_{mixed(self.seed, self.person.number, self._count):016x}"
