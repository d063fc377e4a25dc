"""Users, groups and invitations: what administrators do with accounts.

Who may call these is decided before; `actor` is only written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from watchword.identity import events, names, store
from watchword.identity.errors import (
    LastAdministratorError,
    NameRefusedError,
    NameTakenError,
    UnknownSubjectError,
    WrongStepError,
)
from watchword.identity.factors import Factors
from watchword.identity.handles import digest_of_new, new_handle
from watchword.identity.model import ADMINISTRATORS, GroupFacts, Invitation, UserFacts
from watchword.identity.sessions import end_all_in
from watchword.kernel import EventType, GroupId, UserId
from watchword.kernel.events import Json
from watchword.storage import ConflictError, UnitOfWork

INVITATION_LIFE = timedelta(hours=24)


class Accounts(Factors):
    """The directory. The methods about one's own authenticators are those of `Factors`."""

    # --- users ------------------------------------------------------------------------------------------------------

    async def create_user(
        self,
        name: str,
        *,
        actor: str,
        display_name: str = "",
        email: str | None = None,
        timezone: str = "UTC",
        is_privileged: bool = False,
        groups: Iterable[str] = (),
    ) -> UserFacts:
        """Add a user; groups that do not exist yet are made.

        Raises:
            NameRefusedError: a name, address or zone cannot be used.
            NameTakenError: somebody has that name, or one that looks the same.
        """
        try:
            async with self._database.work() as unit:
                return await self._create_user(
                    unit, name, actor, (display_name, email, timezone), is_privileged=is_privileged, groups=groups
                )
        except ConflictError as error:
            raise NameTakenError("that name is taken, or looks like one that is") from error

    async def change_user(
        self,
        user_id: UserId,
        *,
        actor: str,
        display_name: str | None = None,
        email: str | None = None,
        timezone: str | None = None,
        is_privileged: bool | None = None,
    ) -> UserFacts:
        """Change what is given; an empty e-mail address removes it.

        Raises:
            UnknownSubjectError: there is no such user.
            NameRefusedError: a value cannot be used.
        """
        values: dict[str, object] = {}
        if display_name is not None:
            values["display_name"] = names.display_name(display_name)
        if email is not None:
            values["email"] = names.email_address(email)
        if timezone is not None:
            values["timezone"] = names.time_zone(timezone)
        if is_privileged is not None:
            values["is_privileged"] = is_privileged
        async with self._database.work() as unit:
            await self._require(unit, user_id)
            if values:
                await store.change_user(unit.connection, user_id, **values)
                self._say(unit, events.USER_CHANGED, actor, user_id, fields=" ".join(sorted(values)))
            return await self._require(unit, user_id)

    async def disable(self, user_id: UserId, *, actor: str, reason: str = "") -> None:
        """Refuse this user from now on and end every session.

        Raises:
            UnknownSubjectError: there is no such user.
            LastAdministratorError: nobody would be left to administer.
        """
        async with self._database.work() as unit:
            user = await self._require(unit, user_id)
            if user.is_disabled:
                return
            await self._require_another_administrator(unit, user)
            await store.change_user(unit.connection, user_id, is_disabled=True)
            self._say(unit, events.USER_DISABLED, actor, user_id, reason=reason)
            await self._end_all(unit, user_id, actor, "disabled")

    async def enable(self, user_id: UserId, *, actor: str) -> None:
        """Let a disabled user sign in again.

        Raises:
            UnknownSubjectError: there is no such user.
        """
        async with self._database.work() as unit:
            if (await self._require(unit, user_id)).is_disabled:
                await store.change_user(unit.connection, user_id, is_disabled=False)
                self._say(unit, events.USER_ENABLED, actor, user_id)

    async def delete_user(self, user_id: UserId, *, actor: str) -> None:
        """Remove a user with everything that belongs to it; sessions are told to have ended.

        Raises:
            UnknownSubjectError: there is no such user.
            LastAdministratorError: nobody would be left to administer.
        """
        async with self._database.work() as unit:
            await self._require_another_administrator(unit, await self._require(unit, user_id))
            await self._end_all(unit, user_id, actor, "deleted")
            await store.delete_user(unit.connection, user_id)
            self._say(unit, events.USER_DELETED, actor, user_id)

    async def find_user(self, name: str) -> UserFacts | None:
        """Find a user by name, as typed."""
        try:
            key = names.user_name(name).key
        except NameRefusedError:
            return None
        async with self._database.read() as connection:
            return await store.user_by_name(connection, key)

    # --- groups -----------------------------------------------------------------------------------------------------

    async def groups(self) -> list[GroupFacts]:
        """Return every group with its size, by name."""
        async with self._database.read() as connection:
            return await store.all_groups(connection)

    async def create_group(self, name: str, *, actor: str) -> GroupFacts:
        """Make a group.

        Raises:
            NameRefusedError: not a short lower-case word.
            NameTakenError: there is one.
        """
        try:
            async with self._database.work() as unit:
                if await store.group_id_of(unit.connection, names.group_name(name)) is not None:
                    raise NameTakenError("there is a group of that name")
                return GroupFacts(await self._group(unit, name, actor), name, 0)
        except ConflictError as error:
            raise NameTakenError("there is a group of that name") from error

    async def delete_group(self, name: str, *, actor: str) -> None:
        """Remove a group; its members lose what it gave them.

        Raises:
            UnknownSubjectError: there is no such group.
            LastAdministratorError: it is the administrators' own.
        """
        if name == ADMINISTRATORS:
            raise LastAdministratorError("the administrators' group cannot be removed")
        async with self._database.work() as unit:
            group_id = await store.group_id_of(unit.connection, name)
            if group_id is None:
                raise UnknownSubjectError("there is no such group")
            members = await store.members_of(unit.connection, group_id)
            await store.delete_group(unit.connection, group_id)
            self._say(unit, events.GROUP_DELETED, actor, group_id, name=name)
            for member in members:
                self._say(unit, events.USER_CHANGED, actor, member, fields="groups", group=name, is_member=False)

    async def add_to_group(self, user_id: UserId, group: str, *, actor: str) -> None:
        """Put a user into a group, which is made if need be.

        Raises:
            UnknownSubjectError: there is no such user.
            NameRefusedError: that cannot be a group's name.
        """
        async with self._database.work() as unit:
            await self._join(unit, await self._require(unit, user_id), group, actor)

    async def remove_from_group(self, user_id: UserId, group: str, *, actor: str) -> None:
        """Take a user out of a group.

        Raises:
            UnknownSubjectError: there is no such user or group.
            LastAdministratorError: nobody would be left to administer.
        """
        async with self._database.work() as unit:
            user = await self._require(unit, user_id)
            group_id = await store.group_id_of(unit.connection, group)
            if group_id is None:
                raise UnknownSubjectError("there is no such group")
            if group == ADMINISTRATORS:
                await self._require_another_administrator(unit, user)
            if await store.remove_member(unit.connection, user_id, group_id):
                self._say(unit, events.USER_CHANGED, actor, user_id, fields="groups", group=group, is_member=False)

    # --- invitations ------------------------------------------------------------------------------------------------

    async def invite(self, user_id: UserId, *, actor: str, reset: bool = False) -> Invitation:
        """Make a one-time link's secret, good for a day; an earlier link for the same user ends.

        Args:
            user_id: whom for.
            actor: who does it.
            reset: the user has lost every way in: remove all authenticators and end all sessions first.

        Raises:
            UnknownSubjectError: there is no such user.
            WrongStepError: the user can sign in, and no reset was asked for.
        """
        async with self._database.work() as unit:
            user = await self._require(unit, user_id)
            found = await store.authenticators_of(unit.connection, user_id)
            # Prevents: a link that quietly goes around the factors a user has.
            if any(one.is_confirmed for one in found) and not reset:
                raise WrongStepError("this user can sign in already", hint="ask for a reset to start over")
            await store.remove_authenticators(unit.connection, [one.facts.id for one in found])
            now = self._clock.now()
            for one in found:
                facts = {"user": user_id, "kind": one.facts.kind.value, "reason": "reset"}
                self._say(unit, events.AUTHENTICATOR_REMOVED, actor, one.facts.id, **facts)
            if found:
                await self._end_all(unit, user_id, actor, "reset")
            return await self._invite(unit, user, actor, now, is_reset=bool(found))

    async def first_administrator(self) -> Invitation | None:
        """Return an invitation when no administrator could sign in, making one if there is none at all.

        For the person who starts the process, who can read its output; each call ends the link of the one before.
        """
        async with self._database.work() as unit:
            able = await store.user_ids_that_can_sign_in(unit.connection)
            everybody = await store.all_users(unit.connection)
            administrators = [user for user in everybody if user.is_administrator and not user.is_disabled]
            if any(user.id in able for user in administrators):
                return None
            if administrators:
                user = administrators[0]
            else:
                taken = {names.user_name(user.name).skeleton for user in everybody}
                name = next(name for name in _administrator_names() if name not in taken)
                user = await self._create_user(
                    unit, name, "system", ("Administrator", None, "UTC"), is_privileged=True, groups=[ADMINISTRATORS]
                )
            return await self._invite(unit, user, "system", self._clock.now(), is_reset=False)

    # --- within a unit of work --------------------------------------------------------------------------------------

    async def _create_user(
        self,
        unit: UnitOfWork,
        name: str,
        actor: str,
        about: tuple[str, str | None, str],
        *,
        is_privileged: bool,
        groups: Iterable[str],
    ) -> UserFacts:
        now = self._clock.now()
        parsed = names.user_name(name)
        display_name, email, timezone = about
        user = UserFacts(
            id=UserId.new(now, self._entropy),
            name=parsed.shown,
            display_name=names.display_name(display_name) or parsed.shown,
            email=names.email_address(email),
            timezone=names.time_zone(timezone),
            groups=frozenset(),
            is_administrator=False,
            is_disabled=False,
            is_privileged=is_privileged,
        )
        wanted = sorted({names.group_name(group) for group in groups})
        await store.add_user(unit.connection, user, parsed, now)
        self._say(
            unit,
            events.USER_CREATED,
            actor,
            user.id,
            name=user.name,
            is_privileged=is_privileged,
            groups=" ".join(wanted),
        )
        for group in wanted:
            await self._join(unit, user, group, actor)
        return await self._require(unit, user.id)

    async def _join(self, unit: UnitOfWork, user: UserFacts, group: str, actor: str) -> None:
        if group in user.groups:
            return
        group_id = await store.group_id_of(unit.connection, names.group_name(group))
        if group_id is None:
            group_id = await self._group(unit, group, actor)
        await store.add_member(unit.connection, user.id, group_id)
        self._say(unit, events.USER_CHANGED, actor, user.id, fields="groups", group=group, is_member=True)

    async def _group(self, unit: UnitOfWork, name: str, actor: str) -> GroupId:
        now = self._clock.now()
        group_id = GroupId.new(now, self._entropy)
        await store.add_group(unit.connection, group_id, name, now)
        self._say(unit, events.GROUP_CREATED, actor, group_id, name=name)
        return group_id

    async def _invite(
        self, unit: UnitOfWork, user: UserFacts, actor: str, now: datetime, *, is_reset: bool
    ) -> Invitation:
        token = new_handle(self._entropy)
        expires_at = now + INVITATION_LIFE
        await store.put_invitation(unit.connection, digest_of_new(token), user.id, expires_at)
        self._say(unit, events.USER_INVITED, actor, user.id, is_reset=is_reset, expires_at=expires_at.isoformat())
        return Invitation(user, token, expires_at)

    async def _require(self, unit: UnitOfWork, user_id: str) -> UserFacts:
        user = await store.user_by_id(unit.connection, user_id)
        if user is None:
            raise UnknownSubjectError("there is no such user")
        return user

    async def _require_another_administrator(self, unit: UnitOfWork, user: UserFacts) -> None:
        """Prevents: an installation that nobody can administer any more."""
        # Prevents: two of them who remove each other at the same moment, each while the other still counts.
        await store.hold_group(unit.connection, ADMINISTRATORS)
        others = await store.all_users(unit.connection)
        if user.is_administrator and not any(
            other.is_administrator and not other.is_disabled and other.id != user.id for other in others
        ):
            raise LastAdministratorError("nobody would be left to administer", hint="make somebody else one first")

    async def _end_all(self, unit: UnitOfWork, user_id: UserId, actor: str, reason: str) -> None:
        now = self._clock.now()
        await end_all_in(unit, user_id, actor=actor, reason=reason, now=now, entropy=self._entropy)

    def _say(self, unit: UnitOfWork, event: EventType, actor: str, subject: str, **facts: Json) -> None:
        unit.emit(event.at(self._clock.now(), self._entropy, actor=actor, subject=subject, **facts))


def _administrator_names() -> Iterable[str]:
    yield "admin"
    yield from (f"admin-{number}" for number in range(2, 10_000))
