"""What producers of OCSF really write: fields left out, other words for the same, and accounts that are nobody's."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from watchword.trust.importers import Layout, Tally, read

# As AWS' mapping of CloudTrail writes it.
AWS: dict[str, Any] = {
    "class_uid": 3002,
    "activity_id": 1,
    "status_id": 1,
    "status": "Success",
    "time": 1699633474000,
    "is_mfa": True,
    "metadata": {"uid": "fed06f42", "version": "1.1.0"},
    "user": {"uid": "arn:aws:iam::111122223333:user/anaya", "uid_alt": "AIDACKCEVSQ6C2EXAMPLE"},
    "actor": {"invoked_by": None, "user": {"name": "anaya", "type": "IAMUser"}},
    "dst_endpoint": {"svc_name": "https://console.aws.amazon.com/console/home?state=hash"},
    "src_endpoint": {"ip": "192.0.2.0"},
    "session": {"expiration_time": None},
}
# As mappings of Windows' events write one that failed.
WINDOWS: dict[str, Any] = {
    "class_uid": 3002,
    "activity_id": 1,
    "status": "0xC000006D",
    "status_id": 2,
    "time": 1602175307000,
    "logon_type_id": 3,
    "metadata": {"uid": "a738d6e6"},
    "device": {"hostname": "PC7"},
    "dst_endpoint": {"hostname": "PC7"},
    "src_endpoint": {"ip": "-", "name": "PC7", "port": 0},
    "user": {"domain": "CORP", "name": "Ada", "uid": "NULL SID"},
}
CALL: dict[str, Any] = {
    "class_uid": 6003,
    "status_id": 99,
    "status": None,
    "time": 1695334972000,
    "metadata": {"uid": "71c88be9"},
    "actor": {"user": {"uid": "arn:aws:iam::111122223333:user/anaya"}},
    "api": {"operation": "DescribeGateways", "response": {"error": None}, "service": {"name": "directconnect"}},
    "src_endpoint": {"ip": "198.51.100.7"},
}
BY_SERVICE = {"actor": {"invoked_by": "s3.amazonaws.com", "user": {}}, "src_endpoint": {"domain": "s3.amazonaws.com"}}


def read_all(*events: Any, tally: Tally | None = None) -> list[Any]:
    content = "\n".join(json.dumps(one) for one in events).encode()
    return [one.observation for one in read(BytesIO(content), Layout.OCSF, tally=tally)]


def test_an_event_without_a_name_is_named_by_what_it_says() -> None:
    nameless = {**AWS, "metadata": {"version": "1.1.0"}}
    first, again, other = read_all(nameless, dict(reversed(nameless.items())), {**nameless, "time": 1699633474001})

    assert first.id == again.id
    assert first.id != other.id
    assert first.id.startswith("ocsf-")


def test_an_event_without_a_name_may_hold_numbers_of_any_size() -> None:
    (one,) = read_all({**AWS, "metadata": {}, "unmapped": 10**40})

    assert one.id.startswith("ocsf-")


def test_a_sign_in_that_failed_is_of_the_same_account_as_one_that_came_off() -> None:
    user = {"domain": "corp.example", "name": "ada", "uid": "S-1-5-21-1-2-3-1104"}
    failed, success = read_all(WINDOWS, {**WINDOWS, "status_id": 1, "user": user})

    assert failed.user == success.user == "corp\\ada"
    assert (failed.is_success, success.is_success) == (False, True)
    assert (failed.ip, failed.network) == ("", "")


@pytest.mark.parametrize(
    "event",
    [
        {**WINDOWS, "logon_type_id": 5},
        {**WINDOWS, "user": {"domain": "CORP", "name": "PC7$"}},
        {**AWS, "user": {"uid": "NT AUTHORITY\\SYSTEM", "type_id": 3}},
        {**CALL, **BY_SERVICE},
        {**CALL, "actor": {"user": {"type": "AWSService"}}},
    ],
    ids=["service", "machine", "system", "invoked by a service", "a service itself"],
)
def test_what_no_person_did_is_skipped_and_not_refused(event: dict[str, Any]) -> None:
    tally = Tally()

    assert read_all(event, tally=tally) == []
    assert (tally.skipped, tally.refused) == (1, 0)


@pytest.mark.parametrize(
    ("event", "is_success"),
    [
        ({**AWS, "status_id": None}, True),
        ({**AWS, "status_id": None, "status": "Failure"}, False),
        (CALL, True),
        ({**CALL, "api": {**CALL["api"], "response": {"error": "AccessDenied"}}}, False),
    ],
    ids=["word", "word of failure", "answer", "answer with an error"],
)
def test_an_outcome_may_be_told_by_a_word_or_by_the_answer(event: dict[str, Any], is_success: bool) -> None:  # noqa: FBT001
    (one,) = read_all(event)

    assert one.is_success is is_success


def test_a_time_may_be_a_text_where_there_is_no_number() -> None:
    (one,) = read_all({**AWS, "time": None, "time_dt": "2023-11-10T16:24:34Z"})

    assert one.at == 1699633474.0


def test_the_name_of_a_country_is_not_taken_for_the_code_of_another() -> None:
    named, coded = ({**AWS, "src_endpoint": {"location": {"country": each}}} for each in ("Germany", "no"))

    assert [one.place.country for one in read_all(named, coded)] == [None, "NO"]


def test_a_position_may_be_a_pair_with_the_longitude_first() -> None:
    (one,) = read_all({**AWS, "src_endpoint": {"location": {"coordinates": [13.4, 52.5]}}})

    assert (one.place.latitude, one.place.longitude) == (52.5, 13.4)


def test_what_follows_in_an_address_is_not_kept() -> None:
    (one,) = read_all(AWS)

    assert one.application == "https://console.aws.amazon.com/console/home"


def test_two_factors_vouch_for_a_sign_in() -> None:
    factors = [[{"factor_type_id": each} for each in used] for used in ([1], [1, 2])]

    found = read_all(*({**AWS, "is_mfa": None, "auth_factors": each} for each in factors))

    assert [one.is_verified for one in found] == [False, True]
