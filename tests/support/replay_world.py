"""Decisions of the real procedure together with what they asked, as the journal keeps them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from decision_world import DecisionWorld

from watchword.decision import AccessRequest, Application, Decision, ResourceRule
from watchword.kernel import Acr, Reason, RiskLevel, Sensitivity
from watchword.policy import EntityUid, PolicyAnswer, PolicyRequest, PolicySet
from watchword.policy.replay import Grant, Question, Recorder, Then

READ, USE = EntityUid("Watchword::Action", "read"), EntityUid("Watchword::Action", "use")

APPLICATIONS = tuple(
    Application(
        name,
        name.title(),
        (f"{name}.localhost",),
        "unix:/nowhere",
        (
            ResourceRule("admin", "/admin", Sensitivity.CONFIDENTIAL),
            ResourceRule("default", "/", Sensitivity.INTERNAL),
        ),
        open_paths=(ResourceRule("open", "/healthz", Sensitivity.PUBLIC),),
        permissions=permissions,
    )
    for name, permissions in (("notes", ("delete", "share")), ("wiki", ()))
)


class Listening:
    """A set of policies that notes what it was asked."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self.version = policies.version
        self.asked: list[PolicyRequest] = []

    @property
    def reads_path(self) -> bool:
        return self._policies.reads_path

    @property
    def is_repeatable(self) -> bool:
        return self._policies.is_repeatable

    def evaluate(self, request: PolicyRequest) -> PolicyAnswer:
        self.asked.append(request)
        return self._policies.evaluate(request)


class Asking:
    """Ask a world, and write decisions down with what they asked."""

    def __init__(self, world: DecisionWorld) -> None:
        self.world = world
        self.recorder = Recorder()
        self.use(world.policies)

    def use(self, policies: PolicySet) -> None:
        """Put other policies in force."""
        self.world.policies = policies
        self.listening = Listening(policies)
        self.procedure = self.world.rewired(policies=lambda: self.listening)

    def decide(self, request: AccessRequest) -> tuple[Decision, dict[str, Any]]:
        """Return a decision and its record."""
        self.listening.asked.clear()
        decision = self.procedure.decide(request)
        record = json.loads(decision.encoded())
        question = self._question(decision)
        if question is not None:
            record["personal"]["asked"] = question.record(self.recorder)
        return decision, record

    def _question(self, decision: Decision) -> Question | None:
        if not self.listening.asked:
            return None
        first = self.listening.asked[0]
        assert decision.action is not None
        app = next(app for app in APPLICATIONS if app.name == decision.application)
        action = EntityUid("Watchword::Action", decision.action)
        return Question(
            replace(first, action=action),
            before=(READ,) if decision.request.is_upgrade else (),
            grants=tuple(
                Grant(name, USE, EntityUid("Watchword::Permission", f"{app.name}/{name}"), {"permission": name})
                for name in app.permissions
            ),
            then=self._then(decision, first),
        )

    def _then(self, decision: Decision, asked: PolicyRequest) -> Then | None:
        """What step 8 of the procedure makes of an allow."""
        if decision.level is not RiskLevel.MEDIUM:
            return None
        minutes = self.world.sources.settings.step_up_max_age_min
        mfa = asked.context["mfa"]
        assert isinstance(mfa, dict)
        # Rounded up when it was asked; the worlds of these tests stay away from the edge.
        age = mfa.get("age_min")
        if isinstance(age, int) and age <= minutes:
            return None
        return Then(Reason.RISK_MEDIUM, Acr.MULTI_FACTOR, minutes * 60)


def policies_in(directory: Path, text: str) -> PolicySet:
    """Load policies that are written here."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "test.cedar").write_text(text)
    return PolicySet.load(directory)
