"""The tables of this sub-package: labels, suppressions, and acts in doubt."""

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
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.kernel import Answer
from watchword.storage import UtcDateTime, metadata
from watchword.trust.learning.labels import Doubt, Judged, Label, Review, Source
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

doubts = Table(
    "trust_doubts",
    metadata,
    Column("act", String(120), primary_key=True),
    Column("user_id", String(120), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("answer", String(16), nullable=False),
    Column("session", String(120), nullable=False),
    Column("device", String(120), nullable=False),
    Column("application", String(200), nullable=False),
    Column("ip", String(45), nullable=False),
    Column("user_agent", String(400), nullable=False),
    Column("margin", Float, nullable=False),
    Column("indicator_values", Text, nullable=False),
    Column("is_known_device", Boolean),
    CheckConstraint("answer IN ('allow', 'step_up', 'approval', 'deny')", name="answer_is_known"),
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


async def count_labels(
    connection: AsyncConnection, *, user: str, source: Source, given_by: str, since: datetime
) -> tuple[int, int]:
    """Return how many were given about an account by a source, and how many by somebody, since a time."""
    recent = select(func.count()).select_from(labels).where(labels.c.given_at >= since)
    mine = (labels.c.user_id == user) & (labels.c.source == source.value)
    of_user = (await connection.execute(recent.where(mine))).scalar_one()
    of_giver = (await connection.execute(recent.where(labels.c.given_by == given_by))).scalar_one()
    return int(of_user), int(of_giver)


async def set_review(connection: AsyncConnection, label_id: str, review: Review) -> None:
    """Write what an analyst made of a label."""
    await connection.execute(update(labels).where(labels.c.id == label_id).values(review=review.value))


async def drop_labels(connection: AsyncConnection, label_ids: Sequence[str]) -> None:
    """Remove labels."""
    await connection.execute(delete(labels).where(labels.c.id.in_(label_ids)))


async def drop_of_user(connection: AsyncConnection, user: str) -> None:
    """Forget an account."""
    await connection.execute(delete(labels).where(labels.c.user_id == user))
    await connection.execute(delete(suppressions).where(suppressions.c.user_id == user))
    await connection.execute(delete(doubts).where(doubts.c.user_id == user))


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


async def put_doubt(connection: AsyncConnection, doubt: Doubt) -> None:
    """Write an act in doubt, unless it is there."""
    judged = doubt.judged
    if (await connection.execute(select(doubts.c.act).where(doubts.c.act == judged.act))).first() is not None:
        return
    await connection.execute(
        insert(doubts).values(
            act=judged.act,
            user_id=judged.user,
            at=judged.at,
            answer=doubt.answer.value,
            session=judged.session,
            device=judged.device,
            application=doubt.application[:200],
            ip=doubt.ip[:45],
            user_agent=doubt.user_agent[:400],
            margin=judged.margin,
            indicator_values=json.dumps(dict(judged.values), sort_keys=True),
            is_known_device=doubt.is_known_device,
        )
    )


async def doubts_of(connection: AsyncConnection, user: str, since: datetime) -> Sequence[Doubt]:
    """Return the acts in doubt of an account since a time, newest first, with what its owner said of each."""
    said = (labels.c.act == doubts.c.act) & (labels.c.source == Source.OWNER.value)
    found = (
        select(doubts, labels.c.is_attack)
        .outerjoin(labels, said)
        .where((doubts.c.user_id == user) & (doubts.c.at >= since))
        .order_by(doubts.c.at.desc(), doubts.c.act.desc())
    )
    return [_doubt(row) for row in await connection.execute(found)]


async def drop_doubts_before(connection: AsyncConnection, before: datetime) -> None:
    """Forget acts in doubt that are older than a time."""
    await connection.execute(delete(doubts).where(doubts.c.at < before))


async def drop_doubts_beyond(connection: AsyncConnection, user: str, most: int) -> None:
    """Forget the oldest acts in doubt of an account, above a number; not those of which its owner said "not me"."""
    # Prevents: a thief who was thrown out being in doubt again and again, until nothing tells that he was thrown out.
    said = (labels.c.act == doubts.c.act) & (labels.c.source == Source.OWNER.value) & labels.c.is_attack
    mine = (doubts.c.user_id == user) & ~exists().where(said)
    newest = select(doubts.c.act).where(mine).order_by(doubts.c.at.desc(), doubts.c.act.desc())
    beyond = list((await connection.execute(newest.offset(most))).scalars())
    await connection.execute(delete(doubts).where(doubts.c.act.in_(beyond)))


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


def _doubt(row: Row[tuple[object, ...]]) -> Doubt:
    judged = Judged(
        act=row.act,
        user=row.user_id,
        at=row.at,
        margin=row.margin,
        values=_values(row.indicator_values),
        session=row.session,
        device=row.device,
    )
    return Doubt(
        judged=judged,
        answer=Answer(row.answer),
        ip=row.ip,
        user_agent=row.user_agent,
        application=row.application,
        is_owners=None if row.is_attack is None else not row.is_attack,
        is_known_device=row.is_known_device,
    )


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
