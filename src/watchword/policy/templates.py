"""Templates: policies with slots, and what becomes of them when the slots are filled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Est: TypeAlias = Mapping[str, Any]


def is_template(est: Est) -> bool:
    """Tell whether a policy has a slot in its scope."""
    return "slot" in json.dumps([est["principal"], est["resource"]]) and any(slots_of(est))


def slots_of(est: Est) -> Iterator[str]:
    """Yield the slots of a policy, as they are written."""
    for place in ("principal", "resource"):
        scope = est[place]
        if "slot" in scope or "slot" in scope.get("in", {}):
            yield f"?{place}"


def linked(est: Est, values: Mapping[str, Any]) -> Est:
    """Fill the slots of a template's scope, as Cedar does when it links."""
    filled = dict(est)
    for place in ("principal", "resource"):
        scope = dict(est[place])
        if "slot" in scope:
            scope.pop("slot")
            scope["entity"] = values.get(f"?{place}")
        elif "slot" in scope.get("in", {}):
            scope["in"] = {"entity": values.get(f"?{place}")}
        filled[place] = scope
    return filled
