"""The facts of a request that policies look at, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from watchword.policy.model import EntityUid, PolicyRequest, RecordKey, Truth, Value
from watchword.policy.runtime import up

Path = tuple[str, tuple[str, ...]]


def facts_of(request: PolicyRequest, ests: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return every attribute that policies take of a variable, and what both sides lie below."""
    said = {}
    for name, uid in (("principal", request.principal), ("resource", request.resource)):
        above = sorted(up(uid, request.entities) - {uid})
        if above:
            said[f"{name} in"] = ", ".join(map(str, above))
    paths = {path for est in ests for condition in est.get("conditions", []) for path in _paths(condition["body"])}
    for root, steps in sorted(paths):
        if steps:
            said[".".join((root, *steps))] = _at(request, root, steps)
    return said


def _at(request: PolicyRequest, root: str, steps: tuple[str, ...]) -> str:
    starts: dict[str, Value] = {
        "principal": request.principal,
        "resource": request.resource,
        "context": request.context,
    }
    value = starts[root]
    for step in steps:
        if isinstance(value, EntityUid):
            found = request.entities.get(value)
            value = found.attributes if found else {}
        if not isinstance(value, Mapping) or step not in value:
            return "missing"
        value = value[step]
    return plain(value)


def plain(value: Value) -> str:  # noqa: PLR0911  # one line for each kind of value
    """Write a value as people read it; a string in quotes, so that an empty one is seen."""
    match value:
        case bool() | Truth():
            return str(value.value if isinstance(value, Truth) else value).lower()
        case EntityUid():
            return str(value)
        case str():
            return f'"{value}"'
        case frozenset():
            return f"[{', '.join(sorted(map(plain, value)))}]"
        case RecordKey():
            return plain(dict(value.items))
        case Mapping():
            return f"{{{', '.join(f'{name}: {plain(inner)}' for name, inner in sorted(value.items()))}}}"
    return str(value)


def _paths(node: Any) -> Iterator[Path]:
    if isinstance(node, list):
        for inner in node:
            yield from _paths(inner)
    elif isinstance(node, dict):
        path = _path(node)
        if path:
            yield path
            return
        for inner in node.values():
            yield from _paths(inner)


def _path(node: Mapping[str, Any]) -> Path | None:
    match node:
        case {"Var": "principal" | "resource" | "context" as root}:
            return root, ()
        case {".": {"left": dict(left), "attr": str(name)}} | {"has": {"left": dict(left), "attr": str(name)}}:
            above = _path(left)
            return (above[0], (*above[1], name)) if above else None
    return None
