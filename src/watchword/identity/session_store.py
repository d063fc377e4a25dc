"""Sessions, ceremonies, crossings and throttles in the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.identity.model import SessionFacts
from watchword.identity.tables import (
    ceremonies,
    handles,
    handoffs,
    recognised,
    sessions,
    throttles,
)
from watchword.identity.throttle import Bucket
from watchword.kernel import Acr, DeviceId, SessionId, UserId

_MEMBER_BYTES = 8


# --- sessions -------------------------------------------------------------------------------------------------------


async def add_session(connection: AsyncConnection, session: SessionFacts) -> None:
    """Insert a session; its handle is added apart."""
    await connection.execute(
        insert(sessions).values(
            id=session.id,
            user_id=session.user_id,
            device_id=session.device_id,
            acr=session.acr.value,
            amr=" ".join(session.amr),
            started_at=session.authenticated_at,
            authenticated_at=session.authenticated_at,
            mfa_at=session.mfa_at,
            mfa_network=session.mfa_network,
            expires_at=session.expires_at,
            ended_at=None,
            ip=session.ip,
            user_agent=session.user_agent,
        )
    )


async def strengthen_session(connection: AsyncConnection, session: SessionFacts) -> None:
    """Store what a step-up proved."""
    await connection.execute(
        update(sessions)
        .where(sessions.c.id == session.id)
        .values(
            acr=session.acr.value,
            amr=" ".join(session.amr),
            authenticated_at=session.authenticated_at,
            mfa_at=session.mfa_at,
            mfa_network=session.mfa_network,
        )
    )


async def end_session(connection: AsyncConnection, session_id: SessionId, now: datetime) -> bool:
    """End a session and drop its handles; false when it was not live."""
    live = (sessions.c.id == session_id) & sessions.c.ended_at.is_(None) & (sessions.c.expires_at > now)
    ended = (await connection.execute(update(sessions).where(live).values(ended_at=now))).rowcount == 1
    if ended:
        await drop_handles(connection, session_id)
    return ended


async def shorten_session(connection: AsyncConnection, session_id: SessionId, expires_at: datetime) -> bool:
    """Bring the end forward, never back; false when nothing changed."""
    later = (sessions.c.id == session_id) & (sessions.c.expires_at > expires_at) & sessions.c.ended_at.is_(None)
    return (await connection.execute(update(sessions).where(later).values(expires_at=expires_at))).rowcount == 1


async def session_by_id(connection: AsyncConnection, session_id: str) -> SessionFacts | None:
    """Read one session, ended ones too."""
    return next(iter(await _sessions(connection, sessions.c.id == session_id)), None)


async def session_by_handle(connection: AsyncConnection, digest: bytes, host: str) -> SessionFacts | None:
    """Read the session that a handle opens on a host."""
    query = select(handles.c.session_id).where(handles.c.digest == digest, handles.c.host == host)
    found = (await connection.execute(query)).scalar_one_or_none()
    return await session_by_id(connection, found) if found else None


async def live_sessions(
    connection: AsyncConnection, now: datetime, user_id: UserId | None = None
) -> list[SessionFacts]:
    """Read live sessions, oldest first; of one user or of all."""
    conditions = [sessions.c.ended_at.is_(None), sessions.c.expires_at > now]
    if user_id is not None:
        conditions.append(sessions.c.user_id == user_id)
    return await _sessions(connection, *conditions)


async def recent_sessions(
    connection: AsyncConnection, user_id: UserId, since: datetime, most: int
) -> list[SessionFacts]:
    """Read a user's newest sessions, ended ones too, newest first."""
    mine = (sessions.c.user_id == user_id) & (sessions.c.authenticated_at >= since)
    newest = select(sessions.c.id).where(mine).order_by(sessions.c.authenticated_at.desc()).limit(most)
    found = await _sessions(connection, sessions.c.id.in_((await connection.execute(newest)).scalars().all()))
    return sorted(found, key=lambda session: session.authenticated_at, reverse=True)


