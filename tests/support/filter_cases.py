"""Put the entities of a generated world into tables, and compare a filter with the engine, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy
from policy_cases import Choice, World, bundle_of, is_valid, reparsed, schema, schema_text
from sqlalchemy import BigInteger, Boolean, Connection, MetaData, String, Table, insert, select
from sqlalchemy import Column as SqlColumn

from watchword.policy import Effect, Entity, EntityUid, PolicyRequest, PolicySet
from watchword.policy.filters import Column, Filter, ResourceMap, Through, translate
from watchword.policy.model import Truth
from watchword.policy.runtime import up
from watchword.policy.schema import Record, Reference, Scalar, SetOf, Type


class RowWorld(World):
    """A world whose policies look at the resource where they can, and have few gaps."""

    def _paths(self, wanted: Type) -> Iterator[tuple[str, tuple[tuple[str, bool], ...]]]:
        found = list(super()._paths(wanted))
        of_the_row = [path for path in found if path[0] == "resource" and len(path[1]) <= 1]
        return iter(of_the_row * 4 + found)

    def _constraint(self, type_name: str) -> Any:
        if self.chance(3):
            return super()._constraint(type_name)
        return {"op": "is", "entity_type": type_name}

    def _has(self) -> Any:
        held = super()._has()
        kept = self.scope.pop("context", None)
        if kept is not None and self.chance(2):
            held = super()._has()
        if kept is not None:
            self.scope["context"] = kept
        return held


_TYPES: Mapping[str, Any] = {"bool": Boolean, "string": String, "entity": String}
_NUMBERS = frozenset({"long", "decimal", "datetime", "duration"})


def held_in(type_: Type) -> Any:
    """Return the column type for a type of Cedar; nothing where a filter has none."""
    if isinstance(type_, Reference) or (isinstance(type_, Scalar) and type_.kind in _TYPES):
        return _TYPES[type_.kind]()
    return BigInteger() if type_.kind in _NUMBERS else None


def plain(value: Any) -> Any:
    """Return a value as a column holds it."""
    if isinstance(value, EntityUid):
        return value.id
    for name in ("ms", "value"):
        if hasattr(value, name) and not isinstance(value, str | int):
            return getattr(value, name)
    return value.value if isinstance(value, Truth) else value


@dataclass
class Rows:
    """The tables of one type of entities, and what is mapped of them."""

    type: str
    metadata: MetaData
    table: Table
    mapping: ResourceMap
    relations: dict[str, Table]
    sets: dict[tuple[str, ...], Table]
    columns: dict[tuple[str, ...], str]


def rows_of(world: World, type_name: str) -> Rows:
    """Make tables for one type of entities."""
    metadata = MetaData()
    fields = list(_fields(world.schema.entities[type_name].attributes, ()))
    columns = {path: f"a{number}" for number, (path, one, _) in enumerate(fields) if held_in(one) is not None}
    table = Table(
        "things",
        metadata,
        SqlColumn("id", String, primary_key=True),
        *[SqlColumn(columns[path], held_in(one)) for path, one, _ in fields if path in columns],
    )
    attributes: dict[Any, Any] = {path: Column(table.c[name]) for path, name in columns.items()}
    sets = {}
    for number, (path, one, is_required) in enumerate(fields):
        if isinstance(one, SetOf) and is_required and held_in(one.element) is not None:
            related = Table(
                f"s{number}", metadata, SqlColumn("thing", String), SqlColumn("value", held_in(one.element))
            )
            sets[path] = related
            attributes[path] = Through(related.c.value, related.c.thing == table.c.id)
    relations = {}
    for number, name in enumerate(sorted(world.schema.entities)):
        related = Table(f"r{number}", metadata, SqlColumn("thing", String), SqlColumn("above", String))
        relations[name] = related
    ancestors = {name: Through(one.c.above, one.c.thing == table.c.id) for name, one in relations.items()}
    return Rows(type_name, metadata, table, ResourceMap(table.c.id, attributes, ancestors), relations, sets, columns)


def _fields(record: Record, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Type, bool]]:
    for name, one in record.fields.items():
        if isinstance(one.type, Record) and one.is_required:
            yield from _fields(one.type, (*path, name))
        else:
            yield (*path, name), one.type, one.is_required


def fill(connection: Connection, rows: Rows, entities: Mapping[EntityUid, Entity]) -> None:
    """Write every entity of the type as a row."""
    for table in reversed(rows.metadata.sorted_tables):
        connection.execute(table.delete())
    for uid, entity in entities.items():
        if uid.type != rows.type:
            continue
        held = {name: plain(_at(entity.attributes, path)) for path, name in rows.columns.items()}
        connection.execute(insert(rows.table), {"id": uid.id, **held})
        for path, table in rows.sets.items():
            for value in _at(entity.attributes, path):
                connection.execute(insert(table), {"thing": uid.id, "value": plain(value)})
        for above in up(uid, entities) - {uid}:
            connection.execute(insert(rows.relations[above.type]), {"thing": uid.id, "above": above.id})


def _at(attributes: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        attributes = attributes.get(name) if attributes is not None else None
    return attributes


@dataclass
class Outcome:
    """What one comparison came to."""

    found: Filter
    selected: set[str]
    permitted: set[str]


def compare(choice: Choice, connect: Any, *, is_held: Any = lambda _: True) -> list[Outcome]:
    """Make a world with policies; select with the filter, and ask the engine row by row.

    Raises:
        AssertionError: the filter gives a row that the engine does not permit, or misses one without saying so.
    """
    made = schema(choice)
    rendered = str(cedarpy.Schema.from_str(schema_text(made)))
    world = RowWorld(choice, made, depth=3)
    ests = [est for number in range(1 + choice.below(5)) if is_valid([est := world.policy(f"p{number}")], rendered)]
    if not ests:
        return []
    policies = PolicySet(bundle_of(reparsed(ests), rendered))
    asked = world.request(entities := world.entities())
    if not is_held(entities):
        return []
    rows = rows_of(world, asked.resource.type)
    outcomes = []
    with connect(rows.metadata) as connection:
        fill(connection, rows, entities)
        for _ in range(3):
            outcomes.append(ask(connection, rows, policies, asked))
            again = world.request(entities)
            asked = again if again.resource.type == rows.type else asked
    return outcomes


def ask(connection: Connection, rows: Rows, policies: PolicySet, asked: PolicyRequest) -> Outcome:
    """Compare one filter with the engine."""
    found = translate(policies, asked.principal, asked.action, rows.type, asked.context, asked.entities, rows.mapping)
    selected = set(connection.execute(select(rows.table.c.id).where(found.expression)).scalars())
    refused = set(connection.execute(select(rows.table.c.id).where(~found.expression)).scalars())
    everything = set(connection.execute(select(rows.table.c.id)).scalars())
    assert selected | refused == everything, "the filter is null for some row"
    permitted = set()
    for ident in everything:
        request = PolicyRequest(
            asked.principal, asked.action, EntityUid(rows.type, ident), asked.context, asked.entities
        )
        if policies.evaluate(request).effect is Effect.PERMIT:
            permitted.add(ident)
    assert selected <= permitted, (selected, permitted, [policy.est for policy in policies.bundle.policies], asked)
    # A pattern leaves out text with a zero character, where a database stops reading.
    has_zero = any(
        "\\x00" in repr(entity.attributes) for uid, entity in asked.entities.items() if uid.type == rows.type
    )
    if not found.gaps and not has_zero:
        assert selected == permitted, (selected, permitted, [policy.est for policy in policies.bundle.policies], asked)
    return Outcome(found, selected, permitted)
