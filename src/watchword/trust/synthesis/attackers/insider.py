"""The insider out of their peer group: looks, for days, into what other teams do and into applications not their own.

Device, network and hours are the true ones; volumes are ordinary.

Source: MITRE ATT&CK T1213 (Data from Information Repositories), T1078; Glasser and Lindauer, Bridging the Gap: A
Pragmatic Approach to Generating Insider Threat Data, IEEE S&P Workshops 2013, scenarios 1 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.sessions import Session
from watchword.trust.synthesis.work import REFUSED_ASTRAY, ROLES, resource, size_of, skewed

DAYS = (4, 14)
_BUSY = 0.6  # share of the sessions with such a look
_OWN_APPLICATION = 0.4


def ride(scene: Scene, session: Session) -> Iterator[Labelled]:
    """Look into other teams' resources in one of the own sessions."""
    chance, own = scene.chance, session.person.role
    if scene.has_begun and chance.random() >= _BUSY:
        return
    team = chance.choice([role for role in ROLES if role is not own])
    sources = [name for name in team.applications.things if name != "servers"]
    shared = [name for name in sources if name in own.applications.things]
    for moment in sorted(chance.random() for _ in range(chance.randint(2, 12))):
        application = chance.choice(shared if shared and chance.random() < _OWN_APPLICATION else sources)
        action = chance.choice(("read", "read", "read", "read", "export"))
        is_success = chance.random() >= REFUSED_ASTRAY
        yield scene.write_within(
            session,
            session.start + (0.05 + 0.95 * moment) * session.span_s,
            application=application,
            resource=resource(team.name, skewed(chance)),
            action=action,
            size_bytes=size_of(chance, application, action) if is_success else 0,
            is_success=is_success,
        )