async def prune_sessions(connection: AsyncConnection, before: datetime) -> int:
    """Delete sessions that ran out before a moment."""
    return (await connection.execute(delete(sessions).where(sessions.c.expires_at < before))).rowcount


async def put_handle(connection: AsyncConnection, session_id: SessionId, host: str, digest: bytes) -> None:
    """Store the one handle of a session on a host; an earlier one is gone."""
    same = (handles.c.session_id == session_id) & (handles.c.host == host)
    await connection.execute(delete(handles).where(same))
    await connection.execute(insert(handles).values(digest=digest, session_id=session_id, host=host))


async def drop_handles(connection: AsyncConnection, session_id: SessionId) -> None:
    """Delete every handle of a session."""
    await connection.execute(delete(handles).where(handles.c.session_id == session_id))


async def _sessions(connection: AsyncConnection, *conditions: Any) -> list[SessionFacts]:
    rows = (await connection.execute(select(sessions).where(*conditions).order_by(sessions.c.id))).all()
    query = select(handles).join(sessions, sessions.c.id == handles.c.session_id).where(*conditions)
    found: dict[str, dict[bytes, str]] = {}
    for row in (await connection.execute(query)).all():
        found.setdefault(row.session_id, {})[bytes(row.digest)] = row.host
    return [_session(row, found.get(row.id, {})) for row in rows]


def _session(row: Row[Any], digests: dict[bytes, str]) -> SessionFacts:
    return SessionFacts(
        id=SessionId(row.id),
        user_id=UserId(row.user_id),
        device_id=DeviceId(row.device_id) if row.device_id else None,
        acr=Acr(row.acr),
        amr=tuple(row.amr.split()),
        authenticated_at=row.authenticated_at,
        mfa_at=row.mfa_at,
        mfa_network=row.mfa_network,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        ip=row.ip,
        user_agent=row.user_agent,
        handles=MappingProxyType(digests),
    )


# --- ceremonies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """What a ceremony has proven."""

    user_id: UserId
    proofs: frozenset[str]
    is_finished: bool


async def progress_of(connection: AsyncConnection, digest: bytes) -> Progress | None:
    """Read how far a ceremony is; nothing before the first proof."""
    row = (await connection.execute(select(ceremonies).where(ceremonies.c.digest == digest))).one_or_none()
    return Progress(UserId(row.user_id), frozenset(row.proofs.split()), row.is_finished) if row is not None else None


async def put_progress(
    connection: AsyncConnection,
    digest: bytes,
    before: Progress | None,
    after: Progress,
    *,
    now: datetime,
    expires_at: datetime,
) -> bool:
    """Store one more proof; false when the ceremony moved on in the meantime. Only one of two racing proofs wins."""
    proofs = " ".join(sorted(after.proofs))
    await connection.execute(delete(ceremonies).where(ceremonies.c.expires_at < now))
    if before is None:
        row = {"digest": digest, "user_id": after.user_id, "proofs": proofs, "expires_at": expires_at}
        statement = (
            _insert(connection, ceremonies).values(**row, is_finished=after.is_finished).on_conflict_do_nothing()
        )
        return bool((await connection.execute(statement)).rowcount == 1)
    same = (
        (ceremonies.c.digest == digest)
        & (ceremonies.c.user_id == before.user_id)
        & (ceremonies.c.proofs == " ".join(sorted(before.proofs)))
        & ceremonies.c.is_finished.is_(False)
    )
    changed = update(ceremonies).where(same).values(proofs=proofs, is_finished=after.is_finished)
    return (await connection.execute(changed)).rowcount == 1


async def use_once(
    connection: AsyncConnection, digest: bytes, user_id: UserId, *, now: datetime, until: datetime
) -> bool:
    """Note that something was used which counts once, until it counts no more anyway; false if it was used before."""
    used = Progress(user_id, frozenset(), is_finished=True)
    return await put_progress(connection, digest, None, used, now=now, expires_at=until)


