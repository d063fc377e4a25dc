"""Obligations in the form of AuthZEN's draft profile.

Source: AuthZEN Profile for Obligations, draft 1 of 2026-07-03: "The Obligation Object", "Normative Obligation Types".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from watchword.kernel import Acr, Limits, merge, merged_limits, to_wire
from watchword.policy import PolicyAnswer
from watchword.policy.obligations import ObligationBook

STEP_UP: Final = "step-up"
CUSTOM: Final = "custom"
VENDOR: Final = "watchword"
# The member of a request's context in which a caller says what it can do.
SUPPORTED: Final = "supported_obligations"
# What this decision point may issue, for its metadata; a caller may declare which of them it can do.
ISSUED: Final = (STEP_UP, CUSTOM)
# The one action of ours that carries rules for a JSON answer, in the compact form that doors exchange.
FILTER_ACTION: Final = "filter_response"
# The one that says for how many seconds a permit may be used again, and a stream that it let in may stay open.
LIMIT_ACTION: Final = "limit"

_AMR: Final = {Acr.MULTI_FACTOR: ("mfa",), Acr.PHISHING_RESISTANT: ("mfa", "hwk")}


def duties(answer: PolicyAnswer, book: ObligationBook) -> Sequence[Mapping[str, Any]] | None:
    """Return what all satisfied permits together oblige the caller to; nothing when one of them is not defined here.

    What an application does by itself goes by its name. Rules for answers are joined to the most restrictive and go as
    one obligation, so that a caller cannot apply one and forget the other; limits likewise.
    """
    attached = book.attached(ref.annotations for ref in answer.determining)
    rules = frozenset(each.rules for each in attached if each.rules is not None)
    if any(each.rules is None and each.limits is None and not each.is_for_application for each in attached):
        return None
    found = [_custom({"action": each.name}) for each in attached if each.is_for_application]
    if rules:
        names = [each.name for each in attached if each.rules is not None]
        found.append(_custom({"action": FILTER_ACTION, "names": names, "rules": to_wire(merge(rules))}))
    limits = merged_limits(each.limits for each in attached)
    if limits != Limits():
        names = [each.name for each in attached if each.limits is not None]
        spans = {"lease_s": limits.lease_s, "session_s": limits.session_s}
        found.append(_custom({"action": LIMIT_ACTION, "names": names, **spans}))
    return found


def duty_names(answer: PolicyAnswer, book: ObligationBook) -> tuple[str, ...]:
    """Return the names that the satisfied permits attach, for the record."""
    return tuple(each.name for each in book.attached(ref.annotations for ref in answer.determining))


def _custom(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": CUSTOM, "properties": {"vendor": VENDOR, **properties}}


def step_up(acr: Acr, max_age_s: int) -> Mapping[str, Any]:
    """Return the obligation to show a factor of a class, no older than so many seconds."""
    properties = {"acr_value": acr.value, "amr_values": list(_AMR[acr]), "max_age": max_age_s}
    return {"type": STEP_UP, "properties": properties}


def numbered(obligations: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Give each an identifier of its own within one response."""
    return tuple({"id": f"obl-{number}", **each} for number, each in enumerate(obligations, 1))


def supported(context: Mapping[str, Any], configured: Sequence[str]) -> frozenset[str] | None:
    """Return which of our types the caller can do; nothing when nobody says. What we do not issue is ignored.

    Args:
        configured: what the operator says of the caller; it counts where the question itself says nothing.
    """
    named = context.get(SUPPORTED)
    if not isinstance(named, list):
        return frozenset(configured) if configured else None
    return frozenset(each for each in named if isinstance(each, str)) & frozenset(ISSUED)
