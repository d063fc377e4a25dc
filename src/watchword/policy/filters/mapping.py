"""What an application's developer says of a table: which column holds which attribute, which relation leads upwards.

These are the only identifiers that a filter ever names. A policy brings values, and values are bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import (
    CHAR,
    NCHAR,
    BigInteger,
    Boolean,
    ColumnElement,
    Enum,
    FromClause,
    Integer,
    String,
    Uuid,
    bindparam,
    false,
    literal,
)

from watchword.policy.extension import LONG_MAX, LONG_MIN
from watchword.policy.filters.errors import FilterMappingError
from watchword.policy.filters.sql import ExactText, Expression, HoldsNumber, HoldsText, HoldsTruth, any_of
from watchword.policy.model import EntityUid, Value
from watchword.policy.schema import Record, Reference, Schema, SetOf, Type

Path: TypeAlias = tuple[str, ...]
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBERS = frozenset({"long", "decimal", "datetime", "duration"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the row itself; null where an optional attribute is missing.

    Attributes:
        column: of text, whole numbers or truth values. Of an entity, its id, as text, whole number or UUID. Of a
            decimal, ten-thousandths; of a time or a span, milliseconds; as whole numbers.
    """

    column: Any


@dataclass(frozen=True, slots=True)
class Through:
    """Values of related rows: the elements of a set, or the entities above.

    Attributes:
        column: of the related row.
        where: which related rows belong to the row, such as `labels.c.document_id == documents.c.id`.
    """

    column: Any
    where: ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class ResourceMap:
    """How the rows of one table are entities of one type.

    Attributes:
        id: the column that holds the entity's id.
        attributes: by name, or by path inside records; what is left out cannot be asked about.
        ancestors: by type: *all* entities of that type above the row, not only its direct parents.
    """

    id: Any
    attributes: Mapping[str | Path, Column | Through] = field(default_factory=dict)
    ancestors: Mapping[str, Column | Through] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bound:
    """A column with the type of Cedar that its values have.

    Attributes:
        term: the column as it is compared.
        is_there: never null; nothing where a row without a value is left out altogether.
    """

    term: Any
    type: Type
    raw: Any
    is_there: Expression | None = None


class Table:
    """A resource map, checked against a schema.

    Raises:
        FilterMappingError: an attribute or type that the schema does not know, or a column of another type.
    """

    def __init__(self, mapping: ResourceMap, type_name: str, schema: Schema) -> None:
        self.type = schema.entities[type_name]
        self.schema = schema
        self._map = mapping
        self._paths = {(name,) if isinstance(name, str) else name: one for name, one in mapping.attributes.items()}
        self.id = self._bound(mapping.id, Reference(type_name), "the id")
        self.row = getattr(self.id.raw, "table", None)
        if not isinstance(self.row, FromClause):
            raise FilterMappingError("the id is not a column of a table")
        self.cells: dict[Path, tuple[Bound, bool]] = {}
        self.sets: dict[Path, tuple[Bound, Expression]] = {}
        for path, one in self._paths.items():
            self._attribute(path, one)
        self.above = {name: self._ancestor(name, one) for name, one in mapping.ancestors.items()}

    def _attribute(self, path: Path, one: Column | Through) -> None:
        words = f"the attribute `{'.'.join(path)}`"
        record, is_required = self.type.attributes, True
        for name in path[:-1]:
            inner = record.fields.get(name)
            if inner is None or not isinstance(inner.type, Record) or not inner.is_required:
                raise FilterMappingError(f"{words} is in no record that is always there")
            record = inner.type
        if path[-1] not in record.fields:
            raise FilterMappingError(f"{words} is not in the schema")
        wanted = record.fields[path[-1]]
        is_required = wanted.is_required
        if isinstance(one, Through):
            if not isinstance(wanted.type, SetOf) or not is_required:
                raise FilterMappingError(f"{words} is no set that is always there, and cannot come through a relation")
            self.sets[path] = self._bound(one.column, wanted.type.element, words), one.where
            return
        found = self._bound(one.column, wanted.type, words)
        is_there = None if is_required else found.raw.is_not(None)
        self.cells[path] = Bound(found.term, found.type, found.raw, is_there), is_required

    def _ancestor(self, name: str, one: Column | Through) -> tuple[Bound, Expression | None]:
        words = f"the ancestors of type `{name}`"
        if name not in self.schema.entities:
            raise FilterMappingError(f"{words}: the schema has no such type")
        found = self._bound(one.column, Reference(name), words)
        return found, one.where if isinstance(one, Through) else None

    def _bound(self, column: Any, type_: Type, words: str) -> Bound:
        raw = column.__clause_element__() if hasattr(column, "__clause_element__") else column
        if not isinstance(raw, ColumnElement):
            raise FilterMappingError(f"{words} is mapped to something that is no column")
        if not _takes(raw.type, type_):
            raise FilterMappingError(
                f"{words} cannot be held by a column of type `{raw.type!r}`",
                hint="text is String, an entity String, Integer or Uuid, a truth value Boolean, the rest Integer",
            )
        return Bound(ExactText(raw) if isinstance(raw.type, String) else raw, type_, raw)

    def guards(self) -> list[Expression]:
        """Return what is true of every row that fits the schema; another the decision point would refuse.

        Prevents: a row that misses an attribute slipping through, or one whose column holds another kind of value.
        """
        said = [_holds(self.id), *self._enumerated(self.id)]
        for bound, is_required in self.cells.values():
            fits = [_holds(bound), *self._enumerated(bound)]
            missing: Expression = bound.raw.is_(None)
            said += fits if is_required else [missing | one for one in fits]
        return said

    def _enumerated(self, bound: Bound) -> list[Expression]:
        known = self.schema.entities.get(bound.type.entity) if isinstance(bound.type, Reference) else None
        if known is None or known.ids is None:
            return []
        held = [id_value(bound, EntityUid(known.name, one)) for one in sorted(known.ids)]
        return [bound.term.in_([one for one in held if one is not None])]


