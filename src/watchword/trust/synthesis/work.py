"""What people do at their applications: roles, applications, and what each person asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import exp

from watchword.trust.synthesis.draws import Chance, Choice, choice_of, mixed, zipf

_FAVOURITES = 12  # resources of one application that somebody returns to
_KEPT_DAYS = 75  # how long a favourite stays one, on average
_POOL = 80  # resources in one team's space of one application
SERVERS = 40
REFUSED_ASTRAY = 0.2  # of what is asked of another team's space, whoever asks; an assumption
_PARETO = 1.3  # tail of the sizes; below 2, so that the variance is that of the largest few
_TAIL_SHARE = 0.02
_LARGEST = 2_000_000_000
_EXPORTED = 15.0  # times what a page holds; an assumption


@dataclass(frozen=True, slots=True)
class Application:
    """One application.

    Attributes:
        bytes_median: of an answer.
        bytes_sigma: of the logarithm of an answer's size.
    """

    name: str
    bytes_median: float
    bytes_sigma: float


@dataclass(frozen=True, slots=True)
class Role:
    """A peer group.

    Attributes:
        share: of the people.
        applications: how often each is used.
        start_h: local time at which most of them begin.
        trip_gap_days: between two business trips, on average.
        programs: chance of a session by a program of theirs on a working day.
        is_on_shift: some of them work nights.
    """

    name: str
    share: float
    applications: Choice[str]
    start_h: float
    trip_gap_days: float
    is_on_shift: bool = False
    programs: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """One request, before it is made.

    Attributes:
        is_stray: it goes to another team's space.
    """

    application: str
    resource: str
    action: str
    size_bytes: int
    is_stray: bool = False


APPLICATIONS = {
    one.name: one
    for one in (
        Application("mail", 24_000, 1.3),
        Application("wiki", 30_000, 1.0),
        Application("files", 180_000, 1.9),
        Application("code", 40_000, 1.4),
        Application("ci", 60_000, 1.5),
        Application("tickets", 16_000, 0.9),
        Application("crm", 20_000, 1.0),
        Application("dashboards", 45_000, 0.9),
        Application("billing", 22_000, 1.1),
        Application("payroll", 18_000, 0.9),
        Application("people", 20_000, 1.0),
        Application("admin", 12_000, 0.9),
        Application("servers", 9_000, 1.6),
        Application("account", 15_000, 0.8),
        Application("storage", 120_000, 1.9),
    )
}


def _used(**weights: float) -> Choice[str]:
    return choice_of(list(weights), list(weights.values()))


_ENGINEERING = _used(code=30, mail=16, tickets=14, ci=12, wiki=12, dashboards=10, files=6, servers=5)
_OPERATIONS = _used(admin=25, dashboards=22, tickets=18, ci=15, servers=14, code=10, mail=10)
ROLES = (
    Role("engineering", 32, _ENGINEERING, 9.5, 180, programs=0.15),
    Role("sales", 18, _used(crm=40, mail=28, files=14, dashboards=8, wiki=5, tickets=5), 8.7, 28),
    Role("support", 16, _used(tickets=50, crm=20, wiki=15, mail=15), 8.2, 400, is_on_shift=True),
    Role("finance", 8, _used(billing=38, mail=24, files=20, dashboards=10, payroll=8), 8.3, 150),
    Role("people", 5, _used(people=40, mail=28, payroll=15, files=12, wiki=5), 8.6, 150),
    Role("marketing", 8, _used(mail=30, files=25, dashboards=18, wiki=15, crm=12), 9.2, 60),
    Role("management", 7, _used(mail=45, dashboards=22, files=18, crm=6, billing=5, people=4), 8.4, 24),
    Role("operations", 6, _OPERATIONS, 9.0, 200, is_on_shift=True, programs=0.25),
)
CUSTOMER = Role("", 100, _used(account=60, storage=40), 12.0, 300)
ROLE: Choice[Role] = choice_of(ROLES, [role.share for role in ROLES])
_COMMON = ("mail", "wiki", "files", "tickets")
_RANK: Choice[int] = choice_of(range(_FAVOURITES), zipf(_FAVOURITES))
_ACTION: Choice[str] = choice_of(["read", "update", "create", "export", "delete"], [80, 11, 6, 2, 1])


@dataclass(frozen=True, slots=True)
class Tastes:
    """What one person asks for; favourites follow from the seed and the time, so nothing is stored.

    Attributes:
        explores: share of requests to anything of the own team's.
        strays: share of requests to another team's space.
    """

    role: Role
    seed: int
    explores: float
    strays: float

    def wish(self, chance: Chance, at: float) -> Wish:
        """Draw the next request."""
        application = self.role.applications.draw(chance)
        kind = chance.random()
        team = self.role.name or "own"
        is_stray = kind < self.strays and bool(self.role.name)
        if is_stray:
            application = chance.choice(_COMMON)
            team = ROLES[chance.randrange(len(ROLES))].name
            item = skewed(chance)
        elif kind < self.strays + self.explores:
            item = skewed(chance)
        else:
            rank = _RANK.draw(chance)
            phase = mixed(self.seed, rank, len(application), ord(application[0]))
            item = mixed(phase, int(at / (_KEPT_DAYS * 86_400) + (phase & 1023) / 1024)) % _POOL
        action = _ACTION.draw(chance)
        size = size_of(chance, application, action)
        if application == "servers" and not is_stray:
            return Wish(server(item), "/shell", "open", size)
        return Wish(application, resource(team, item), action, size, is_stray)


@cache
def server(item: int) -> str:
    """Name one of the servers that people sign in to; each is an application of its own."""
    return f"server-{item % SERVERS:02d}"


def skewed(chance: Chance) -> int:
    """Draw one of a team's resources; the first are asked for most."""
    return int(_POOL * chance.random() ** 2)


@cache
def resource(team: str, item: int) -> str:
    """Name a resource."""
    return f"/{team}/{item}"


def typical_size(application: str, action: str, above: float) -> float:
    """Return the size of an answer so many standard deviations above the median, in the logarithm."""
    shape = APPLICATIONS[application]
    return shape.bytes_median * exp(shape.bytes_sigma * above) * (_EXPORTED if action == "export" else 1.0)


def size_of(chance: Chance, application: str, action: str = "read") -> int:
    """Draw the size of an answer: lognormal, with a Pareto tail.

    Source: Downey, The structural cause of file size distributions, 2001; Crovella and Bestavros, Self-similarity in
    World Wide Web traffic, 1997, for the tail.
    """
    size = typical_size(application, action, chance.gauss(0.0, 1.0))
    if chance.random() < _TAIL_SHARE:
        size *= chance.paretovariate(_PARETO)
    return min(int(size) + 200, _LARGEST)
