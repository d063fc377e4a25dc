"""Attacks on data filters: values that would be SQL, columns that compare loosely, policies built to exhaust."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import cedarpy
import pytest
from filter_documents import IN_ROW, MAPPING, READ, RENDERED, Draw, compare, documents, fill, metadata, policies_of
from policy_cases import Seeded, bundle_of
from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Connection,
    Float,
    Integer,
    MetaData,
    Table,
    Uuid,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy import Column as SqlColumn
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import CompileError

from watchword.kernel import SystemClock
from watchword.policy import EntityUid, PolicyRequest, PolicySet
from watchword.policy.filters import (
    Column,
    FilterMappingError,
    Gaps,
    ResourceMap,
    Through,
    UntranslatableError,
    filter_for,
    translate,
)
from watchword.policy.filters.mapping import Bound, id_value
from watchword.policy.filters.mapping import Table as Mapped
from watchword.policy.rego import OpaSettings, RemoteOpa
from watchword.policy.schema import Reference, parse_schema

HOSTILE = (
    "' OR '1'='1",
    "'; DROP TABLE documents; --",
    '" OR 1=1 --',
    "%' OR kind LIKE '%",
    ":kind_1",
    "%(param_1)s",
    "?",
    "\\' OR 1=1 --",
    "*' GLOB '*",
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as found:
        metadata.create_all(found)
        yield found
    engine.dispose()


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filled(connection: Connection, rows: int = 8) -> PolicyRequest:
    draw = Draw(Seeded(1))
    entities = draw.entities(rows)
    fill(connection, entities)
    return draw.request(entities)


def found_for(policies: PolicySet, asked: PolicyRequest, mapping: ResourceMap = MAPPING, **options: Any) -> Any:
    return filter_for(policies, asked.principal, READ, "Document", asked.context, asked.entities, mapping, **options)


# ---- injection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", HOSTILE)
def test_sql_in_a_literal_of_a_policy_stays_a_value(connection: Connection, value: str) -> None:
    asked = filled(connection)
    conditions = (
        f"resource.kind == {quoted(value)}",
        f"resource.kind like {quoted(value + '*').replace('**', '*')}" if "*" not in value else "true",
        f"resource.labels.contains({quoted(value)})",
        f"resource.owner == User::{quoted(value)}",
        f"resource in Folder::{quoted(value)}",
    )
    for condition in conditions:
        policies = policies_of(f"permit (principal, action, resource) when {{ {condition} }};")
        expression = found_for(policies, asked)
        for dialect in (sqlite.dialect(), postgresql.dialect()):
            written = str(select(documents.c.id).where(expression).compile(dialect=dialect))
            assert value not in written or value in {"?", "%(param_1)s"}  # as places are written
        compare(connection, policies, asked)
    assert connection.execute(select(documents)).all()


@pytest.mark.parametrize("value", HOSTILE)
def test_sql_in_a_fact_of_the_request_stays_a_value(connection: Connection, value: str) -> None:
    asked = filled(connection)
    hostile = {**asked.context, "kind": value, "wanted": frozenset({value})}
    policies = policies_of(
        "permit (principal, action, resource) when "
        "{ resource.kind == context.kind || resource.labels.containsAny(context.wanted) };"
    )
    outcome = compare(
        connection, policies, PolicyRequest(asked.principal, READ, asked.resource, hostile, asked.entities)
    )
    assert len(outcome.selected) < 8
    assert connection.execute(select(documents)).all()


def test_a_name_in_a_policy_never_becomes_an_identifier() -> None:
    hostile = 'x"; DROP TABLE documents; --'
    schema = (
        f"entity User; entity Document = {{ {quoted(hostile)}: String }};"
        " action read appliesTo { principal: User, resource: Document };"
    )
    every = {"op": "All"}
    body = {"==": {"left": {".": {"left": {"Var": "resource"}, "attr": hostile}}, "right": {"Value": "a"}}}
    est = {
        "effect": "permit",
        "principal": every,
        "action": every,
        "resource": every,
        "conditions": [{"kind": "when", "body": body}],
        "annotations": {"id": "hostile"},
    }
    policies = PolicySet(bundle_of([est], str(cedarpy.Schema.from_str(schema))))
    mapping = ResourceMap(documents.c.id, {hostile: Column(documents.c.kind)})
    expression = filter_for(policies, EntityUid("User", "u"), READ, "Document", {}, {}, mapping)
    assert "DROP" not in str(expression.compile(dialect=sqlite.dialect()))
    unmapped = translate(policies, EntityUid("User", "u"), READ, "Document", {}, {}, ResourceMap(documents.c.id))
    assert "DROP" not in str(unmapped.expression.compile(dialect=sqlite.dialect()))
    assert len(unmapped.gaps) == 1


# ---- looser comparison -----------------------------------------------------------------------------------------------


def one_row(connection: Connection, ddl: str, values: Mapping[str, Any]) -> None:
    connection.execute(text("DROP TABLE documents"))
    connection.execute(text(ddl))
    names = ", ".join(values)
    connection.execute(
        text(f"INSERT INTO documents ({names}) VALUES ({', '.join(f':{name}' for name in values)})"),  # noqa: S608  # of this test
        values,
    )


def rows(connection: Connection, asked: PolicyRequest, condition: str) -> list[str]:
    policies = policies_of(f"permit (principal, action, resource) when {{ {condition} }};")
    return list(connection.execute(select(documents.c.id).where(found_for(policies, asked))).scalars())


LOOSE = (
    "CREATE TABLE documents (id, owner, level, secret, kind TEXT COLLATE NOCASE, due, price, city, note, rank, flag,"
    " reviewer, folder)"
)
VALUES = {"id": "d0", "owner": "u1", "level": 1, "secret": 0, "kind": "Admin", "due": 1, "price": 1, "city": "a"}


@pytest.mark.parametrize("condition", ['resource.kind == "admin"', '["admin"].contains(resource.kind)'])
def test_a_column_that_ignores_case_does_not_widen_a_filter(connection: Connection, condition: str) -> None:
    asked = filled(connection)
    one_row(connection, LOOSE, VALUES)
    assert rows(connection, asked, condition) == []
    assert rows(connection, asked, condition.replace("admin", "Admin")) == ["d0"]


def test_a_pattern_does_not_ignore_case(connection: Connection) -> None:
    asked = filled(connection)
    one_row(connection, LOOSE, VALUES)
    assert rows(connection, asked, 'resource.kind like "a*"') == []
    assert rows(connection, asked, 'resource.kind like "A*"') == ["d0"]


def test_text_behind_a_zero_character_does_not_pass_a_pattern(connection: Connection) -> None:
    asked = filled(connection)
    one_row(connection, LOOSE, {**VALUES, "kind": "public\0secret"})
    assert rows(connection, asked, 'resource.kind like "*public"') == []
    assert rows(connection, asked, '!(resource.kind like "*secret")') == []


@pytest.mark.parametrize("level", ["many", "9", 1.5, b"9"])
def test_a_column_for_numbers_that_holds_something_else_gives_no_row(connection: Connection, level: Any) -> None:
    asked = filled(connection)
    one_row(connection, LOOSE, {**VALUES, "level": level})
    assert rows(connection, asked, "resource.level > 0") == []
    assert rows(connection, asked, "!(resource.level > 1000)") == []


@pytest.mark.parametrize("ident", [None, 7, b"d0"])
def test_a_row_whose_id_is_no_text_is_given_by_no_filter(connection: Connection, ident: Any) -> None:
    asked = filled(connection)
    one_row(connection, LOOSE, {**VALUES, "id": ident})
    assert rows(connection, asked, "true") == []


def test_a_truth_value_that_is_neither_gives_no_row(connection: Connection) -> None:
    asked = filled(connection)
    one_row(connection, LOOSE, {**VALUES, "secret": 2})
    assert rows(connection, asked, "!resource.secret") == []
    assert rows(connection, asked, "true") == []


def test_a_database_whose_comparison_is_not_known_gets_no_filter() -> None:
    draw = Draw(Seeded(1))
    asked = draw.request(draw.entities(1))
    expression = found_for(policies_of("permit (principal, action, resource);"), asked)
    with pytest.raises(CompileError, match="mysql"):
        expression.compile(dialect=mysql.dialect())


def test_an_id_that_is_written_otherwise_is_another_entity() -> None:
    table = Table("t", MetaData(), SqlColumn("n", Integer), SqlColumn("u", Uuid))
    number, unique = Bound(table.c.n, Reference("T"), table.c.n), Bound(table.c.u, Reference("T"), table.c.u)
    known = uuid.UUID("6fa459ea-ee8a-3ca4-894e-db77e160355e")
    assert id_value(number, EntityUid("T", "7")) == 7
    assert id_value(unique, EntityUid("T", str(known))) == str(known)
    for written in ("007", "+7", " 7", "7.0", "\N{ARABIC-INDIC DIGIT SEVEN}", "9" * 30, "-", "", "x"):
        assert id_value(number, EntityUid("T", written)) is None
    for written in (str(known).upper(), f"{{{known}}}", known.hex, "x"):
        assert id_value(unique, EntityUid("T", written)) is None


@pytest.mark.parametrize(
    ("held", "ids"), [(Uuid, ("6fa459ea-ee8a-3ca4-894e-db77e160355e", "0" * 8)), (Integer, ("7", "07"))]
)
def test_ids_that_are_no_text_select_their_rows(connection: Connection, held: Any, ids: tuple[str, str]) -> None:
    asked, metadata_of_its_own = filled(connection), MetaData()
    things = Table("things", metadata_of_its_own, SqlColumn("id", held, primary_key=True))
    metadata_of_its_own.create_all(connection)
    connection.execute(insert(things), {"id": uuid.UUID(ids[0]) if held is Uuid else int(ids[0])})
    for ident, count in ((ids[0], 1), (ids[1], 0)):
        policies = policies_of(f'permit (principal, action, resource == Document::"{ident}");')
        found = found_for(policies, asked, ResourceMap(things.c.id))
        assert len(connection.execute(select(things.c.id).where(found)).all()) == count


# ---- what cannot be asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition",
    [
        "resource.level + 1 > 2",
        "resource.owner.level > 1",
        'resource.owner in Team::"t1"',
        "if resource.secret then resource.level > 1 else resource.owner.level > 1",
        "[resource.owner].contains(principal)",
        "resource.labels == context.wanted",
        "{a: resource.level} == {a: 1}",
    ],
)
def test_a_forbid_that_cannot_be_asked_gives_no_row_that_it_forbids(connection: Connection, condition: str) -> None:
    asked = filled(connection, 30)
    for kind in ("when", "unless"):
        forbid = f"permit (principal, action, resource); forbid (principal, action, resource) {kind} {{ {condition} }};"
        permit = f"permit (principal, action, resource) {kind} {{ {condition} }};"
        for written in (forbid, permit):
            policies = policies_of(written)
            assert compare(connection, policies, asked).found.gaps
            with pytest.raises(UntranslatableError, match="cannot"):
                found_for(policies, asked, gaps=Gaps.RAISE)


def test_an_attribute_that_is_not_mapped_leaves_out_rows_and_says_where(connection: Connection) -> None:
    asked = filled(connection)
    policies = policies_of("permit (principal, action, resource) unless { resource.secret };")
    mapping = ResourceMap(documents.c.id, {"level": Column(documents.c.level)})
    outcome = compare(connection, policies, asked, mapping)
    assert outcome.selected == set()
    assert "`secret`, which is not mapped" in outcome.found.gaps[0].message
    assert outcome.found.gaps[0].path == "generated"


def test_what_is_computed_for_the_resource_at_hand_cannot_be_asked_of_every_row(connection: Connection) -> None:
    asked = filled(connection)
    policies = policies_of("permit (principal, action, resource) when { context.secret || !context.secret };")
    assert found_for(policies, asked, gaps=Gaps.RAISE) is not None
    with pytest.raises(UntranslatableError, match="depends on the row"):
        found_for(policies, asked, gaps=Gaps.RAISE, of_the_row={"secret"})


def test_an_entity_that_does_not_fit_the_schema_gives_no_row(connection: Connection) -> None:
    asked = filled(connection)
    policies = policies_of(
        'permit (principal, action, resource); permit (principal, action, resource) when { User::"u3".level > 1 };'
    )
    spoiled = {**asked.entities}
    spoiled[EntityUid("User", "u3")] = type(asked.entities[EntityUid("User", "u3")])(
        EntityUid("User", "u3"), {"name": "x"}
    )
    request = PolicyRequest(EntityUid("User", "u1"), READ, asked.resource, asked.context, spoiled)
    assert compare(connection, policies, request).selected == set()


def test_where_a_policy_server_has_a_say_a_filter_gives_no_row(connection: Connection) -> None:
    asked = filled(connection)
    policies = policies_of("permit (principal, action, resource);")
    assert len(compare(connection, policies, asked).selected) == 8
    joined = policies.joined_with(
        RemoteOpa(OpaSettings(url="http://127.0.0.1:9", rules=("x.authz.allow",)), clock=SystemClock())
    )
    found = translate(joined, asked.principal, READ, "Document", asked.context, asked.entities, MAPPING)
    assert connection.execute(select(documents.c.id).where(found.expression)).all() == []
    assert "have a say" in found.gaps[0].message


# ---- exhaustion ------------------------------------------------------------------------------------------------------


def test_policies_that_grow_without_bound_when_they_are_translated_are_left_out(connection: Connection) -> None:
    asked = filled(connection)
    condition = "resource has rank && resource.rank > 1"
    for _ in range(8):
        condition = f"({condition}) || (({condition}) && resource.secret)"
    policies = policies_of(f"permit (principal, action, resource) when {{ {condition} }};")
    expression = translate(policies, asked.principal, READ, "Document", asked.context, asked.entities, MAPPING)
    assert len(str(expression.expression.compile(dialect=sqlite.dialect()))) < 3_000_000


def test_twelve_hundred_policies_make_one_query_that_sqlite_takes(connection: Connection) -> None:
    asked = filled(connection)
    written = "".join(f'permit (principal, action, resource == Document::"d{number}");' for number in range(1_200))
    assert len(compare(connection, policies_of(written), asked).selected) == 8


# ---- the map ---------------------------------------------------------------------------------------------------------


def mapped(mapping: ResourceMap) -> Mapped:
    return Mapped(mapping, "Document", parse_schema(RENDERED))


def test_a_map_that_does_not_fit_the_schema_is_refused() -> None:
    odd = Table(
        "odd",
        MetaData(),
        SqlColumn("f", Float),
        SqlColumn("c", CHAR(4)),
        SqlColumn("b", Boolean),
        SqlColumn("i", BigInteger),
    )
    ident, kind = documents.c.id, documents.c.kind
    wrong = [
        ResourceMap("id"),
        ResourceMap(odd.c.f),
        ResourceMap(ident, {"nothing": Column(kind)}),
        ResourceMap(ident, {"kind": Column(odd.c.c)}),
        ResourceMap(ident, {"level": Column(odd.c.f)}),
        ResourceMap(ident, {"level": Column(odd.c.b)}),
        ResourceMap(ident, {"secret": Column(odd.c.i)}),
        ResourceMap(ident, {"kind": Column("kind; DROP TABLE documents")}),
        ResourceMap(ident, {"kind": Through(kind, kind == ident)}),
        ResourceMap(ident, {("info", "nothing"): Column(kind)}),
        ResourceMap(ident, {("kind", "city"): Column(kind)}),
        ResourceMap(ident, {}, {"Nothing": Column(kind)}),
    ]
    for mapping in wrong:
        with pytest.raises(FilterMappingError):
            mapped(mapping)
    assert set(mapped(MAPPING).cells) == {*((name,) for name in IN_ROW), ("info", "city")}


def test_a_filter_is_kept_by_the_statement_cache_with_its_values_apart(connection: Connection) -> None:
    asked = filled(connection)
    first = rows(connection, asked, 'resource == Document::"d1"')
    second = rows(connection, asked, 'resource == Document::"d2"')
    assert (first, second) == (["d1"], ["d2"])
    assert connection.execute(insert(documents), {"id": "d9"}).rowcount == 1
