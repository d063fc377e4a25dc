"""Decisions of the real procedure together with what they asked, as the journal keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from decision_world import DecisionWorld

from watchword.decision import AccessRequest, Application, Decision, ResourceRule
from watchword.kernel import Sensitivity
from watchword.policy import PolicySet

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


class Asking:
    """Ask a world, and read what the journal would keep of the decisions."""

    def __init__(self, world: DecisionWorld) -> None:
        self.world = world
        self.use(world.policies)

    def use(self, policies: PolicySet) -> None:
        """Put other policies in force."""
        self.procedure = self.world.rewired(policies=lambda: policies)

    def decide(self, request: AccessRequest) -> tuple[Decision, dict[str, Any]]:
        """Return a decision and its record."""
        decision = self.procedure.decide(request)
        return decision, json.loads(decision.encoded())


def policies_in(directory: Path, text: str) -> PolicySet:
    """Load policies that are written here."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "test.cedar").write_text(text)
    return PolicySet.load(directory)
