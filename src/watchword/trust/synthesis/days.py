"""People's days: which sessions they have, from where."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import pairwise
from operator import itemgetter

from watchword.trust.observation import Observation
from watchword.trust.synthesis.agents import PROGRAMS
from watchword.trust.synthesis.draws import mixed, poisson, stream_of
from watchword.trust.synthesis.geography import City, is_rest_day, offset_s
from watchword.trust.synthesis.model import DAY_S, OrganisationSpec
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.sessions import Session, acts
from watchword.trust.synthesis.trips import Trip, travel_h, trips

_HOUR_S = 3_600.0
_PHONE_SESSION_DAYS = 14
_PHONE_SHARE = 0.4
_EVENING_SHARE = 0.12
_CARRIED_SHARE = 0.06
_STILL_WORKS_S = 3 * _HOUR_S  # later than that after the end of the day nobody begins
_SICK_SHARE = 0.02
_HOLIDAY_GAP_DAYS = 70
_GAP_S = 600.0  # longer than any sign-in takes
_YEAR_DAYS = 365
_AT = itemgetter(0)

# When, what, and the session if this is the first of it.
Moment = tuple[float, Observation, Session | None]


class Life:
    """One person's sessions, day by day.

    Attributes:
        chance: their own stream of it.
    """

    def __init__(self, person: Person, spec: OrganisationSpec, seed: int) -> None:
        self.person = person
        self.spec = spec
        self._seed = seed
        self.chance = stream_of(seed, "life", person.number)
        self._first = int(spec.start // DAY_S)
        self._trips = trips(person, self._first, self.chance)
        self._trip = next(self._trips)
        self._free_from = self._free_until = self._first - int(self.chance.uniform(0.0, _HOLIDAY_GAP_DAYS))
        self._busy_until = spec.start
        self._here = person.home
        self._count = 0
        self._phone: tuple[str, int] = ("", -1)

    def moments(self) -> Iterator[Moment]:
        """Yield everything that the person does, in order of time."""
        for sessions in self.sessions():
            yield from merge(*(self._moments(session) for session in sessions), key=_AT)

    def _moments(self, session: Session) -> Iterator[Moment]:
        begun: Session | None = session
        for observation in acts(session, self.chance):
            yield observation.at, observation, begun
            begun = None

    def sessions(self) -> Iterator[list[Session]]:
        """Yield each day's sessions; none of a day begins before all of the day before have ended."""
        plan = self._customers_days() if self.person.log_ins else self._working_days()
        for sessions in plan:
            kept = [session for session in sessions if session.end < self.spec.end]
            if kept:
                self._busy_until = max(self._busy_until, *(session.end for session in kept))
                yield kept

    # People at work

    def _working_days(self) -> Iterator[list[Session]]:
        for day in range(self._first, self._first + self.spec.days):
            trip = self._trip_on(day)
            if self._is_free(day, trip):
                continue
            yield self._working_day(day, trip)

    def _trip_on(self, day: int) -> Trip | None:
        while day > self._trip.last_day:
            self._trip = next(self._trips)
        return self._trip if day >= self._trip.first_day else None

    def _is_free(self, day: int, trip: Trip | None) -> bool:
        while day > self._free_until:
            self._free_from = self._free_until + 10 + int(self.chance.expovariate(1 / _HOLIDAY_GAP_DAYS))
            self._free_until = self._free_from + self.chance.choice((1, 2, 5, 9, 14))
        if trip is None and self._free_from <= day < self._free_until:
            return True
        if is_rest_day(self.person.home.country, day):
            return self.chance.random() >= self.person.habits.rest_share
        return self.chance.random() < _SICK_SHARE

    def _working_day(self, day: int, trip: Trip | None) -> list[Session]:
        chance, habits = self.chance, self.person.habits
        here = trip.city if trip else self.person.home
        begin = day * DAY_S - offset_s(here.zone, day) + chance.gauss(habits.start_h, habits.spread_h) * _HOUR_S
        end = begin + chance.gauss(8.4, 0.9) * _HOUR_S
        if trip and day == trip.first_day:  # the journey out, in the morning; what is left of the day is worked
            begin += trip.travel_h * _HOUR_S
        if trip and day == trip.last_day:  # the journey back begins in the afternoon at the latest
            end = min(end, begin + 5 * _HOUR_S)
        begin = self._arrive(here, begin)
        if begin > end + _STILL_WORKS_S:
            return []
        end = max(end, begin + _HOUR_S / 2)
        sessions = self._at_computer(day, begin, end, trip)
        if chance.random() < _PHONE_SHARE:
            sessions += self._on_phone(day, begin, end, trip)
        if chance.random() < self.person.role.programs and self.person.office:
            sessions.append(self._by_program(begin, end))
        return sessions

    def _arrive(self, here: City, at: float) -> float:
        """Return when somebody can begin there: as planned, or when the journey from the last place is over."""
        if here is not self._here:
            self._busy_until += travel_h(self._here, here) * _HOUR_S
            self._here = here
        return max(at, self._busy_until + _GAP_S)

    def _at_computer(self, day: int, begin: float, end: float, trip: Trip | None) -> list[Session]:
        chance, habits = self.chance, self.person.habits
        count = 1 + min(poisson(chance, habits.sessions), 4)
        cuts = [begin, *sorted(chance.uniform(begin, end) for _ in range(count - 1)), end]
        line = self._line(day, begin, trip)
        found = [
            self._session(start, min(stop, start + 9 * _HOUR_S) - start - 1.0, self._legs(line, start, stop, trip))
            for start, stop in pairwise(cuts)
            if stop - start > _GAP_S
        ]
        if chance.random() < _EVENING_SHARE and not (trip and day == trip.last_day):
            start = end + chance.uniform(1.0, 3.0) * _HOUR_S
            at_night = trip.hotel if trip else self.person.at_home(start)
            found.append(self._session(start, chance.uniform(300.0, 3_000.0), ((start, at_night),), share=0.4))
        return found

    def _line(self, day: int, at: float, trip: Trip | None) -> Access:
        chance, person = self.chance, self.person
        if person.vpn and chance.random() < person.habits.via_vpn:
            return person.vpn
        if person.private_vpn and chance.random() < person.habits.via_private_vpn:
            return person.private_vpn
        if trip:
            return trip.hotel
        if person.office and (day + 3) % 7 in person.habits.office_days:
            return person.office
        return person.at_home(at)

    def _legs(self, line: Access, start: float, stop: float, trip: Trip | None) -> tuple[tuple[float, Access], ...]:
        """Let some sessions move: from home to the office, or for a while to the phone's line."""
        if trip or self.chance.random() >= _CARRIED_SHARE:
            return ((start, line),)
        moved = self.chance.uniform(start, stop)
        other = self.person.office if self.person.office and line != self.person.office else self.person.mobile
        return ((start, line), (moved, other))

    def _on_phone(self, day: int, begin: float, end: float, trip: Trip | None) -> list[Session]:
        person, chance = self.person, self.chance
        start = chance.uniform(begin, end)
        line = person.mobile if not trip or person.habits.is_home_routed else trip.local_mobile
        if chance.random() < 0.4:  # noqa: PLR2004  # in a wireless network; an assumption
            line = trip.hotel if trip else person.at_home(start)
        token, until = self._phone
        is_new = day > until
        if is_new:
            token, until = self._name(), day + _PHONE_SESSION_DAYS
            self._phone = token, until
        device = person.phone(start)
        return [
            Session(
                id=token,
                stem=token if is_new else self._name(),
                person=person,
                start=start,
                span_s=min(chance.uniform(60.0, 1_500.0), max(end - start, 30.0)),
                requests=1 + poisson(chance, person.habits.requests * 0.2),
                agent=device.machine.agent(start),
                device=device.key,
                legs=((start, line),),
                signs_in=is_new,
            )
        ]

    def _by_program(self, begin: float, end: float) -> Session:
        """Let a script of theirs work from a machine in the office, with a token that it keeps."""
        start, name = self.chance.uniform(begin, end), self._name()
        return Session(
            id=f"tok_{mixed(self._seed, self.person.number):016x}",
            stem=name,
            person=self.person,
            start=start,
            span_s=self.chance.uniform(5.0, 300.0),
            requests=1 + poisson(self.chance, self.person.habits.requests * 0.5),
            agent=PROGRAMS[self.person.number % len(PROGRAMS)],
            device="",
            legs=((start, self.person.office or self.person.at_home(start)),),
            signs_in=False,
        )

    # Customers of a public service

    def _customers_days(self) -> Iterator[list[Session]]:
        """Sign in on days spread over each year as often as this customer does."""
        chance, person = self.chance, self.person
        for year in range(0, self.spec.days, _YEAR_DAYS):
            days = sorted(chance.random() * _YEAR_DAYS for _ in range(person.log_ins))
            for day in days:
                if year + day >= self.spec.days:
                    return
                yield from self._visit(self._first + year + int(day))

    def _visit(self, day: int) -> Iterator[list[Session]]:
        chance, person = self.chance, self.person
        trip = self._trip_on(day)
        if trip and day in {trip.first_day, trip.last_day}:
            trip = None  # nobody signs in while travelling; the visit is made before or after, from home
        hour = min(max(chance.gauss(person.habits.start_h, person.habits.spread_h), 0.2), 23.5)
        here = trip.city if trip else person.home
        start = self._arrive(here, day * DAY_S - offset_s(here.zone, day) + hour * _HOUR_S)
        is_on_phone = mixed_share(person.number) > chance.random()
        line = self._line(day, start, trip)
        if is_on_phone and chance.random() < 0.5:  # noqa: PLR2004  # an assumption
            line = person.mobile
        yield [self._session(start, chance.uniform(60.0, 1_200.0), ((start, line),), is_on_phone=is_on_phone)]

    # Both

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
        return f"ses_{mixed(self._seed, self.person.number, self._count):016x}"


def mixed_share(number: int) -> float:
    """Return how much of a customer's signing in is done on the phone: some never, some always."""
    return (0.0, 0.1, 0.3, 0.6, 1.0)[number % 5]
