"""Say the facts in the words of the Cedar schema: entities and context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from watchword.decision.model import Application, ResourceRule
from watchword.identity import UserFacts
from watchword.kernel import UserId
from watchword.policy import Entity, EntityUid, set_of

_NAMESPACE: Final = "Watchword::"
_CACHED_USERS: Final = 20_000

ACTIONS: Final[Mapping[str, EntityUid]] = {
    name: EntityUid(_NAMESPACE + "Action", name) for name in ("read", "write", "delete", "connect", "use")
}


class _Layered(dict[EntityUid, Entity]):
    """A user's own entities before those of the configuration, which all users share.

    `get` and `in` look at both; nothing else is asked of it. Copying the configuration for each user instead would
    cost 36 KB a user with 600 parts published.
    """

    __slots__ = ("_below",)

    def __init__(self, own: Mapping[EntityUid, Entity], below: Mapping[EntityUid, Entity]) -> None:
        super().__init__(own)
        self._below = below

    def __contains__(self, uid: object) -> bool:
        return dict.__contains__(self, uid) or uid in self._below

    def __missing__(self, uid: EntityUid) -> Entity:
        return self._below[uid]

    def get(self, uid: EntityUid, default: Any = None) -> Any:
        """Return a description from either layer."""
        found = dict.get(self, uid)
        return found if found is not None else self._below.get(uid, default)


class Vocabulary:
    """Make entities once and keep them: those of the configuration for good, those of a user until the user changes."""

    def __init__(self, applications: Sequence[Application]) -> None:
        self._static: dict[EntityUid, Entity] = {}
        self._users: dict[UserId, tuple[UserFacts, _Layered]] = {}
        for app in applications:
            application = EntityUid(_NAMESPACE + "Application", app.name)
            sensitivity = app.resources[-1].sensitivity.value
            self._static[application] = Entity(application, {"sensitivity": sensitivity})
            for rule in app.resources:
                uid = resource_uid(app, rule)
                self._static[uid] = Entity(uid, {"sensitivity": rule.sensitivity.value}, (application,))
            for permission in app.permissions:
                uid = permission_uid(app, permission)
                self._static[uid] = Entity(uid, {}, (application,))

    def principal(self, user: UserFacts) -> tuple[EntityUid, Mapping[EntityUid, Entity]]:
        """Return a user's name and every entity that a decision about them may need."""
        uid = EntityUid(_NAMESPACE + "User", user.id)
        known = self._users.get(user.id)
        if known is not None and known[0] is user:
            return uid, known[1]
        groups = tuple(EntityUid(_NAMESPACE + "Group", name) for name in sorted(user.groups))
        attributes: dict[str, str | bool] = {
            "name": user.name,
            "is_administrator": user.is_administrator,
            "is_privileged": user.is_privileged,
        }
        if user.email is not None:
            attributes["email"] = user.email
        own = {uid: Entity(uid, attributes, groups)} | {group: Entity(group) for group in groups}
        entities = _Layered(own, self._static)
        if len(self._users) >= _CACHED_USERS:
            self._users.pop(next(iter(self._users)))
        self._users[user.id] = (user, entities)
        return uid, entities


def resource_uid(app: Application, rule: ResourceRule) -> EntityUid:
    """Name a part of an application."""
    return EntityUid(_NAMESPACE + "Resource", f"{app.name}/{rule.name}")


def permission_uid(app: Application, permission: str) -> EntityUid:
    """Name a permission of an application."""
    return EntityUid(_NAMESPACE + "Permission", f"{app.name}/{permission}")


def amr_set(amr: tuple[str, ...]) -> frozenset[object]:
    """Return the authentication methods as a Cedar set."""
    return set_of(amr)
