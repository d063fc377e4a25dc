"""Windows events in JSON, as the many programs that read event files write them, brought into one form.

Known are the readers of event files (`evtx_dump`, Velociraptor, EvtxECmd and what turns XML into JSON), Winlogbeat
with and without what Elasticsearch wraps around it, and flat ones such as NXLog's.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from watchword.trust.importers.fields import part

_INNER: Final = ("#text", "Value", "text", "$")
_ATTRIBUTES: Final = ("#attributes", "@attributes", "attributes")
_NAMES: Final = ("@Name", "Name", "#attributes")
_MOST_FIELDS: Final = 128
_DATE: Final = re.compile(r"/Date\((\d{1,15})\)/")  # milliseconds, as PowerShell 5 writes a time


def flat(event: dict[str, Any]) -> dict[str, Any]:
    """Return number, time, computer, record and data of an event; nothing for what it does not tell."""
    event = part(event, "_source") or event
    inner = part(event, "Event") or event
    system = part(inner, "System")
    beat = part(event, "winlog") or (event if "event_data" in event else {})
    if system:
        found = _first(system, ("EventID",), ("EventRecordID",), ("Computer",)) | {
            "time": _time(system.get("TimeCreated"))
        }
        return found | {"data": _data(inner.get("EventData"))}
    if beat:
        found = _first(beat, ("event_id",), ("record_id", "record_number"), ("computer_name",))
        return found | {"time": event.get("@timestamp"), "data": part(beat, "event_data")}
    found = _first(
        event,
        ("EventID", "EventId", "Id"),
        ("EventRecordID", "EventRecordId", "RecordNumber", "RecordId"),
        ("Computer", "Hostname", "MachineName"),
    )
    payload = event.get("Payload")
    data = _data(part(_parsed(payload)).get("EventData")) if isinstance(payload, str) else event
    return found | {"time": _time(event.get("TimeCreated") or event.get("EventTime")), "data": data}


def _first(of: dict[str, Any], *names: tuple[str, ...]) -> dict[str, Any]:
    found = [next((_value(of[name]) for name in each if of.get(name) is not None), None) for each in names]
    return dict(zip(("id", "record", "computer"), found, strict=True))


def _value(node: Any) -> Any:
    return next((node[name] for name in _INNER if name in node), None) if isinstance(node, dict) else node


def _time(node: Any) -> Any:
    """Return a time as a text, whichever way it is wrapped."""
    for name in _ATTRIBUTES:
        node = part(node, name) or node
    if isinstance(node, dict):
        node = node.get("SystemTime") or node.get("@SystemTime")
    dated = _DATE.fullmatch(node) if isinstance(node, str) else None
    seconds = int(dated[1]) / 1_000 if dated else node
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        try:
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        except (ValueError, OverflowError, OSError):
            return None
    return node


def _data(node: Any) -> dict[str, Any]:
    """Return an event's fields by name, whether they are written so or as a list with the names inside."""
    listed = node.get("Data") if isinstance(node, dict) else None
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list):
        return node if isinstance(node, dict) else {}
    found = {}
    for each in listed[:_MOST_FIELDS]:
        name = next((each[key] for key in _NAMES if key in each), None) if isinstance(each, dict) else None
        name = part(name).get("Name") if isinstance(name, dict) else name
        if isinstance(name, str):
            found[name] = _value(each)
    return found


def _parsed(payload: str) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return {}
