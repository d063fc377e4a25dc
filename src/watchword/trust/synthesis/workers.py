"""The days of people at work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import ceil

from watchword.trust.synthesis.agents import PROGRAMS
from watchword.trust.synthesis.draws import mixed, poisson
from watchword.trust.synthesis.geography import is_rest_day, offset_s
from watchword.trust.synthesis.lives import GAP_S, HOUR_S, Life
from watchword.trust.synthesis.model import DAY_S, OrganisationSpec
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.sessions import Session
from watchword.trust.synthesis.trips import Trip

_PHONE_SESSION_DAYS = 14
_PHONE_SHARE = 0.4
_WIRELESS_SHARE = 0.4  # of the phone's sessions, those in the wireless network of the place
_EVENING_SHARE = 0.12
_CARRIED_SHARE = 0.06
_STILL_WORKS_S = 3 * HOUR_S  # later than that after the end of the day nobody begins
_SICK_SHARE = 0.02
_HOLIDAY_GAP_DAYS = 70


class Worker(Life):
    """Somebody who works for the organisation."""

    def __init__(self, person: Person, spec: OrganisationSpec, seed: int) -> None:
        super().__init__(person, spec, seed)
        self._free_from = self._free_until = self.first - int(self.chance.uniform(0.0, _HOLIDAY_GAP_DAYS))
        self._phone: tuple[str, int] = ("", -1)

    def _plan(self) -> Iterator[list[Session]]:
        for day in range(self.first, ceil(self.end / DAY_S)):
            trip = self._trip_on(day)
            if self._is_free(day, trip):
                continue
            yield self._working_day(day, trip)

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
        begin = day * DAY_S - offset_s(here.zone, day) + chance.gauss(habits.start_h, habits.spread_h) * HOUR_S
        end = begin + chance.gauss(8.4, 0.9) * HOUR_S
        if trip and day == trip.first_day:  # the journey out, in the morning; what is left of the day is worked
            begin += trip.travel_h * HOUR_S
        if trip and day == trip.last_day:  # the journey back begins in the afternoon at the latest
            end = min(end, begin + 5 * HOUR_S)
        begin = self._arrive(here, begin)
        if begin > end + _STILL_WORKS_S:
            return []
        end = max(end, begin + HOUR_S / 2)
        sessions = self._at_computer(day, begin, end, trip)
        if chance.random() < _PHONE_SHARE:
            sessions += self._on_phone(day, begin, end, trip)
        if chance.random() < self.person.role.programs and self.person.office:
            sessions.append(self._by_program(begin, end))
        return sessions

    def _at_computer(self, day: int, begin: float, end: float, trip: Trip | None) -> list[Session]:
        chance, habits = self.chance, self.person.habits
        count = 1 + min(poisson(chance, habits.sessions), 4)
        cuts = [begin, *sorted(chance.uniform(begin, end) for _ in range(count - 1)), end]
        line = self._line(day, begin, trip)
        found = [
            self._session(start, min(stop, start + 9 * HOUR_S) - start - 1.0, self._legs(line, start, stop, trip))
            for start, stop in pairwise(cuts)
            if stop - start > GAP_S
        ]
        if chance.random() < _EVENING_SHARE and not (trip and day == trip.last_day):
            start = end + chance.uniform(1.0, 3.0) * HOUR_S
            at_night = trip.hotel if trip else self.person.at_home(start)
            found.append(self._session(start, chance.uniform(300.0, 3_000.0), ((start, at_night),), share=0.4))
        return found

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
        if chance.random() < _WIRELESS_SHARE:
            line = self._nearest(day, start, trip)
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
        """Let a script of theirs work from a machine in the office or at a hoster, with a token that it keeps."""
        start, name = self.chance.uniform(begin, end), self._name()
        return Session(
            id=f"tok_{mixed(self.seed, self.person.number):016x}",
            stem=name,
            person=self.person,
            start=start,
            span_s=self.chance.uniform(5.0, 300.0),
            requests=1 + poisson(self.chance, self.person.habits.requests * 0.5),
            agent=PROGRAMS[self.person.number % len(PROGRAMS)],
            device="",
            legs=((start, self.person.server or self.person.office or self.person.at_home(start)),),
            signs_in=False,
        )
