"""A filter against the engine: the rows that a query selects are those that the policies permit one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import filter_cases
import pytest
from filter_documents import MAPPING, READ, Draw, clear, compare, documents, fill, metadata, policies_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_cases import Drawn, Seeded
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, MetaData, Table, Uuid, create_engine, insert, select

from watchword.policy import Effect, EntityUid, PolicyRequest
from watchword.policy.filters import ResourceMap, translate
from watchword.storage import Database

patient = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@contextmanager
def sqlite(tables: MetaData) -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        tables.create_all(connection)
        yield connection
    engine.dispose()


def select_and_ask(connection: Connection, draw: Draw, *, rows: int, rounds: int) -> list[int]:
    """Compare some filters over one table; return how many rows each gave."""
    entities = draw.entities(rows)
    clear(connection)
    fill(connection, entities)
    given_rows = []
    for _ in range(rounds):
        policies = policies_of(" ".join(draw.policy(f"p{number}") for number in range(1 + draw.below(4))))
        outcome = compare(connection, policies, draw.request(entities))
        assert not outcome.found.gaps
        given_rows.append(len(outcome.selected))
    return given_rows


def test_sixty_filters_of_what_can_be_translated_give_exactly_the_rows_that_the_engine_permits() -> None:
    with sqlite(metadata) as connection:
        counts = [
            count for seed in range(15) for count in select_and_ask(connection, Draw(Seeded(seed)), rows=20, rounds=4)
        ]
    assert sum(0 < count < 20 for count in counts) > 15, "hardly any filter tells rows apart"


@given(st.data())
@settings(patient, max_examples=8)
def test_any_filter_of_what_can_be_translated_gives_exactly_the_rows_that_the_engine_permits(
    data: st.DataObject,
) -> None:
    with sqlite(metadata) as connection:
        select_and_ask(connection, Draw(Drawn(data.draw)), rows=5, rounds=1)


def test_filters_over_generated_schemas_give_no_row_that_the_engine_refuses() -> None:
    outcomes = [one for seed in range(24) for one in filter_cases.compare(Seeded(seed), sqlite)]
    assert sum(bool(one.found.gaps) for one in outcomes) > 5
    assert sum(bool(one.selected) for one in outcomes) > 2


def rows_by_uuid(connection: Connection) -> int:
    """Select by an id that is a UUID; return how many rows there are for it."""
    known, tables = "6fa459ea-ee8a-3ca4-894e-db77e160355e", MetaData()
    things = Table("things", tables, SqlColumn("id", Uuid, primary_key=True))
    tables.create_all(connection)
    connection.execute(insert(things), {"id": UUID(known)})
    asked = (draw := Draw(Seeded(1))).request(draw.entities(1))
    policies = policies_of(f'permit (principal, action, resource == Document::"{known}");')
    mapping = ResourceMap(things.c.id)
    found = translate(policies, asked.principal, READ, "Document", asked.context, asked.entities, mapping)
    return len(connection.execute(select(things.c.id).where(found.expression)).all())


async def test_postgresql_gives_exactly_the_rows_that_the_engine_permits(postgres_url: str) -> None:
    database = Database(postgres_url)

    def within(connection: Connection) -> list[int]:
        metadata.create_all(connection)
        assert rows_by_uuid(connection) == 1
        return [
            count for seed in range(12) for count in select_and_ask(connection, Draw(Seeded(seed)), rows=12, rounds=3)
        ]

    async with database.engine.connect() as connection:
        counts = await connection.run_sync(within)
    await database.close()
    assert sum(0 < count < 12 for count in counts) > 8


# ---- strict mode and nulls, case by case -----------------------------------------------------------------------------

PERMIT = "permit (principal, action, resource);"


def rows_for(text: str, seed: int = 3, rows: int = 40) -> tuple[int, int]:
    """Compare one policy set on a table with many nulls; return how many rows it gives, and how many there are."""
    with sqlite(metadata) as connection:
        draw = Draw(Seeded(seed))
        fill(connection, entities := draw.entities(rows))
        return len(compare(connection, policies_of(text), draw.request(entities)).selected), rows


def test_no_policy_gives_no_row() -> None:
    found = translate(policies_of(""), EntityUid("User", "u1"), READ, "Document", {}, {}, MAPPING)
    with sqlite(metadata) as connection:
        fill(connection, Draw(Seeded(1)).entities(5))
        assert connection.execute(select(documents.c.id).where(found.expression)).all() == []


@pytest.mark.parametrize(
    "condition",
    [
        'resource has note && resource.note == "a"',
        'resource has note && resource.note != "a"',
        "resource has rank && resource.rank > 0",
        "resource has flag && resource.flag",
        "resource has reviewer && resource.reviewer == principal",
        'resource has note && resource.note like "a*"',
        'resource in Folder::"f1"',
        "!(resource has flag)",
        "resource.labels.isEmpty()",
    ],
)
def test_a_forbid_misses_no_row_because_of_a_null(condition: str) -> None:
    forbidden, rows = rows_for(f"{PERMIT} forbid (principal, action, resource) when {{ {condition} }};")
    unless, _ = rows_for(f"{PERMIT} forbid (principal, action, resource) unless {{ {condition} }};")
    assert 0 < forbidden < rows
    assert forbidden + unless == rows


@pytest.mark.parametrize(
    "condition",
    [
        'resource.note == "a"',
        'resource.note != "a"',
        "resource.note == resource.kind",
        "resource.kind == resource.note",
        "resource.reviewer == resource.owner",
        "resource.reviewer != principal",
        "resource.rank < 1",
        "1 < resource.rank",
        "resource.rank <= resource.level",
        'resource.note like "a*"',
        '["a", "b"].contains(resource.note)',
        "resource.flag",
        "resource.flag == false",
        "principal in resource.reviewer",
        "resource.reviewer is User",
        'if resource.flag then true else resource.note == "a"',
    ],
)
def test_an_attribute_that_is_missing_fails_as_it_fails_in_the_engine(condition: str) -> None:
    """The validator does not let such a policy in; the filter does not rely on it."""
    with sqlite(metadata) as connection:
        draw = Draw(Seeded(3))
        fill(connection, entities := draw.entities(40))
        asked = draw.request(entities)
        for body in (condition, f"!({condition})", f"({condition}) || true", f"({condition}) && false"):
            for effect in (
                f"permit (principal, action, resource) when {{ {body} }};",
                f"{PERMIT} forbid (principal, action, resource) when {{ {body} }};",
            ):
                outcome = compare(connection, policies_of(effect, is_checked=False), asked)
                assert not outcome.found.gaps
                assert len(outcome.selected) < 40


def test_a_forbid_that_fails_on_every_row_gives_no_row() -> None:
    overflow = "context.level + 9223372036854775807 + 1 > 0"
    assert rows_for(f"{PERMIT} forbid (principal, action, resource) when {{ {overflow} }};")[0] == 0


def test_a_permit_that_fails_on_some_rows_permits_the_others_only() -> None:
    given_rows, rows = rows_for(
        "permit (principal, action, resource) when "
        "{ resource.level == 1 || context.level + 9223372036854775807 + 1 > 0 };"
    )
    assert 0 < given_rows < rows


def test_a_row_that_misses_a_required_attribute_is_given_by_no_filter() -> None:
    with sqlite(metadata) as connection:
        draw = Draw(Seeded(1))
        fill(connection, entities := draw.entities(3))
        connection.execute(documents.update().where(documents.c.id == "d1").values(kind=None))
        found = translate(
            policies_of(PERMIT),
            EntityUid("User", "u1"),
            READ,
            "Document",
            draw.request(entities).context,
            entities,
            MAPPING,
        )
        rows = connection.execute(select(documents.c.id).where(found.expression)).scalars().all()
    assert sorted(rows) == ["d0", "d2"]


def test_a_request_that_the_engine_refuses_whatever_the_row_gives_no_row() -> None:
    draw = Draw(Seeded(1))
    entities = draw.entities(3)
    asked = draw.request(entities)
    undescribed = {uid: one for uid, one in entities.items() if uid != asked.principal}
    wrong = [
        (asked.principal, {}, entities),
        (asked.principal, asked.context, undescribed),
        (EntityUid("Team", "t1"), asked.context, entities),
    ]
    policies = policies_of(PERMIT)
    with sqlite(metadata) as connection:
        fill(connection, entities)
        for principal, context, known in wrong:
            found = translate(policies, principal, READ, "Document", context, known, MAPPING)
            assert found.gaps
            assert connection.execute(select(documents.c.id).where(found.expression)).all() == []
            request = PolicyRequest(principal, READ, EntityUid("Document", "d0"), context, known)
            assert policies.evaluate(request).effect is Effect.ERROR
