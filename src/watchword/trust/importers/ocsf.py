"""OCSF: Authentication (class 3002) and API Activity (class 6003), one event a line; other classes are skipped.

What a service, the system or a machine did is skipped as well.

Source: Open Cybersecurity Schema Framework 1.0 to 1.5, https://schema.ocsf.io, classes `authentication` and
`api_activity`, objects `user`, `session`, `network_endpoint`, `location`, `http_request`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from watchword.trust.agents import agent_of
from watchword.trust.importers.fields import flag, moment, needed, number, part, placed, text, where, within_time
from watchword.trust.importers.json_objects import objects
from watchword.trust.importers.model import Reading, Record, RecordMalformedError, Refusal
from watchword.trust.labelled import Labelled
from watchword.trust.model import Place
from watchword.trust.observation import Act, Observation

_AUTHENTICATION: Final = 3002
_API_ACTIVITY: Final = 6003
_LOG_ON: Final = 1
_SUCCESS: Final = 1
_FAILURE: Final = 2
_OUTCOMES: Final = {"success": _SUCCESS, "failure": _FAILURE}
_OF_THE_SYSTEM: Final = frozenset({1, 4, 5})  # logon types: system, batch, service
_SYSTEM: Final = 3  # type of a user
_NOTHING: Final = frozenset({"", "-", "NULL SID", "S-1-0-0"})
_EARLIEST_MS: Final = 100_000_000_000  # 1973; what is less was counted in seconds
_LONGEST_RESOURCE: Final = 256
_RADIUS_KM: Final = 50.0  # of a city; the schema has no field for it


class Ocsf:
    """OCSF's two classes that tell what people do."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each event."""
        return objects(file)

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one event."""
        event = record.value
        needed(text(event, "class_uid"), "class_uid")
        kind = number(event, "class_uid")
        is_sign_in = kind == _AUTHENTICATION
        if not (is_sign_in or kind == _API_ACTIVITY) or (is_sign_in and number(event, "activity_id") != _LOG_ON):
            return None
        who = part(event, "user") if is_sign_in else part(event, "actor", "user")
        status, source = _status(event), part(event, "src_endpoint")
        if status not in {_SUCCESS, _FAILURE} or _is_nobody(event, who, source):
            return None
        session = part(event, "session") or part(event, "actor", "session")
        is_success = status == _SUCCESS
        ip, network, place = where(_said(source, "ip"), reading)
        factors = event.get("auth_factors")
        has_factor = (
            flag(event, "is_mfa") or flag(session, "is_mfa") or (isinstance(factors, list) and len(factors) > 1)
        )
        return Labelled(
            Observation(
                id=text(event, "metadata", "uid") or _digest(event),
                at=_at(event),
                user=_user(who),
                act=Act.SIGN_IN if is_sign_in else Act.REQUEST,
                is_success=is_success,
                is_verified=is_success and (has_factor or (is_sign_in and reading.trusts_success)),
                ip=ip,
                network=network,
                place=_place(place, source),
                agent=agent_of(text(event, "http_request", "user_agent")),
                device=text(event, "device", "uid"),
                session=text(session, "uid"),
                group=_group(who),
                **_asked(event, is_sign_in=is_sign_in),
            ),
            is_labelled=False,
        )


def _status(event: dict[str, Any]) -> int:
    """Return the outcome by its number, its word, or for a call by whether its answer is an error."""
    found = number(event, "status_id") or _OUTCOMES.get(text(event, "status").lower(), 0)
    answer = part(event, "api", "response")
    if found not in {_SUCCESS, _FAILURE} and answer:
        return _FAILURE if answer.get("error") else _SUCCESS
    return found


def _is_nobody(event: dict[str, Any], who: dict[str, Any], source: dict[str, Any]) -> bool:
    is_service = bool(text(event, "actor", "invoked_by")) and not _said(source, "ip")
    is_system = number(who, "type_id") == _SYSTEM or number(event, "logon_type_id") in _OF_THE_SYSTEM
    is_machine = text(who, "type") == "AWSService" or text(who, "name").endswith("$")
    return is_service or is_system or is_machine


def _said(of: dict[str, Any], name: str) -> str:
    found = text(of, name)
    return "" if found in _NOTHING else found


def _at(event: dict[str, Any]) -> float:
    value = text(event, "time")
    if not value:
        return moment(needed(text(event, "time_dt"), "time"), "time_dt")
    if 0 <= number(event, "time") < _EARLIEST_MS:
        raise RecordMalformedError("`time` is not in milliseconds")
    return within_time(number(event, "time") / 1_000, "time")


def _digest(event: dict[str, Any]) -> str:
    """Name an event by what it says, for the schema leaves its name open; the same event twice is the same act."""
    try:
        written = json.dumps(event, sort_keys=True)
    except RecursionError:
        raise RecordMalformedError("it is nested too deeply") from None
    return f"ocsf-{blake2b(written.encode(), digest_size=12).hexdigest()}"


def _user(who: dict[str, Any]) -> str:
    """Name the user; of Windows by domain and name, for a sign-in that failed knows no other identifier."""
    domain, name = _said(who, "domain"), _said(who, "name")
    if domain and name:
        return f"{domain.partition('.')[0]}\\{name}".casefold()
    found = _said(who, "uid") or _said(who, "email_addr") or name
    if not found:
        raise RecordMalformedError("`user` names nobody")
    return found


def _group(who: dict[str, Any]) -> str:
    groups = who.get("groups")
    return text(groups[0], "name") if isinstance(groups, list) and groups else ""


def _asked(event: dict[str, Any], *, is_sign_in: bool) -> dict[str, Any]:
    if is_sign_in:
        to = part(event, "dst_endpoint")
        address = text(to, "svc_name").partition("?")[0]  # what follows may be anything, secrets too
        return {"application": text(event, "service", "name") or text(to, "hostname") or address}
    resources = event.get("resources")
    first = resources[0] if isinstance(resources, list) and resources else None
    return {
        "application": text(event, "api", "service", "name"),
        "resource": (text(first, "uid") or text(first, "name"))[:_LONGEST_RESOURCE],
        "action": needed(text(event, "api", "operation"), "api.operation"),
        "size_bytes": number(event, "http_response", "length"),
    }


def _place(place: Place, source: dict[str, Any]) -> Place:
    location = part(source, "location")
    given: list[tuple[str, Any]] = [
        ("country", _country(text(location, "country"))),
        ("city", text(location, "city", longest=80)),
        ("asn", number(source, "autonomous_system", "number") or None),
        ("organisation", text(source, "autonomous_system", "name", longest=120)),
    ]
    return placed(place, [*given, *_position(location)])


def _country(value: str) -> str:
    """Return a code of ISO 3166; a name is none, and its first two letters are another country's."""
    return value.upper() if len(value) == 2 and value.isascii() and value.isalpha() else ""  # noqa: PLR2004


def _position(location: dict[str, Any]) -> list[tuple[str, Any]]:
    latitude, longitude = location.get("lat"), location.get("long")
    pair = location.get("coordinates")  # GeoJSON's order; until 1.3 the only place for them
    if latitude is None and isinstance(pair, list) and len(pair) == 2:  # noqa: PLR2004  # as above
        longitude, latitude = pair
    if latitude is None or longitude is None:
        return []
    if not (_is_degrees(latitude, 90) and _is_degrees(longitude, 180)):
        raise RecordMalformedError("`location` lies nowhere on earth")
    return [("latitude", float(latitude)), ("longitude", float(longitude)), ("radius_km", _RADIUS_KM)]


def _is_degrees(value: Any, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most
