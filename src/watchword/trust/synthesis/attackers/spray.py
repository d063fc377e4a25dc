"""Password spraying: one common password against many accounts, slowly enough for no account to be locked.

From one to four addresses; names come from a guessed list, so that some do not exist. About one account in a hundred
has the password; the attacker looks around in the first one found.

Source: MITRE ATT&CK T1110.003 (Password Spraying); Microsoft, Protecting your organization against password spray
attacks, 2020, for the rate of success of about 1 %.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act
from watchword.trust.synthesis.agents import PROGRAMS, draw_machine
from watchword.trust.synthesis.attackers.aftermath import take_over
from watchword.trust.synthesis.attackers.scene import COUNTRIES, Scene
from watchword.trust.synthesis.providers import Line

_LINES = ((Line.HOSTING, Line.VPN, Line.TOR, Line.FIXED), (50, 20, 10, 20))
_MOST_ACCOUNTS = 300
_GUESSED = 0.15
_HITS = 0.01
_LISTED = 0.60


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Try one password on account after account."""
    chance, users = scene.chance, scene.organisation.spec.users
    scene.is_listed = chance.random() < _LISTED
    country = COUNTRIES.draw(chance)
    lines = [scene.line(scene.city(country), _LINES) for _ in range(chance.choice((1, 1, 2, 4)))]
    agent = chance.choice(PROGRAMS) if chance.random() < 0.5 else draw_machine(chance).agent(at)  # noqa: PLR2004  # assumed
    pause_s = chance.choice((2.0, 10.0, 40.0, 150.0))  # from noisy to low and slow
    for number in chance.sample(range(users), min(users, chance.randint(30, _MOST_ACCOUNTS))):
        line = chance.choice(lines)
        at += chance.expovariate(1 / pause_s)
        if chance.random() < _GUESSED:
            yield scene.write_unknown(at, line, agent)
            continue
        victim = scene.owner(number, at)
        if chance.random() < _HITS:
            yield from take_over(scene, at, victim, line, agent)
            return
        yield scene.write(at, victim, line, agent, Act.SIGN_IN, is_success=False)
