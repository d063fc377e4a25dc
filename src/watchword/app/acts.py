"""Turn released decisions into acts that behaviour is judged and learned from: noted in passing, made a batch later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from watchword.decision import Decision, peers_of
from watchword.kernel import Answer, Reason, RiskLevel
from watchword.trust import Act, ContextSource, Observation, TrustState, agent_of, network_of, utc_offset_s

_MOST: Final = 5_000
_MOST_OF_USER: Final = 500
# A page is dozens of requests; what many of them say of volume, more would not say better.
_MOST_REPEATS: Final = 50
# So many batches an act waits for the size of its answer, which is known when the answer is over: half a minute.
_MOST_HELD: Final = 6


@dataclass
class _Noted:
    """An act and its repetitions.

    Attributes:
        awaited: answers whose size may still come.
        held: for how many batches they were waited for.
    """

    decision: Decision
    times: int
    size: int = 0
    awaited: int = 0
    held: int = 0


class Acts:
    """What was asked in sessions since the last batch, in bounded memory."""

    def __init__(self, trust: TrustState, places: ContextSource) -> None:
        self._trust = trust
        self._places = places
        self._noted: dict[str, _Noted] = {}
        self._of_user: Counter[str] = Counter()
        # Which act an answer belongs to whose size may still come, by the reference of its own decision.
        self._awaited: dict[str, str] = {}
        self.dropped = 0

    def note(self, decision: Decision) -> None:
        """Take note of a released decision; what repeats another counts with it."""
        if decision.session is None:
            return
        key = decision.repeats or decision.id
        known, times = self._noted.get(key), max(decision.leased, 1)
        if known is not None:
            known.decision, known.times = decision, known.times + times
        # Prevents: whoever asks for ever other things keeping what others ask for from being seen.
        elif len(self._noted) < _MOST and self._of_user[decision.session.user_id] < _MOST_OF_USER:
            self._of_user[decision.session.user_id] += 1
            known = self._noted[key] = _Noted(decision, times)
        else:
            self.dropped += 1
            return
        # Only answers that rules look into pass through this process, and only of those the size is known.
        is_seen = decision.permit is not None and any(each.rules is not None for each in decision.obligations)
        if is_seen and len(self._awaited) < _MOST:
            self._awaited[decision.id] = key
            known.awaited += 1

    def measure(self, decision: str, size: int) -> None:
        """Take note of how many bytes the answer to a request had; for one that nobody waits for it changes nothing."""
        known = self._noted.get(self._awaited.pop(decision, ""))
        if known is not None:
            known.size += size
            known.awaited -= 1

    def drain(self) -> Iterator[Observation]:
        """Yield what was noted, and forget it; what waits for the size of its answer comes with a later batch."""
        noted, self._noted = self._noted, {}
        for key, each in noted.items():
            if each.awaited and each.held < _MOST_HELD:
                each.held += 1
                self._noted[key] = each
        self._of_user = Counter(each.decision.session.user_id for each in self._noted.values() if each.decision.session)
        self._awaited = {decision: key for decision, key in self._awaited.items() if key in self._noted}
        for key, each in noted.items():
            if key in self._noted:
                continue
            observation = replace(self._observation(each.decision), size_bytes=each.size)
            yield observation
            for number in range(1, min(each.times, _MOST_REPEATS)):
                yield replace(observation, id=f"{observation.id}#{number}", size_bytes=0)

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