def _takes(held: Any, type_: Type) -> bool:
    is_text = isinstance(held, String) and not isinstance(held, Enum | CHAR | NCHAR)  # padding, other alphabets
    is_number = isinstance(held, Integer)
    if isinstance(type_, Reference):
        return is_text or is_number or isinstance(held, Uuid)
    if type_.kind == "bool":
        return isinstance(held, Boolean) and not is_number
    return is_text if type_.kind == "string" else is_number and type_.kind in _NUMBERS


def _holds(bound: Bound) -> Expression:
    if isinstance(bound.raw.type, Uuid):
        found: Expression = bound.raw.is_not(None)
        return found
    if isinstance(bound.raw.type, Boolean):
        return HoldsTruth(bound.raw)
    return HoldsText(bound.raw) if isinstance(bound.raw.type, String) else HoldsNumber(bound.raw)


def id_value(bound: Bound, uid: EntityUid) -> Any:
    """Return an entity's id as its column holds it; nothing for one that the column cannot hold."""
    if isinstance(bound.raw.type, Integer):
        # Prevents: `007` and `7` being one entity here and two in a policy.
        number = int(uid.id) if uid.id.isascii() and uid.id.removeprefix("-").isdigit() and len(uid.id) < 20 else None  # noqa: PLR2004  # 64 bits
        return number if number is not None and str(number) == uid.id and LONG_MIN <= number <= LONG_MAX else None
    if isinstance(bound.raw.type, Uuid):
        return uid.id if _UUID.fullmatch(uid.id) else None
    return uid.id


def one_of(bound: Bound, values: Iterable[Value]) -> Expression:
    """Test a column that is not null against values of its own kind; they are bound."""
    if bound.type.kind == "bool":
        return any_of(bound.raw.is_(one) for one in values)
    if isinstance(bound.type, Reference):
        ids = (id_value(bound, value) for value in values if isinstance(value, EntityUid))
        held = [one for one in ids if one is not None]
    else:
        held = [scalar_value(bound.type, value) for value in values]
    if not held:
        return false()
    raw = bound.raw.type
    # Prevents: a driver that refuses a number because the column is narrower than Cedar's.
    type_: Any = String() if isinstance(raw, String) else BigInteger()
    if isinstance(raw, Uuid):
        type_ = Uuid(as_uuid=False, native_uuid=raw.native_uuid)
    if len(held) == 1:
        only: Expression = bound.term == literal(held[0], type_)
        return only
    listed: Expression = bound.term.in_(bindparam(None, held, type_=type_, expanding=True, unique=True))
    return listed


def number(value: int) -> Any:
    """Bind a number."""
    return literal(value, BigInteger())


def holding(bound: Bound) -> type:
    """Return what a column holds its values as."""
    return next((class_ for class_ in (String, Integer, Uuid, Boolean) if isinstance(bound.raw.type, class_)), object)


def scalar_value(type_: Type, value: Value) -> Any:
    """Return a value as its column holds it."""
    if type_.kind in {"datetime", "duration"}:
        return value.ms  # type: ignore[union-attr]  # told by its kind
    return value.value if type_.kind == "decimal" else value  # type: ignore[union-attr]  # as above
