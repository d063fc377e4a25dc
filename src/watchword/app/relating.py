"""Answer this machine's own tools about relations: from the tuples in memory, or from those that are committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from watchword.decision import FactBase
from watchword.kernel import UserId
from watchword.kernel.ids import MalformedIdError
from watchword.policy import PolicySet
from watchword.policy.relations import GROUP, RelationError, RelationModel, RelationView, name_in
from watchword.policy.relations.keeping import Relations
from watchword.settings import Settings
from watchword.storage import Database

Seen = Callable[[RelationModel | None], RelationView | None]
_LONGEST_CONTEXT: Final = 16_384


class RelatedNow:
    """Say whether a user is related so to an object, as this node has it in memory; changes and records nothing.

    Args:
        policies: the set in force, whose model is asked.
    """

    def __init__(self, relations: Relations, policies: Callable[[], PolicySet], facts: FactBase) -> None:
        self._relations = relations
        self._policies = policies
        self._facts = facts

    async def __call__(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return `related` and the version of the tuples that answered, or `problem` with its `code`.

        Args:
            query: `user`, `relation` and `object`; `context` with values for conditions, a JSON object; `at_least`, the
                token of a write that must be seen.
        """
        try:
            if query.get("at_least"):
                await self._relations.at_least(query["at_least"])
            return self._answered(query)
        except RelationError as error:
            return {"problem": error.message, "code": error.code, "hint": error.hint}

    def _answered(self, query: Mapping[str, str]) -> dict[str, Any]:
        view = self._relations.view(self._policies().relations)
        if view is None:
            raise RelationError("the node has no model of relations", hint="write `relations.fga` beside the policies")
        user = query.get("user", "")
        related = view.check(
            user,
            query.get("relation", ""),
            query.get("object", ""),
            context=_object_in(query.get("context", "{}")),
            given=self._given(user.removeprefix("user:")),
        )
        return {"related": related, "version": view.version}

    def _given(self, user_id: str) -> dict[tuple[str, str], frozenset[str]] | None:
        """Return the groups of the directory, which count at the doors without a tuple."""
        with suppress(MalformedIdError):
            user = self._facts.user(UserId(user_id))
            return {GROUP: frozenset(map(name_in, user.groups))} if user is not None else None
        return None


def _object_in(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if len(text) <= _LONGEST_CONTEXT else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RelationError("the context is no JSON object")
    return found


def relations_now(settings: Settings) -> Seen:
    """Return what shows the committed tuples as a model sees them; blocking, not for an event loop.

    Where this data directory has no database yet, there is no tuple.

    Raises:
        WatchwordError: the database cannot be read.
    """
    return asyncio.run(_loaded(settings)).view


async def _loaded(settings: Settings) -> Relations:
    database = Database(settings.database_url)
    relations = Relations(database)
    try:
        if settings.storage.url or (settings.data / "watchword.db").exists():
            await relations.load()
    finally:
        await database.close()
    return relations
