"""Windows log-on events, as XML or as JSON.

4624 (somebody logged on) and 4625 (somebody failed to); of domain controllers 4768 and 4771 (a ticket was asked for, or
refused for a wrong password), 4769 (a ticket for a service) and 4776 (a password was checked for another machine); 4648
(somebody used another account's password). XML as `wevtutil query-events /format:xml` and the event viewer write it.
Machines, services and the system's own accounts are skipped.

Source: Microsoft, the pages of these events in "Advanced security audit policy"; [MS-EVEN6]; RFC 4120 section 7.5.9 for
the errors of Kerberos.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from watchword.trust.importers.fields import moment, needed, number, part, text, where
from watchword.trust.importers.json_objects import objects
from watchword.trust.importers.model import Reading, Record, RecordMalformedError, Refusal
from watchword.trust.importers.reading import peekable
from watchword.trust.importers.windows_json import flat
from watchword.trust.importers.windows_xml import events, is_xml
from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Observation

LOGGED_ON: Final = 4624
FAILED: Final = 4625
_OTHER_ACCOUNT: Final = 4648
_TICKET: Final = 4768
_SERVICE_TICKET: Final = 4769
_REFUSED_TICKET: Final = 4771
_CHECKED: Final = 4776
# Those with a person at the other end. Source: 4624, "Logon types and descriptions".
_TYPES: Final = {
    2: "interactive",
    3: "network",
    7: "unlock",
    8: "network cleartext",
    9: "new credentials",
    10: "remote interactive",
    11: "cached",
    12: "cached remote interactive",
    13: "cached unlock",
}
_BY_CONTROLLER: Final = {
    _OTHER_ACCOUNT: "other account",
    _TICKET: "ticket",
    _SERVICE_TICKET: "service ticket",
    _REFUSED_TICKET: "ticket",
    _CHECKED: "password checked",
}
# STATUS_NO_SUCH_USER, and KDC_ERR_C_PRINCIPAL_UNKNOWN.
_NO_SUCH_USER: Final = frozenset({"0xc0000064", "0x6"})
_OWN: Final = ("S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-5-7", "S-1-5-90-", "S-1-5-96-")
_NOTHING: Final = frozenset({"", "-", "LOCAL"})
_TICKETS: Final = "krbtgt"


class Windows:
    """Windows' security log."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each event as its number, time, computer and data."""
        with peekable(file) as buffered:
            if is_xml(buffered):
                yield from events(buffered)
                return
            for record in objects(buffered):
                yield Record(record.line, flat(record.value)) if isinstance(record, Record) else record

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one event."""
        event, data = record.value, part(record.value, "data")
        needed(text(event, "id"), "EventID")
        kind = number(event, "id")
        how, user = _how(kind, data), _user(kind, data)
        if how is None or user is None:
            return None
        act = Act.REQUEST if kind in {_SERVICE_TICKET, _OTHER_ACCOUNT} else Act.SIGN_IN
        is_success = _is_success(kind, data)
        ip, network, place = where(_address(data), reading)
        computer = text(event, "computer")
        logon = text(data, "TargetLogonId")
        return Labelled(
            Observation(
                id=f"{computer}/{needed(text(event, 'record'), 'EventRecordID')}",
                at=moment(needed(text(event, "time"), "TimeCreated"), "TimeCreated"),
                user=user,
                act=act,
                is_success=is_success,
                is_verified=is_success and act is Act.SIGN_IN and reading.trusts_success,
                ip=ip,
                network=network,
                place=place,
                device=_workstation(data),
                session=f"{computer}/{logon}" if kind == LOGGED_ON and logon else "",
                application=_target(kind, data) if act is Act.REQUEST else computer,
                action=how,
            ),
            is_labelled=False,
        )


def _how(kind: int, data: dict[str, Any]) -> str | None:
    """Say how somebody came; nothing where nobody did."""
    if kind not in {LOGGED_ON, FAILED}:
        is_ticket = kind == _SERVICE_TICKET and _target(kind, data).startswith(_TICKETS)
        return None if is_ticket else _BY_CONTROLLER.get(kind)
    # Prevents: events of a layout that is not known passing for those of services.
    if not data:
        raise RecordMalformedError("`EventData` is missing")
    needed(text(data, "LogonType"), "LogonType")
    return _TYPES.get(number(data, "LogonType"))


def _is_success(kind: int, data: dict[str, Any]) -> bool:
    if kind in {LOGGED_ON, _OTHER_ACCOUNT}:
        return True
    return kind not in {FAILED, _REFUSED_TICKET} and text(data, "Status").lower() in {"", "0x0"}


def _user(kind: int, data: dict[str, Any]) -> str | None:
    """Name the account: the empty text for one that does not exist, nothing for a machine or the system.

    Names are the same in small and capital letters, and a domain is called now by its short name and now in full
    (`CORP` and `corp.example.com`): the first part stands for it.
    """
    side = "Subject" if kind == _OTHER_ACCOUNT else "Target"
    sid = text(data, f"{side}UserSid") or text(data, "TargetSid")
    name, _, realm = text(data, f"{side}UserName").partition("@")
    if name.endswith("$") or sid.startswith(_OWN):
        return None
    states = {text(data, "Status").lower(), text(data, "SubStatus").lower()}
    if name in _NOTHING or not _NO_SUCH_USER.isdisjoint(states):
        return ""
    domain = text(data, f"{side}DomainName")
    if domain in _NOTHING:
        domain = realm or text(data, "ServiceName").partition("/")[2]
    domain = domain.partition(".")[0]
    return (name if domain in _NOTHING else f"{domain}\\{name}").casefold()


def _target(kind: int, data: dict[str, Any]) -> str:
    """Name the machine or service that was asked for."""
    found = text(data, "TargetServerName" if kind == _OTHER_ACCOUNT else "ServiceName")
    return "" if found in _NOTHING else found.rstrip("$").lower()


def _workstation(data: dict[str, Any]) -> str:
    found = text(data, "WorkstationName") or text(data, "Workstation")
    return "" if found in _NOTHING else found.lstrip("\\").lower()


def _address(data: dict[str, Any]) -> str:
    ip = text(data, "IpAddress").partition("%")[0]  # a scope belongs to one machine's interface
    return "" if ip in _NOTHING else ip
