from __future__ import annotations

from sqlalchemy import func, select

from watchword.storage import Database, metadata


async def test_a_new_database_has_an_empty_outbox(database: Database) -> None:
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(metadata.tables["outbox"]))).scalar_one() == 0
