"""Slow exfiltration: for one to three weeks, a little more is read than the work needs, in pieces of a chosen size.

No piece is larger than what the application gives now and then anyway; it is their number that grows.

By the owner of the account or by something that sits on their machine: device, network, hours and team are the true
ones.

Source: MITRE ATT&CK T1567 (Exfiltration Over Web Service), T1048 (Exfiltration Over Alternative Protocol), T1030
(Data Transfer Size Limits).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.sessions import Session
from watchword.trust.synthesis.work import resource, typical_size

DAYS = (7, 21)
_BUSY = 0.8  # share of the sessions in which something is taken
_POOL = 80
# How far above what is usual of an application a piece is, in standard deviations of the logarithm: from the largest
# fifth of its answers to the largest hundredth. Whoever takes little at a time takes care not to stand out (T1030).
_ABOVE = (0.8, 2.3)


def ride(scene: Scene, session: Session) -> Iterator[Labelled]:
    """Take some more pieces in one session of the account's owner."""
    chance, role = scene.chance, session.person.role
    if scene.has_begun and chance.random() >= _BUSY:
        return
    sources = [name for name in role.applications.things if name not in {"servers", "dashboards"}]
    above = chance.uniform(*_ABOVE)
    for moment in sorted(chance.random() for _ in range(chance.randint(2, 9))):
        application, action = chance.choice(sources), chance.choice(("read", "read", "export"))
        yield scene.write_within(
            session,
            session.start + (0.1 + 0.9 * moment) * session.span_s,
            application=application,
            resource=resource(role.name, chance.randrange(_POOL)),
            action=action,
            size_bytes=int(typical_size(application, action, above) * chance.uniform(0.7, 1.0)),
        )
