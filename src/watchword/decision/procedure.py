"""The policy decision point: one numbered procedure, whole and in order.

It reads memory only, never waits, and turns whatever goes wrong into a denial with a reason.
Source: NIST SP 800-207 section 3 (policy engine); docs/explanation/one-request.md follows a request through it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from watchword.decision.asking import PolicyGate
from watchword.decision.behaviour import situation_of
from watchword.decision.case import Case, Meaning
from watchword.decision.errors import whereabouts
from watchword.decision.leasing import Leases
from watchword.decision.model import AccessRequest, Decision, StepUp
from watchword.decision.paths import read_path
from watchword.decision.recognition import DeviceHandles, posture_of
from watchword.decision.relating import relations_of
from watchword.decision.reuse import Reuse
from watchword.decision.sources import Sources
from watchword.decision.vocabulary import context_of
from watchword.identity import SessionFacts, UserFacts, network_of
from watchword.kernel import Acr, Answer, Clock, DecisionId, DeviceId, Entropy, Reason, RiskLevel, Sensitivity
from watchword.policy import Value
from watchword.policy.replay import Then
from watchword.trust import Act, Evidence, Sighting, Standing, assess

_LONGEST_IP: Final = 45
_NO_NETWORK: Final = "unknown"
_CLOCK_SKEW: Final = timedelta(seconds=5)


class Procedure:
    """Decide one request after another; the only place where a permit is made."""

    def __init__(self, sources: Sources, clock: Clock, entropy: Entropy) -> None:
        self._sources = sources
        self._clock = clock
        self._entropy = entropy
        self._by_host = {host: app for app in sources.applications for host in app.hosts}
        self._policy = PolicyGate(sources.applications, sources.policies, sources.known_obligations)
        self._reuse = Reuse(sources, entropy)
        self.leases = Leases(self._reuse, self._meaning, self._now)
        self._device_handles = DeviceHandles(sources.device_key)
        self._anchor: tuple[datetime, float] | None = None
        self.failure: str | None = None

    def decide(
        self, request: AccessRequest, *, as_session: SessionFacts | None = None, is_question: bool = False
    ) -> Decision:
        """Answer a request; never raises, and what it cannot settle it denies.

        Args:
            request: as the door saw it.
            as_session: answer as if this session asked from its own browser; a question, too.
            is_question: nobody waits at a door for the answer, as when an open stream is asked about again. It carries
                no permit, and nothing is learned from where it seems to come from.
        """
        now, meaning = self._now(), None
        try:
            meaning = self._meaning(request)
            if as_session is None and not is_question and meaning.rule is not None and not meaning.is_open:
                repeated = self._reuse.again(request, meaning.rule, now)
                if repeated is not None:
                    return repeated
        except Exception as error:  # noqa: BLE001  # whatever fails here leaves it to the whole procedure
            self.failure = whereabouts(error)
        case = Case(request, DecisionId.new(now, self._entropy), now, supposed=as_session, is_question=is_question)
        try:
            case.meaning = meaning if meaning is not None else self._meaning(request)
            self._verify(case)
            decision = case.close()
            self._reuse.keep(case, decision)
        except Exception as error:  # noqa: BLE001  # whatever fails while deciding denies
            self.failure = whereabouts(error)
            case.settle(Answer.DENY, Reason.INTERNAL_ERROR)
            return case.close()
        return decision

    def _meaning(self, request: AccessRequest) -> Meaning:
        """Say which application and which part of it a request means, once for the reuse and the procedure."""
        app = self._by_host.get(request.host)
        readings = read_path(request.path)
        if app is None or readings is None:
            return Meaning(app, None, is_open=False)
        return Meaning(app, app.resource_meant(readings), is_open=app.is_open(readings.exact))

    def weigh_sign_in(
        self,
        user: UserFacts,
        client_ip: str,
        *,
        device_id: DeviceId | None,
        is_multi_factor: bool,
        user_agent: str = "",
    ) -> Decision:
        """Weigh a sign-in whose factors were verified and whose session does not exist yet.

        Allow, step up (a second factor is needed) or deny; never a permit.
        """
        now = self._now()
        request = AccessRequest("POST", "", "/sign-in", client_ip, user_agent)
        case = Case(request, DecisionId.new(now, self._entropy), now)
        case.user = user
        standing = self._sources.networks.standing(client_ip, now)
        if standing.blocked:
            case.settle(Answer.DENY, Reason.NETWORK_BLOCKED)
            return case.close()
        self._accept_device(case, user, device_id)
        self._weigh(case, user, standing, mfa_at=now if is_multi_factor else None)
        if case.level is RiskLevel.HIGH:
            case.settle(Answer.DENY, Reason.RISK_HIGH)
        elif case.level is RiskLevel.MEDIUM and not is_multi_factor:
            case.settle(Answer.STEP_UP, Reason.RISK_MEDIUM)
        else:
            case.settle(Answer.ALLOW)
        return case.close()

    def weigh_session(self, session: SessionFacts, client_ip: str, *, user_agent: str = "") -> Decision:
        """Weigh a live session as it stands now, for the page that shows it; nothing is decided from it."""
        user = self._sources.facts.user(session.user_id)
        now = self._now()
        request = AccessRequest("GET", "", "/", client_ip, user_agent)
        case = Case(request, DecisionId.new(now, self._entropy), now, supposed=session)
        if user is None:
            case.settle(Answer.DENY, Reason.FACT_MISSING)
            return case.close()
        case.user, case.session = user, session
        self._accept_device(case, user, session.device_id)
        standing = self._sources.networks.standing(client_ip, now)
        mfa_at = session.mfa_at if self._mfa_age_min(case) is not None else None
        self._weigh(case, user, standing, mfa_at=mfa_at)
        case.settle(Answer.DENY if case.level is RiskLevel.HIGH else Answer.ALLOW)
        return case.close()

    def _weigh(self, case: Case, user: UserFacts, standing: Standing, *, mfa_at: datetime | None) -> None:
        """Weigh what the portal sees; the portal counts as `internal`."""
        evidence = self._evidence(case, user, standing, mfa_at=mfa_at, sighting=None)
        profile = self._sources.profiles[self._sources.portal_profile]
        if profile.reads_behaviour:
            case.situation = situation_of(case, self._sources, evidence, Act.SIGN_IN, by=profile.name)
        baseline = self._sources.trust.baseline(user.id)
        case.assessment = assess(evidence, baseline, profile, now=case.now, situation=case.situation)
        case.level = profile.gate(case.assessment, Sensitivity.INTERNAL)

    def _now(self) -> datetime:
        """Return the wall time; while that is behind what was seen already, what was seen plus the time since.

        # Prevents: a clock that is stepped back, or stands still, giving sessions a second life.
        """
        wall = self._clock.now()
        ticks = self._clock.monotonic()
        if self._anchor is not None:
            seen, then = self._anchor
            expected = seen + timedelta(seconds=ticks - then)
            if wall < expected:
                return expected
        self._anchor = wall, ticks
        return wall

    def _verify(self, case: Case) -> None:  # noqa: C901, PLR0911  # a security procedure stays whole
        """Take the steps in their order; each settles the case or lets it go on."""
        # 1. The picture of the world is fresh. Prevents: deciding on a session that was ended a while ago.
        facts = self._sources.facts
        age_s = facts.age_s()
        case.snapshot_version = facts.version
        case.read(("snapshot", facts.version, round(age_s, 3)))
        if not age_s <= self._sources.settings.snapshot_max_age_s:  # so that an age that is no number is too old
            return case.settle(Answer.DENY, Reason.SNAPSHOT_STALE)
        # 2. The request is one that policies can name, and names one application.
        if not self._is_well_formed(case):
            return None
        # 3. Its network is not blocked. Before identity, so that a blocked network cannot even try handles.
        standing = case.standing = self._sources.networks.standing(case.request.client_ip, case.now)
        if standing.blocked:
            case.read(("network.blocked", standing.reason, None))
            return case.settle(Answer.DENY, Reason.NETWORK_BLOCKED)
        if case.is_open:
            return case.settle(Answer.ALLOW, Reason.OPEN_ROUTE)
        # 4. Identity: a live session of an enabled user, presented where it belongs.
        if not self._identify(case):
            return None
        # 5. Device: the browser that the session was made in.
        if not self._recognise(case):
            return None
        # 6. Context and trust: one score with its contributions; the session shrinks as it rises.
        self._assess(case, standing)
        if self._has_outlived_its_trust(case):
            return case.settle(Answer.DENY, Reason.SESSION_EXPIRED)
        if case.level is RiskLevel.HIGH:
            assert case.app is not None
            return case.settle(case.app.high_risk, self._risk_reason(case))
        # 7. Policy: default deny, a forbid wins, an error denies.
        context, then = self._context(case, standing), self._after_allow(case)
        self._policy.ask(case, context, then)
        if case.answer is Answer.DENY:
            return None
        # 8. Medium risk asks for a second factor, unless a fresh one was shown from this very network.
        if case.answer is Answer.ALLOW and then is not None:
            case.step_up = StepUp(then.acr, then.max_age_s)
            return case.settle(Answer.STEP_UP, then.reason)
        # 9. The grant carries what the application may rely on.
        if case.answer is Answer.ALLOW:
            self._policy.grant(case, context)
        return None

    def _is_well_formed(self, case: Case) -> bool:
        request = case.request
        assert case.meaning is not None
        case.app, case.rule, case.is_open = case.meaning
        if case.app is None:
            case.settle(Answer.DENY, Reason.UNKNOWN_APPLICATION)
            return False
        case.action = request.action
        if case.rule is None or case.action is None:
            case.settle(Answer.DENY, Reason.REQUEST_MALFORMED)
            return False
        # Prevents: addresses that cannot be read sharing one network, so that a step-up from one vouches for another.
        if len(request.client_ip) > _LONGEST_IP or _network_of(request.client_ip) == _NO_NETWORK:
            case.read(("network.ip", None, None))
            case.settle(Answer.DENY, Reason.FACT_MISSING)
            return False
        return True

    def _identify(self, case: Case) -> bool:  # noqa: PLR0911  # as above
        found: tuple[SessionFacts, str] | None
        if case.supposed is not None:
            found = case.supposed, case.request.host
        elif case.request.session_handle is None:
            case.settle(Answer.DENY, Reason.SESSION_MISSING)
            return False
        else:
            found = self._sources.facts.session_by_handle(case.request.session_handle)
        if found is None:
            case.settle(Answer.DENY, Reason.SESSION_INVALID)
            return False
        session, host = found
        case.session = session
        age = case.now - session.authenticated_at
        case.read(("session", session.id, age.total_seconds()))
        # Prevents: a handle leaked by one application opening another.
        if host != case.request.host:
            case.settle(Answer.DENY, Reason.SESSION_MISBOUND)
            return False
        if session.ended_at is not None:
            case.settle(Answer.DENY, Reason.SESSION_ENDED)
            return False
        if case.now >= session.expires_at:
            case.settle(Answer.DENY, Reason.SESSION_EXPIRED)
            return False
        # Prevents: a session from the future, made while the clock was wrong, that would never age.
        if age < -_CLOCK_SKEW:
            case.settle(Answer.DENY, Reason.SESSION_INVALID)
            return False
        user = case.user = self._sources.facts.user(session.user_id)
        if user is None:
            case.settle(Answer.DENY, Reason.FACT_MISSING)
            return False
        case.read(("user", user.id, None))
        if user.is_disabled:
            case.settle(Answer.DENY, Reason.USER_DISABLED)
            return False
        return True

    def _recognise(self, case: Case) -> bool:
        handle, session = case.request.device_handle, case.session
        assert session is not None
        assert case.user is not None
        if case.supposed is not None:
            device_id = session.device_id
        else:
            device_id = self._device_handles.read(handle, case.request.host) if handle else None
        # Prevents: a session handle carried into another browser that we know to be another one.
        if device_id is not None and session.device_id is not None and device_id != session.device_id:
            case.settle(Answer.DENY, Reason.SESSION_MISBOUND)
            return False
        self._accept_device(case, case.user, device_id)
        return True

    def _accept_device(self, case: Case, user: UserFacts, device_id: DeviceId | None) -> None:
        """Take a device for known only if this user proved to be themselves on it."""
        device = self._sources.facts.device(device_id) if device_id is not None else None
        if device is None or user.id not in device.user_ids:
            case.read(("device", None, None))
            return
        case.device = device
        case.posture = posture_of(device, case.now)
        case.read(("device", device.id, (case.now - device.first_seen_at).total_seconds()))
        case.read(("device.posture", case.posture, _age_s(device.posture_at, case.now)))

    def _assess(self, case: Case, standing: Standing) -> None:
        session, user, app, rule, device = case.session, case.user, case.app, case.rule, case.device
        assert session is not None
        assert user is not None
        assert app is not None
        assert rule is not None
        case.read(("mfa", session.mfa_network, _age_s(session.mfa_at, case.now)))
        # The device key is the better witness: a place that jumps while the key stays is a VPN more often than a
        # thief, and a thief who has both is asked for the second factor. See docs/adr/0005.
        sighting = self._sources.trust.session_sighting(session.id) if device is None else None
        case.mfa_age_min = self._mfa_age_min(case)
        mfa_at = session.mfa_at if case.mfa_age_min is not None else None
        evidence = self._evidence(case, user, standing, mfa_at=mfa_at, sighting=sighting)
        baseline = case.baseline = self._sources.trust.baseline(user.id)
        case.read(("baseline", baseline.version, None))
        profile = self._sources.profiles[app.profile]
        if profile.reads_behaviour:
            case.situation = situation_of(case, self._sources, evidence, Act.REQUEST, by=profile.name)
        case.assessment = assess(evidence, baseline, profile, now=case.now, situation=case.situation)
        case.level = profile.gate(case.assessment, rule.sensitivity, min_trust=rule.min_trust)
        if not case.is_question and case.place is not None:
            self._sources.trust.note_sighting(session.id, case.place, case.now)

    def _evidence(
        self, case: Case, user: UserFacts, standing: Standing, *, mfa_at: datetime | None, sighting: Sighting | None
    ) -> Evidence:
        ip_address, device = case.request.client_ip, case.device
        place = case.place = self._sources.places.place_of(ip_address)
        case.read(("network.country", place.country, None))
        case.read(("network.asn", place.asn, None))
        failures = self._sources.trust.failed_attempts(user.id, case.now)
        case.read(("failed_attempts", round(failures, 2), None))
        reported = device if case.posture != "unknown" else None
        return Evidence(
            place=place,
            network=_network_of(ip_address),
            timezone=user.timezone,
            is_device_known=device is not None,
            standing=standing,
            failed_attempts=failures,
            mfa_at=mfa_at,
            is_managed=reported.is_managed if reported else None,
            disk_encrypted=reported.disk_encrypted if reported else None,
            os_patched=reported.os_patched if reported else None,
            session_sighting=sighting,
        )

    def _has_outlived_its_trust(self, case: Case) -> bool:
        """Tell whether the session is older than its risk allows: 60 minutes at none, 15 at the edge of high.

        The figures are those of the settings.
        """
        assert case.session is not None
        assert case.assessment is not None
        longest = self._sources.settings.session_lasts(case.assessment.risk)
        return case.now - case.session.authenticated_at > longest

    def _after_allow(self, case: Case) -> Then | None:
        """Return the second factor that stands between an allow and the door at a medium risk."""
        if case.level is not RiskLevel.MEDIUM or self._stepped_up_here(case):
            return None
        return Then(self._risk_reason(case), Acr.MULTI_FACTOR, self._sources.settings.step_up_max_age_min * 60)

    def _stepped_up_here(self, case: Case) -> bool:
        age_min = case.mfa_age_min
        return age_min is not None and age_min <= self._sources.settings.step_up_max_age_min

    def _mfa_age_min(self, case: Case) -> float | None:
        """Return minutes since a second factor was shown from the network of this request; nothing if never.

        # Prevents: the owner's second factor vouching for a thief who replays the session elsewhere.
        """
        session = case.session
        assert session is not None
        if session.mfa_at is None or session.mfa_network != _network_of(case.request.client_ip):
            return None
        age = case.now - session.mfa_at
        # Prevents: a factor shown while the clock was wrong staying fresh until the clock has caught up.
        return max(0.0, age.total_seconds() / 60) if age >= -_CLOCK_SKEW else None

    def _context(self, case: Case, standing: Standing) -> dict[str, Value]:
        assert case.app is not None
        hours = self._sources.profiles[case.app.profile].working_hours
        case.relations = relations_of(case, self._sources)
        context = context_of(case, standing, hours)
        context["rel"] = case.relations
        return context

    def _risk_reason(self, case: Case) -> Reason:
        assert case.app is not None
        if case.app.profile == "trust-score":
            return Reason.TRUST_TOO_LOW
        return Reason.RISK_HIGH if case.level is RiskLevel.HIGH else Reason.RISK_MEDIUM


def _age_s(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else (now - since).total_seconds()


@lru_cache(maxsize=16_384)
def _network_of(address: str) -> str:
    return network_of(address)
