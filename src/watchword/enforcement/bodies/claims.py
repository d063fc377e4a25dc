"""How rules travel: in the claim `obligations` of an assertion, and in a header from the authorizer to Envoy."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.kernel import BodyRules, Limits, Obligation, from_wire, merge, merged_limits, to_wire, wire_bytes

FILTER_HEADER: Final = "x-watchword-filter"


@dataclass(frozen=True, slots=True)
class Duties:
    """What an assertion asks of the application.

    Attributes:
        rules: what to do to its JSON answers; nothing when there are none, or when the edge does it.
        own: names of what only the application can do.
    """

    names: frozenset[str] = frozenset()
    rules: BodyRules | None = None
    own: frozenset[str] = frozenset()


def merged_rules(obligations: Sequence[Obligation]) -> BodyRules | None:
    """Return what all obligations together say about the answer; nothing when none says anything."""
    found = frozenset(obligation.rules for obligation in obligations if obligation.rules is not None)
    return merge(found) if found else None


@lru_cache(maxsize=1024)
def filter_header(rules: BodyRules) -> bytes:
    """Return the value of `x-watchword-filter` that makes Envoy send an answer through the filter.

    Raises:
        ValueError: the rules are longer than a header may carry; deny.
    """
    return urlsafe_b64encode(wire_bytes(rules))


@lru_cache(maxsize=1024)
def read_filter_header(value: bytes) -> BodyRules:
    """Read the header.

    Raises:
        BodyRefusedError: anything in it that is not known here.
    """
    try:
        return from_wire(json.loads(urlsafe_b64decode(value)))
    except (ValueError, RecursionError) as error:
        raise BodyRefusedError("the rules cannot be read") from error


def obligations_claim(obligations: Sequence[Obligation], *, is_edge: bool) -> dict[str, Any]:
    """Render the claim.

    Args:
        is_edge: the edge applies the rules, so the application must not apply them again.
    """
    rules = merged_rules(obligations)
    claim: dict[str, Any] = {"names": sorted(obligation.name for obligation in obligations)}
    own = sorted(each.name for each in obligations if each.rules is None and each.limits is None)
    if own:
        claim["own"] = own
    limits = merged_limits(each.limits for each in obligations)
    if limits != Limits():
        claim["limits"] = {"lease_s": limits.lease_s, "session_s": limits.session_s}
    if rules is not None:
        claim["by"] = "edge" if is_edge else "application"
        claim["rules"] = to_wire(rules)
    return claim


def read_claim(claim: object) -> Duties:
    """Read the claim.

    Raises:
        ValueError: anything in it that is not known here; whoever reads it must refuse the request.
    """
    if isinstance(claim, list):  # names alone, as minted before there were rules
        return Duties(_names(claim), None, _names(claim))
    if not isinstance(claim, dict) or not claim.keys() <= {"names", "own", "by", "rules", "limits"}:
        raise ValueError("the obligations have a form that is not known here")
    rules = from_wire(claim["rules"]) if "rules" in claim else None
    if (rules is None) != ("by" not in claim) or claim.get("by", "edge") not in {"edge", "application"}:
        raise ValueError("the obligations do not say who fulfils them")
    names, own = _names(claim.get("names")), _names(claim.get("own", []))
    # Prevents: a name that nobody fulfils, because there is neither a rule for it nor an application that knows it.
    limits = _limits(claim["limits"]) if "limits" in claim else None
    if not own <= names or (rules is None and limits is None and own != names):
        raise ValueError("an obligation has a name and nothing that says what it is")
    return Duties(names, rules if claim.get("by") == "application" else None, own)


def _limits(value: object) -> Limits:
    """Read limits, which the decision point itself keeps to; here they only have to be whole."""
    if not isinstance(value, dict) or value.keys() != {"lease_s", "session_s"}:
        raise ValueError("the limits have a form that is not known here")
    if not all(found is None or type(found) is int for found in value.values()):
        raise ValueError("a limit is no number of seconds")
    return Limits(value["lease_s"], value["session_s"])


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(type(name) is str for name in value):
        raise ValueError("the names of obligations are not a list of strings")
    return frozenset(value)
