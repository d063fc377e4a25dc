"""Say what a case means for behaviour: one act of its user, from here, with this, of that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from watchword.decision.case import Case
from watchword.decision.sources import Sources
from watchword.identity import UserFacts
from watchword.kernel import Acr
from watchword.trust import Act, Evidence, Finding, Observation, Situation, agent_of, utc_offset_s
from watchword.trust.behaviour import authentication, posture

# Everybody is a member, so it says nothing of whom somebody works with.
_EVERYBODY: Final = frozenset({"members"})


def situation_of(case: Case, sources: Sources, evidence: Evidence, act: Act, *, by: str) -> Situation:
    """Gather what a profile judges the behaviour of a case by.

    Its time is the whole minute, so that the same request has the same risk to the bit until the clock turns.
    """
    request, user, device, session = case.request, case.user, case.device, case.session
    assert user is not None
    now = minute_of(case.now)
    observation = Observation(
        id=case.id,
        at=now.timestamp(),
        user=user.id,
        act=act,
        is_verified=evidence.mfa_at is not None,
        ip=request.client_ip,
        network=evidence.network,
        place=evidence.place,
        traits=sources.trust.traits_of(request.client_ip, now),
        agent=agent_of(request.user_agent),
        utc_offset_s=utc_offset_s(now, user.timezone),
        device=device.id if device is not None else "",
        session=session.id if session is not None else "",
        group=peers_of(user) or sources.trust.group_of(user.id),
        application=case.app.name if case.app is not None else "",
        resource=case.rule.name if case.rule is not None else "",
        action=case.action or "",
    )
    return sources.trust.situation(observation, now, given=tuple(_given(case, evidence, now)), by=by)


def _given(case: Case, evidence: Evidence, now: datetime) -> Iterator[Finding]:
    """Yield what is known beside habits, by the age that it has in this minute."""
    device, session = case.device, case.session
    if device is not None and device.posture_at is not None:
        yield posture(
            is_managed=device.is_managed,
            is_encrypted=device.disk_encrypted,
            is_patched=device.os_patched,
            age_s=(now - device.posture_at).total_seconds(),
        )
    # Prevents: the owner's second factor speaking for a thief elsewhere: `mfa_at` is of this very network.
    if evidence.mfa_at is not None:
        acr = session.acr if session is not None else Acr.MULTI_FACTOR
        yield authentication(acr, age_s=(now - evidence.mfa_at).total_seconds())


def peers_of(user: UserFacts) -> str:
    """Name the group that a user is compared with: the first by name of those that not everybody is in.

    The empty text for none: then whoever uses the same is compared with, as far as a night has found such.
    """
    return min(user.groups - _EVERYBODY, default="")


def minute_of(now: datetime) -> datetime:
    """Return the minute that behaviour is judged in."""
    return now.replace(second=0, microsecond=0)
