"""What every attacker works with: a victim, a line to come from, and a way to write down what was done.

Attackers know what the literature says they can know of a victim. They know nothing of how anything is scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from watchword.trust.observation import Act, Agent, Observation
from watchword.trust.synthesis.draws import choice_of
from watchword.trust.synthesis.geography import BY_COUNTRY, City, offset_s
from watchword.trust.synthesis.model import DAY_S, Labelled
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.work import ROLES, resource, size_of, skewed

# Where attacks on accounts come from, in rough shares; an assumption in the order of what operators of large
# services and honeypots report.
COUNTRIES = choice_of(
    ["US", "CN", "RU", "BR", "IN", "VN", "ID", "NG", "UA", "TR", "DE", "NL", "SG", "FR", "GB", "ZA", "MX", "PL", "JP"],
    [18, 13, 11, 8, 8, 7, 5, 5, 4, 4, 3, 4, 3, 2, 2, 2, 2, 1, 1],
)
PROGRAMS = (
    Agent("python-requests/2.32.3", "python-requests 2", "", "program"),
    Agent("Go-http-client/2.0", "Go-http-client 2", "", "program"),
    Agent("curl/8.9.1", "curl 8", "", "program"),
    Agent("okhttp/4.12.0", "okhttp 4", "", "program"),
    Agent("axios/1.7.9", "axios 1", "", "program"),
)
_INTERESTING = choice_of(["mail", "files", "people", "billing", "wiki", "crm"], [35, 30, 8, 10, 10, 7])


@dataclass(slots=True)
class Scene:
    """One attack while it goes on.

    Attributes:
        chance: of this attack alone.
        is_listed: whether the addresses it comes from are on public lists.
    """

    organisation: Organisation
    chance: Random
    attacker: str
    incident: str
    is_listed: bool = False
    _count: int = field(default=0)

    def victim(self) -> Person:
        """Draw somebody whose password is known to the attacker."""
        return self.organisation.person(self.chance.randrange(self.organisation.spec.users))

    def city(self, country: str) -> City:
        """Draw a city of a country."""
        cities = BY_COUNTRY[country]
        return self.chance.choices(cities, [city.weight for city in cities])[0]

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
            id=f"{self.incident}.{self._count}",
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


def take_over(scene: Scene, at: float, victim: Person, line: Access, agent: Agent) -> Iterator[Labelled]:
    """Sign in with a password that is right, and look around.

    Whether a second factor would have stopped it is not played: a score is asked before one is.

    Source: MITRE ATT&CK T1078 (Valid Accounts), then T1114 (Email Collection) and T1213 (Data from Information
    Repositories).
    """
    chance, session = scene.chance, scene.token()
    if chance.random() < 0.12:  # noqa: PLR2004  # an older password of the same dump first; an assumption
        yield scene.write(at, victim, line, agent, Act.SIGN_IN, is_success=False)
        at += chance.uniform(2.0, 30.0)
    yield scene.write(at, victim, line, agent, Act.SIGN_IN, session=session)
    for _ in range(chance.choice((0, 1, 2, 4, 8, 15))):
        at += chance.expovariate(1 / 40.0) + 0.2
        yield _look(scene, at, victim, line, agent, session)


def _look(scene: Scene, at: float, victim: Person, line: Access, agent: Agent, session: str) -> Labelled:
    chance = scene.chance
    application, team = (
        (_INTERESTING.draw(chance), victim.role.name)
        if victim.role.name
        else (victim.role.applications.draw(chance), "own")
    )
    if victim.role.name and chance.random() < 0.3:  # noqa: PLR2004  # an assumption
        team = chance.choice(ROLES).name
    action = "export" if chance.random() < 0.15 else "read"  # noqa: PLR2004  # as above
    return scene.write(
        at,
        victim,
        line,
        agent,
        Act.REQUEST,
        session=session,
        application=application,
        resource=resource(team, skewed(chance)),
        action=action,
        size_bytes=size_of(chance, application, action),
    )
