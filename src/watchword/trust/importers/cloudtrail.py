"""AWS CloudTrail: log files, the output of `aws cloudtrail lookup-events`, or one event a line.

Also as EventBridge and subscriptions of CloudWatch Logs hand them on. What AWS services do on their own is skipped, as
is what they do in somebody's name without an address, and who names nobody.

Source: AWS CloudTrail User Guide, "CloudTrail record contents", "userIdentity element" and "AWS Management Console
sign-in events"; IAM Identity Center User Guide, "Understanding IAM Identity Center sign-in events".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from watchword.trust.agents import agent_of
from watchword.trust.importers.fields import moment, needed, number, part, text, where
from watchword.trust.importers.json_objects import objects
from watchword.trust.importers.model import Reading, Record, Refusal
from watchword.trust.importers.principals import has_factor, principal, session_of
from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Observation

_LONGEST_RESOURCE: Final = 256
_CONSOLE: Final = "ConsoleLogin"
_SIGNED_IN: Final = "UserAuthentication"
_CREDENTIAL: Final = "CredentialVerification"
_ASKED_ONLY: Final = frozenset({"CredentialChallenge", "CheckMfa"})  # what the sign-in page does between two answers
_PASSWORD: Final = "PASSWORD"  # noqa: S105  # the name of a kind
# Who was refused, beside all that merely failed: what does not exist, is busy or was asked for wrongly was allowed.
_REFUSED: Final = re.compile(
    r"Denied|Unauthori[sz]ed|NotAuthori[sz]ed|Forbidden|AuthFailure|InvalidClientTokenId|UnrecognizedClient|"
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|MissingAuthenticationToken"
)


class CloudTrail:
    """CloudTrail's records."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each event, taken out of whatever it was handed on in."""
        for record in objects(file):
            if isinstance(record, Refusal):
                yield record
            else:
                yield from _unwrapped(record)

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one event."""
        event = record.value
        name = needed(text(event, "eventName"), "eventName")
        who, source = part(event, "userIdentity"), text(event, "sourceIPAddress")
        if text(who, "type") == "AWSService" or not source or (source[-1].isalpha() and ":" not in source):
            return None  # a service's name stands where an address would
        done, user = _done(event, name), principal(event, who)
        if done is None or user is None:
            return None
        act, is_success = done
        is_request = act is Act.REQUEST
        is_proved = has_factor(event, who, act) or (act is Act.SIGN_IN and reading.trusts_success)
        ip, network, place = where(source, reading)
        return Labelled(
            Observation(
                id=needed(text(event, "eventID"), "eventID"),
                at=moment(needed(text(event, "eventTime"), "eventTime"), "eventTime"),
                user=user,
                act=act,
                is_success=is_success,
                is_verified=is_success and is_proved,
                ip=ip,
                network=network,
                place=place,
                agent=agent_of(text(event, "userAgent")),
                session=session_of(who),
                group=text(who, "sessionContext", "sessionIssuer", "userName"),
                application=text(event, "eventSource") if is_request else "",
                resource=_resource(event) if is_request else "",
                action=name if is_request else "",
                size_bytes=number(event, "additionalEventData", "bytesTransferredOut"),
            ),
            is_labelled=False,
        )


def _unwrapped(record: Record) -> Iterator[Record | Refusal]:
    value = record.value
    if isinstance(value.get("CloudTrailEvent"), str):  # `lookup-events`
        yield _parsed(record.line, value["CloudTrailEvent"], "CloudTrailEvent")
    elif isinstance(value.get("detail"), dict) and "eventName" not in value:  # EventBridge
        yield Record(record.line, value["detail"])
    elif isinstance(value.get("logEvents"), list):  # a subscription of CloudWatch Logs
        for each in value["logEvents"] if value.get("messageType") != "CONTROL_MESSAGE" else ():
            yield _parsed(record.line, part(each).get("message"), "message")
    elif isinstance(value.get("Records"), list):
        for each in value["Records"]:
            yield Record(record.line, each) if isinstance(each, dict) else Refusal(record.line, "it is no JSON object")
    else:
        yield record


def _parsed(line: int, inner: Any, name: str) -> Record | Refusal:
    try:
        event = json.loads(inner)
    except (ValueError, TypeError, RecursionError):
        return Refusal(line, f"`{name}` is no JSON")
    return Record(line, event) if isinstance(event, dict) else Refusal(line, f"`{name}` is no object")


def _done(event: dict[str, Any], name: str) -> tuple[Act, bool] | None:
    """Say what was done, and whether it came off; nothing if it tells nothing of what people do."""
    if name in _ASKED_ONLY:
        return None
    if name in {_CONSOLE, _SIGNED_IN, _CREDENTIAL}:
        outcome = text(event, "serviceEventDetails", name) or text(event, "responseElements", name)
        is_success = outcome == "Success"
        if name != _CREDENTIAL:
            return Act.SIGN_IN, is_success
        if text(event, "additionalEventData", "CredentialType") == _PASSWORD:
            return None if is_success else (Act.SIGN_IN, False)  # a right one is followed by the whole sign-in
        return Act.PROMPT, is_success
    return Act.REQUEST, not _REFUSED.search(text(event, "errorCode"))


def _resource(event: dict[str, Any]) -> str:
    resources = event.get("resources")
    first = resources[0] if isinstance(resources, list) and resources else None
    found = text(first, "ARN") or text(first, "arn") or text(event, "requestParameters", "bucketName")
    return found[:_LONGEST_RESOURCE]
