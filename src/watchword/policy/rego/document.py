"""Say a request in the form that Rego policies expect: one JSON document, `input`.

Everything comes from the request that Cedar policies are asked with, so both see the same facts. What is not known is
left out, so that an expression about it is undefined; it is never filled with a guess.
`docs/how-to/rego.md` lists every field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from watchword.policy.extension import Datetime, Decimal, Duration, Ip
from watchword.policy.lazy import LazySet
from watchword.policy.model import Entity, EntityUid, PolicyRequest, RecordKey, Truth

_PLAIN: Final = frozenset({str, int, bool})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def document_of(request: PolicyRequest) -> dict[str, Any]:
    """Return the input document of a request.

    The whole context stands at the top by its own names (`input.risk.score`), beside what policies written for OPA
    look for: `user`, `action`, `resource` as plain words, `request`, `application`. Cedar's own names of the three are
    below `input.cedar`. Relations (`context.rel`) are not among it: they are asked about one by one, never listed.
    """
    context = {name: plain(value) for name, value in request.context.items() if not isinstance(value, LazySet)}
    user = _entity(request.principal, request.entities)
    part = _entity(request.resource, request.entities)
    http, risk, network = (_record(context, name) for name in ("http", "risk", "network"))
    place: dict[str, Any] = {"risk_score": risk["score"]} if "score" in risk else {}
    place |= {name: network[name] for name in ("country", "asn") if name in network}
    groups = _names(request.principal, request.entities, "Group")
    return {
        **context,
        "user": {**user, "id": request.principal.id, "roles": groups, "groups": groups},
        "action": request.action.id,
        "resource": request.resource.id,
        "resource_attributes": part,
        "application": next(iter(_names(request.resource, request.entities, "Application")), ""),
        "request": {**http, **({"ip": network["ip"]} if "ip" in network else {}), "geo_location": place},
        "cedar": {
            "principal": _uid(request.principal),
            "action": _uid(request.action),
            "resource": _uid(request.resource),
        },
    }


def plain(value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 (one line for each kind of value)
    """Say a value of Cedar in JSON: sets as sorted arrays, addresses and decimals as text, spans in milliseconds."""
    if value.__class__ in _PLAIN:
        return value
    match value:
        case Truth():
            return value.value
        case Mapping():
            return {name: plain(inner) for name, inner in value.items()}
        case RecordKey(items):
            return {name: plain(inner) for name, inner in sorted(items, key=lambda item: item[0])}
        case frozenset():
            if all(inner.__class__ is str for inner in value):
                return sorted(value)
            return sorted((plain(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
        case EntityUid():
            return _uid(value)
        case Datetime(ms):
            return _rfc3339(ms)
        case Duration(ms):
            return ms
        case Ip():
            return _address(str(value))
        case Decimal():
            return str(value)
        case bool() | int() | str():
            return value
        case _:
            raise TypeError("a value of no known kind")


def _address(text: str) -> str:
    """Return a single address without its prefix length, as policies for OPA write it; a network keeps it."""
    return text.removesuffix("/128" if ":" in text else "/32")


def _rfc3339(ms: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:  # beyond the years of RFC 3339; no parser takes this for a time
        return f"{ms}ms"


def _uid(uid: EntityUid) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}


def _record(context: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = context.get(name)
    return found if isinstance(found, dict) else {}


def _entity(uid: EntityUid, entities: Mapping[EntityUid, Entity]) -> dict[str, Any]:
    found = entities.get(uid)
    return {name: plain(value) for name, value in found.attributes.items()} if found is not None else {}


def _names(uid: EntityUid, entities: Mapping[EntityUid, Entity], kind: str) -> list[str]:
    """Return the names of everything above an entity that is of a kind, whatever its namespace.

    # Prevents: a cycle among parents that a walk never leaves.
    """
    seen, waiting, names = {uid}, [uid], set()
    while waiting:
        found = entities.get(waiting.pop())
        for parent in found.parents if found is not None else ():
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
                if parent.type.rpartition("::")[2] == kind:
                    names.add(parent.id)
    return sorted(names)
