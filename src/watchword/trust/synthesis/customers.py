"""The visits of a public service's customers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from watchword.trust.synthesis.agents import PROGRAMS
from watchword.trust.synthesis.geography import offset_s
from watchword.trust.synthesis.lives import HOUR_S, Life
from watchword.trust.synthesis.model import DAY_S, YEAR_DAYS
from watchword.trust.synthesis.sessions import Session

_MOBILE_SHARE = 0.5  # of the visits by phone, those through its own network


class Customer(Life):
    """Somebody who uses a public service now and then."""

    def _plan(self) -> Iterator[list[Session]]:
        """Sign in on days spread over each year as often as this customer does."""
        chance, person = self.chance, self.person
        begins = (person.since - self.spec.start) / DAY_S
        yield from self._visit(self.first, is_first=True)
        for year in range(0, self.spec.days, YEAR_DAYS):
            since, visits = (0.0, person.log_ins) if year else (begins, person.log_ins - 1)
            for day in sorted(chance.uniform(since, YEAR_DAYS) for _ in range(visits)):
                if year + day >= self.spec.days:
                    return
                yield from self._visit(int(self.spec.start // DAY_S) + year + int(day))

    def _visit(self, day: int, *, is_first: bool = False) -> Iterator[list[Session]]:
        chance, person = self.chance, self.person
        trip = self._trip_on(day)
        if trip and day in {trip.first_day, trip.last_day}:
            trip = None  # nobody signs in while travelling; the visit is made before or after, from home
        hour = min(max(chance.gauss(person.habits.start_h, person.habits.spread_h), 0.2), 23.5)
        here = trip.city if trip else person.home
        start = self._arrive(here, day * DAY_S - offset_s(here.zone, day) + hour * HOUR_S)
        is_on_phone = person.habits.by_phone > chance.random()
        line = self._line(day, start, trip)
        if is_on_phone and chance.random() < _MOBILE_SHARE:
            line = person.mobile
        visit = self._session(start, chance.uniform(60.0, 1_200.0), ((start, line),), is_on_phone=is_on_phone)
        if person.habits.by_program and not is_first and chance.random() < person.habits.by_program:
            visit = replace(visit, agent=PROGRAMS[person.number % len(PROGRAMS)], device="")
        yield [replace(visit, is_registration=is_first)]
