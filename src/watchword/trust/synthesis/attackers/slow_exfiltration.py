"""Slow exfiltration: for one to three weeks, a little more is read than the work needs, in pieces of a chosen size.

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
from watchword.trust.synthesis.work import resource

DAYS = (7, 21)
_BUSY = 0.8  # share of the sessions in which something is taken
_POOL = 80
_PIECE_BYTES = (4_000_000.0, 40_000_000.0)


def ride(scene: Scene, session: Session) -> Iterator[Labelled]:
    """Take some more pieces in one session of the account's owner."""
    chance, role = scene.chance, session.person.role
    if scene.has_begun and chance.random() >= _BUSY:
        return
    sources = [name for name in role.applications.things if name not in {"servers", "dashboards"}]
    piece = chance.uniform(*_PIECE_BYTES)
    for moment in sorted(chance.random() for _ in range(chance.randint(2, 9))):
        application = chance.choice(sources)
        yield scene.write_within(
            session,
            session.start + (0.1 + 0.9 * moment) * session.span_s,
            application=application,
            resource=resource(role.name, chance.randrange(_POOL)),
            action=chance.choice(("read", "read", "export")),
            size_bytes=int(piece * chance.uniform(0.7, 1.0)),
        )
