"""Draw an organisation, and each of its people, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import inf, log

from watchword.trust.synthesis.agents import DESKTOPS, draw_machine
from watchword.trust.synthesis.draws import Chance, choice_of, stream_of
from watchword.trust.synthesis.geography import BY_COUNTRY, CITIES, City
from watchword.trust.synthesis.model import DAY_S, YEAR_DAYS, OrganisationSpec, Profile
from watchword.trust.synthesis.networks import V6_SHARE, Access, draw_access
from watchword.trust.synthesis.people import Device, Habits, Person, key_of
from watchword.trust.synthesis.providers import Line
from watchword.trust.synthesis.work import CUSTOMER, ROLE, Role, Tastes

_COMPUTER_LASTS_DAYS = 3.5 * 365
_PHONE_LASTS_DAYS = 2.8 * 365
_STAYS_DAYS = 9 * 365  # between two moves of house
# Of the people at work, those who leave in a year; somebody else takes their seat.
# Source: Mercer, US Turnover Survey 2022: 24.7 % between 2021 and 2022, 22 % in 2019.
_TURNOVER = 0.247
_VACANT_DAYS = 60  # until then, drawn evenly; an assumption
# Source: fewer than one Google account in ten had a second factor in 2018 (Milka, "Anatomy of Account Takeover", USENIX
# Enigma 2018); at Twitter it were 2.3 % at the end of 2020 (account security report). Nobody is left out by this: who
# is asked shows a code that was sent by e-mail (Wiefling et al., IFIP SEC 2020, calls that the standard).
_CUSTOMERS_SECOND_FACTOR = 0.1
_BY_PHONE = (0.0, 0.1, 0.3, 0.6, 1.0)  # share of a customer's visits; an assumption
# How those come who hide their line or work on a machine elsewhere; an assumption. A cloud desktop, a gateway of an
# employer's and the relays of a browser's maker all stand at hosters, and most databases call them so.
_DETOURS = ((Line.VPN, Line.HOSTING, Line.TOR), (65, 30, 5))
_HOSTED = 0.5  # of the people with programs, those whose programs run at a hoster; an assumption
_BY_PROGRAM = 0.03  # of the customers, those with a program that looks for them; an assumption
_REMEMBERED = 2_048
# Lognormal, because 2 : 9 : 28 is nearly a straight line on its axes; 1.14 meets all three after rounding.
# Source: Wiefling, Joergensen, Thunem and Lo Iacono, Pump Up Password Security!, ACM TOPS 2022.
_LOG_INS_MEDIAN = 2.0
_LOG_INS_SIGMA = 1.14
_HEADQUARTERS = choice_of(
    ["DE", "US", "GB", "FR", "NL", "NO", "SE", "ES", "IT", "CH", "AT", "PL", "CA", "AU", "JP", "SG"],
    [18, 22, 12, 10, 6, 5, 5, 4, 4, 3, 2, 3, 3, 2, 2, 2],
)


class Organisation:
    """People and places of one organisation; everything follows from the specification and the seed.

    Attributes:
        offices: the line of each, the headquarters' first; empty for a public service.
        vpn: the organisation's own VPN exit.
    """

    def __init__(self, spec: OrganisationSpec, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        chance = stream_of(seed, "organisation")
        self.country = _HEADQUARTERS.draw(chance)
        self._is_public = spec.profile == Profile.PUBLIC
        self._cities = self._draw_cities(chance)
        self.offices = () if self._is_public else tuple(self._office(chance, city) for city in self._cities)
        self.vpn = None if self._is_public else _office_like(chance, self._cities[0])
        self._standard = DESKTOPS.draw(chance)  # what the organisation hands out
        self.person: Callable[[int], Person] = lru_cache(maxsize=_REMEMBERED)(self._draw_person)

    def seat(self, number: int) -> Iterator[Person]:
        """Yield who has a seat, one after the other, as long as the traffic lasts."""
        while (person := self.person(number)).since < self.spec.end:
            yield person
            if not person.until < self.spec.end:
                return
            number += self.spec.users

    def occupant(self, seat: int, at: float) -> Person | None:
        """Return whose account a seat is at a time; nobody's between two people, or before it begins."""
        return next((person for person in self.seat(seat) if person.is_there(at)), None)

    def _draw_cities(self, chance: Chance) -> tuple[City, ...]:
        own = BY_COUNTRY[self.country]
        others = [city for city in CITIES if city.country != self.country]
        cities = choice_of(own, [city.weight for city in own])
        found = [cities.draw(chance), cities.draw(chance)]
        if self.spec.users >= 50:  # noqa: PLR2004  # a small one has no office abroad
            found += chance.choices(others, [city.weight for city in others], k=2)
        return tuple(dict.fromkeys(found))

    def _office(self, chance: Chance, city: City) -> Access:
        return _office_like(chance, city)

    def _draw_person(self, number: int) -> Person:
        chance = stream_of(self.seed, "person", number)
        role = CUSTOMER if self._is_public else ROLE.draw(chance)
        office = chance.choices(self.offices, [0.6, *[0.4] * (len(self.offices) - 1)])[0] if self.offices else None
        home = CITIES[office.city] if office else self._customers_home(chance)
        habits = _customer_habits(chance, self.spec, number) if self._is_public else _habits(chance, role, self.spec)
        log_ins = _log_ins(chance) if self._is_public else 0
        since, until = self._account(number, log_ins)
        return Person(
            number=number,
            user=f"usr_{chance.getrandbits(64):016x}",
            since=since,
            until=until,
            role=role,
            home=home,
            household=_household(chance, home),
            next_household=_household(chance, home),
            moves_at=since + chance.expovariate(1 / _STAYS_DAYS) * DAY_S,
            mobile=draw_access(chance, home, Line.MOBILE, lease_days=0.2, spread=16),
            office=office if habits.office_days else None,
            vpn=self.vpn,
            detour=self._detour(number, home) if habits.via_detour else None,
            server=self._server(number, role) if office else None,
            computers=self._devices(chance, since, is_phone=False),
            phones=self._devices(chance, since, is_phone=True),
            habits=habits,
            tastes=Tastes(role, chance.getrandbits(48), chance.uniform(0.04, 0.2), chance.uniform(0.0, 0.03)),
            log_ins=log_ins,
        )

    def _account(self, number: int, log_ins: int) -> tuple[float, float]:
        """Draw when an account begins and ends: at work with the job, at a service with the first visit."""
        spec, chance = self.spec, stream_of(self.seed, "account", number)
        if self._is_public:
            # The first of so many visits that are spread evenly over a year.
            return spec.start + int(YEAR_DAYS * (1.0 - chance.random() ** (1.0 / log_ins))) * DAY_S, inf
        since = spec.start
        if number >= spec.users:
            since = self.person(number - spec.users).until + chance.uniform(0.0, _VACANT_DAYS) * DAY_S
        return since, since + chance.expovariate(_TURNOVER / YEAR_DAYS) * DAY_S

    def _detour(self, number: int, home: City) -> Access:
        chance = stream_of(self.seed, "detour", number)
        line = chance.choices(*_DETOURS)[0]
        exits = chance.choice(CITIES) if line is Line.TOR else home
        return draw_access(chance, exits, line, lease_days=3.0, spread=6)

    def _server(self, number: int, role: Role) -> Access | None:
        chance = stream_of(self.seed, "server", number)
        if not role.programs or chance.random() >= _HOSTED:
            return None
        return draw_access(chance, self._cities[0], Line.HOSTING, lease_days=3_650.0)

    def _customers_home(self, chance: Chance) -> City:
        cities = BY_COUNTRY[self.country] if chance.random() < 0.93 else CITIES  # noqa: PLR2004  # an assumption
        return chance.choices(cities, [city.weight for city in cities])[0]

    def _devices(self, chance: Chance, start: float, *, is_phone: bool) -> tuple[Device, ...]:
        lasts = (_PHONE_LASTS_DAYS if is_phone else _COMPUTER_LASTS_DAYS) * DAY_S
        like = None if is_phone or self._is_public or chance.random() < 0.4 else self._standard  # noqa: PLR2004  # as above
        is_enrolled = not self._is_public and chance.random() < (0.6 if is_phone else 0.92)
        since = start - chance.random() * lasts
        found: list[Device] = []
        while not found or since < self.spec.end:
            found.append(
                Device(since, draw_machine(chance, is_phone=is_phone, like=like), key_of(chance) if is_enrolled else "")
            )
            since += chance.uniform(0.6, 1.4) * lasts
            if is_phone:  # the next phone is of the same family, and newer
                like = (found[0].machine.browser, found[0].machine.system)
        return tuple(found)


