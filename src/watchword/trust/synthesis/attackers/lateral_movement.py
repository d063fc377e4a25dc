"""Lateral movement: from one person's machine to server after server, and to applications they never used.

Within an hour of one session; where the account has no rights, it is tried all the same.

Source: MITRE ATT&CK T1021 (Remote Services), T1046 (Network Service Discovery), T1078; Bowman, Laprade, Ji and Huang,
Detecting Lateral Movement in Enterprise Computer Networks with Unsupervised Graph AI, RAID 2020.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.sessions import Session
from watchword.trust.synthesis.work import ROLES, SERVERS, resource, server, size_of, skewed

_DOORS = ("admin", "ci", "code", "people", "payroll", "billing", "files")
_REFUSED = 0.35


def ride(scene: Scene, session: Session) -> Iterator[Labelled]:
    """Try one target after another from the victim's machine."""
    chance, at = scene.chance, session.start + 0.2 * session.span_s
    targets = [server(item) for item in chance.sample(range(SERVERS), chance.randint(6, 18))]
    targets += chance.sample(_DOORS, chance.randint(1, 4))
    chance.shuffle(targets)
    pause_s = chance.choice((4.0, 20.0, 90.0))
    for target in targets:
        at += chance.expovariate(1 / pause_s)
        is_refused = chance.random() < _REFUSED
        is_server = target not in _DOORS
        for _ in range(1 if is_refused else chance.randint(1, 3)):
            yield scene.write_within(
                session,
                at,
                is_success=not is_refused,
                application=target,
                resource="/shell" if is_server else resource(chance.choice(ROLES).name, skewed(chance)),
                action="open" if is_server else "read",
                size_bytes=0 if is_refused else size_of(chance, "servers" if is_server else target),
            )
            at += chance.uniform(1.0, 15.0)
