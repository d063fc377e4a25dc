"""Read a schema into types. The text was accepted and rendered by Cedar first, so its form is the one of its renderer.

Source: the Cedar Policy Language Reference, "Cedar schema format: grammar".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from watchword.policy.errors import UnknownSyntaxError
from watchword.policy.model import EntityUid
from watchword.policy.text import unescaped

_TOKEN = re.compile(r'\s+|//[^\n]*|("(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|::|[{}\[\]<>():;,=?@])', re.DOTALL)
_SCALARS = {
    "Bool": "bool",
    "Boolean": "bool",
    "Long": "long",
    "String": "string",
    "ipaddr": "ip",
    "decimal": "decimal",
    "datetime": "datetime",
    "duration": "duration",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """`bool`, `long`, `string`, `ip`, `decimal`, `datetime` or `duration`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Reference:
    """An entity of one type."""

    entity: str
    kind: str = "entity"


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set of one type."""

    element: Type
    kind: str = "set"


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a record."""

    type: Type
    is_required: bool


@dataclass(frozen=True, slots=True)
class Record:
    """A closed record: nothing may stand in it but its fields."""

    fields: Mapping[str, Field]
    kind: str = "record"


Type: TypeAlias = Scalar | Reference | SetOf | Record
_AppliesTo: TypeAlias = tuple[frozenset[str], frozenset[str], Record | None]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class EntityType:
    """What the schema says of one type of entities.

    Attributes:
        parents: the types that its direct parents may have.
        ids: the only ids there are, of an enumerated type; nothing for any other.
    """

    name: str
    parents: frozenset[str] = frozenset()
    attributes: Record = field(default_factory=lambda: Record({}))
    tags: Type | None = None
    ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What the schema says of one action.

    Attributes:
        ancestors: the action itself and every group above it.
        context: nothing for a group that no request may name.
    """

    uid: EntityUid
    ancestors: frozenset[EntityUid]
    principals: frozenset[str]
    resources: frozenset[str]
    context: Record | None


@dataclass(frozen=True, slots=True)
class Schema:
    """Every type and action, by full name."""

    entities: Mapping[str, EntityType]
    actions: Mapping[EntityUid, Action]


def parse_schema(rendered: str) -> Schema:
    """Read what `str(cedarpy.Schema)` wrote.

    Raises:
        UnknownSyntaxError: a form that this parser does not know; nothing is guessed.
    """
    words = []
    at = 0
    while at < len(rendered):
        match = _TOKEN.match(rendered, at)
        if match is None:
            raise UnknownSyntaxError(f"unknown form in the schema: `{rendered[at : at + 20]}`")
        if match.group(1):
            words.append(match.group(1))
        at = match.end()
    parser = _Parser(words)
    parser.declarations("")
    return parser.schema()


class _Parser:
    """Recursive descent; declarations are kept as thunks until every name is known."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0
        self._entities: dict[str, Callable[[], EntityType]] = {}
        self._commons: dict[str, Callable[[], Type]] = {}
        self._actions: dict[EntityUid, Callable[[], tuple[frozenset[EntityUid], _AppliesTo | None]]] = {}

    def schema(self) -> Schema:
        entities = {name: entity() for name, entity in self._entities.items()}
        found = {uid: action() for uid, action in self._actions.items()}
        parents = {uid: above for uid, (above, _) in found.items()}
        actions = {}
        for uid, (_, applies) in found.items():
            applied = applies or (frozenset(), frozenset(), None)
            actions[uid] = Action(uid, _closure(uid, parents), *applied)
        return Schema(entities, actions)

    def declarations(self, namespace: str) -> None:
        while self._at < len(self._words) and self._peek() != "}":
            self._annotations()
            word = self._next()
            if word == "namespace":
                inner = self._path()
                self._expect("{")
                self.declarations(inner)
                self._expect("}")
            elif word in {"entity", "type", "action"}:
                {"entity": self._entity, "type": self._type_alias, "action": self._action}[word](namespace)
                self._expect(";")
            else:
                raise UnknownSyntaxError(f"unknown declaration `{word}` in the schema")

    def _entity(self, namespace: str) -> None:
        names = self._list(self._next)
        if self._accept("enum"):
            self._expect("[")
            ids = frozenset(unescaped(word) for word in self._list(self._next))
            self._expect("]")
            for name in names:
                full = _join(namespace, name)
                self._entities[full] = lambda full=full: EntityType(full, ids=ids)  # type: ignore[misc]  # bound now
            return
        above = self._bracketed(self._path) if self._accept("in") else []
        self._accept("=")
        record = self._type(namespace) if self._peek() == "{" else (lambda: Record({}))
        tags = self._type(namespace) if self._accept("tags") else None
        for name in names:
            self._entities[_join(namespace, name)] = self._entity_thunk(
                _join(namespace, name), namespace, above, record, tags
            )

    def _entity_thunk(
        self, full: str, namespace: str, above: list[str], record: Callable[[], Type], tags: Callable[[], Type] | None
    ) -> Callable[[], EntityType]:
        def made() -> EntityType:
            attributes = record()
            assert isinstance(attributes, Record)
            parents = frozenset(self._entity_name(namespace, name) for name in above)
            return EntityType(full, parents, attributes, tags() if tags else None)

        return made

    def _type_alias(self, namespace: str) -> None:
        name = self._next()
        self._expect("=")
        self._commons[_join(namespace, name)] = self._type(namespace)

    def _action(self, namespace: str) -> None:
        names = [unescaped(name) for name in self._list(self._next)]
        above = self._bracketed(self._action_reference) if self._accept("in") else []
        applies = self._applies_to(namespace) if self._accept("appliesTo") else None
        for name in names:
            uid = EntityUid(_join(namespace, "Action"), name)
            self._actions[uid] = lambda: (
                frozenset(self._action_uid(namespace, path, ident) for path, ident in above),
                applies() if applies else None,
            )

    def _applies_to(self, namespace: str) -> Callable[[], _AppliesTo]:
        names: dict[str, list[str]] = {"principal": [], "resource": []}
        context: Callable[[], Type] = lambda: Record({})  # noqa: E731 (the type belongs beside it)
        self._expect("{")
        while not self._accept("}"):
            word = self._next()
            self._expect(":")
            if word == "context":
                context = self._type(namespace)
            elif word in names:
                names[word] = self._bracketed(self._path)
            else:
                raise UnknownSyntaxError(f"unknown part `{word}` of an action in the schema")
            self._accept(",")

        def made() -> _AppliesTo:
            record = context()
            assert isinstance(record, Record)
            kinds = [frozenset(self._entity_name(namespace, name) for name in names[part]) for part in names]
            return kinds[0], kinds[1], record

        return made

    def _action_reference(self) -> tuple[str, str]:
        """Read `A::Action::"x"`, `"x"` or `x`."""
        parts = [self._next()]
        while self._accept("::"):
            parts.append(self._next())
        return "::".join(parts[:-1]), unescaped(parts[-1])

    def _action_uid(self, namespace: str, path: str, ident: str) -> EntityUid:
        near = EntityUid(_join(namespace, path or "Action"), ident)
        return near if "::" not in path and near in self._actions else EntityUid(path or "Action", ident)

    def _type(self, namespace: str) -> Callable[[], Type]:
        if self._accept("{"):
            return self._record(namespace)
        path = self._path()
        if path in {"Set", "__cedar::Set"} and self._accept("<"):
            element = self._type(namespace)
            self._expect(">")
            return lambda: SetOf(element())
        return lambda: self._named(namespace, path)

    def _record(self, namespace: str) -> Callable[[], Type]:
        fields: dict[str, tuple[Callable[[], Type], bool]] = {}
        while not self._accept("}"):
            self._annotations()
            name = unescaped(self._next())
            is_required = not self._accept("?")
            self._expect(":")
            fields[name] = (self._type(namespace), is_required)
            self._accept(",")
        return lambda: Record({name: Field(type_(), is_required) for name, (type_, is_required) in fields.items()})

    def _named(self, namespace: str, path: str) -> Type:
        """Resolve as Cedar does: the own namespace first, then the empty one, then what is built in."""
        candidates = [path] if "::" in path else [_join(namespace, path), path]
        for candidate in candidates:
            if candidate in self._commons:
                return self._commons[candidate]()
            if candidate in self._entities:
                return Reference(candidate)
        built_in = _SCALARS.get(path.removeprefix("__cedar::"))
        if built_in is None:
            raise UnknownSyntaxError(f"unknown type `{path}` in the schema")
        return Scalar(built_in)

    def _entity_name(self, namespace: str, path: str) -> str:
        near = _join(namespace, path)
        return near if "::" not in path and near in self._entities else path

    def _annotations(self) -> None:
        while self._accept("@"):
            self._next()
            if self._accept("("):
                self._next()
                self._expect(")")

    def _bracketed(self, item: Callable[[], _Item]) -> list[_Item]:
        if not self._accept("["):
            return [item()]
        items = [] if self._peek() == "]" else self._list(item)
        self._expect("]")
        return items

    def _list(self, item: Callable[[], _Item]) -> list[_Item]:
        items = [item()]
        while self._accept(","):
            items.append(item())
        return items

    def _path(self) -> str:
        parts = [self._next()]
        while self._accept("::"):
            parts.append(self._next())
        return "::".join(parts)

    def _peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _next(self) -> str:
        word = self._peek()
        self._at += 1
        return word

    def _accept(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise UnknownSyntaxError(f"unknown form in the schema: `{self._peek()}` where `{word}` was expected")


def _join(namespace: str, name: str) -> str:
    return f"{namespace}::{name}" if namespace else name


def _closure(uid: EntityUid, parents: Mapping[EntityUid, frozenset[EntityUid]]) -> frozenset[EntityUid]:
    seen, waiting = {uid}, [uid]
    while waiting:
        for above in parents.get(waiting.pop(), frozenset()) - seen:
            seen.add(above)
            waiting.append(above)
    return frozenset(seen)
