"""The targeted attacker: knows the victim's city and browser, and comes from a household there.

The browser was seen when the victim opened a message; the version is the attacker's own, kept as up to date as that
one keeps it. The time is the attacker's as well.

Source: Freeman et al., NDSS 2016, section V; Wiefling et al., IFIP SEC 2019. MITRE ATT&CK T1078, T1090.002 (External
Proxy), T1589 (Gather Victim Identity Information).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.agents import draw_machine
from watchword.trust.synthesis.attackers.aftermath import take_over
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.providers import Line

_LINES = ((Line.FIXED, Line.MOBILE, Line.VPN), (75, 15, 10))
_LISTED = 0.45


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Take over one account from the victim's city, with the victim's browser and system."""
    chance = scene.chance
    scene.is_listed = chance.random() < _LISTED
    victim = scene.victim(at)
    line = scene.line(victim.home, _LINES)
    own = victim.usual_device(at).machine
    is_phone = own.system in {"Android", "iOS"}
    agent = draw_machine(chance, is_phone=is_phone, like=(own.browser, own.system)).agent(at)
    return take_over(scene, at, victim, line, agent)
