"""Change one fact of a request and leave the others: what explanations and boundary cases are made of."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from watchword.policy.model import Entity, EntityUid, PolicyRequest, Value
from watchword.policy.runtime import up
from watchword.policy.schema import Field, Record, Reference, Schema, Type
from watchword.policy.tracing import children
from watchword.policy.types import attributes_of

_ROOTS: Final = frozenset({"principal", "resource", "context"})


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """Where a fact is found: a variable and the attributes below it."""

    root: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.root, *self.steps))


@dataclass(frozen=True, slots=True)
class Put:
    """The fact has this value."""

    path: Path
    value: Value


@dataclass(frozen=True, slots=True)
class Drop:
    """The fact is not there."""

    path: Path


@dataclass(frozen=True, slots=True)
class Join:
    """An entity lies below another one."""

    root: str
    above: EntityUid


@dataclass(frozen=True, slots=True)
class Leave:
    """An entity does not lie below another one."""

    root: str
    above: EntityUid


Act: TypeAlias = Put | Drop | Join | Leave


class UnreachableError(Exception):
    """The fact is not one that can be changed in this request."""


def path_of(node: Any) -> Path | None:
    """Return the path that an expression is, `context.a.b` for example; nothing for any other expression."""
    match node:
        case {"Var": str(root)} if root in _ROOTS:
            return Path(root, ())
        case {".": {"left": dict(left), "attr": str(name)}}:
            above = path_of(left)
            return Path(above.root, (*above.steps, name)) if above else None
    return None


def paths_in(node: Any) -> Iterator[Path]:
    """Yield every attribute that an expression takes of a variable, or asks for with `has`, with its whole path."""
    match node:
        case {"has": {"left": dict(left), "attr": str(name)}} if (above := path_of(left)) is not None:
            yield Path(above.root, (*above.steps, name))
            return
    path = path_of(node)
    if path is not None:
        if path.steps:
            yield path
        return
    for inner in children(node):
        yield from paths_in(inner)


def field_at(path: Path, request: PolicyRequest, schema: Schema) -> Field | None:
    """Return what the schema says of a fact; nothing where it says nothing."""
    action = schema.actions.get(request.action)
    roots: Mapping[str, Type | None] = {
        "principal": Reference(request.principal.type),
        "resource": Reference(request.resource.type),
        "context": action.context if action else None,
    }
    found: Field | None = None
    type_ = roots[path.root]
    for step in path.steps:
        record: Record | None = attributes_of(type_, schema)
        found = record.fields.get(step) if record else None
        type_ = found.type if found else None
    return found


def value_at(path: Path, request: PolicyRequest) -> Value | None:
    """Return a fact; nothing where it is missing."""
    value: Any = _root(path, request)
    for step in path.steps:
        if isinstance(value, EntityUid):
            entity = request.entities.get(value)
            value = entity.attributes if entity is not None else {}
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    found: Value = value
    return found


def changed(request: PolicyRequest, act: Act) -> PolicyRequest:
    """Return the request with one fact changed; the given one stays as it is.

    Raises:
        UnreachableError: the fact lies below something that is not there.
    """
    if isinstance(act, Join | Leave):
        return _moved(request, act)
    steps = act.path.steps
    if not steps and isinstance(act, Put):
        return _swapped(request, act)
    if act.path.root == "context":
        return replace(request, context=_laid(request.context, steps, act))
    uid = request.principal if act.path.root == "principal" else request.resource
    return _with_attributes(request, uid, steps, act)


def _root(path: Path, request: PolicyRequest) -> Any:
    return {"principal": request.principal, "resource": request.resource, "context": request.context}[path.root]


def _laid(record: Mapping[str, Value], steps: tuple[str, ...], act: Put | Drop) -> dict[str, Value]:
    first, *rest = steps
    copy = dict(record)
    if rest:
        inner = copy.get(first)
        if not isinstance(inner, Mapping):
            raise UnreachableError
        copy[first] = _laid(inner, tuple(rest), act)
    elif isinstance(act, Put):
        copy[first] = act.value
    else:
        copy.pop(first, None)
    return copy


def _with_attributes(request: PolicyRequest, uid: EntityUid, steps: tuple[str, ...], act: Put | Drop) -> PolicyRequest:
    """Follow a path through entities to the one that holds the fact."""
    entity = request.entities.get(uid)
    if entity is None or not steps:
        raise UnreachableError
    value: Any = entity.attributes
    for number, step in enumerate(steps[:-1]):
        value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, EntityUid):
            return _with_attributes(request, value, steps[number + 1 :], act)
    return _with_entity(request, replace(entity, attributes=_laid(entity.attributes, steps, act)))


def _swapped(request: PolicyRequest, act: Put) -> PolicyRequest:
    """Ask about another entity, which is as the first one was unless it is described itself."""
    uid, is_principal = act.value, act.path.root == "principal"
    before = request.principal if is_principal else request.resource
    if not isinstance(uid, EntityUid) or act.path.root == "context":
        raise UnreachableError
    known = request.entities.get(uid) or request.entities.get(before)
    other = replace(request, principal=uid) if is_principal else replace(request, resource=uid)
    same_type = known is not None and known.uid.type == uid.type
    return _with_entity(other, replace(known, uid=uid)) if known is not None and same_type else other


def _moved(request: PolicyRequest, act: Join | Leave) -> PolicyRequest:
    uid = request.principal if act.root == "principal" else request.resource
    entity = request.entities.get(uid) or Entity(uid)
    if isinstance(act, Join):
        if act.above in up(uid, request.entities):
            return request
        return _with_entity(request, replace(entity, parents=(*entity.parents, act.above)))
    kept = tuple(parent for parent in entity.parents if act.above not in up(parent, request.entities))
    return _with_entity(request, replace(entity, parents=kept))


def _with_entity(request: PolicyRequest, entity: Entity) -> PolicyRequest:
    # A layer above what was given: it may be a mapping that is only ever asked for one entity at a time.
    layers: ChainMap[EntityUid, Entity] = ChainMap({entity.uid: entity}, request.entities)  # type: ignore[arg-type]
    return replace(request, entities=layers)
