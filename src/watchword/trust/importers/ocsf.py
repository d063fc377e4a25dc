"""OCSF: Authentication (class 3002) and API Activity (class 6003), one event a line; other classes are skipped.

Source: Open Cybersecurity Schema Framework 1.3, https://schema.ocsf.io, classes `authentication` and `api_activity`,
objects `user`, `session`, `network_endpoint`, `location`, `http_request`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from watchword.trust.agents import agent_of
from watchword.trust.importers.fields import needed, number, part, placed, text, where, within_time
from watchword.trust.importers.model import Reading, Record, RecordMalformedError, Refusal
from watchword.trust.importers.reading import objects
from watchword.trust.labelled import Labelled
from watchword.trust.model import Place
from watchword.trust.observation import Act, Observation

_AUTHENTICATION: Final = 3002
_API_ACTIVITY: Final = 6003
_LOG_ON: Final = 1
_SUCCESS: Final = 1
_FAILURE: Final = 2
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
        kind, status = number(event, "class_uid"), number(event, "status_id")
        if status not in {_SUCCESS, _FAILURE} or kind not in {_AUTHENTICATION, _API_ACTIVITY}:
            return None
        is_sign_in = kind == _AUTHENTICATION
        if is_sign_in and number(event, "activity_id") != _LOG_ON:
            return None
        who = part(event, "user") if is_sign_in else part(event, "actor", "user")
        session = part(event, "session") or part(event, "actor", "session")
        is_success = status == _SUCCESS
        source = part(event, "src_endpoint")
        ip, network, place = where(text(source, "ip"), reading)
        has_factor = event.get("is_mfa") is True or session.get("is_mfa") is True
        return Labelled(
            Observation(
                id=needed(text(event, "metadata", "uid"), "metadata.uid"),
                at=within_time(number(event, "time") / 1_000, "time"),
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


def _user(who: dict[str, Any]) -> str:
    found = text(who, "uid") or text(who, "email_addr") or text(who, "name")
    if not found:
        raise RecordMalformedError("`user` names nobody")
    return found


def _group(who: dict[str, Any]) -> str:
    groups = who.get("groups")
    return text(groups[0], "name") if isinstance(groups, list) and groups else ""


def _asked(event: dict[str, Any], *, is_sign_in: bool) -> dict[str, Any]:
    if is_sign_in:
        return {"application": text(event, "service", "name") or text(event, "dst_endpoint", "hostname")}
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
        ("country", text(location, "country")[:2]),
        ("city", text(location, "city", longest=80)),
        ("asn", number(source, "autonomous_system", "number") or None),
        ("organisation", text(source, "autonomous_system", "name", longest=120)),
    ]
    return placed(place, [*given, *_position(location)])


def _position(location: dict[str, Any]) -> list[tuple[str, Any]]:
    latitude, longitude = location.get("lat"), location.get("long")
    if latitude is None or longitude is None:
        return []
    if not (_is_degrees(latitude, 90) and _is_degrees(longitude, 180)):
        raise RecordMalformedError("`location` lies nowhere on earth")
    return [("latitude", float(latitude)), ("longitude", float(longitude)), ("radius_km", _RADIUS_KM)]


def _is_degrees(value: Any, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most
