"""The VPN attacker: knows the victim's country, and comes from it with a popular client.

Source: Freeman et al., NDSS 2016, section V; Wiefling, Joergensen, Thunem and Lo Iacono, Pump Up Password Security!,
ACM TOPS 2022, section 3. MITRE ATT&CK T1078, T1090 (Proxy).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.agents import draw_machine
from watchword.trust.synthesis.attackers.aftermath import take_over
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.providers import Line

_LINES = ((Line.VPN, Line.HOSTING, Line.FIXED, Line.MOBILE), (50, 20, 22, 8))  # the last two are residential proxies
_PHONE_SHARE = 0.2
_LISTED = 0.60


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Take over one account from the victim's country."""
    chance = scene.chance
    scene.is_listed = chance.random() < _LISTED
    victim = scene.victim(at)
    line = scene.line(scene.city(victim.home.country), _LINES)
    agent = draw_machine(chance, is_phone=chance.random() < _PHONE_SHARE).agent(at)
    return take_over(scene, at, victim, line, agent)
