"""Obligations in the form of AuthZEN's draft profile.

Source: AuthZEN Profile for Obligations, draft 1 of 2026-07-03: "The Obligation Object", "Normative Obligation Types".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from watchword.kernel import Acr
from watchword.policy import PolicyAnswer, PolicyRequest

STEP_UP: Final = "step-up"
CUSTOM: Final = "custom"
VENDOR: Final = "watchword"
# The member of a request's context in which a caller says what it can do.
SUPPORTED: Final = "supported_obligations"
# What this decision point may issue, for its metadata; a caller may declare which of them it can do.
ISSUED: Final = (STEP_UP, "notification", "session_termination", CUSTOM)

_SPAN: Final = re.compile(r"(\d{1,5})([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_ACR: Final = {"mfa": Acr.MULTI_FACTOR, "phishing_resistant": Acr.PHISHING_RESISTANT}
_AMR: Final = {Acr.MULTI_FACTOR: ("mfa",), Acr.PHISHING_RESISTANT: ("mfa", "hwk")}
_DAY_S: Final = 24 * 3600


class NamedDuties:
    """Carry the names that policies annotate, where a node has no definitions of obligations."""

    def of(self, answer: PolicyAnswer, request: PolicyRequest) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002  # the port
        """Return one obligation a name; what it means is agreed between the policy's author and the caller's."""
        names = {ref.annotations["obligation"] for ref in answer.determining if "obligation" in ref.annotations}
        return [{"type": CUSTOM, "properties": {"vendor": VENDOR, "action": name}} for name in sorted(names)]


def step_up(answer: PolicyAnswer) -> Mapping[str, Any] | None:
    """Return what would satisfy every forbid, if each of them says so: the strongest class, the shortest age."""
    acr, max_age_s = Acr.MULTI_FACTOR, _DAY_S
    for ref in answer.determining:
        wanted = _ACR.get(ref.annotations.get("step_up", ""))
        span = _SPAN.fullmatch(ref.annotations.get("max_age", "15m"))
        if wanted is None or span is None:
            return None
        acr = max(acr, wanted, key=lambda found: found.strength)
        max_age_s = min(max_age_s, int(span[1]) * _SECONDS[span[2]])
    if not answer.determining:
        return None
    properties = {"acr_value": acr.value, "amr_values": list(_AMR[acr]), "max_age": max_age_s}
    return {"type": STEP_UP, "properties": properties}


def numbered(obligations: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Give each an identifier of its own within one response."""
    return tuple({"id": f"obl-{number}", **each} for number, each in enumerate(obligations, 1))


def supported(context: Mapping[str, Any]) -> frozenset[str] | None:
    """Return which of our types the caller can do; nothing when it does not say. What we do not issue is ignored."""
    named = context.get(SUPPORTED)
    if not isinstance(named, list):
        return None
    return frozenset(each for each in named if isinstance(each, str)) & frozenset(ISSUED)
