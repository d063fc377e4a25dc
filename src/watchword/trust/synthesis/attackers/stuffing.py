"""Credential stuffing: names and passwords from other services' leaks, through many addresses.

Each address tries a few pairs only. Most names do not exist here, and of those that do about one in fifty still has
the leaked password. Each account that opens is looked at, by a program.

Source: MITRE ATT&CK T1110.004 (Credential Stuffing); OWASP, Credential Stuffing Prevention Cheat Sheet. Of passwords
that are tried up to 3 % work (Shape Security, Credential Spill Report, 2018), at a mailbox that the leak names 7 %
(Thomas et al., Data Breaches, Phishing, or Malware?, ACM CCS 2017).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act
from watchword.trust.synthesis.agents import PROGRAMS, draw_machine
from watchword.trust.synthesis.attackers.aftermath import take_over
from watchword.trust.synthesis.attackers.scene import COUNTRIES, Scene
from watchword.trust.synthesis.providers import Line

_LINES = ((Line.FIXED, Line.HOSTING, Line.MOBILE, Line.VPN), (55, 25, 10, 10))
_KNOWN_HERE = 0.3
_HITS = 0.02
_LISTED = 0.55


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Try pair after pair, a few from each address."""
    chance = scene.chance
    agents = [chance.choice(PROGRAMS), draw_machine(chance).agent(at), draw_machine(chance).agent(at)]
    pause_s = chance.choice((0.5, 2.0, 8.0))
    for _ in range(chance.randint(20, 80)):
        scene.is_listed = chance.random() < _LISTED
        line = scene.line(scene.city(COUNTRIES.draw(chance)), _LINES)
        agent = chance.choice(agents)
        for _ in range(chance.randint(1, 6)):
            at += chance.expovariate(1 / pause_s)
            if chance.random() >= _KNOWN_HERE:
                yield scene.write_unknown(at, line, agent)
                continue
            victim = scene.victim(at)
            if chance.random() >= _HITS:
                yield scene.write(at, victim, line, agent, Act.SIGN_IN, is_success=False)
                continue
            for step in take_over(scene, at, victim, line, agent):
                at = step.observation.at
                yield step
