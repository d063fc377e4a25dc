"""Reuse an allow while, and only while, the whole procedure would come to it again.

A browser asks dozens of times for one page. What the answer depends on is the same each time: the session, the user,
the device, the policies, the lists, what was learned. So the procedure keeps an allow together with everything it read
and gives it again as long as each of these is still the very same object, and until the first moment at which time
alone would change a value. Nothing is reused by age: an ended session, a changed policy, a failed sign-in or the turn
of a minute send the next request through the whole procedure.

Each request still gets a decision, a record and an assertion of its own; the record names the one it repeats. A low
risk's allow may also be leased to the edge on this machine, while the same conditions hold (docs/adr/0061).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter_ns
from typing import Final

from watchword.decision.case import Case
from watchword.decision.lasting import Lasting
from watchword.decision.model import AccessRequest, Decision, ResourceRule, repeat, repeatable
from watchword.decision.sources import Sources
from watchword.kernel import DecisionId, Entropy, Reason, RiskLevel, Sensitivity, merged_limits
from watchword.policy import PolicySet
from watchword.trust import Baseline, Place, Situation, Standing

_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US
# Ten thousand people at a time, at 2.7 KB each.
_MOST: Final = 10_240
_LEASABLE: Final = frozenset({Sensitivity.PUBLIC, Sensitivity.INTERNAL})
# What an indicator of these finds changes from one moment to the next.
_RESTLESS: Final = frozenset({"impossible_travel", "session_hijack", "failed_attempts", "evidence_unreadable"})

# Of a request: whoever asks, from where, with what, and how.
Key = tuple[str | None, str | None, str, str, str, str, bool, bool, str]


@dataclass(slots=True)
class Settled:
    """An allow and everything it was read from, by identity.

    Attributes:
        relations: the version of the tuples that were looked at; nothing if none were.
        failures: failed sign-ins, decayed; they fade by themselves, and one more is more than there were.
        situation: what behaviour was judged by; nothing where it was not.
        until: the first moment at which time alone may change the answer or a fact of it.
        lasting: how doors see it, once one asked.
    """

    decision: Decision
    policies: PolicySet
    baseline: Baseline
    failures: float
    standing: Standing
    place: Place
    until: datetime
    relations: int | None
    situation: Situation | None
    lasting: Lasting | None = None


class Reuse:
    """The allows that may be given again; one for each way of asking, 10,240 at most."""

    def __init__(self, sources: Sources, entropy: Entropy) -> None:
        self._sources = sources
        self._entropy = entropy
        self._settled: OrderedDict[Key, Settled] = OrderedDict()

    def __len__(self) -> int:
        return len(self._settled)

    def again(self, request: AccessRequest, rule: ResourceRule, now: datetime) -> Decision | None:
        """Decide a request as an earlier one, if the procedure would; otherwise nothing.

        Args:
            rule: the part of the application that the path means.
            now: the time of the decision; not behind that of an earlier one.
        """
        started_ns = perf_counter_ns()
        policies = self._sources.policies()
        settled = self._settled.get(_key(request, rule, policies))
        if settled is None or not self._holds(settled, policies, request, now):
            return None
        if not settled.decision.tail:
            settled.decision = repeatable(settled.decision)
        session = settled.decision.session
        assert session is not None
        self._sources.trust.note_sighting(session.id, settled.place, now)
        decision_id = DecisionId.new(now, self._entropy)
        return repeat(
            settled.decision,
            decision_id,
            now,
            request,
            snapshot_version=self._sources.facts.version,
            cost_us=(perf_counter_ns() - started_ns) // 1000,
        )

    def lasting(self, decision: Decision, rule: ResourceRule, now: Callable[[], datetime]) -> Lasting | None:
        """Tell how long a repeated allow lasts; nothing where it is none that a door may give by itself.

        A lease is for low risks, for what would do little harm, and for allows that ask nothing of the door.
        """
        request, policies = decision.request, self._sources.policies()
        settled = self._settled.get(_key(request, rule, policies))
        if (
            settled is None
            # Prevents: what an allow said before a fact changed, while it was being journaled, lasting as the next one.
            or settled.decision.id != decision.repeats
            or settled.decision.level is not RiskLevel.LOW
            or rule.sensitivity not in _LEASABLE
            or any(each.limits is None or each.rules is not None for each in settled.decision.obligations)
            or not self._holds(settled, policies, request, now())
        ):
            return None
        if settled.lasting is None:
            settled.lasting = Lasting(
                lambda: self._holds(settled, self._sources.policies(), request, now()), lambda: settled.until - now()
            )
        return settled.lasting

    def leased(self, decision: Decision, uses: int, now: datetime) -> Decision:
        """Say that a door gave an allow again so many times."""
        return repeat(
            decision,
            DecisionId.new(now, self._entropy),
            now,
            decision.request,
            snapshot_version=self._sources.facts.version,
            cost_us=0,
            leased=uses,
        )

    def keep(self, case: Case, decision: Decision) -> None:
        """Remember a decision that may be given again; any other is left alone."""
        rule, policies = case.rule, self._sources.policies()
        until = self._lasts(case, decision)
        if until is None or rule is None or not policies.is_repeatable:
            return
        if case.policy is None or case.policy.version != policies.version:
            return
        relations = case.relations if case.relations is not None and case.relations.asked else None
        if relations is not None and not relations.is_repeatable:
            return
        assert case.baseline is not None
        assert case.standing is not None
        assert case.place is not None
        assert case.user is not None
        failures = self._sources.trust.failed_attempts(case.user.id, case.now)
        key = _key(case.request, rule, policies)
        self._settled.pop(key, None)  # so that the newest stands last
        version = relations.version if relations is not None else None
        self._settled[key] = Settled(
            decision, policies, case.baseline, failures, case.standing, case.place, until, version, case.situation
        )
        if len(self._settled) > _MOST:
            self._settled.popitem(last=False)

    def _holds(self, settled: Settled, policies: PolicySet, request: AccessRequest, now: datetime) -> bool:
        """Tell whether everything that was read is what it was."""
        decision, facts, trust = settled.decision, self._sources.facts, self._sources.trust
        session, user, device = decision.session, decision.user, decision.device
        assert session is not None
        assert user is not None
        assert device is not None
        return (
            facts.age_s() <= self._sources.settings.snapshot_max_age_s
            and decision.at <= now < settled.until
            and policies is settled.policies
            and (settled.relations is None or settled.relations == self._relations_version(policies))
            and facts.session(session.id) is session
            and facts.user(user.id) is user
            and facts.device(device.id) is device
            and trust.baseline(user.id) is settled.baseline
            and trust.failed_attempts(user.id, now) <= settled.failures
            and _is_same(self._sources.places.place_of(request.client_ip), settled.place)
            and self._sources.networks.standing(request.client_ip, now) == settled.standing
            and (settled.situation is None or trust.still_holds(settled.situation, now))
        )

    def _relations_version(self, policies: PolicySet) -> int | None:
        view = self._sources.relations(policies.relations)
        return view.version if view is not None else None

    def _lasts(self, case: Case, decision: Decision) -> datetime | None:
        """Return until when a decision would be the same; nothing if that cannot be known."""
        session, device, assessment = case.session, case.device, case.assessment
        if (
            decision.permit is None
            or decision.reasons != (Reason.POLICY_PERMITS,)
            or session is None
            or device is None  # its place would be watched from request to request
            or assessment is None
            or (case.situation is not None and (case.situation.findings or case.situation.known.is_away))
            or any(each.points and each.indicator in _RESTLESS for each in assessment.contributions)
        ):
            return None
        longest = self._sources.settings.session_lasts(assessment.risk)
        ends = min(session.expires_at, session.authenticated_at + longest)
        anchors = (session.authenticated_at, session.mfa_at, device.first_seen_at, device.posture_at)
        turn = _next_minute(case.now, anchors)
        if decision.obligations:
            lease_s = merged_limits(each.limits for each in decision.obligations).lease_s
            ends = ends if lease_s is None else min(ends, case.now + timedelta(seconds=lease_s))
        return min(turn, ends) if turn is not None else None


def _key(request: AccessRequest, rule: ResourceRule, policies: PolicySet) -> Key:
    """Say what of a request an answer may depend on: the exact path only where a policy looks at it."""
    return (
        request.session_handle,
        request.device_handle,
        request.host,
        request.client_ip,
        request.user_agent,
        request.method,
        request.is_upgrade,
        request.filters_bodies,  # Prevents: an allow for a door that reduces answers being given at one that cannot.
        request.path if policies.reads_path else rule.name,
    )


def _is_same(place: Place, known: Place) -> bool:
    return place is known or place == known


def _next_minute(now: datetime, anchors: Iterable[datetime | None]) -> datetime | None:
    """Return when the clock, or the whole minutes since an anchor, next turn.

    Nothing if `now` is such a moment, or before an anchor: on either side of it the answer could be another.
    """
    # In whole microseconds: of each minute that runs, as much is over; the one with most over turns first.
    over = [now.second * _SECOND_US + now.microsecond]
    for anchor in anchors:
        if anchor is None:
            continue
        age = now - anchor
        if age.days < 0:
            return None
        over.append(age.seconds % 60 * _SECOND_US + age.microseconds)
    return now + timedelta(microseconds=_MINUTE_US - max(over)) if all(over) else None
