"""Session hijack: somebody goes on in a session that its owner opened, and looks as much like them as they can.

Either through a proxy in the victim's own city with the victim's User-Agent to the letter, or through the victim's
own browser, where network, device and agent are the true ones and only what is asked for differs.

Source: MITRE ATT&CK T1185 (Browser Session Hijacking), T1563 (Remote Service Session Hijacking).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers.aftermath import look_around
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.providers import Line
from watchword.trust.synthesis.sessions import Session

_LINES = ((Line.FIXED, Line.MOBILE, Line.VPN), (65, 15, 20))
_THROUGH_THE_BROWSER = 0.2
_LISTED = 0.40


def ride(scene: Scene, session: Session) -> Iterator[Labelled]:
    """Go on in the session while it lasts."""
    chance, victim = scene.chance, session.person
    at = session.start + chance.uniform(0.2, 0.9) * session.span_s
    is_inside = chance.random() < _THROUGH_THE_BROWSER
    line = session.line(at) if is_inside else scene.line(victim.home, _LINES)
    scene.is_listed = scene.stands_listed(line, at) if is_inside else chance.random() < _LISTED
    yield from look_around(
        scene,
        at,
        victim,
        line,
        session.agent,
        session=session.id,
        device=session.device if is_inside else "",
        is_verified=victim.habits.has_second_factor,
        least=3,
    )
