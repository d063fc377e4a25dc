"""Read the tuples that are committed now, for tools that ask without a running node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from watchword.policy.relations import RelationModel, RelationView
from watchword.policy.relations.keeping import Relations
from watchword.settings import Settings
from watchword.storage import Database

Seen = Callable[[RelationModel | None], RelationView | None]


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
