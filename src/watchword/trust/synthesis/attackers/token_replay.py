"""Token replay: a stolen session is used from the thief's machine, while its owner may still use it.

Stolen by malware that reads the browser's data, or by a page that relays the sign-in. What cannot be stolen is a key
that never leaves the device, so none is shown. Kits copy the victim's User-Agent most of the time.

Source: MITRE ATT&CK T1539 (Steal Web Session Cookie), T1550.004 (Use Alternate Authentication Material: Web Session
Cookie).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.agents import draw_machine
from watchword.trust.synthesis.attackers.aftermath import look_around
from watchword.trust.synthesis.attackers.scene import COUNTRIES, Scene
from watchword.trust.synthesis.providers import Line
from watchword.trust.synthesis.sessions import Session

_FAR_LINES = ((Line.HOSTING, Line.VPN, Line.FIXED), (45, 35, 20))
_NEAR_LINES = ((Line.VPN, Line.FIXED), (50, 50))
_FROM_NEAR = 0.4
_COPIED = 0.65
_LISTED = 0.55


def ride(scene: Scene, session: Session) -> Iterator[Labelled]:
    """Use the session's token from elsewhere, minutes to hours after it was issued."""
    chance, victim = scene.chance, session.person
    scene.is_listed = chance.random() < _LISTED
    is_near = chance.random() < _FROM_NEAR
    country = victim.home.country if is_near else COUNTRIES.draw(chance)
    line = scene.line(scene.city(country), _NEAR_LINES if is_near else _FAR_LINES)
    at = session.start + chance.uniform(300.0, session.span_s + chance.choice((600.0, 7_200.0, 28_800.0)))
    agent = session.agent if chance.random() < _COPIED else draw_machine(chance).agent(at)
    yield from look_around(
        scene, at, victim, line, agent, session=session.id, is_verified=victim.habits.has_second_factor, least=2
    )