async def end_ceremonies(connection: AsyncConnection, user_id: UserId) -> None:
    """Let no sign-in go on in which this user has proven something."""
    mine = (ceremonies.c.user_id == user_id) & ceremonies.c.is_finished.is_(False)
    await connection.execute(update(ceremonies).where(mine).values(is_finished=True))


# --- crossings to other hosts ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crossing:
    """A crossing code that was used just now."""

    session_id: SessionId
    host: str
    state_digest: bytes
    return_to: str
    expires_at: datetime


async def add_crossing(connection: AsyncConnection, digest: bytes, crossing: Crossing, now: datetime) -> None:
    """Store a crossing code; forget those that ran out."""
    await connection.execute(delete(handoffs).where(handoffs.c.expires_at < now))
    await connection.execute(
        insert(handoffs).values(
            digest=digest,
            session_id=crossing.session_id,
            host=crossing.host,
            state_digest=crossing.state_digest,
            return_to=crossing.return_to,
            expires_at=crossing.expires_at,
        )
    )


async def count_crossings(connection: AsyncConnection, session_id: SessionId, now: datetime) -> int:
    """Count the unused codes of a session."""
    mine = (handoffs.c.session_id == session_id) & (handoffs.c.expires_at > now)
    return int((await connection.execute(select(func.count()).select_from(handoffs).where(mine))).scalar_one())


async def take_crossing(connection: AsyncConnection, digest: bytes) -> Crossing | None:
    """Use up a crossing code, whoever asks; only one can have it."""
    statement = delete(handoffs).where(handoffs.c.digest == digest).returning(*handoffs.c)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return Crossing(SessionId(row.session_id), row.host, bytes(row.state_digest), row.return_to, row.expires_at)


# --- throttles ------------------------------------------------------------------------------------------------------


async def load_throttles(connection: AsyncConnection) -> list[tuple[str, Bucket]]:
    """Read every counter, least recently failed first."""
    rows = (await connection.execute(select(throttles).order_by(throttles.c.failed_at))).all()
    return [(row.key, _bucket(row)) for row in rows]


async def put_throttle(connection: AsyncConnection, key: str, bucket: Bucket) -> None:
    """Store a counter."""
    values = {
        "failures": bucket.failures,
        "failed_at": bucket.failed_at,
        "blocked_until": bucket.blocked_until,
        "members": b"".join(sorted(bucket.members)),
    }
    statement = _insert(connection, throttles).values(key=key, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))


async def drop_throttles(connection: AsyncConnection, keys: Iterable[str]) -> None:
    """Delete counters."""
    await connection.execute(delete(throttles).where(throttles.c.key.in_(list(keys))))


def _bucket(row: Row[Any]) -> Bucket:
    packed = bytes(row.members)
    members = frozenset(packed[at : at + _MEMBER_BYTES] for at in range(0, len(packed), _MEMBER_BYTES))
    return Bucket(row.failures, row.failed_at, row.blocked_until, members)


async def load_recognised(connection: AsyncConnection) -> set[bytes]:
    """Read the pairs of browser and account that signed in before."""
    return {bytes(pair) for pair in (await connection.execute(select(recognised.c.pair))).scalars()}


async def put_recognised(
    connection: AsyncConnection, pair: bytes, user_id: UserId, now: datetime, *, most: int
) -> list[bytes]:
    """Store a pair, and return the oldest ones of this user that had to go."""
    statement = _insert(connection, recognised).values(pair=pair, user_id=user_id, used_at=now)
    await connection.execute(statement.on_conflict_do_update(index_elements=["pair"], set_={"used_at": now}))
    newest = select(recognised.c.pair).where(recognised.c.user_id == user_id).order_by(recognised.c.used_at.desc())
    dropped = [bytes(old) for old in (await connection.execute(newest.offset(most))).scalars()]
    if dropped:
        await connection.execute(delete(recognised).where(recognised.c.pair.in_(dropped)))
    return dropped


def _insert(connection: AsyncConnection, table: Table) -> Any:
    """Return the dialect's own insert, which can handle a conflict."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
