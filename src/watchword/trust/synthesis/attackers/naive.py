"""The naive attacker: a right password, from anywhere, with any client.

Source: Freeman, Jain, Duermuth, Biggio and Giacinto, Who Are You? A Statistical Approach to Measuring User
Authenticity, NDSS 2016, section V; Wiefling, Lo Iacono and Duermuth, Is This Really You?, IFIP SEC 2019. MITRE ATT&CK
T1078.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.agents import PROGRAMS, draw_machine
from watchword.trust.synthesis.attackers.aftermath import take_over
from watchword.trust.synthesis.attackers.scene import COUNTRIES, Scene
from watchword.trust.synthesis.providers import Line

_LINES = ((Line.HOSTING, Line.FIXED, Line.MOBILE, Line.TOR, Line.VPN), (40, 35, 8, 7, 10))
_PROGRAM_SHARE = 0.2
_PHONE_SHARE = 0.2
_LISTED = 0.65


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Take over one account from a random machine of the world."""
    chance = scene.chance
    scene.is_listed = chance.random() < _LISTED
    victim = scene.victim(at)
    line = scene.line(scene.city(COUNTRIES.draw(chance)), _LINES)
    is_program = chance.random() < _PROGRAM_SHARE
    machine = draw_machine(chance, is_phone=chance.random() < _PHONE_SHARE)
    agent = chance.choice(PROGRAMS) if is_program else machine.agent(at)
    return take_over(scene, at, victim, line, agent)
