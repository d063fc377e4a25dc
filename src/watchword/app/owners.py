"""Ask people about acts in doubt, and hand on what they say of acts in their own accounts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from watchword.app.rounds import again_and_again
from watchword.audit import Record, last
from watchword.console import FlaggedAct, Standing
from watchword.decision import Decision, DecisionPoint
from watchword.identity import AuthenticatorKind, Identity, SessionFacts
from watchword.kernel import Acr, Answer, Clock, SessionId, UserId
from watchword.trust.learning import (
    Doubt,
    Doubted,
    Doubts,
    Feedback,
    FeedbackMalformedError,
    FeedbackRefusedError,
    FeedbackUnknownError,
    Judged,
    KeptModels,
    ModelKeptError,
    Witness,
    judged_of,
    may_vouch,
)

# A second or two of reading.
_MOST_LOOKED_AT: Final = 50_000
_SHOWN: Final = 10
_MONTH: Final = timedelta(days=30)
_MOST_SESSIONS: Final = 500
# A factor is used, and then the ceremony goes on; never for longer than this.
_CEREMONY: Final = timedelta(minutes=10)
_ONCE_PER: Final = timedelta(hours=1)
_MOST_REMEMBERED: Final = 10_000
_MOST_WAITING: Final = 1_000
_MOST_TRIES: Final = 20
_TRIES_WITHIN: Final = timedelta(hours=1)


class DoubtsNoted:
    """Remember what was in doubt of whom: whatever risk did not call low, whether it was let in, asked or refused.

    Written behind; what waits when the node ends is lost, and its owner is not asked about it.
    """

    def __init__(self, doubts: Doubts, kept: KeptModels) -> None:
        self._doubts = doubts
        self._kept = kept
        self._seen: OrderedDict[tuple[str, str, str], datetime] = OrderedDict()
        self._waiting: list[Decision] = []

    def see(self, decision: Decision) -> None:
        """Note a decision in doubt; of one session, and of refused sign-ins, one an hour of each answer."""
        if not decision.level or decision.user is None or decision.repeats is not None:
            return
        session = decision.session.id if decision.session is not None else ""
        key = (decision.user.id, session, decision.answer.value)
        before = self._seen.get(key)
        # Prevents: a flood of requests in one stolen session, or of sign-ins with one stolen password, pushing out
        # what else was in doubt, and filling the memory.
        if (before is not None and decision.at - before < _ONCE_PER) or len(self._waiting) >= _MOST_WAITING:
            return
        self._seen[key] = decision.at
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        self._waiting.append(decision)

    async def run(self) -> None:
        """Write every few seconds, until cancelled; where that fails, owners are not asked and nothing else is lost."""
        await again_and_again(self.write)

    async def write(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            await self._doubts.keep(await asyncio.to_thread(lambda: [self._doubt(each) for each in waiting]))

    def _doubt(self, decision: Decision) -> Doubt:
        assert decision.user is not None
        session = decision.session
        device = decision.device.id if decision.device is not None else (session.device_id if session else None) or ""
        nothing = Judged(decision.id, decision.user.id, decision.at)
        judged = _judged(decision.record(), self._kept, nothing)
        return Doubt(
            judged=replace(judged, session=session.id if session is not None else decision.id, device=device),
            # A sign-in that would need a factor which nobody has is as good as refused.
            answer=decision.answer if session is not None else Answer.DENY,
            ip=decision.request.client_ip,
            user_agent=decision.request.user_agent,
            application=decision.application or "",
            is_known_device=decision.device is not None and not _is_new(decision),
        )


class OwnersFeedback:
    """Ask people about acts in doubt, and hand on what they say of acts in their own accounts.

    Args:
        unlearn: takes back what a session taught.
    """

    def __init__(
        self,
        feedback: Feedback,
        doubts: Doubts,
        kept: KeptModels,
        point: DecisionPoint,
        journal: Path,
        *,
        identity: Identity,
        clock: Clock,
        unlearn: Callable[[str], None] = lambda _session: None,
    ) -> None:
        self._feedback = feedback
        self._unlearn = unlearn
        self._doubts = doubts
        self._kept = kept
        self._point = point
        self._journal = journal
        self._identity = identity
        self._tries = _Tries(clock)
        self._searches = _Tries(clock)
        self._searching = asyncio.Lock()

    async def disown(self, session: SessionFacts, *, by: SessionFacts) -> None:
        """Take note that a sign-in was not by the owner of the account: an act of that session becomes an attack."""
        judged = await self._newest(session)
        await self._deny(judged, by)
        doubt = Doubt(
            replace(judged, session=session.id, device=session.device_id or ""),
            Answer.ALLOW,
            session.ip,
            session.user_agent,
            is_known_device=session.device_id is not None,
        )
        await self._doubts.keep([doubt])

    async def flagged(self, standing: Standing) -> Sequence[FlaggedAct]:
        """Return the newest acts in doubt of an account, each with what keeps its owner from calling it theirs."""
        doubts = await self._doubts.of(standing.session.user_id)
        witness = await self._witness(standing, doubts) if doubts else None
        return [_shown(doubt, witness) for doubt in doubts[:_SHOWN] if witness is not None]

    async def vouch(self, reference: str, standing: Standing) -> FlaggedAct:
        """Take "this was me", from where the owner may say so.

        Raises:
            FeedbackUnknownError: nothing such is in doubt in this account.
            FeedbackRefusedError: not from this session, or too often.
        """
        user = standing.session.user_id
        # Prevents: a stolen session trying answers without end, each of them a line of the journal.
        if not self._tries.may(user):
            raise FeedbackRefusedError("this was answered too often", hint="wait an hour, or ask an administrator")
        doubts = await self._doubts.of(user)
        doubt = _found(doubts, reference)
        witness = await self._witness(standing, doubts)
        await self._feedback.owner_says(doubt.judged, is_attack=False, witness=witness)
        return _shown(replace(doubt, is_owners=True), witness)

    async def deny(self, reference: str, standing: Standing) -> FlaggedAct:
        """Take "this was not me", from anywhere in the account.

        Raises:
            FeedbackUnknownError: nothing such is in doubt in this account.
        """
        doubts = await self._doubts.of(standing.session.user_id)
        doubt = _found(doubts, reference)
        await self._deny(doubt.judged, standing.session)
        return _shown(replace(doubt, is_owners=False), await self._witness(standing, doubts))

    async def _deny(self, judged: Judged, by: SessionFacts) -> None:
        # Prevents: a thief who signed out in time keeping what they taught; of a session that is over nobody tells
        # that it was disowned.
        self._unlearn(judged.session)
        witness = Witness(by.user_id, by.id, by.acr, device=by.device_id or "")
        # Where it is refused, enough was said already; the session ends all the same, which is what its owner wants.
        with suppress(FeedbackRefusedError, FeedbackMalformedError):
            await self._feedback.owner_says(judged, is_attack=True, witness=witness)

    async def _witness(self, standing: Standing, doubts: Sequence[Doubt]) -> Witness:
        """Say from where an owner answers.

        The device is as old as the first sign-in of this very account on it, whoever else used it before; the factor as
        old as the newest of those that may have been shown. What cannot be found out has no age, and vouches for
        nothing.
        """
        session, device = standing.session, standing.session.device_id or ""
        known = await self._identity.sessions.recent_for(session.user_id, within=_MONTH, most=_MOST_SESSIONS)
        since = [each.authenticated_at for each in known if device and each.device_id == device]
        in_doubt = (each for each in doubts if session.id == each.judged.session or _is_disowned(each, device))
        return Witness(
            user=session.user_id,
            session=session.id,
            acr=session.acr,
            device=device,
            device_since=min(since, default=None),
            factor_since=await self._factor_since(session),
            is_fresh=standing.is_fresh,
            is_doubted=standing.is_risky or any(in_doubt),
        )

    async def _factor_since(self, session: SessionFacts) -> datetime | None:
        if session.mfa_at is None:
            return None
        used = [
            each.created_at
            for each in await self._identity.accounts.authenticators(UserId(session.user_id))
            if each.kind is not AuthenticatorKind.PASSWORD
            and each.last_used_at is not None
            and each.last_used_at >= session.mfa_at - _CEREMONY
        ]
        return max(used, default=None)

    async def _newest(self, session: SessionFacts) -> Judged:
        """Return the newest act of a session that behaviour was judged by; else the sign-in itself, which says less."""
        nothing = Judged(session.id, session.user_id, session.authenticated_at, session=session.id)
        for decision in reversed(list(self._point.recent)):
            if decision.session is not None and decision.session.id == session.id:
                record = decision.record()
                if "behaviour" in record:
                    return _judged(record, self._kept, nothing)
        # Prevents: whoever disowns session after session having the journal read each time, and at the same time.
        if self._searching.locked() or not self._searches.may(session.user_id):
            return nothing
        async with self._searching:
            found = await asyncio.to_thread(_newest_of, self._journal, session.id)
        return _judged(dict(found.fields), self._kept, nothing) if found is not None else nothing


class _Tries:
    """How often each account answered lately; bounded in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_user: OrderedDict[str, deque[datetime]] = OrderedDict()

    def may(self, user: str) -> bool:
        """Count one more, and tell whether it is not too much."""
        now = self._clock.now()
        tries = self._by_user.setdefault(user, deque())
        self._by_user.move_to_end(user)
        if len(self._by_user) > _MOST_REMEMBERED:
            self._by_user.popitem(last=False)
        while tries and now - tries[0] >= _TRIES_WITHIN:
            tries.popleft()
        if len(tries) >= _MOST_TRIES:
            return False
        tries.append(now)
        return True


