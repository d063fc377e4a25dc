"""The entities and contexts that tests share: one namespace for all files, each fixture may extend another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from watchword.policy.documents import Node
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.model import Entity, EntityUid, Value
from watchword.policy.schema import EntityType, Record, Schema
from watchword.policy.text import nearest
from watchword.policy.trials.values import Values, loose, parse_uid

_ENTITY_KEYS: Final = ("uid", "extends", "attributes", "parents", "tags")
_CONTEXT_KEYS: Final = ("extends", "with")


@dataclass(frozen=True, slots=True)
class Fixtures:
    """What the tests of a directory may name.

    Attributes:
        uids: the entity that each fixture is.
        entities: each fixture, described.
        contexts: whole contexts, with what they inherit; not yet read by a type, since that depends on the action.
    """

    uids: Mapping[str, EntityUid]
    entities: Mapping[str, Entity]
    contexts: Mapping[str, Node]

    def known_to(self, *named: str) -> dict[EntityUid, Entity]:
        """Return every description; where two fixtures are one entity, the named one counts, else the first."""
        found: dict[EntityUid, Entity] = {}
        for entity in self.entities.values():
            found.setdefault(entity.uid, entity)
        return found | {self.uids[name]: self.entities[name] for name in named if name in self.entities}


def read_fixtures(documents: Iterable[Mapping[str, Node]], schema: Schema) -> Fixtures:
    """Read `entities` and `contexts` of all files.

    Raises:
        PolicyLoadError: with every problem found.
    """
    problems: list[Problem] = []
    entities, contexts = _Named("entity", problems), _Named("context", problems)
    for document in documents:
        entities.add(document.get("entities"))
        contexts.add(document.get("contexts"))
    if problems:
        raise PolicyLoadError(problems)
    described = {name: entities.flat(name, _ENTITY_KEYS) for name in entities.nodes}
    uids = {name: uid for name, parts in described.items() if (uid := _uid(name, parts, entities, problems))}
    values = Values(uids)
    made = {name: _entity(uids[name], described[name], entities.nodes[name], values, schema) for name in uids}
    whole = {name: _context(contexts, name) for name in contexts.nodes}
    problems += values.problems
    if problems:
        raise PolicyLoadError(problems)
    return Fixtures(uids, made, whole)


def merged(below: Node, above: Node) -> Node:
    """Lay one mapping over another, mappings inside too; every value keeps its own place."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    values = dict(below.value)
    for name, inner in above.value.items():
        values[name] = merged(values[name], inner) if name in values else inner
    return Node(values, above.path, above.line, above.column, {**(below.keys or {}), **(above.keys or {})})


class _Named:
    """Fixtures of one kind, by name."""

    def __init__(self, kind: str, problems: list[Problem]) -> None:
        self._kind = kind
        self._problems = problems
        self.nodes: dict[str, Node] = {}

    def add(self, node: Node | None) -> None:
        for name, inner in node.mapping().items() if node is not None and node.value is not None else ():
            twin = self.nodes.setdefault(name, inner)
            if twin is not inner:
                said = f"the {self._kind} `{name[:60]}` is also described in `{twin.path}:{twin.line}`"
                self._problems.append(inner.problem(said, expected="a name of its own"))

    def flat(self, name: str, keys: tuple[str, ...]) -> dict[str, Node]:
        """Return a fixture's parts with those that it inherits.

        Raises:
            PolicyLoadError: it extends what is not there, or itself.
        """
        chain: list[dict[str, Node]] = []
        seen, at = {name}, self.nodes[name]
        while True:
            parts = at.mapping(keys) if at.value is not None else {}
            chain.append(parts)
            if "extends" not in parts:
                break
            wanted = parts["extends"].text()
            if wanted not in self.nodes:
                near = nearest(wanted, frozenset(self.nodes))
                raise parts["extends"].refuse(f"no {self._kind} `{wanted[:60]}` is described", nearest=near)
            # Prevents: fixtures that extend one another without end.
            if wanted in seen:
                raise parts["extends"].refuse(f"the {self._kind} `{name[:60]}` extends itself in the end")
            seen.add(wanted)
            at = self.nodes[wanted]
        found: dict[str, Node] = {}
        for parts in reversed(chain):
            for key, inner in parts.items():
                found[key] = (
                    merged(found[key], inner) if key in {"attributes", "tags", "with"} & found.keys() else inner
                )
        return found


def _uid(name: str, parts: Mapping[str, Node], entities: _Named, problems: list[Problem]) -> EntityUid | None:
    written = parts.get("uid")
    uid = parse_uid(written.text() if written is not None else name)
    if uid is None:
        place = written or entities.nodes[name]
        problems.append(place.problem("it is not said which entity this is", expected='`uid: Type::"id"`'))
    return uid


def _entity(uid: EntityUid, parts: Mapping[str, Node], place: Node, values: Values, schema: Schema) -> Entity:
    type_ = schema.entities.get(uid.type)
    if type_ is None and schema.entities:
        near, said = nearest(uid.type, frozenset(schema.entities)), f"the schema knows no entity type `{uid.type}`"
        values.problems.append(parts.get("uid", place).problem(said, nearest=near))
        return Entity(uid)
    parents = tuple(values.uid(parent) for parent in parts["parents"].items()) if "parents" in parts else ()
    given = parts.get("attributes", Node({}, place.path, place.line, place.column, {}))
    attributes = context_value(given, type_.attributes if type_ else None, values)
    return Entity(uid, attributes, parents, _tags(parts, values, type_))


def _tags(parts: Mapping[str, Node], values: Values, type_: EntityType | None) -> dict[str, Value]:
    wanted = type_.tags if type_ is not None else None
    given = parts["tags"].mapping() if "tags" in parts else {}
    if given and type_ is not None and wanted is None:
        values.problems.append(parts["tags"].problem(f"entities of type `{type_.name}` have no tags"))
    return {name: values.value(inner, wanted) for name, inner in given.items() if inner.value is not None}


def _context(contexts: _Named, name: str) -> Node:
    node = contexts.nodes[name]
    found = contexts.flat(name, _CONTEXT_KEYS).get("with")
    return found if found is not None else Node({}, node.path, node.line, node.column, {})


def context_value(node: Node, type_: Record | None, values: Values) -> dict[str, Value]:
    """Read a whole context by the type that the action gives it."""
    if type_ is not None:
        return values.record(node, type_)
    return {name: loose(inner) for name, inner in node.mapping().items() if inner.value is not None}
