"""Entities from a file: Cedar's JSON form, checked against the schema, looked at again when the file changes.

Source: the Cedar Policy Language Reference, "Entity and context syntax".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from watchword.enforcement.authzen.errors import EntitiesFileError
from watchword.enforcement.authzen.values import Converter, UnfitError
from watchword.policy import Entity, EntityUid, Schema

_POLL_S: Final = 0.5
_MAX_BYTES: Final = 16 * 1024 * 1024

Filed = tuple[Mapping[EntityUid, Entity], Mapping[EntityUid, str]]
_EMPTY: Final[Filed] = ({}, {})


class EntitiesFile:
    """Hold the last file that was right.

    Attributes:
        problem: what is wrong with the file as it stands, or with its fit to the schema; nothing when it is in force.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._listed: list[Any] = []
        self._print: object = None
        self._fitted: tuple[object, Filed] = (None, _EMPTY)
        self.problem: str | None = None

    def load(self) -> None:
        """Read the file now.

        Raises:
            EntitiesFileError: it cannot be read, or is no list of entities.
        """
        if self._path is not None:
            self._print = _look(self._path)
            self._accept(_read(self._path))

    def _accept(self, listed: list[Any]) -> None:
        self._listed, self._fitted, self.problem = listed, (None, _EMPTY), None

    def fitting(self, schema: Schema) -> Filed:
        """Return the entities that fit a schema, and what is wrong with the others; the same objects until a change."""
        if self._fitted[0] is not schema:
            entities: dict[EntityUid, Entity] = {}
            misfits: dict[EntityUid, str] = {}
            for each in self._listed:
                uid = _uid(each["uid"])
                assert uid is not None
                if uid in entities or uid in misfits:
                    entities.pop(uid, None)
                    misfits[uid] = "it stands there twice"
                    continue
                try:
                    entities[uid] = _entity(uid, each, schema)
                except UnfitError as error:
                    misfits[uid] = str(error)
            self._fitted = schema, (entities, misfits)
            first = next(iter(misfits.items()), None)
            self.problem = f"entity `{first[0]}` does not fit the schema: {first[1]}" if first else None
        return self._fitted[1]

    async def run(self) -> None:
        """Follow changes of the file for ever."""
        while self._path is not None:
            await asyncio.sleep(_POLL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the file if it changed; a wrong one changes nothing but `problem`."""
        if self._path is None:
            return
        seen = await asyncio.to_thread(_look, self._path)
        if seen != self._print:
            self._print = seen
            try:
                self._accept(await asyncio.to_thread(_read, self._path))
            except EntitiesFileError as error:
                self.problem = error.message


def _read(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise EntitiesFileError(f"`{path}` is larger than 16 MiB")
        listed = json.loads(path.read_bytes())
    except OSError as error:
        raise EntitiesFileError(f"`{path}` cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise EntitiesFileError(f"`{path}` is not JSON") from None
    if not isinstance(listed, list):
        raise EntitiesFileError(f"`{path}` is not a list of entities", hint='write [{"uid": {...}, ...}]')
    for position, each in enumerate(listed):
        if not isinstance(each, dict) or _uid(each.get("uid")) is None:
            raise EntitiesFileError(f"`{path}`: entity {position + 1} has no `uid` with `type` and `id`")
    return listed


def _look(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _uid(given: Any) -> EntityUid | None:
    inner = given.get("__entity", given) if isinstance(given, dict) else None
    if isinstance(inner, dict) and isinstance(inner.get("type"), str) and isinstance(inner.get("id"), str):
        return EntityUid(inner["type"], inner["id"])
    return None


def _entity(uid: EntityUid, given: Mapping[str, Any], schema: Schema) -> Entity:
    type_ = schema.entities.get(uid.type)
    if type_ is None:
        raise UnfitError(f"no entity type `{uid.type}`")
    attributes, parents, tags = given.get("attrs", {}), given.get("parents", []), given.get("tags", {})
    if not isinstance(attributes, dict) or not isinstance(parents, list) or not isinstance(tags, dict):
        raise UnfitError("`attrs`, `parents` or `tags` has another form")
    found = [_uid(parent) for parent in parents]
    if None in found:
        raise UnfitError("a parent has no `type` and `id`")
    converter = Converter()
    made = converter.record(type_.attributes, attributes, "attrs")
    if converter.ignored:
        # A file is written once by somebody who can mend it; here a misspelled name is an error.
        raise UnfitError(f"`{converter.ignored[0]}` is not declared")
    if tags and type_.tags is None:
        raise UnfitError("the type has no tags")
    tagged = {name: converter.value(type_.tags, value, f"tags.{name}") for name, value in tags.items() if type_.tags}
    return Entity(uid, made, tuple(parent for parent in found if parent is not None), tagged)
