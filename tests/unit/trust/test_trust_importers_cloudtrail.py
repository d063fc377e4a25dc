"""CloudTrail's records, in each wrapping they come in."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from watchword.trust.importers import Layout, Reading, Tally, read
from watchword.trust.model import Place
from watchword.trust.observation import Act

SIGN_IN: dict[str, Any] = {
    "eventVersion": "1.08",
    "eventID": "e-1",
    "eventTime": "2026-01-05T08:30:00Z",
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "sourceIPAddress": "198.51.100.7",
    "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ada", "userName": "ada"},
    "responseElements": {"ConsoleLogin": "Success"},
    "additionalEventData": {"MFAUsed": "Yes"},
}
CALL: dict[str, Any] = {
    "eventID": "e-2",
    "eventTime": "2026-01-05T08:31:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "sourceIPAddress": "2a00:1450::9",
    "userAgent": "aws-cli/2.15",
    "userIdentity": {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::111122223333:assumed-role/Analysts/ada",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"userName": "Analysts"},
            "attributes": {"mfaAuthenticated": "false"},
        },
    },
    "requestParameters": {"bucketName": "ledger"},
    "additionalEventData": {"bytesTransferredOut": 4096},
}


def read_all(content: str | bytes, tally: Tally | None = None, reading: Reading | None = None) -> list[Any]:
    data = content if isinstance(content, bytes) else content.encode()
    return list(read(BytesIO(data), Layout.CLOUDTRAIL, tally=tally, reading=reading))


def wrapped(*events: dict[str, Any]) -> str:
    return json.dumps({"Records": events})


def test_a_console_sign_in_is_a_sign_in_with_its_second_factor() -> None:
    (one,) = read_all(wrapped(SIGN_IN), reading=Reading(place_of=lambda _: Place(country="NO")))

    seen = one.observation
    assert not one.is_labelled
    assert (seen.act, seen.is_success, seen.is_verified) == (Act.SIGN_IN, True, True)
    assert (seen.id, seen.at, seen.user) == ("e-1", 1767601800.0, "arn:aws:iam::111122223333:user/ada")
    assert (seen.network, seen.place.country, seen.agent.browser) == ("198.51.100.0/24", "NO", "Chrome 143")


def test_an_api_call_is_a_request_in_the_session_of_its_temporary_key() -> None:
    (one,) = read_all(wrapped(CALL))

    seen = one.observation
    assert (seen.act, seen.is_success, seen.is_verified) == (Act.REQUEST, True, False)
    assert (seen.session, seen.group) == ("ASIAEXAMPLE", "Analysts")
    assert (seen.application, seen.resource, seen.action) == ("s3.amazonaws.com", "ledger", "GetObject")
    assert (seen.size_bytes, seen.network) == (4096, "2a00:1450::/48")


def test_failures_are_failures_and_prove_nothing() -> None:
    refused = {**SIGN_IN, "responseElements": {"ConsoleLogin": "Failure"}}
    denied = {**CALL, "errorCode": "AccessDenied"}

    found = read_all(wrapped(refused, denied), reading=Reading(trusts_success=True))

    assert [(one.observation.is_success, one.observation.is_verified) for one in found] == [(False, False)] * 2


def test_a_name_that_does_not_exist_is_nobodys() -> None:
    who = {"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}

    (one,) = read_all(wrapped({**SIGN_IN, "userIdentity": who, "responseElements": {"ConsoleLogin": "Failure"}}))

    assert one.observation.user == ""


def test_what_services_do_is_skipped() -> None:
    tally = Tally()
    service = {**CALL, "userIdentity": {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}}

    assert read_all(wrapped(service, {**CALL, "sourceIPAddress": "cloudformation.amazonaws.com"}), tally) == []
    assert (tally.skipped, tally.refused) == (2, 0)


@pytest.mark.parametrize(
    "content",
    [
        wrapped(SIGN_IN, CALL),
        json.dumps({"Records": [SIGN_IN, CALL]}, indent=2),
        json.dumps([SIGN_IN, CALL]),
        f"{json.dumps(SIGN_IN)}\n{json.dumps(CALL)}\n",
        f"{json.dumps(SIGN_IN, indent=1)}{json.dumps(CALL, indent=1)}",
        json.dumps({"Events": [{"CloudTrailEvent": json.dumps(one)} for one in (SIGN_IN, CALL)]}),
        wrapped(SIGN_IN, CALL).encode("utf-16"),
        b"\xef\xbb\xbf" + wrapped(SIGN_IN, CALL).encode(),
    ],
    ids=["file", "indented", "array", "lines", "in a row", "lookup-events", "utf-16", "byte order mark"],
)
def test_every_wrapping_gives_the_same_events(content: str | bytes) -> None:
    assert [one.observation.id for one in read_all(content)] == ["e-1", "e-2"]


def test_a_file_larger_than_what_is_looked_at_at_once_is_read_whole() -> None:
    events = [{**CALL, "eventID": f"e-{number}", "padding": "x" * 3_000} for number in range(200)]

    assert [one.observation.id for one in read_all(wrapped(*events))] == [one["eventID"] for one in events]


def test_one_event_larger_than_what_is_looked_at_at_once_is_read() -> None:
    assert len(read_all(wrapped({**CALL, "padding": "x" * 300_000}, SIGN_IN))) == 2


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (json.dumps(SIGN_IN) + '\n{"eventID": \n' + json.dumps(CALL), 2, "it is no JSON"),
        (json.dumps(SIGN_IN) + "\n[" + "[" * 200_000 + "\n" + json.dumps(CALL), 2, "it is nested too deeply"),
        (json.dumps(SIGN_IN) + '\n{"eventID": NaN}\n' + json.dumps(CALL), 2, "it is no JSON"),
        (json.dumps(SIGN_IN) + '\n{"a": "' + "x" * 2_000_000 + '"}\n' + json.dumps(CALL), 2, "longer than"),
        (json.dumps(SIGN_IN) + "\n17\n" + json.dumps(CALL), 2, "it is no JSON object"),
        (json.dumps({**SIGN_IN, "eventTime": "noon"}) + "\n" + json.dumps(CALL), 1, "`eventTime` is no time"),
        (json.dumps({**SIGN_IN, "eventID": []}) + "\n" + json.dumps(CALL), 1, "`eventID` is no text"),
        (json.dumps({**SIGN_IN, "eventID": "\ud800"}) + "\n" + json.dumps(CALL), 1, "`eventID` is no text"),
        (json.dumps({**SIGN_IN, "userIdentity": {}}) + "\n" + json.dumps(CALL), 1, "`userIdentity` names nobody"),
        (json.dumps({**SIGN_IN, "sourceIPAddress": "1.2.3"}) + "\n" + json.dumps(CALL), 1, "the address cannot"),
        (json.dumps({"CloudTrailEvent": "{"}) + "\n" + json.dumps(CALL), 1, "`CloudTrailEvent` is no JSON"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_the_next_is_read(content: str, line: int, reason: str) -> None:
    tally = Tally()

    found = read_all(content, tally)

    assert found[-1].observation.id == "e-2"
    assert tally.refused == 1
    assert tally.first[0].line == line
    assert reason in tally.first[0].reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wrapped(SIGN_IN, CALL)[:-60], "it is no JSON"),
        (wrapped(SIGN_IN)[:-2], "the file ends before its array does"),
        (wrapped(SIGN_IN)[:-2] + ", 17]}", "it is no JSON object"),
    ],
)
def test_a_damaged_array_gives_what_stands_before_the_damage_and_says_so(content: str, reason: str) -> None:
    tally = Tally()

    assert [one.observation.id for one in read_all(content, tally)] == ["e-1"]
    assert [one.reason for one in tally.first] == [reason]
