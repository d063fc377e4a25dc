"""What is known of types before a request comes: the union of everything a policy may meet."""

from __future__ import annotations

from collections.abc import Iterable

from watchword.policy.schema import Field, Record, Reference, Scalar, Schema, SetOf, Type

ANY_ENTITY = Reference("")
BOOL, LONG, STRING = Scalar("bool"), Scalar("long"), Scalar("string")


def merge(types: Iterable[Type | None]) -> Type | None:
    """Return what holds for all of them; nothing when they are of several kinds, or one is unknown."""
    found = list({repr(type_): type_ for type_ in types}.values())  # by form: records hold mappings and do not hash
    if len(found) == 1:
        return found[0]
    kinds = {type_.kind if type_ else "" for type_ in found}
    if len(kinds) != 1 or "" in kinds:
        return None
    records = [type_ for type_ in found if isinstance(type_, Record)]
    sets = [type_ for type_ in found if isinstance(type_, SetOf)]
    kind = kinds.pop()
    if len(records) == len(found):
        return _merged_records(records)
    element = merge([type_.element for type_ in sets]) if len(sets) == len(found) else None
    if element:
        return SetOf(element)
    return ANY_ENTITY if kind == "entity" else Scalar(kind)


def attributes_of(type_: Type | None, schema: Schema | None) -> Record | None:
    """Return the record that an attribute is looked up in, if it is known."""
    if isinstance(type_, Record):
        return type_
    if isinstance(type_, Reference) and schema is not None and type_.entity in schema.entities:
        return schema.entities[type_.entity].attributes
    return None


def field_of(type_: Type | None, name: str, schema: Schema | None) -> Type | None:
    """Return the type of an attribute, if it is known."""
    record = attributes_of(type_, schema)
    found = record.fields.get(name) if record else None
    return found.type if found else None


def _merged_records(records: list[Record]) -> Record:
    common = set(records[0].fields).intersection(*(record.fields for record in records[1:]))
    merged = {name: merge([record.fields[name].type for record in records]) for name in sorted(common)}
    return Record({name: Field(type_, is_required=False) for name, type_ in merged.items() if type_})
