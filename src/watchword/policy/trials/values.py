"""Turn the values of a document into Cedar's, guided by the types of a schema; every misfit has its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from watchword.policy.documents import Node
from watchword.policy.errors import MalformedValueError, Problem
from watchword.policy.extension import LONG_MAX, LONG_MIN, decimal, duration, instant, ip
from watchword.policy.model import EntityUid, Value, set_of
from watchword.policy.schema import Record, Reference, SetOf, Type
from watchword.policy.text import nearest, unescaped

_UID: Final = re.compile(r'((?:[A-Za-z_][A-Za-z0-9_]*::)+)("(?:[^"\\]|\\.)*")', re.DOTALL)
_EXTENSIONS: Final[Mapping[str, tuple[Callable[[str], Value], str]]] = {
    "ip": (ip, "an address or range, such as `10.0.0.0/8`"),
    "decimal": (decimal, "a number with one to four decimals, such as `1.5`"),
    "datetime": (instant, "a date or time, such as `2026-11-22T10:00:00Z`"),
    "duration": (duration, "a span, such as `1h30m`"),
}
_LONGEST_SHOWN: Final = 60


def parse_uid(text: str) -> EntityUid | None:
    """Read `Type::"id"`; nothing when the text is of another form."""
    match = _UID.fullmatch(text)
    return EntityUid(match[1].removesuffix("::"), unescaped(match[2])) if match else None


class Values:
    """Reads values, and collects what does not fit instead of stopping there.

    What does not fit is passed on as it stands, so that a test may ask what policies say to a misfit.

    Args:
        names: the entities that a document may name shortly.
    """

    def __init__(self, names: Mapping[str, EntityUid]) -> None:
        self._names = names
        self.problems: list[Problem] = []

    def uid(self, node: Node) -> EntityUid:
        """Read the name of an entity: a fixture's, or `Type::"id"`, or `{type: ..., id: ...}`.

        Raises:
            PolicyLoadError: it is neither.
        """
        if isinstance(node.value, dict):
            if "__entity" in node.value:  # as Cedar's own JSON writes it
                return self.uid(node.value["__entity"])
            parts = node.mapping(required=("type", "id"), known=("type", "id"))
            return EntityUid(parts["type"].text(), parts["id"].text())
        word = node.text()
        found = self._names.get(word) or parse_uid(word)
        if found is None:
            near = nearest(word, frozenset(self._names))
            wanted = '`Type::"id"`, or a name that is described here'
            raise node.refuse(f"no entity `{word[:_LONGEST_SHOWN]}` is described", expected=wanted, nearest=near)
        return found

    def record(self, node: Node, type_: Record) -> dict[str, Value]:
        """Read a record; a key whose value is null is left out.

        Raises:
            PolicyLoadError: not a mapping, or a name of an entity that cannot be read.
        """
        given = {name: inner for name, inner in node.mapping().items() if inner.value is not None}
        for name in sorted(given.keys() - type_.fields.keys()):
            wanted, near = ", ".join(f"`{one}`" for one in type_.fields), nearest(name, frozenset(type_.fields))
            said = f"the schema knows no attribute `{name[:_LONGEST_SHOWN]}` here"
            self.problems += node.refuse_key(name, said, expected=wanted, nearest=near).problems
        for name in sorted(type_.fields.keys() - given.keys()):
            if type_.fields[name].is_required:
                self.problems.append(node.problem(f"the attribute `{name}` is missing", expected=f"`{name}`"))
        wanted_types = {name: found.type for name, found in type_.fields.items()}
        return {name: self.value(inner, wanted_types.get(name)) for name, inner in given.items()}

    def value(self, node: Node, type_: Type | None) -> Value:
        """Read a value of a type, or of any.

        Raises:
            PolicyLoadError: a name of an entity that cannot be read.
        """
        found: Value
        match type_:
            case _ if isinstance(node.value, dict) and node.value.keys() & {"__entity", "__extn"}:
                found = self._escaped(node)
            case None:
                found = loose(node)
            case Record() if isinstance(node.value, dict):
                found = self.record(node, type_)
            case SetOf(element=inner) if isinstance(node.value, tuple):
                found = set_of(self.value(element, inner) for element in node.value)
            case Record() | SetOf():
                found = self._misfit(node, "a mapping" if isinstance(type_, Record) else "a list")
            case Reference(entity=wanted):
                found = self._entity(node, wanted)
            case _:
                found = self._scalar(node, type_.kind)
        return found

    def _entity(self, node: Node, wanted: str) -> Value:
        uid = self.uid(node)
        return uid if uid.type == wanted else self._misfit(node, f"an entity of type `{wanted}`")

    def _escaped(self, node: Node) -> Value:
        """Read `{__entity: ...}` or `{__extn: {fn: ip, arg: 10.0.0.1}}`, as Cedar's own JSON writes them."""
        parts = node.mapping(("__entity", "__extn"))
        if "__entity" in parts:
            return self.uid(parts["__entity"])
        call = parts["__extn"].mapping(("fn", "arg"), required=("fn", "arg"))
        if call["fn"].text() not in _EXTENSIONS:
            raise call["fn"].refuse("no such function", expected=", ".join(f"`{name}`" for name in _EXTENSIONS))
        return self._scalar(call["arg"], call["fn"].text())

    def _scalar(self, node: Node, kind: str) -> Value:
        value = node.value
        if kind == "bool":
            return value if isinstance(value, bool) else self._misfit(node, "true or false")
        if kind == "long":
            fits = isinstance(value, int) and not isinstance(value, bool) and LONG_MIN <= value <= LONG_MAX
            return int(value) if fits else self._misfit(node, "a whole number of 64 bits")  # type: ignore[arg-type]
        if kind == "string":
            return value if isinstance(value, str) else self._misfit(node, "text, in quotes if it looks like a number")
        parse, wanted = _EXTENSIONS[kind]
        try:
            return parse(repr(value) if isinstance(value, float) else str(value))
        except MalformedValueError:
            return self._misfit(node, wanted)

    def _misfit(self, node: Node, wanted: str) -> Value:
        self.problems.append(node.problem(f"{node.kind} that does not fit the schema", expected=wanted))
        return loose(node)


def loose(node: Node) -> Value:
    """Read a value that no type describes; numbers with a point become text, as Cedar has none."""
    if isinstance(node.value, tuple):
        return set_of(map(loose, node.value))
    if isinstance(node.value, dict):
        return {name: loose(inner) for name, inner in node.value.items() if inner.value is not None}
    if isinstance(node.value, bool | int | str):
        return node.value
    return "" if node.value is None else repr(node.value)
