"""The tables of this sub-package: labels and suppressions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.storage import UtcDateTime, metadata
from watchword.trust.learning.labels import Label, Review, Source
from watchword.trust.learning.suppressions import Scope, Suppression

labels = Table(
    "trust_labels",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("act", String(120), nullable=False, index=True),
    Column("user_id", String(120), nullable=False, index=True),
    Column("source", String(16), nullable=False),
    Column("is_attack", Boolean(create_constraint=True, name="is_attack"), nullable=False),
    Column("given_by", String(120), nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
    Column("observed_at", UtcDateTime, nullable=False),
    Column("margin", Float, nullable=False),
    Column("indicator_values", Text, nullable=False),
    Column("weight", Float, nullable=False),
    Column("review", String(16), nullable=False),
    CheckConstraint("source IN ('owner', 'analyst', 'step_up')", name="source_is_known"),
    CheckConstraint("review IN ('none', 'released', 'rejected')", name="review_is_known"),
    CheckConstraint("weight > 0 AND weight <= 1", name="weight_is_a_share"),
)

suppressions = Table(
    "trust_suppressions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", String(120), nullable=False, index=True),
    Column("scope", String(16), nullable=False),
    Column("value", String(120), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("reason", String(400), nullable=False),
    Column("given_by", String(120), nullable=False),
    Column("given_at", UtcDateTime, nullable=False),
    CheckConstraint("scope IN ('network', 'device', 'country')", name="scope_is_known"),
)


async def put_label(connection: AsyncConnection, label: Label) -> None:
    """Write one label."""
    await connection.execute(
        insert(labels).values(
            id=label.id,
            act=label.act,
            user_id=label.user,
            source=label.source.value,
            is_attack=label.is_attack,
            given_by=label.given_by,
            given_at=label.given_at,
            observed_at=label.observed_at,
            margin=label.margin,
            indicator_values=json.dumps(dict(label.values), sort_keys=True),
            weight=label.weight,
            review=label.review.value,
        )
    )


async def labels_of(connection: AsyncConnection, act: str) -> Sequence[Label]:
    """Return what was said of one act, oldest first."""
    rows = await connection.execute(select(labels).where(labels.c.act == act).order_by(labels.c.given_at, labels.c.id))
    return [_label(row) for row in rows]


async def label_by_id(connection: AsyncConnection, label_id: str) -> Label | None:
    """Return one label."""
    row = (await connection.execute(select(labels).where(labels.c.id == label_id))).first()
    return None if row is None else _label(row)


async def all_labels(connection: AsyncConnection, *, since: datetime) -> Sequence[Label]:
    """Return every label given since a time, oldest first."""
    rows = await connection.execute(
        select(labels).where(labels.c.given_at >= since).order_by(labels.c.given_at, labels.c.id)
    )
    return [_label(row) for row in rows]


async def count_labels(connection: AsyncConnection, *, user: str, given_by: str, since: datetime) -> tuple[int, int]:
    """Return how many were given about an account, and how many by somebody, since a time."""
    recent = select(func.count()).select_from(labels).where(labels.c.given_at >= since)
    of_user = (await connection.execute(recent.where(labels.c.user_id == user))).scalar_one()
    of_giver = (await connection.execute(recent.where(labels.c.given_by == given_by))).scalar_one()
    return int(of_user), int(of_giver)


async def set_review(connection: AsyncConnection, label_id: str, review: Review) -> None:
    """Write what an analyst made of a label."""
    await connection.execute(update(labels).where(labels.c.id == label_id).values(review=review.value))


async def drop_labels(connection: AsyncConnection, *, act: str, source: Source) -> None:
    """Remove what a source said of an act before."""
    await connection.execute(delete(labels).where((labels.c.act == act) & (labels.c.source == source.value)))


async def drop_of_user(connection: AsyncConnection, user: str) -> None:
    """Forget an account."""
    await connection.execute(delete(labels).where(labels.c.user_id == user))
    await connection.execute(delete(suppressions).where(suppressions.c.user_id == user))


async def put_suppression(connection: AsyncConnection, suppression: Suppression) -> None:
    """Write one suppression."""
    await connection.execute(
        insert(suppressions).values(
            id=suppression.id,
            user_id=suppression.user,
            scope=suppression.scope.value,
            value=suppression.value,
            until=suppression.until,
            reason=suppression.reason,
            given_by=suppression.given_by,
            given_at=suppression.given_at,
        )
    )


async def drop_suppression(connection: AsyncConnection, suppression_id: str) -> Suppression | None:
    """Remove one and return it."""
    found = await connection.execute(select(suppressions).where(suppressions.c.id == suppression_id))
    row = found.first()
    await connection.execute(delete(suppressions).where(suppressions.c.id == suppression_id))
    return None if row is None else _suppression(row)


async def drop_over(connection: AsyncConnection, before: datetime) -> None:
    """Remove suppressions that ended before a time."""
    await connection.execute(delete(suppressions).where(suppressions.c.until < before))


async def active(connection: AsyncConnection, now: datetime) -> Sequence[Suppression]:
    """Return the suppressions that count, oldest first."""
    rows = await connection.execute(
        select(suppressions).where(suppressions.c.until > now).order_by(suppressions.c.given_at, suppressions.c.id)
    )
    return [_suppression(row) for row in rows]


def _label(row: Row[tuple[object, ...]]) -> Label:
    return Label(
        id=row.id,
        act=row.act,
        user=row.user_id,
        source=Source(row.source),
        is_attack=row.is_attack,
        given_by=row.given_by,
        given_at=row.given_at,
        observed_at=row.observed_at,
        margin=row.margin,
        values=_values(row.indicator_values),
        weight=row.weight,
        review=Review(row.review),
    )


def _values(text: str) -> dict[str, float]:
    try:
        found = json.loads(text)
        return {str(name): float(value) for name, value in found.items() if isfinite(float(value))}
    except (ValueError, AttributeError, TypeError):
        # A row that somebody damaged says nothing; the guard passes labels without values over.
        return {}


def _suppression(row: Row[tuple[object, ...]]) -> Suppression:
    return Suppression(
        id=row.id,
        user=row.user_id,
        scope=Scope(row.scope),
        value=row.value,
        until=row.until,
        reason=row.reason,
        given_by=row.given_by,
        given_at=row.given_at,
    )
