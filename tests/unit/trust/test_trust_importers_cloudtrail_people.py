"""Who acts in AWS, and how: one name for each, sign-ins of the Identity Center, refusals, and strung files."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from watchword.trust.importers import Layout, Tally, read
from watchword.trust.observation import Act

# As the CloudTrail User Guide has them: the sign-in that failed has no ARN.
SUCCEEDED = {
    "type": "IAMUser",
    "principalId": "AIDACKCEVSQ6C2EXAMPLE",
    "arn": "arn:aws:iam::111122223333:user/division/anaya",
    "accountId": "111122223333",
    "userName": "anaya",
}
FAILED = {name: value for name, value in SUCCEEDED.items() if name != "arn"} | {"accessKeyId": ""}
STORE = "arn:aws:identitystore::111122223333:identitystore/d-1"
CENTER = {
    "type": "IdentityCenterUser",
    "arn": "",
    "accountId": "111122223333",
    "accessKeyId": "",
    "onBehalfOf": {"userId": "94d00cd8-e9e6", "identityStoreArn": STORE},
}
OLD_CENTER = {"type": "Unknown", "principalId": "111122223333", "accountId": "111122223333", "userName": "ada"}


def event(who: dict[str, Any], name: str = "ConsoleLogin", **changes: Any) -> dict[str, Any]:
    return {
        "eventID": "e-1",
        "eventTime": "2026-01-05T08:30:00Z",
        "eventSource": "signin.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "curl/8.9.1",
        "userIdentity": who,
        "responseElements": None,
    } | changes


OK = event(SUCCEEDED, responseElements={"ConsoleLogin": "Success"})


def read_all(content: Any, tally: Tally | None = None) -> list[Any]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return [one.observation for one in read(BytesIO(data), Layout.CLOUDTRAIL, tally=tally)]


def test_a_sign_in_that_failed_is_of_the_same_account_as_one_that_came_off() -> None:
    succeeded, failed = read_all([OK, event(FAILED, responseElements={"ConsoleLogin": "Failure"})])

    assert succeeded.user == failed.user == "arn:aws:iam::111122223333:user/anaya"
    assert (succeeded.is_success, failed.is_success) == (True, False)


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_a_sign_in_that_failed_is_named_in_the_partition_of_its_region(region: str, partition: str) -> None:
    (one,) = read_all(event(FAILED, awsRegion=region))

    assert one.user == f"arn:{partition}:iam::111122223333:user/anaya"


@pytest.mark.parametrize(
    ("who", "user"), [(CENTER, "94d00cd8-e9e6"), (OLD_CENTER, "ada")], ids=["since 2025", "before"]
)
def test_people_of_the_identity_center_are_told_apart(who: dict[str, Any], user: str) -> None:
    (one,) = read_all(event(who, "UserAuthentication", serviceEventDetails={"UserAuthentication": "Success"}))

    assert (one.user, one.act, one.is_success, one.is_verified) == (user, Act.SIGN_IN, True, False)


@pytest.mark.parametrize(("given", "is_verified"), [("PASSWORD", False), ("PASSWORD,TOTP", True), ("WEBAUTHN", True)])
def test_a_second_factor_of_the_identity_center_vouches(given: str, is_verified: bool) -> None:  # noqa: FBT001
    told = {"serviceEventDetails": {"UserAuthentication": "Success"}, "additionalEventData": {"CredentialType": given}}

    assert [one.is_verified for one in read_all(event(CENTER, "UserAuthentication", **told))] == [is_verified]


@pytest.mark.parametrize(
    ("kind", "outcome", "expected"),
    [
        ("PASSWORD", "Failure", (Act.SIGN_IN, False)),
        ("TOTP", "Failure", (Act.PROMPT, False)),
        ("TOTP", "Success", (Act.PROMPT, True)),
    ],
)
def test_each_credential_that_was_tried_is_told(kind: str, outcome: str, expected: tuple[Act, bool]) -> None:
    told = {"serviceEventDetails": {"CredentialVerification": outcome}, "additionalEventData": {"CredentialType": kind}}
    (one,) = read_all(event(CENTER, "CredentialVerification", **told))

    assert (one.act, one.is_success) == expected


@pytest.mark.parametrize(
    "skipped",
    [
        event(FAILED, "CheckMfa", responseElements={"CheckMfa": "Success"}),
        event(CENTER, "CredentialChallenge"),
        event({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}, "GetObject"),
        event({"accountId": "111122223333"}, "Login_GET", eventType="AwsServiceEvent"),
    ],
    ids=["asks whether to ask", "asks", "anybody", "a service's page"],
)
def test_what_tells_nothing_of_a_person_is_skipped(skipped: dict[str, Any]) -> None:
    tally = Tally()

    assert read_all(skipped, tally) == []
    assert (tally.skipped, tally.refused) == (1, 0)


def test_somebody_of_another_account_is_no_service() -> None:
    who = {"type": "AWSAccount", "principalId": "AROAEXAMPLE:bob", "accountId": "999999999999"}
    (one,) = read_all(event(who, "AssumeRole", eventSource="sts.amazonaws.com"))

    assert (one.user, one.action) == ("AROAEXAMPLE:bob", "AssumeRole")


@pytest.mark.parametrize(
    ("code", "is_allowed"),
    [
        ("AccessDenied", False),
        ("AccessDeniedException", False),
        ("Client.UnauthorizedOperation", False),
        ("InvalidClientTokenId", False),
        ("NoSuchKey", True),
        ("ThrottlingException", True),
        ("ValidationException", True),
    ],
)
def test_what_merely_failed_was_not_refused(code: str, is_allowed: bool) -> None:  # noqa: FBT001
    (one,) = read_all(event(SUCCEEDED, "GetObject", eventSource="s3.amazonaws.com", errorCode=code))

    assert one.is_success is is_allowed


@pytest.mark.parametrize(
    "content",
    [
        {"version": "0", "id": "x", "detail-type": "AWS Console Sign In via CloudTrail", "detail": OK},
        {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "3", "timestamp": 1, "message": json.dumps(OK)}]},
        [{"Records": [OK]}],
    ],
    ids=["EventBridge", "CloudWatch Logs", "wrapped within an array"],
)
def test_events_are_taken_out_of_what_hands_them_on(content: Any) -> None:
    assert read_all(content) == read_all(OK)


def test_a_message_that_is_no_event_is_refused_by_its_field() -> None:
    tally = Tally()

    assert read_all({"logEvents": [{"message": "{"}, {"message": "7"}, "x"]}, tally) == []
    assert {one.reason for one in tally.first} == {"`message` is no JSON", "`message` is no object"}
    assert read_all({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "Checking health"}]}) == []


@pytest.mark.parametrize("between", ["", "\n", ",\n"])
def test_files_that_were_strung_together_are_read_to_the_end(between: str) -> None:
    """`zcat *.json.gz` makes such: each file is one object, and none ends with a line break."""
    files = [json.dumps({"Records": [{**OK, "eventID": f"e-{number}"}], "NextToken": "x"}) for number in range(4)]
    tally = Tally()

    found = read_all(between.join(files).encode(), tally)

    assert [one.id for one in found] == ["e-0", "e-1", "e-2", "e-3"]
    assert tally.refused == 0


def test_a_strung_file_that_is_cut_says_so() -> None:
    tally = Tally()
    content = json.dumps({"Records": [OK]}) + json.dumps({"Records": [OK]})[:-1]

    assert len(read_all(content.encode(), tally)) == 2
    assert tally.refused == 1
