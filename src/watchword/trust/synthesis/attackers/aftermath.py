"""What is done with an account or a session once it is in the wrong hands."""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Agent
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.draws import choice_of
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.work import ROLES, resource, size_of, skewed

_INTERESTING = choice_of(["mail", "files", "people", "billing", "wiki", "crm"], [35, 30, 8, 10, 10, 7])


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
    yield from look_around(scene, at + chance.uniform(0.5, 20.0), victim, line, agent, session=session)


def look_around(  # as above
    scene: Scene,
    at: float,
    victim: Person,
    line: Access,
    agent: Agent,
    *,
    session: str,
    device: str = "",
    is_verified: bool = False,
    least: int = 0,
) -> Iterator[Labelled]:
    """Read what is worth something, first in what the victim's team has."""
    chance = scene.chance
    for _ in range(least + chance.choice((0, 1, 2, 4, 8, 15))):
        application, place, action = _interest(scene, victim)
        yield scene.write(
            at,
            victim,
            line,
            agent,
            Act.REQUEST,
            is_verified=is_verified,
            device=device,
            session=session,
            application=application,
            resource=place,
            action=action,
            size_bytes=size_of(chance, application, action),
        )
        at += chance.expovariate(1 / 40.0) + 0.2


def _interest(scene: Scene, victim: Person) -> tuple[str, str, str]:
    chance, team = scene.chance, victim.role.name
    action = "export" if chance.random() < 0.15 else "read"  # noqa: PLR2004  # an assumption
    if not team:
        return victim.role.applications.draw(chance), resource("own", skewed(chance)), action
    if chance.random() < 0.3:  # noqa: PLR2004  # as above
        team = chance.choice(ROLES).name
    return _INTERESTING.draw(chance), resource(team, skewed(chance)), action
