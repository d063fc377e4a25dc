"""OCSF's Authentication and API Activity, and the lines this program writes itself."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from watchword.trust.importers import Layout, Reading, Tally, read
from watchword.trust.model import Place
from watchword.trust.observation import Act
from watchword.trust.synthesis import OrganisationSpec, encode, generate

SIGN_IN: dict[str, Any] = {
    "class_uid": 3002,
    "activity_id": 1,
    "status_id": 1,
    "time": 1767601800123,
    "is_mfa": True,
    "metadata": {"uid": "o-1", "version": "1.3.0"},
    "user": {"uid": "u-7", "name": "ada", "groups": [{"name": "finance"}]},
    "session": {"uid": "s-1"},
    "device": {"uid": "d-1"},
    "service": {"name": "portal"},
    "http_request": {"user_agent": "curl/8.9.1"},
    "src_endpoint": {
        "ip": "198.51.100.7",
        "location": {"country": "NO", "city": "Oslo", "lat": 59.9, "long": 10.8},
        "autonomous_system": {"number": 2119, "name": "Telenor"},
    },
}
CALL: dict[str, Any] = {
    "class_uid": 6003,
    "activity_id": 2,
    "status_id": 2,
    "time": 1767601900000,
    "metadata": {"uid": "o-2"},
    "actor": {"user": {"name": "ada"}, "session": {"uid": "s-1", "is_mfa": True}},
    "api": {"operation": "ReadLedger", "service": {"name": "ledger"}},
    "resources": [{"uid": "/accounts/7"}],
    "http_response": {"length": 512},
    "src_endpoint": {"ip": "2a00:1450::9"},
}


def read_all(*events: Any, tally: Tally | None = None, reading: Reading | None = None) -> list[Any]:
    content = "\n".join(json.dumps(one) for one in events).encode()
    return list(read(BytesIO(content), Layout.OCSF, tally=tally, reading=reading))


def test_an_authentication_becomes_a_sign_in_at_the_place_it_names() -> None:
    (one,) = read_all(SIGN_IN, reading=Reading(place_of=lambda _: Place(country="SE", organisation="?", asn=1)))

    seen = one.observation
    assert not one.is_labelled
    assert (seen.id, seen.at, seen.user, seen.act) == ("o-1", 1767601800.123, "u-7", Act.SIGN_IN)
    assert (seen.is_success, seen.is_verified, seen.group) == (True, True, "finance")
    assert (seen.session, seen.device, seen.application) == ("s-1", "d-1", "portal")
    place = seen.place
    assert (place.country, place.city, place.asn, place.organisation) == ("NO", "Oslo", 2119, "Telenor")
    assert (place.latitude, place.longitude, place.radius_km) == (59.9, 10.8, 50.0)


def test_an_api_activity_becomes_a_request() -> None:
    (one,) = read_all(CALL)

    seen = one.observation
    assert (seen.act, seen.user, seen.is_success, seen.is_verified) == (Act.REQUEST, "ada", False, False)
    assert (seen.application, seen.resource, seen.action) == ("ledger", "/accounts/7", "ReadLedger")
    assert (seen.size_bytes, seen.session, seen.network) == (512, "s-1", "2a00:1450::/48")


@pytest.mark.parametrize(
    "changes", [{"class_uid": 4001}, {"activity_id": 2}, {"status_id": 0}], ids=["class", "log-off", "unknown outcome"]
)
def test_other_classes_activities_and_outcomes_are_skipped(changes: dict[str, int]) -> None:
    tally = Tally()

    assert read_all({**SIGN_IN, **changes}, tally=tally) == []
    assert (tally.skipped, tally.refused) == (1, 0)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({**SIGN_IN, "class_uid": None}, "`class_uid` is missing"),
        ({**SIGN_IN, "time": 1767601800}, "`time` is not in milliseconds"),
        ({**SIGN_IN, "time": None}, "`time` is missing"),
        ({**SIGN_IN, "user": {}}, "`user` names nobody"),
        ({**SIGN_IN, "time": -5}, "`time` is out of range"),
        ({**SIGN_IN, "time": 10**18}, "`time` is out of range"),
        ({**SIGN_IN, "time": "noon"}, "`time` is no number"),
        ({**SIGN_IN, "src_endpoint": {"ip": "here"}}, "the address cannot be read"),
        ({**SIGN_IN, "src_endpoint": {"location": {"lat": 91, "long": 0}}}, "`location` lies nowhere on earth"),
        ({**SIGN_IN, "src_endpoint": {"location": {"lat": True, "long": 0}}}, "`location` lies nowhere on earth"),
        ({**CALL, "api": {}}, "`api.operation` is missing"),
        ({**CALL, "http_response": {"length": 1e300}}, "`http_response.length` is out of range"),
        ([SIGN_IN], "it is no JSON object"),
    ],
)
def test_a_wrong_event_is_refused_with_line_and_reason_and_the_next_is_read(event: Any, reason: str) -> None:
    tally = Tally()

    found = read_all(SIGN_IN, event, CALL, tally=tally)

    assert [one.observation.id for one in found] == ["o-1", "o-2"]
    assert [(one.line, one.reason) for one in tally.first] == [(2, reason)]


def test_what_this_program_wrote_is_read_as_it_was_made() -> None:
    made = list(generate(OrganisationSpec(users=10, days=10), seed=1005))

    assert list(read(BytesIO(b"\n".join(map(encode, made))), Layout.WATCHWORD)) == made


def test_a_wrong_line_of_this_programs_own_is_refused_with_its_number() -> None:
    tally = Tally()

    assert list(read(BytesIO(b'\n\n{"id": "1"}\n'), Layout.WATCHWORD, tally=tally)) == []
    assert [(one.line, one.reason) for one in tally.first] == [(3, "`at` is missing")]
