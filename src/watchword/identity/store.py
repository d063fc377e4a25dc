"""Users, groups and authenticators in the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from watchword.identity.errors import PasskeyRefusedError
from watchword.identity.model import ADMINISTRATORS, AuthenticatorFacts, AuthenticatorKind, GroupFacts, UserFacts
from watchword.identity.names import UserName
from watchword.identity.passkeys import StoredPasskey
from watchword.identity.tables import authenticators, groups, invitations, memberships, recovery_codes, users
from watchword.kernel import AuthenticatorId, GroupId, UserId

_PASSWORD = AuthenticatorKind.PASSWORD.value
_PASSKEY = AuthenticatorKind.PASSKEY.value
_TOTP = AuthenticatorKind.TOTP.value
_RECOVERY = AuthenticatorKind.RECOVERY_CODES.value


@dataclass(frozen=True, slots=True)
class Authenticator:
    """An authenticator with its material; stays inside this room."""

    facts: AuthenticatorFacts
    user_id: UserId
    is_confirmed: bool
    material: bytes
    credential_id: bytes | None
    counter: int
    stands_alone: bool

    def __repr__(self) -> str:
        return f"Authenticator({self.facts.id})"

    @property
    def passkey(self) -> StoredPasskey:
        """The passkey this is."""
        return StoredPasskey(self.credential_id or b"", self.material, self.counter, self.facts.is_synced)


# --- users ----------------------------------------------------------------------------------------------------------


async def add_user(connection: AsyncConnection, user: UserFacts, name: UserName, now: datetime) -> None:
    """Insert a user; memberships are added apart."""
    await connection.execute(
        insert(users).values(
            id=user.id,
            name=name.shown,
            name_key=name.key,
            skeleton=name.skeleton,
            display_name=user.display_name,
            email=user.email,
            timezone=user.timezone,
            is_disabled=user.is_disabled,
            is_privileged=user.is_privileged,
            created_at=now,
        )
    )


async def change_user(connection: AsyncConnection, user_id: UserId, **values: Any) -> bool:
    """Change columns of a user; tell whether there is one."""
    return (await connection.execute(update(users).where(users.c.id == user_id).values(**values))).rowcount == 1


async def delete_user(connection: AsyncConnection, user_id: UserId) -> bool:
    """Delete a user with everything that belongs to it."""
    return (await connection.execute(delete(users).where(users.c.id == user_id))).rowcount == 1


async def user_by_id(connection: AsyncConnection, user_id: str) -> UserFacts | None:
    """Read one user."""
    return next(iter(await _users(connection, users.c.id == user_id)), None)


async def hold_user(connection: AsyncConnection, user_id: UserId) -> None:
    """Let whoever else holds this user wait until this unit of work is over; SQLite has one writer anyway."""
    await connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())


async def user_by_name(connection: AsyncConnection, name_key: str) -> UserFacts | None:
    """Read one user by the form of the name that is looked up."""
    return next(iter(await _users(connection, users.c.name_key == name_key)), None)


async def all_users(connection: AsyncConnection) -> list[UserFacts]:
    """Read every user, by name."""
    return await _users(connection)


async def _users(connection: AsyncConnection, *conditions: Any) -> list[UserFacts]:
    rows = (await connection.execute(select(users).where(*conditions).order_by(users.c.name_key))).all()
    query = (
        select(memberships.c.user_id, groups.c.name)
        .join(groups, groups.c.id == memberships.c.group_id)
        .join(users, users.c.id == memberships.c.user_id)
        .where(*conditions)
    )
    names: dict[str, set[str]] = {}
    for user_id, name in (await connection.execute(query)).all():
        names.setdefault(user_id, set()).add(name)
    return [_user(row, frozenset(names.get(row.id, ()))) for row in rows]


def _user(row: Row[Any], names: frozenset[str]) -> UserFacts:
    return UserFacts(
        id=UserId(row.id),
        name=row.name,
        display_name=row.display_name,
        email=row.email,
        timezone=row.timezone,
        groups=names,
        is_administrator=ADMINISTRATORS in names,
        is_disabled=row.is_disabled,
        is_privileged=row.is_privileged,
    )


# --- groups ---------------------------------------------------------------------------------------------------------


async def add_group(connection: AsyncConnection, group_id: GroupId, name: str, now: datetime) -> None:
    """Insert a group."""
    await connection.execute(insert(groups).values(id=group_id, name=name, created_at=now))


async def group_id_of(connection: AsyncConnection, name: str) -> GroupId | None:
    """Find a group by name."""
    found = (await connection.execute(select(groups.c.id).where(groups.c.name == name))).scalar_one_or_none()
    return GroupId(found) if found else None


async def hold_group(connection: AsyncConnection, name: str) -> None:
    """Let whoever else holds this group wait until this unit of work is over; SQLite has one writer anyway."""
    await connection.execute(select(groups.c.id).where(groups.c.name == name).with_for_update())


async def delete_group(connection: AsyncConnection, group_id: GroupId) -> None:
    """Delete a group and its memberships."""
    await connection.execute(delete(groups).where(groups.c.id == group_id))


async def members_of(connection: AsyncConnection, group_id: GroupId) -> list[UserId]:
    """Read who is in a group."""
    query = select(memberships.c.user_id).where(memberships.c.group_id == group_id)
    return [UserId(found) for found in (await connection.execute(query)).scalars()]


async def all_groups(connection: AsyncConnection) -> list[GroupFacts]:
    """Read every group with its size, by name."""
    query = (
        select(groups.c.id, groups.c.name, func.count(memberships.c.user_id))
        .outerjoin(memberships, memberships.c.group_id == groups.c.id)
        .group_by(groups.c.id, groups.c.name)
        .order_by(groups.c.name)
    )
    return [GroupFacts(GroupId(found), name, size) for found, name, size in (await connection.execute(query)).all()]


async def add_member(connection: AsyncConnection, user_id: UserId, group_id: GroupId) -> None:
    """Insert a membership."""
    await connection.execute(insert(memberships).values(user_id=user_id, group_id=group_id))


async def remove_member(connection: AsyncConnection, user_id: UserId, group_id: GroupId) -> bool:
    """Delete a membership; tell whether there was one."""
    condition = (memberships.c.user_id == user_id) & (memberships.c.group_id == group_id)
    return (await connection.execute(delete(memberships).where(condition))).rowcount == 1


# --- authenticators -------------------------------------------------------------------------------------------------


async def authenticators_of(connection: AsyncConnection, user_id: UserId) -> list[Authenticator]:
    """Read every authenticator of a user, oldest first, unconfirmed ones included."""
    query = (
        select(authenticators, func.count(recovery_codes.c.digest).label("remaining"))
        .outerjoin(recovery_codes, recovery_codes.c.authenticator_id == authenticators.c.id)
        .where(authenticators.c.user_id == user_id)
        .group_by(authenticators.c.id)
        .order_by(authenticators.c.created_at, authenticators.c.id)
    )
    return [_authenticator(row) for row in (await connection.execute(query)).all()]


async def authenticators_of_kind(connection: AsyncConnection, kind: AuthenticatorKind) -> list[Authenticator]:
    """Read every authenticator of a kind, unconfirmed ones included."""
    query = select(authenticators).where(authenticators.c.kind == kind.value).order_by(authenticators.c.id)
    return [_authenticator(row) for row in (await connection.execute(query)).all()]


async def replace_material(connection: AsyncConnection, found: AuthenticatorId, material: bytes) -> None:
    """Put the same secret there under another seal."""
    await connection.execute(update(authenticators).where(authenticators.c.id == found).values(material=material))


async def authenticator_by_credential(connection: AsyncConnection, credential_id: bytes) -> Authenticator | None:
    """Find a passkey."""
    query = select(authenticators).where(authenticators.c.credential_id == credential_id)
    row = (await connection.execute(query)).one_or_none()
    return _authenticator(row) if row is not None else None


async def user_ids_that_can_sign_in(connection: AsyncConnection) -> set[UserId]:
    """Read who has a password or a passkey."""
    kinds = authenticators.c.kind.in_([_PASSWORD, _PASSKEY])
    query = select(authenticators.c.user_id).where(kinds, authenticators.c.is_confirmed).distinct()
    return {UserId(found) for found in (await connection.execute(query)).scalars()}


async def add_authenticator(connection: AsyncConnection, authenticator: Authenticator) -> None:
    """Insert an authenticator."""
    facts = authenticator.facts
    await connection.execute(
        insert(authenticators).values(
            id=facts.id,
            user_id=authenticator.user_id,
            kind=facts.kind.value,
            label=facts.label,
            created_at=facts.created_at,
            last_used_at=facts.last_used_at,
            is_confirmed=authenticator.is_confirmed,
            material=authenticator.material,
            credential_id=authenticator.credential_id,
            counter=authenticator.counter,
            is_synced=facts.is_synced,
            stands_alone=authenticator.stands_alone,
        )
    )


async def add_new_authenticator(connection: AsyncConnection, authenticator: Authenticator) -> None:
    """Insert an authenticator unless its credential belongs to somebody already.

    Raises:
        PasskeyRefusedError: the credential is known.
    """
    credential_id = authenticator.credential_id
    # Prevents: one credential signing in to two accounts.
    if credential_id is not None and await authenticator_by_credential(connection, credential_id) is not None:
        raise PasskeyRefusedError("this passkey is registered already")
    await add_authenticator(connection, authenticator)


async def remove_authenticators(connection: AsyncConnection, ids: Iterable[AuthenticatorId]) -> int:
    """Delete authenticators; return how many there were."""
    return (await connection.execute(delete(authenticators).where(authenticators.c.id.in_(list(ids))))).rowcount


async def rename_authenticator(connection: AsyncConnection, found: AuthenticatorId, label: str) -> None:
    """Change the label."""
    await connection.execute(update(authenticators).where(authenticators.c.id == found).values(label=label))


async def replace_password(
    connection: AsyncConnection, found: AuthenticatorId, encoded: str, *, stands_alone: bool, now: datetime
) -> None:
    """Store another password."""
    await connection.execute(
        update(authenticators)
        .where(authenticators.c.id == found)
        .values(material=encoded.encode(), stands_alone=stands_alone, created_at=now)
    )


async def touch_password(
    connection: AsyncConnection, authenticator: Authenticator, rehashed: str | None, now: datetime
) -> bool:
    """Note the use of a password, and store its new hash if any; false when it was changed in the meantime."""
    values: dict[str, Any] = {"last_used_at": now}
    if rehashed is not None:
        values["material"] = rehashed.encode()
    same = (authenticators.c.id == authenticator.facts.id) & (authenticators.c.material == authenticator.material)
    return (await connection.execute(update(authenticators).where(same).values(**values))).rowcount == 1


async def use_totp_step(
    connection: AsyncConnection, found: AuthenticatorId, step: int, now: datetime, *, confirm: bool = False
) -> bool:
    """Take a time step; false when it, or a later one, was taken before. One statement, so that only one can win."""
    values: dict[str, Any] = {"counter": step, "last_used_at": now}
    if confirm:
        values["is_confirmed"] = True
    free = (authenticators.c.id == found) & (authenticators.c.counter < step)
    return (await connection.execute(update(authenticators).where(free).values(**values))).rowcount == 1


async def use_passkey(connection: AsyncConnection, found: AuthenticatorId, shown: int, now: datetime) -> bool:
    """Store the counter shown; false when another use stored as much before. One statement, as above."""
    fits = (authenticators.c.counter < shown) if shown else (authenticators.c.counter == 0)
    values = {"counter": shown, "last_used_at": now}
    changed = await connection.execute(
        update(authenticators).where(authenticators.c.id == found, fits).values(**values)
    )
    return changed.rowcount == 1


async def add_recovery_codes(connection: AsyncConnection, owner: AuthenticatorId, digests: Iterable[bytes]) -> None:
    """Insert a set of codes."""
    rows = [{"digest": digest, "authenticator_id": owner} for digest in digests]
    await connection.execute(insert(recovery_codes), rows)


async def use_recovery_code(connection: AsyncConnection, user_id: UserId, digest: bytes, now: datetime) -> int | None:
    """Use up one code of a user; return how many are left, nothing when there was none such."""
    mine = select(authenticators.c.id).where(authenticators.c.user_id == user_id, authenticators.c.kind == _RECOVERY)
    owner = (await connection.execute(mine)).scalar_one_or_none()
    match = (recovery_codes.c.digest == digest) & (recovery_codes.c.authenticator_id == owner)
    if owner is None or (await connection.execute(delete(recovery_codes).where(match))).rowcount != 1:
        return None
    await connection.execute(update(authenticators).where(authenticators.c.id == owner).values(last_used_at=now))
    left = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.authenticator_id == owner)
    return int((await connection.execute(left)).scalar_one())


def _authenticator(row: Row[Any]) -> Authenticator:
    kind = AuthenticatorKind(row.kind)
    return Authenticator(
        facts=AuthenticatorFacts(
            id=AuthenticatorId(row.id),
            kind=kind,
            label=row.label,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            is_synced=row.is_synced,
            remaining=getattr(row, "remaining", None) if kind is AuthenticatorKind.RECOVERY_CODES else None,
        ),
        user_id=UserId(row.user_id),
        is_confirmed=row.is_confirmed,
        material=bytes(row.material),
        credential_id=bytes(row.credential_id) if row.credential_id is not None else None,
        counter=row.counter,
        stands_alone=row.stands_alone,
    )


# --- invitations ----------------------------------------------------------------------------------------------------


async def put_invitation(connection: AsyncConnection, digest: bytes, user_id: UserId, expires_at: datetime) -> None:
    """Store an invitation; an earlier one for the same user ends."""
    await connection.execute(delete(invitations).where(invitations.c.user_id == user_id))
    await connection.execute(insert(invitations).values(digest=digest, user_id=user_id, expires_at=expires_at))


async def invited_user(connection: AsyncConnection, digest: bytes, now: datetime) -> UserId | None:
    """Find whom a link is for."""
    query = select(invitations.c.user_id).where(invitations.c.digest == digest, invitations.c.expires_at > now)
    found = (await connection.execute(query)).scalar_one_or_none()
    return UserId(found) if found else None


async def use_invitation(connection: AsyncConnection, digest: bytes, user_id: UserId, now: datetime) -> bool:
    """Use up an invitation; false when it is gone."""
    match = (invitations.c.digest == digest) & (invitations.c.user_id == user_id) & (invitations.c.expires_at > now)
    return (await connection.execute(delete(invitations).where(match))).rowcount == 1
