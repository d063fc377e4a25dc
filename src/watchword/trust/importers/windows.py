"""Windows log-on events: 4624 (somebody logged on) and 4625 (somebody failed to), as XML or as JSON.

XML as `wevtutil query-events /format:xml` and the event viewer write it. JSON as the readers of event files write it
(`Event.System`, `Event.EventData`), as Winlogbeat does (`winlog.event_data`), or flat. Machines, services and the
system's own accounts are skipped.

Source: Microsoft, 4624(S) An account was successfully logged on, 4625(F) An account failed to log on; [MS-EVEN6].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from watchword.trust.importers.fields import moment, needed, number, part, text, where
from watchword.trust.importers.model import Reading, Record, Refusal
from watchword.trust.importers.reading import objects, peekable
from watchword.trust.importers.windows_xml import events, is_xml
from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Observation

LOGGED_ON: Final = 4624
FAILED: Final = 4625
# Those with a person at the other end. Source: 4624, "Logon types and descriptions".
_TYPES: Final = {
    2: "interactive",
    3: "network",
    7: "unlock",
    8: "network cleartext",
    10: "remote interactive",
    11: "cached",
}
_NO_SUCH_USER: Final = "0xc0000064"  # STATUS_NO_SUCH_USER
_OWN: Final = ("S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-5-7", "S-1-5-90-", "S-1-5-96-")
_NOTHING: Final = frozenset({"", "-", "LOCAL"})


class Windows:
    """Windows' security log."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each event as its number, time, computer and data."""
        with peekable(file) as buffered:
            if is_xml(buffered):
                yield from events(buffered)
                return
            for record in objects(buffered):
                yield Record(record.line, _flat(record.value)) if isinstance(record, Record) else record

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one event."""
        event = record.value
        kind, data = number(event, "id"), part(event, "data")
        logon_type = number(data, "LogonType")
        name = text(data, "TargetUserName")
        sid = text(data, "TargetUserSid") or text(data, "TargetSid")
        if kind not in {LOGGED_ON, FAILED} or logon_type not in _TYPES or name.endswith("$") or sid.startswith(_OWN):
            return None
        is_success = kind == LOGGED_ON
        ip, network, place = where(_address(data), reading)
        computer = text(event, "computer")
        logon = text(data, "TargetLogonId")
        return Labelled(
            Observation(
                id=f"{computer}/{needed(text(event, 'record'), 'EventRecordID')}",
                at=moment(needed(text(event, "time"), "TimeCreated"), "TimeCreated"),
                user=_user(data, name),
                act=Act.SIGN_IN,
                is_success=is_success,
                is_verified=is_success and reading.trusts_success,
                ip=ip,
                network=network,
                place=place,
                device="" if text(data, "WorkstationName") in _NOTHING else text(data, "WorkstationName").lower(),
                session=f"{computer}/{logon}" if is_success and logon else "",
                application=computer,
                action=_TYPES[logon_type],
            ),
            is_labelled=False,
        )


def _user(data: dict[str, Any], name: str) -> str:
    """Name the account; names are the same in small and capital letters."""
    if name in _NOTHING or text(data, "SubStatus").lower() == _NO_SUCH_USER:
        return ""
    domain = text(data, "TargetDomainName")
    return (name if domain in _NOTHING else f"{domain}\\{name}").casefold()


def _address(data: dict[str, Any]) -> str:
    ip = text(data, "IpAddress")
    return "" if ip in _NOTHING else ip


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    """Bring the three layouts of JSON into one."""
    system = part(event, "Event", "System")
    if system:
        time = part(system, "TimeCreated")
        return {
            "id": _value(system.get("EventID")),
            "time": text(part(time, "#attributes") or part(time, "@attributes") or time, "SystemTime"),
            "computer": _value(system.get("Computer")),
            "record": _value(system.get("EventRecordID")),
            "data": part(event, "Event", "EventData"),
        }
    beat = part(event, "winlog")
    if beat:
        return {
            "id": beat.get("event_id"),
            "time": event.get("@timestamp"),
            "computer": beat.get("computer_name"),
            "record": beat.get("record_id"),
            "data": part(beat, "event_data"),
        }
    return {
        "id": event.get("EventID"),
        "time": event.get("TimeCreated") or event.get("EventTime"),
        "computer": event.get("Computer") or event.get("Hostname"),
        "record": event.get("EventRecordID") or event.get("RecordNumber"),
        "data": event,
    }


def _value(node: Any) -> Any:
    return node.get("#text") if isinstance(node, dict) else node