def _office_like(chance: Chance, city: City) -> Access:
    return draw_access(chance, city, Line.FIXED, lease_days=3_650.0, is_shared=True)


def _household(chance: Chance, city: City) -> Access:
    kind = chance.random()
    lease_days = 1.0 if kind < 0.15 else 30.0 if kind < 0.4 else 240.0  # noqa: PLR2004  # shares are assumptions
    return draw_access(
        chance,
        city,
        Line.FIXED,
        lease_days=lease_days,
        spread=chance.choice((1, 1, 2, 4)),
        is_v6=chance.random() < V6_SHARE,
    )


def _habits(chance: Chance, role: Role, spec: OrganisationSpec) -> Habits:
    is_night = role.is_on_shift and chance.random() < 0.15  # noqa: PLR2004  # an assumption, like the shares below
    days = chance.choices((0, 2, 3, 5), (15, 35, 20, 30))[0]
    return Habits(
        start_h=chance.gauss(21.5 if is_night else role.start_h, 0.8),
        spread_h=chance.uniform(0.2, 0.9),
        office_days=frozenset(chance.sample(range(5), days)),
        rest_share=chance.choice((0.0, 0.01, 0.03, 0.1)),
        sessions=chance.uniform(0.1, 1.2),
        requests=spec.requests_a_session * chance.lognormvariate(-0.125, 0.5),
        fails=chance.uniform(0.01, 0.08),
        has_second_factor=chance.random() < 0.97,  # noqa: PLR2004  # as above
        via_vpn=chance.choice((0.0, 0.0, 0.3, 0.9)),
        via_detour=chance.choice((0.05, 0.4)) if chance.random() < 0.04 else 0.0,  # noqa: PLR2004  # as above
        is_home_routed=chance.random() < 0.75,  # noqa: PLR2004  # as above
    )


def _customer_habits(chance: Chance, spec: OrganisationSpec, number: int) -> Habits:
    return Habits(
        start_h=chance.gauss(15.0, 3.0),
        spread_h=chance.uniform(2.0, 4.0),
        office_days=frozenset(),
        rest_share=1.0,
        sessions=0.0,
        requests=spec.requests_a_session / 5,
        fails=chance.uniform(0.03, 0.15),
        has_second_factor=chance.random() < _CUSTOMERS_SECOND_FACTOR,
        via_vpn=0.0,
        via_detour=chance.choice((0.1, 0.6)) if chance.random() < 0.05 else 0.0,  # noqa: PLR2004  # as above
        is_home_routed=True,
        by_phone=_BY_PHONE[number % len(_BY_PHONE)],
        by_program=chance.choice((0.2, 0.9)) if chance.random() < _BY_PROGRAM else 0.0,
    )


def _log_ins(chance: Chance) -> int:
    return max(1, round(chance.lognormvariate(log(_LOG_INS_MEDIAN), _LOG_INS_SIGMA)))
