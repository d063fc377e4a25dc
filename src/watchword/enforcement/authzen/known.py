"""What Watchword itself knows of entities. Whatever stands here, no caller can say otherwise.

Users and their groups come from the fact base, applications, resources and permissions from the configuration, the rest
from the file of entities. Everything of the namespace `Watchword` is described here or not at all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from watchword.decision import Application, entities_of_applications, entities_of_user
from watchword.enforcement.authzen.names import OWN_NAMESPACE
from watchword.enforcement.authzen.ports import People
from watchword.identity import UserFacts
from watchword.kernel import UserId
from watchword.policy import Entity, EntityUid

USER_TYPE = f"{OWN_NAMESPACE}::User"


def is_own(type_: str) -> bool:
    """Tell whether Watchword alone describes entities of a type."""
    return type_.startswith(f"{OWN_NAMESPACE}::")


class Known:
    """One picture of what is known; consistent for as long as a call holds it.

    Attributes:
        entities: by name.
        misfits: entities of the file that do not fit the schema, with what is wrong; a question about one is denied.
    """

    def __init__(
        self,
        entities: Mapping[EntityUid, Entity],
        users: Mapping[str, UserFacts],
        misfits: Mapping[EntityUid, str],
    ) -> None:
        self.entities = entities
        self.misfits = misfits
        self._users = users
        self._listed: dict[str, list[str]] | None = None

    def user(self, name: str) -> UserFacts | None:
        """Return a user by identifier or, where none has it, by sign-in name."""
        return self._users.get(name)

    def after(self, type_: str, last: str | None) -> Sequence[str]:
        """Return the identifiers of a type in their order, from behind one of them."""
        if self._listed is None:
            listed: dict[str, list[str]] = {}
            for uid in sorted(self.entities):
                listed.setdefault(uid.type, []).append(uid.id)
            self._listed = listed
        every = self._listed.get(type_, [])
        return every if last is None else every[bisect_right(every, last) :]


class Knowledge:
    """Make pictures, anew only when something changed; a user who did not change is described once."""

    def __init__(self, people: People, applications: Sequence[Application]) -> None:
        self._people = people
        self._own = entities_of_applications(applications)
        self._described: dict[UserId, tuple[UserFacts, dict[EntityUid, Entity]]] = {}
        self._made: tuple[int, object, Known] | None = None

    def picture(self, filed: Mapping[EntityUid, Entity], misfits: Mapping[EntityUid, str]) -> Known:
        """Return what is known now.

        Args:
            filed: the entities of the file, fitting the schema in force; the same mapping while nothing changed.
        """
        version = self._people.version
        if self._made is not None and self._made[0] == version and self._made[1] is filed:
            return self._made[2]
        entities: dict[EntityUid, Entity] = {uid: found for uid, found in filed.items() if not is_own(uid.type)}
        entities |= self._own
        people = list(self._people.users())
        before, self._described = self._described, {}
        for user in people:
            known = before.get(user.id)
            described = known if known is not None and known[0] is user else (user, entities_of_user(user))
            self._described[user.id] = described
            entities |= described[1]
        # Identifiers last. Prevents: a user who takes another's identifier for a name and is asked about instead.
        users: dict[str, UserFacts] = {user.name: user for user in people} | {user.id: user for user in people}
        known_now = Known(entities, users, misfits)
        self._made = version, filed, known_now
        return known_now
