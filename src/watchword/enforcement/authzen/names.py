"""Find which types and which action of the schema a caller means. A name that means several things means nothing.

A caller writes `user`, `todo`, `can_read`; the schema says `Todo::User`, `Todo::Todo`, `Todo::Action::"can_read"`. The
namespace is filled in from what fits together: the one action of that name that applies to such a subject and such a
resource. Letter case, `_` and `-` of a type count only where the schema holds the name exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from watchword.policy import EntityUid, Record, Schema

OWN_NAMESPACE: Final = "Watchword"
_REMEMBERED: Final = 4096


class Meaning(NamedTuple):
    """What a question is about, in the schema's full names."""

    principal: str
    action: EntityUid
    resource: str
    context: Record


class NoMeaningError(Exception):
    """The schema knows no such question, or several; the words say which name is to blame."""


class Names:
    """Resolve names against one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._exact: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}
        for full in schema.entities:
            last = full.rpartition("::")[2]
            self._exact.setdefault(last, []).append(full)
            self._folded.setdefault(_fold(last), []).append(full)
        self._actions: dict[str, list[EntityUid]] = {}
        for uid, action in schema.actions.items():
            if action.context is not None:
                self._actions.setdefault(uid.id, []).append(uid)
        # Kept by name alone: whoever makes names up turns the oldest out.
        self.meaning = lru_cache(maxsize=_REMEMBERED)(self._meaning)

    def _meaning(self, subject: str, action: str, resource: str, namespaces: tuple[str, ...]) -> Meaning:
        """Return the one reading of three names.

        Raises:
            NoMeaningError: there is none, or more than one.
        """
        principals = self.types(subject, (*namespaces, OWN_NAMESPACE) if namespaces else ())
        resources = self.types(resource, namespaces)
        actions = [uid for uid in self._actions.get(action, []) if _lies_in(uid.type, namespaces)]
        for name, types in ((subject, principals), (resource, resources)):
            if not types:
                raise NoMeaningError(f"no type `{_shown(name)}`")
        if not actions:
            raise NoMeaningError(f"no action `{_shown(action)}`")
        found = [
            Meaning(p, uid, r, applied.context)
            for uid in actions
            for applied in (self.schema.actions[uid],)
            if applied.context is not None
            for p in principals
            if p in applied.principals
            for r in resources
            if r in applied.resources
        ]
        if not found:
            raise NoMeaningError(f"no action `{_shown(action)}` by `{_shown(subject)}` on `{_shown(resource)}`")
        if len(found) > 1:
            raise NoMeaningError(
                f"`{_shown(action)}` by `{_shown(subject)}` on `{_shown(resource)}` means several things;"
                " write types with their namespace"
            )
        return found[0]

    def actions_on(self, subject: str, resource: str, namespaces: tuple[str, ...]) -> Sequence[str]:
        """Return the names of the actions that could mean something, in order."""
        principals = set(self.types(subject, (*namespaces, OWN_NAMESPACE) if namespaces else ()))
        resources = set(self.types(resource, namespaces))
        return sorted(
            {
                uid.id
                for uids in self._actions.values()
                for uid in uids
                if _lies_in(uid.type, namespaces)
                and not principals.isdisjoint(self.schema.actions[uid].principals)
                and not resources.isdisjoint(self.schema.actions[uid].resources)
            }
        )

    def types(self, name: str, namespaces: tuple[str, ...]) -> tuple[str, ...]:
        """Return the full names of the types that a name may mean, in these namespaces."""
        if "::" in name:
            found = [name] if name in self.schema.entities else []
            return tuple(full for full in found if _lies_in(full, namespaces))
        for table, key in ((self._exact, name), (self._folded, _fold(name))):
            near = [full for full in table.get(key, []) if _lies_in(full, namespaces)]
            if near:
                return tuple(sorted(near))
        return ()


def _lies_in(full: str, namespaces: tuple[str, ...]) -> bool:
    return not namespaces or any(full.startswith(f"{namespace}::") for namespace in namespaces)


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= 64 else "..."  # noqa: PLR2004  # as much as fits a line
