"""The use cases of feedback: take a label from whoever may give it, review what was held, suppress for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite

from watchword.kernel import Acr, Clock, Entropy
from watchword.kernel.events import Json
from watchword.storage import Database, UnitOfWork
from watchword.trust.learning import store
from watchword.trust.learning.errors import FeedbackMalformedError, FeedbackRefusedError, FeedbackUnknownError
from watchword.trust.learning.events import (
    FEEDBACK_GIVEN,
    FEEDBACK_REFUSED,
    FEEDBACK_REVIEWED,
    FEEDBACK_VOUCHED,
    SUPPRESSION_ADDED,
    SUPPRESSION_REMOVED,
)
from watchword.trust.learning.guard import Admitted, admit
from watchword.trust.learning.labels import (
    Doubted,
    Judged,
    Label,
    LabelId,
    Review,
    Source,
    Witness,
    may_vouch,
    step_up_weight,
)
from watchword.trust.learning.suppressions import MOST_PER_USER, Scope, Suppression, SuppressionId, check

# Labels older than this speak of another time, and of attackers who have moved on.
REMEMBERED = timedelta(days=365)
_LONGEST_REASON = 400
_LONGEST_NAME = 120
_MOST_INDICATORS = 128
_FURTHEST = 100.0
_DAY = timedelta(days=1)
_MOST_OF_USER_PER_DAY = 20
_MOST_OF_GIVER_PER_DAY = 500
# Whoever works at the command line of the machine owns it, and may overrule themselves.
_OWNER_OF_THE_MACHINE = "cli:"


class Feedback:
    """Keep what people say; each act is one unit of work with its event.

    # INVARIANT: nothing here changes a score. Labels wait for `watchword risk train`, whose outcome is tried first.
    """

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def owner_says(self, about: Judged, *, is_attack: bool, witness: Witness) -> Label:
        """Take the answer to "was this you?"; the same answer again changes nothing, and tells nobody.

        Raises:
            FeedbackRefusedError: they may not say so, or not from this session.
            FeedbackMalformedError: the act cannot be learned from.
        """
        if witness.user != about.user:
            raise FeedbackRefusedError("only the owner of an account can say whether it was them")
        if not is_attack:
            why = may_vouch(witness, Doubted(about.act, about.user, about.at, about.session, about.device))
            if why:
                await self._tell_refused(about, witness, why)
                raise FeedbackRefusedError(
                    why,
                    hint="sign in with a second factor on a device that you had used before, or ask an administrator",
                )
        return await self._give(
            about, Source.OWNER, is_attack=is_attack, weight=1.0, actor=witness.user, session=witness.session
        )

    async def verdict(self, about: Judged, *, is_attack: bool, actor: str) -> Label:
        """Take an analyst's verdict; it stands over what the owner said.

        Raises:
            FeedbackRefusedError: somebody judges an act of their own account.
            FeedbackMalformedError: the act cannot be learned from.
        """
        # Prevents: an administrator's stolen session calling its own doubtful acts all right.
        if actor == about.user:
            raise FeedbackRefusedError("nobody gives a verdict on their own account", hint="ask another administrator")
        return await self._give(about, Source.ANALYST, is_attack=is_attack, weight=1.0, actor=actor)

    async def step_up(self, about: Judged, *, acr: Acr, is_passed: bool, prompts: int = 1) -> Label | None:
        """Take what came of asking for a second factor, as a weak label; nothing where it says nothing.

        Raises:
            FeedbackMalformedError: the act cannot be learned from.
        """
        weight = step_up_weight(acr, is_passed=is_passed, prompts=prompts)
        if weight == 0:
            return None
        return await self._give(about, Source.STEP_UP, is_attack=not is_passed, weight=weight, actor="system")

    async def admitted(self) -> Admitted:
        """Return the labels that count, and those that do not with the reason."""
        async with self._database.read() as connection:
            return admit(await store.all_labels(connection, since=self._clock.now() - REMEMBERED))

    async def said_of(self, act: str) -> Sequence[Label]:
        """Return what was said of one act, oldest first."""
        async with self._database.read() as connection:
            return await store.labels_of(connection, act)

    async def review(self, label_id: str, *, is_released: bool, actor: str) -> Label:
        """Decide about a label that was held.

        Raises:
            FeedbackUnknownError: there is no such label.
            FeedbackRefusedError: it is the reviewer's own, about their account, or against what they said themselves.
        """
        review = Review.RELEASED if is_released else Review.REJECTED
        async with self._database.work() as work:
            label = await store.label_by_id(work.connection, label_id)
            if label is None:
                raise FeedbackUnknownError(
                    f"there is no label `{label_id[:_LONGEST_NAME]}`", hint="`watchword risk feedback list` shows them"
                )
            said = await store.labels_of(work.connection, label.act)
            if why := _may_not_review(label, said, is_released=is_released, actor=actor):
                raise FeedbackRefusedError(why, hint="ask another administrator")
            await store.set_review(work.connection, label_id, review)
            work.emit(
                FEEDBACK_REVIEWED.at(
                    self._clock.now(),
                    self._entropy,
                    actor=actor,
                    subject=label.id,
                    act=label.act,
                    review=review.value,
                    user=label.user,
                )
            )
        return replace(label, review=review)

    async def suppress(
        self, user: str, scope: Scope, value: str, *, days: float, reason: str, actor: str
    ) -> Suppression:
        """Silence what a network, a device or a country adds to one user's risk, for a while.

        Raises:
            FeedbackMalformedError: it is for everybody, for nothing, for ever, or one too many.
            FeedbackRefusedError: an administrator means their own account.
        """
        # Prevents: a stolen administrator's session making its own network all right.
        if actor == user:
            raise FeedbackRefusedError("nobody suppresses for their own account", hint="ask another administrator")
        now = self._clock.now()
        found = Suppression(
            id=SuppressionId.new(now, self._entropy),
            user=user,
            scope=scope,
            value=value.strip(),
            until=now + timedelta(days=days),
            reason=reason.strip()[:_LONGEST_REASON],
            given_by=actor,
            given_at=now,
        )
        check(found, now)
        async with self._database.work() as work:
            await store.drop_over(work.connection, now)
            if sum(each.user == user for each in await store.active(work.connection, now)) >= MOST_PER_USER:
                raise FeedbackMalformedError(
                    f"this user has {MOST_PER_USER} suppressions already", hint="remove one that is not needed"
                )
            await store.put_suppression(work.connection, found)
            work.emit(
                SUPPRESSION_ADDED.at(
                    now,
                    self._entropy,
                    actor=actor,
                    subject=found.id,
                    scope=scope.value,
                    until=found.until.isoformat(),
                    user=user,
                    value=found.value,
                    reason=found.reason,
                )
            )
        return found

    async def unsuppress(self, suppression_id: str, *, actor: str) -> None:
        """Take a suppression back.

        Raises:
            FeedbackUnknownError: there is none of that name.
        """
        async with self._database.work() as work:
            found = await store.drop_suppression(work.connection, suppression_id)
            if found is None:
                raise FeedbackUnknownError("there is no such suppression", hint="it may have run out")
            work.emit(
                SUPPRESSION_REMOVED.at(
                    self._clock.now(),
                    self._entropy,
                    actor=actor,
                    subject=found.id,
                    scope=found.scope.value,
                    user=found.user,
                    value=found.value,
                )
            )

    async def suppressions(self) -> Sequence[Suppression]:
        """Return those that count now, oldest first."""
        async with self._database.read() as connection:
            return await store.active(connection, self._clock.now())

    async def forget(self, user: str) -> None:
        """Remove everything that was said of an account, because the account is gone."""
        async with self._database.work() as work:
            await store.drop_of_user(work.connection, user)

    async def _tell_refused(self, about: Judged, witness: Witness, why: str) -> None:
        """Let the journal know that somebody tried to lower the bar from where they may not."""
        event = FEEDBACK_REFUSED.at(
            self._clock.now(),
            self._entropy,
            actor=witness.user,
            subject=about.act,
            session=witness.session,
            reason=why,
            user=about.user,
        )
        async with self._database.work() as work:
            work.emit(event)

    async def _give(
        self, about: Judged, source: Source, *, is_attack: bool, weight: float, actor: str, session: str = ""
    ) -> Label:
        now = self._clock.now()
        _check(about, now)
        label = Label(
            id=LabelId.new(now, self._entropy),
            act=about.act,
            user=about.user,
            source=source,
            is_attack=is_attack,
            given_by=actor,
            given_at=now,
            observed_at=about.at,
            margin=about.margin,
            values=dict(about.values),
            weight=weight,
        )
        async with self._database.work() as work:
            before = [each for each in await store.labels_of(work.connection, label.act) if each.source is source]
            said = next((each for each in before if source is Source.OWNER and each.is_attack == is_attack), None)
            # Prevents: an answer that is sent again and again counting, or being told, more than once.
            if said is not None:
                return said
            await self._make_room(work, label, before)
            await store.put_label(work.connection, label)
            if source is Source.OWNER and not is_attack:
                facts: dict[str, Json] = {"session": session}
                kind = FEEDBACK_VOUCHED
            else:
                facts = {"source": source.value, "is_attack": is_attack, "weight": weight}
                kind = FEEDBACK_GIVEN
            work.emit(
                kind.at(now, self._entropy, actor=actor, subject=label.id, act=label.act, user=label.user, **facts)
            )
        return label

    async def _make_room(self, work: UnitOfWork, label: Label, before: Sequence[Label]) -> None:
        """Let a newer word stand for the older one of the same giver; refuse floods, and who takes back what counts."""
        is_machines_owner = label.given_by.startswith(_OWNER_OF_THE_MACHINE)
        mine = [each for each in before if each.given_by == label.given_by or is_machines_owner]
        # Prevents: whoever's label was rejected giving it again, as if nobody had looked at it.
        if any(each.review is Review.REJECTED for each in mine) and not is_machines_owner:
            raise FeedbackRefusedError(
                "what you said of this act was rejected", hint="another administrator can give a verdict"
            )
        # Prevents: whoever took the account over since taking back what its owner said.
        if label.source is Source.OWNER and not label.is_attack and any(each.is_attack for each in before):
            raise FeedbackRefusedError(
                "it was said before that this was not them", hint="an administrator can give another verdict"
            )
        of_user, of_giver = await store.count_labels(
            work.connection,
            user=label.user,
            source=label.source,
            given_by=label.given_by,
            since=label.given_at - _DAY,
        )
        # Prevents: labels without end filling the table. Of each source by itself. Prevents: a thief who is asked for a
        # second factor again and again leaving the owner no room to say that it was not them.
        is_flood = of_user >= _MOST_OF_USER_PER_DAY and label.source is not Source.ANALYST
        if is_flood or (of_giver >= _MOST_OF_GIVER_PER_DAY and label.source is not Source.STEP_UP):
            raise FeedbackRefusedError("enough was said today", hint="go on tomorrow, or ask another administrator")
        # Prevents: an analyst making a colleague's verdict vanish; where both stand, neither counts until a review.
        await store.drop_labels(work.connection, [each.id for each in mine])


def _may_not_review(label: Label, said: Sequence[Label], *, is_released: bool, actor: str) -> str:
    """Say why somebody may not decide about a label; the empty text if they may. Whoever owns the machine may.

    Args:
        said: everything that was said of the act.
    """
    if actor.startswith(_OWNER_OF_THE_MACHINE):
        return ""
    # Prevents, in this order: an account in wrong hands making what speaks against it vanish; whoever poisons the
    # labels releasing them as well; whoever contradicted a colleague settling that alone.
    refused = (
        (actor == label.user, "nobody reviews a label of their own account"),
        (is_released and actor == label.given_by, "nobody releases their own label"),
        (
            not is_released and actor != label.given_by and any(each.given_by == actor for each in said),
            "nobody rejects what contradicts their own verdict",
        ),
    )
    return next((why for is_so, why in refused if is_so), "")


def _check(about: Judged, now: datetime) -> None:
    figures = (about.margin, *about.values.values())
    if not (0 < len(about.act) <= _LONGEST_NAME and 0 < len(about.user) <= _LONGEST_NAME):
        raise FeedbackMalformedError("a label is about one act of one account")
    if len(about.values) > _MOST_INDICATORS or not all(isfinite(each) and abs(each) <= _FURTHEST for each in figures):
        raise FeedbackMalformedError("what the indicators said of this act cannot be read")
    if about.at > now + timedelta(minutes=5):
        raise FeedbackMalformedError("this act lies in the future")
