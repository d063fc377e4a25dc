"""What is done with an account or a session once it is in the wrong hands."""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Agent
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.draws import choice_of
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.people import Person
from watchword.trust.synthesis.work import REFUSED_ASTRAY, ROLES, resource, size_of, skewed

LOOKS_AFTER_S = (0.5, 20.0)  # of the sign-in
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
    yield from look_around(scene, at + chance.uniform(*LOOKS_AFTER_S), victim, line, agent, session=session)


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
        application, place, action, is_success = _interest(scene, victim)
        yield scene.write(
            at,
            victim,
            line,
            agent,
            Act.REQUEST,
            is_success=is_success,
            is_verified=is_success and is_verified,
            device=device,
            session=session,
            application=application,
            resource=place,
            action=action,
            size_bytes=size_of(chance, application, action) if is_success else 0,
        )
        at += chance.expovariate(1 / 40.0) + 0.2


def _interest(scene: Scene, victim: Person) -> tuple[str, str, str, bool]:
    """Choose what to read; the account's rights are the victim's, so other teams refuse as they refuse the victim."""
    chance, team = scene.chance, victim.role.name
    action = "export" if chance.random() < 0.15 else "read"  # noqa: PLR2004  # an assumption
    if not team:
        return victim.role.applications.draw(chance), resource("own", skewed(chance)), action, True
    if chance.random() < 0.3:  # noqa: PLR2004  # as above
        team = chance.choice(ROLES).name
    is_success = team == victim.role.name or chance.random() >= REFUSED_ASTRAY
    return _INTERESTING.draw(chance), resource(team, skewed(chance)), action, is_success
