"""Check requests and entities against the schema: compiled for the usual case, in words for the misfit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from watchword.policy.codegen import Constants, build
from watchword.policy.extension import LONG_MAX, LONG_MIN, Datetime, Decimal, Duration, Ip
from watchword.policy.lazy import LazySet
from watchword.policy.model import Entity, EntityUid, RecordKey, Truth
from watchword.policy.schema import EntityType, Record, Reference, Scalar, Schema, SetOf, Type
from watchword.policy.types import STRING

_EXTENSIONS: Final[Mapping[str, type]] = {"ip": Ip, "decimal": Decimal, "datetime": Datetime, "duration": Duration}
_WORDS: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "long": "a whole number of 64 bits",
    "string": "a string",
    "ip": "an address made by `ip`",
    "decimal": "a number made by `decimal`",
    "datetime": "a time made by `instant` or `moment`",
    "duration": "a span made by `duration`",
    "set": "a set made by `set_of`",
    "record": "a record",
}


class MisfitError(Exception):
    """A request or an entity does not fit the schema; the words name the place, never the value."""


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_lazy(value: Any) -> bool:
    return isinstance(value, LazySet)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def misfit(type_: Type, value: Any, place: str, schema: Schema, *, in_set: bool = False) -> str:
    """Say in words where a value does not fit a type; empty when it fits. Slow, and the meaning of the compiled form.

    Args:
        in_set: the value lies in a set, where truth values and records have another form.
    """
    if isinstance(type_, Record):
        return _record_misfit(type_, value, place, schema, in_set=in_set)
    if isinstance(type_, SetOf):
        if _is_lazy(value) and type_.element == STRING:
            return ""
        if value.__class__ is not frozenset:
            return f"{place} is not {_WORDS['set']}"
        found = (misfit(type_.element, element, f"an element of {place}", schema, in_set=True) for element in value)
        return next((words for words in found if words), "")
    if isinstance(type_, Reference):
        known = schema.entities.get(type_.entity)
        fits = value.__class__ is EntityUid and value.type == type_.entity
        fits = fits and (known is None or known.ids is None or value.id in known.ids)
        return "" if fits else f"{place} is not an entity of type `{type_.entity}`"
    return "" if _fits_scalar(type_.kind, value, in_set=in_set) else f"{place} is not {_WORDS[type_.kind]}"


def _fits_scalar(kind: str, value: Any, *, in_set: bool) -> bool:
    if kind == "bool":
        return value.__class__ is Truth if in_set else value is True or value is False
    if kind == "long":
        return _is_long(value) and LONG_MIN <= value <= LONG_MAX
    if kind == "string":
        return isinstance(value, str)
    return value.__class__ is _EXTENSIONS[kind]


def _record_misfit(type_: Record, value: Any, place: str, schema: Schema, *, in_set: bool) -> str:
    if in_set:
        if value.__class__ is not RecordKey:
            return f"{place} is not {_WORDS['record']}"
        value = dict(value.items)
    if not _is_mapping(value):
        return f"{place} is not {_WORDS['record']}"
    for name, wanted in type_.fields.items():
        if name in value:
            words = misfit(wanted.type, value[name], f"{place}.{name}", schema, in_set=in_set)
            if words:
                return words
        elif wanted.is_required:
            return f"{place}.{name} is missing"
    extra = next((name for name in value if name not in type_.fields), None)
    return "" if extra is None else f"{place} holds an attribute that the schema does not know"


def entity_misfit(type_: EntityType, entity: Entity, schema: Schema) -> str:
    """Say in words how an entity does not fit its type; empty when it fits."""
    place = f"`{type_.name}`"
    if type_.ids is not None and entity.uid.id not in type_.ids:
        return f"{place} has no such member"
    words = misfit(type_.attributes, entity.attributes, place, schema)
    if words:
        return words
    for parent in entity.parents:
        if parent.__class__ is not EntityUid or parent.type not in type_.parents:
            return f"{place} has a parent of a type that the schema does not allow"
        ids = schema.entities[parent.type].ids if parent.type in schema.entities else None
        if ids is not None and parent.id not in ids:
            return f"{place} has a parent that is no member of its type"
    if entity.tags and type_.tags is None:
        return f"{place} has no tags"
    found = (
        (misfit(type_.tags, value, f"a tag of {place}", schema) for value in entity.tags.values()) if type_.tags else ()
    )
    return next((words for words in found if words), "")


# ---- the compiled form -----------------------------------------------------------------------------------------------

VOCABULARY: Final[Mapping[str, Any]] = {
    "len": len,
    "isinstance": isinstance,
    "dict": dict,
    "str": str,
    "int": int,
    "frozenset": frozenset,
    "islong": _is_long,
    "ismapping": _is_mapping,
    "lazy": _is_lazy,
    "uid": EntityUid,
    "least": LONG_MIN,
    "most": LONG_MAX,
    "truth": Truth,
    **{kind + "class": class_ for kind, class_ in _EXTENSIONS.items()},
}


def record_check(record: Record, schema: Schema) -> Callable[[Any], bool]:
    """Compile the test whether a value fits a record; it may raise `KeyError` instead of returning false."""
    writer = _Writer(schema)
    writer.record("C", record, "  ")
    body = "\n".join(writer.lines)
    return build(f"def f(C):\n{body}\n  return True\n", writer.constants, VOCABULARY)


def entity_check(type_: EntityType, schema: Schema) -> Callable[[Any], bool]:
    """Compile the test whether an entity fits its type; it may raise `KeyError` instead of returning false."""
    writer = _Writer(schema)
    writer.entity(type_)
    body = "\n".join(writer.lines)
    return build(f"def f(C):\n{body}\n  return True\n", writer.constants, VOCABULARY)


class _Writer:
    """Writes one check, a few lines for each attribute."""

    def __init__(self, schema: Schema) -> None:
        self.lines: list[str] = []
        self.constants = Constants()
        self._schema = schema
        self._names = 0

    def entity(self, type_: EntityType) -> None:
        if type_.ids is not None:
            self._refuse("  ", f"C.uid[1] not in {self.constants.name(type_.ids)}")
        self.lines.append("  x0 = C.attributes")
        self.record("x0", type_.attributes, "  ")
        if all(self._schema.entities[name].ids is None for name in type_.parents if name in self._schema.entities):
            self.lines.append("  for x0 in C.parents:")
            self._refuse("    ", f"x0.__class__ is not uid or x0[0] not in {self.constants.name(type_.parents)}")
            self._refuse("  ", f"C.tags and {self.constants.name(self._in_words(type_))}(C)")
        else:
            self._refuse("  ", f"{self.constants.name(self._in_words(type_))}(C)")

    def _in_words(self, type_: EntityType) -> Callable[[Entity], str]:
        return lambda entity: entity_misfit(type_, entity, self._schema)

    def record(self, value: str, record: Record, indent: str) -> None:
        self._refuse(indent, f"{value}.__class__ is not dict and not ismapping({value})")
        required = {name: field for name, field in record.fields.items() if field.is_required}
        optional = {name: field for name, field in record.fields.items() if not field.is_required}
        count = self._fresh("n") if optional else str(len(required))
        if optional:
            self.lines.append(f"{indent}{count} = {len(required)}")
        for name, field in required.items():
            self._attribute(value, name, field.type, indent)
        for name, field in optional.items():
            self.lines.append(f"{indent}if {self.constants.name(name)} in {value}:")
            self.lines.append(f"{indent}  {count} = {count} + 1")
            self._attribute(value, name, field.type, indent + "  ")
        # All that may be there was counted, so any other attribute makes the record too long.
        self._refuse(indent, f"len({value}) != {count}")

    def _attribute(self, holder: str, name: str, type_: Type, indent: str) -> None:
        value = self._fresh("x")
        self.lines.append(f"{indent}{value} = {holder}[{self.constants.name(name)}]")
        if isinstance(type_, Record):
            self.record(value, type_, indent)
        elif isinstance(type_, SetOf):
            self._set(value, type_, indent)
        else:
            self._refuse(indent, self._unfit(value, type_, in_set=False))

    def _set(self, value: str, type_: SetOf, indent: str) -> None:
        # The members of a lazy set are strings by its own promise; looking at them would find them all out.
        may_be_lazy = type_.element == STRING
        self._refuse(indent, f"{value}.__class__ is not frozenset" + (f" and not lazy({value})" if may_be_lazy else ""))
        element = self._fresh("x")
        looked_at = f"{value} if {value}.__class__ is frozenset else ()" if may_be_lazy else value
        self.lines.append(f"{indent}for {element} in {looked_at}:")
        self._refuse(indent + "  ", self._unfit(element, type_.element, in_set=True))

    def _unfit(self, value: str, type_: Type, *, in_set: bool) -> str:
        if isinstance(type_, Record | SetOf):
            return f"{self.constants.name(lambda inner: misfit(type_, inner, '', self._schema, in_set=True))}({value})"
        if isinstance(type_, Reference):
            unfit = f"{value}.__class__ is not uid or {value}[0] != {self.constants.name(type_.entity)}"
            known = self._schema.entities.get(type_.entity)
            return (
                unfit
                if known is None or known.ids is None
                else f"{unfit} or {value}[1] not in {self.constants.name(known.ids)}"
            )
        return self._unfit_scalar(value, type_, in_set=in_set)

    def _unfit_scalar(self, value: str, type_: Scalar, *, in_set: bool) -> str:
        match type_.kind:
            case "bool":
                return f"{value}.__class__ is not truth" if in_set else f"{value} is not True and {value} is not False"
            case "string":
                return f"not isinstance({value}, str)"
            case "long":
                is_other = f"{value}.__class__ is not int and not islong({value})"
                return f"({is_other}) or {value} > most or {value} < least"
            case kind:
                return f"{value}.__class__ is not {kind}class"

    def _refuse(self, indent: str, test: str) -> None:
        self.lines.append(f"{indent}if {test}: return False")

    def _fresh(self, letter: str) -> str:
        self._names += 1
        return f"{letter}{self._names}"
