"""Records as they are read, and how a record becomes bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from watchword.audit.chain import RESERVED
from watchword.audit.errors import UnrecordableError
from watchword.kernel import Event, Visibility, event_types

MAX_BYTES = 256 * 1024
_OPTIONS = orjson.OPT_UTC_Z


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal.

    Attributes:
        seq: its number; the order of things, whatever the clock said.
        at: when, by the clock of the node that wrote it.
        type: `decision`, an event's type, or `journal.*`.
        fields: the whole object, `seq` and `prev` included; personal data stands under `personal`.
    """

    seq: int
    at: datetime
    type: str
    fields: Mapping[str, Any]


def parse(line: bytes) -> Record | None:
    """Read a line without checking the chain; none if it is not a record."""
    try:
        fields = orjson.loads(line)
        return Record(fields["seq"], datetime.fromisoformat(fields["at"]), fields["type"], fields)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def encode(record: Mapping[str, Any], now: datetime | None = None) -> bytes:
    """Turn a record into a JSON object.

    Args:
        record: has a `type`; identifiers, times, sets and mappings are fine inside.
        now: stands in for a missing `at`.

    Raises:
        UnrecordableError: no faithful JSON, over 256 KiB, or a name that the journal keeps for itself.
    """
    if "at" not in record:
        record = {"at": now, **record}
    # Prevents: a second `seq` or `prev` in a line, which two parsers would read differently.
    if not RESERVED.isdisjoint(record) or not isinstance(record.get("type"), str):
        raise UnrecordableError("a record needs a `type` and may not have `seq`, `prev` or `outbox`")
    try:
        body = orjson.dumps(record, _plain, _OPTIONS)
    except TypeError as error:
        # The library's words may quote the value, so they stay in the chain of exceptions.
        raise UnrecordableError(f"a record of type `{record['type']}` has no JSON form") from error
    if len(body) > MAX_BYTES:
        raise UnrecordableError(f"a record of type `{record['type']}` is too long")
    return body


def event_record(event: Event) -> dict[str, Any]:
    """Turn an event into a record: public fields under `data`, personal ones apart, undeclared ones dropped."""
    declared = event_types().get(event.type)
    fields = declared.fields if declared else {}
    record: dict[str, Any] = {
        "type": event.type,
        "id": event.id,
        "at": event.at,
        "actor": event.actor,
        "subject": event.subject,
        "data": {name: value for name, value in event.data.items() if fields.get(name) is Visibility.PUBLIC},
    }
    personal = {name: value for name, value in event.data.items() if fields.get(name) is Visibility.PERSONAL}
    # Prevents: an unclassified field, which counts as secret, reaching the disk; its name alone is told.
    dropped = sorted(event.data.keys() - fields.keys())
    return record | ({"personal": personal} if personal else {}) | ({"dropped": dropped} if dropped else {})


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
