"""The claim `obligations` of an assertion: names for people, compact rules for the door that applies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from watchword.kernel import BodyRules, Obligation, from_wire, merge, to_wire


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


def obligations_claim(obligations: Sequence[Obligation], *, is_edge: bool) -> dict[str, Any]:
    """Render the claim.

    Args:
        is_edge: the edge applies the rules, so the application must not apply them again.
    """
    rules = merged_rules(obligations)
    claim: dict[str, Any] = {"names": sorted(obligation.name for obligation in obligations)}
    own = sorted(obligation.name for obligation in obligations if obligation.rules is None)
    if own:
        claim["own"] = own
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
    if not isinstance(claim, dict) or not claim.keys() <= {"names", "own", "by", "rules"}:
        raise ValueError("the obligations have a form that is not known here")
    rules = from_wire(claim["rules"]) if "rules" in claim else None
    if (rules is None) != ("by" not in claim) or claim.get("by", "edge") not in {"edge", "application"}:
        raise ValueError("the obligations do not say who fulfils them")
    names, own = _names(claim.get("names")), _names(claim.get("own", []))
    # Prevents: a name that nobody fulfils, because there is neither a rule for it nor an application that knows it.
    if not own <= names or (rules is None and own != names):
        raise ValueError("an obligation has a name and nothing that says what it is")
    return Duties(names, rules if claim.get("by") == "application" else None, own)


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(type(name) is str for name in value):
        raise ValueError("the names of obligations are not a list of strings")
    return frozenset(value)
