"""What every attacker works with: a victim, a line to come from, and a way to write down what was done.

Attackers know what the literature says they can know of a victim. They know nothing of how anything is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Agent, Observation
from watchword.trust.synthesis.draws import Chance, choice_of, name_of
from watchword.trust.synthesis.geography import BY_COUNTRY, City, is_rest_day, offset_s
from watchword.trust.synthesis.model import DAY_S
from watchword.trust.synthesis.networks import V6_SHARE, Access, draw_access, is_listed
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.providers import Line
from watchword.trust.synthesis.sessions import Session

# Where attacks on accounts come from, in rough shares; an assumption in the order of what operators of large
# services and honeypots report.
COUNTRIES = choice_of(
    ["US", "CN", "RU", "BR", "IN", "VN", "ID", "NG", "UA", "TR", "DE", "NL", "SG", "FR", "GB", "ZA", "MX", "PL", "JP"],
    [18, 13, 11, 8, 8, 7, 5, 5, 4, 4, 3, 4, 3, 2, 2, 2, 2, 1, 1],
)
_LONGEST_REST_S = 6 * DAY_S  # Christmas and a weekend, and one to spare


Attack = Callable[["Scene", float], Iterator[Labelled]]


@dataclass(frozen=True, slots=True)
class Ride:
    """An attack that needs a session which its owner opened.

    Attributes:
        act: yields what is done in one session.
        days: from the first session on, it goes on in the owner's sessions for so many days; 0 for that one only.
    """

    act: Callable[[Scene, Session], Iterator[Labelled]]
    days: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Scene:
    """One attack while it goes on.

    Attributes:
        chance: of this attack alone.
        is_listed: whether the addresses it comes from are on public lists.
    """

    organisation: Organisation
    chance: Chance
    attacker: str
    incident: str
    is_listed: bool = False
    _count: int = field(default=0)

    @property
    def has_begun(self) -> bool:
        """Whether anything was done yet."""
        return self._count > 0

    def victim(self, at: float) -> Person:
        """Draw somebody whose password is known to the attacker: an account that exists at that time."""
        return self.owner(self.chance.randrange(self.organisation.spec.users), at)

    def owner(self, seat: int, at: float) -> Person:
        """Return whose account it is; if nobody has the seat at that time, that of the next who is there."""
        users = self.organisation.spec.users
        for number in range(users):
            found = self.organisation.occupant((seat + number) % users, at)
            if found is not None:
                return found
        return self.organisation.person(seat)  # in the first days of a service nobody is there yet

    def city(self, country: str) -> City:
        """Draw a city of a country."""
        cities = BY_COUNTRY[country]
        return self.chance.choices(cities, [city.weight for city in cities])[0]

    def line(self, city: City, kinds: tuple[Sequence[Line], Sequence[int]]) -> Access:
        """Draw a line to come from: kinds with their weights; a household speaks IPv6 as often as others do."""
        kind = self.chance.choices(*kinds)[0]
        is_v6 = kind is Line.FIXED and self.chance.random() < V6_SHARE
        return draw_access(self.chance, city, kind, is_v6=is_v6)

    def token(self) -> str:
        """Draw the name of a session."""
        return f"ses_{self.chance.getrandbits(64):016x}"

    def write(  # noqa: PLR0913  # an observation has many fields, and each attacker sets others
        self,
        at: float,
        victim: Person,
        line: Access,
        agent: Agent,
        act: Act,
        *,
        is_success: bool = True,
        is_verified: bool = False,
        device: str = "",
        session: str = "",
        application: str = "",
        resource: str = "",
        action: str = "",
        size_bytes: int = 0,
    ) -> Labelled:
        """Write one act down, with its label."""
        where = line.at(at)
        self._count += 1
        observation = Observation(
            id=name_of(self.incident, self._count),
            at=round(at, 3),
            user=victim.user,
            act=act,
            is_success=is_success,
            is_verified=is_verified,
            ip=where.ip,
            network=where.network.text,
            place=where.network.place,
            traits=where.network.traits,
            agent=agent,
            utc_offset_s=offset_s(victim.home.zone, int(at // DAY_S)),
            device=device,
            session=session,
            group=victim.role.name,
            application=application,
            resource=resource,
            action=action,
            size_bytes=size_bytes,
        )
        return Labelled(observation, self.attacker, self.incident, self.is_listed)

    def write_unknown(self, at: float, line: Access, agent: Agent) -> Labelled:
        """Write down that somebody was tried who does not exist."""
        found = self.write(at, self.organisation.person(0), line, agent, Act.SIGN_IN, is_success=False)
        return replace(found, observation=replace(found.observation, user="", group="", utc_offset_s=0))

    def write_within(  # as above
        self,
        session: Session,
        at: float,
        *,
        application: str,
        resource: str,
        action: str,
        size_bytes: int,
        is_success: bool = True,
    ) -> Labelled:
        """Write down a request that is made in its owner's session, from their machine and line."""
        self.is_listed = self.stands_listed(session.line(at), at)
        return self.write(
            at,
            session.person,
            session.line(at),
            session.agent,
            Act.REQUEST,
            is_success=is_success,
            is_verified=is_success and session.is_proved,
            device=session.device,
            session=session.id,
            application=application,
            resource=resource,
            action=action,
            size_bytes=size_bytes,
        )

    def stands_listed(self, line: Access, at: float) -> bool:
        """Tell whether a line of the victim's own is on public lists; they do not ask who uses it."""
        network = line.at(at).network
        return is_listed(network.text, network.traits)

    def on_a_working_day(self, at: float, victim: Person) -> float:
        """Move a time by days to one on which the victim's office is open; customers are there on any."""
        spec = self.organisation.spec
        step = DAY_S if at + _LONGEST_REST_S < spec.end else -DAY_S
        while (
            victim.role.name and is_rest_day(victim.home.country, int(at // DAY_S)) and at + step > spec.start + DAY_S
        ):
            at += step
        return at

    def local(self, at: float, victim: Person, hour: float) -> float:
        """Return the time of the same day at which it is that hour where the victim lives."""
        day = int(at // DAY_S)
        return day * DAY_S - offset_s(victim.home.zone, day) + hour * 3_600.0
