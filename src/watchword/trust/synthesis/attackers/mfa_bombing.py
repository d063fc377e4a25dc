"""MFA bombing: the password is right, and the victim is asked again and again until they give in, or do not.

Source: MITRE ATT&CK T1621 (Multi-Factor Authentication Request Generation); CISA advisory AA23-320A (Scattered
Spider), and the report on the intrusion at Uber of September 2022, where prompts went on for over an hour.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act
from watchword.trust.synthesis.agents import draw_machine
from watchword.trust.synthesis.attackers.aftermath import LOOKS_AFTER_S, look_around
from watchword.trust.synthesis.attackers.scene import COUNTRIES, Scene
from watchword.trust.synthesis.providers import Line
from watchword.trust.synthesis.sessions import ANSWERED_S

_LINES = ((Line.VPN, Line.HOSTING, Line.FIXED), (45, 25, 30))
_FROM_NEAR = 0.6
_GIVES_IN = 0.3
_NIGHT_SHARE = 0.5
_TRIES = 50
_LISTED = 0.55


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Prompt one victim until they give in or the attacker gives up."""
    chance = scene.chance
    scene.is_listed = chance.random() < _LISTED
    victim = next((one for one in (scene.victim(at) for _ in range(_TRIES)) if one.habits.has_second_factor), None)
    if victim is None:
        return
    country = victim.home.country if chance.random() < _FROM_NEAR else COUNTRIES.draw(chance)
    line = scene.line(scene.city(country), _LINES)
    agent = draw_machine(chance).agent(at)
    if chance.random() < _NIGHT_SHARE:  # when people want to sleep
        at = scene.local(at, victim, chance.uniform(0.0, 5.0))
    pause_s = chance.choice((8.0, 20.0, 60.0))
    for _ in range(chance.randint(6, 40)):
        yield scene.write(at, victim, line, agent, Act.PROMPT, is_success=False)
        at += 4.0 + chance.expovariate(1 / pause_s)
    if chance.random() < _GIVES_IN:
        yield scene.write(at, victim, line, agent, Act.PROMPT, is_verified=True)
        session, at = scene.token(), at + chance.uniform(*ANSWERED_S)
        yield scene.write(at, victim, line, agent, Act.SIGN_IN, is_verified=True, session=session)
        at += chance.uniform(*LOOKS_AFTER_S)
        yield from look_around(scene, at, victim, line, agent, session=session, is_verified=True)
