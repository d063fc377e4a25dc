"""The very targeted attacker: city, provider, browser to the version, and the victim's own hours.

What a relaying phishing page (MITRE ATT&CK T1557) or a thief of browser data (T1539) learns about the victim. Some of
them find a proxy in the victim's own network. What they have not is the victim's device key.

Source: Wiefling et al., ACM TOPS 2022, section 3 (very targeted attackers); Campobasso and Allodi, Impersonation-as-a-
Service, ACM CCS 2020, for the trade in such profiles. MITRE ATT&CK T1078, T1090.002.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers.aftermath import take_over
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.networks import HERE

_SAME_NETWORK = 0.1
_LISTED = 0.50


def attack(scene: Scene, at: float) -> Iterator[Labelled]:
    """Take over one account as its owner would look."""
    chance = scene.chance
    scene.is_listed = chance.random() < _LISTED
    victim = scene.victim(at)
    own = victim.at_home(at)
    slot = own.slot if chance.random() < _SAME_NETWORK else chance.randrange(HERE)
    line = replace(own, slot=slot, seed=chance.getrandbits(48), spread=1)
    at = scene.on_a_working_day(at, victim)
    at = scene.local(at, victim, chance.gauss(victim.habits.start_h + (4.0 if victim.role.name else 0.0), 2.0))
    return take_over(scene, at, victim, line, victim.usual_device(at).machine.agent(at))
