"""Turn released decisions into acts that behaviour is judged and learned from: noted in passing, made a batch later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from watchword.decision import Decision, peers_of
from watchword.kernel import Answer, Reason, RiskLevel
from watchword.trust import Act, ContextSource, Observation, TrustState, agent_of, network_of, utc_offset_s

_MOST: Final = 5_000
# A page is dozens of requests; what many of them say of volume, more would not say better.
_MOST_REPEATS: Final = 50


class Acts:
    """What was asked in sessions since the last batch, in bounded memory."""

    def __init__(self, trust: TrustState, places: ContextSource) -> None:
        self._trust = trust
        self._places = places
        self._noted: dict[str, tuple[Decision, int]] = {}
        self.dropped = 0

    def note(self, decision: Decision) -> None:
        """Take note of a released decision; what repeats another counts with it."""
        if decision.session is None:
            return
        key = decision.repeats or decision.id
        known, times = self._noted.get(key), max(decision.leased, 1)
        if known is not None:
            self._noted[key] = decision, known[1] + times
        elif len(self._noted) < _MOST:
            self._noted[key] = decision, times
        else:
            self.dropped += 1

    def drain(self) -> Iterator[Observation]:
        """Yield what was noted, and forget it."""
        noted, self._noted = self._noted, {}
        for decision, count in noted.values():
            observation = self._observation(decision)
            yield observation
            for number in range(1, min(count, _MOST_REPEATS)):
                yield replace(observation, id=f"{observation.id}#{number}")

    def _observation(self, decision: Decision) -> Observation:
        request, user, session = decision.request, decision.user, decision.session
        assert session is not None
        is_allowed = decision.permit is not None and decision.reasons == (Reason.POLICY_PERMITS,)
        return Observation(
            id=decision.id,
            at=decision.at.timestamp(),
            user=session.user_id,
            act=Act.REQUEST,
            is_success=decision.answer is Answer.ALLOW,
            is_verified=is_allowed and decision.level is RiskLevel.LOW and session.mfa_at is not None,
            ip=request.client_ip,
            network=network_of(request.client_ip),
            place=self._places.place_of(request.client_ip),
            traits=self._trust.traits_of(request.client_ip, decision.at),
            agent=agent_of(request.user_agent),
            utc_offset_s=utc_offset_s(decision.at, user.timezone) if user is not None else 0,
            device=decision.device.id if decision.device is not None else "",
            session=session.id,
            group=(peers_of(user) or self._trust.group_of(user.id)) if user is not None else "",
            application=decision.application or "",
            resource=decision.resource or "",
            action=decision.action or "",
        )