class _OverError(Exception):
    """There is nothing to be found any more."""


def _newest_of(journal: Path, session: SessionId) -> Record | None:
    """Return the newest record of a session that behaviour was judged by; nothing before it began, or far down."""
    looked_at = 0

    def is_it(record: Record) -> bool:
        nonlocal looked_at
        looked_at += 1
        # Prevents: a session that did nothing having the whole journal read.
        if looked_at > _MOST_LOOKED_AT or record.at < session.created_at - _CEREMONY:
            raise _OverError
        return record.fields.get("session") == session and "behaviour" in record.fields

    try:
        found = last(journal, 1, where=is_it)
    except _OverError:
        return None
    return found[0] if found else None


def _is_new(decision: Decision) -> bool:
    """Tell whether the account was never seen on the device before: signing in on one registers it at once."""
    told = decision.assessment.contributions if decision.assessment is not None else ()
    return any(each.indicator == "new_device" and each.points > 0 for each in told)


def _is_disowned(doubt: Doubt, device: str) -> bool:
    return bool(device) and doubt.judged.device == device and doubt.is_owners is False


def _found(doubts: Sequence[Doubt], reference: str) -> Doubt:
    for doubt in doubts:
        if doubt.judged.act == reference:
            return doubt
    raise FeedbackUnknownError("nothing such is in doubt in this account", hint="load the page again")


def _judged(record: dict[str, object], kept: KeptModels, otherwise: Judged) -> Judged:
    try:
        return judged_of(record, kept)
    except (FeedbackMalformedError, ModelKeptError):
        return otherwise


def _shown(doubt: Doubt, witness: Witness) -> FlaggedAct:
    judged = doubt.judged
    doubted = Doubted(judged.act, judged.user, judged.at, judged.session, judged.device)
    strongest = replace(witness, acr=Acr.PHISHING_RESISTANT, is_fresh=True, factor_since=witness.device_since)
    obstacle = may_vouch(witness, doubted)
    return FlaggedAct(
        reference=judged.act,
        at=judged.at,
        answer=doubt.answer,
        application=doubt.application,
        ip=doubt.ip,
        user_agent=doubt.user_agent,
        session=SessionId(judged.session) if judged.session.startswith(f"{SessionId.prefix}_") else None,
        is_known_device=doubt.is_known_device,
        is_owners=doubt.is_owners,
        obstacle=obstacle,
        is_factor_missing=bool(obstacle) and not may_vouch(strongest, doubted),
        can_be_learned=bool(judged.values),
    )
