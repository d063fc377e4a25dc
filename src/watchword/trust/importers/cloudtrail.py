"""AWS CloudTrail: log files, the output of `aws cloudtrail lookup-events`, or one event a line.

What AWS services do on their own is skipped, as is what they do in somebody's name without an address.

Source: AWS CloudTrail User Guide, "CloudTrail record contents" and "userIdentity element".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from watchword.trust.agents import agent_of
from watchword.trust.importers.fields import moment, needed, number, part, text, where
from watchword.trust.importers.model import Reading, Record, RecordMalformedError, Refusal
from watchword.trust.importers.reading import objects
from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Observation

_LONGEST_RESOURCE: Final = 256
_SIGN_IN: Final = frozenset({"ConsoleLogin"})
_SERVICES: Final = frozenset({"AWSService", "AWSAccount"})
_ADDRESS: Final = re.compile(r"[0-9.]+|[0-9a-fA-F.]*:[0-9a-fA-F:.]+")  # or what was meant to be one
_TEMPORARY: Final = "ASIA"  # how the identifiers of temporary keys begin


class CloudTrail:
    """CloudTrail's records."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each event, taken out of `lookup-events`' wrapping."""
        for record in objects(file):
            if isinstance(record, Record) and isinstance(record.value.get("CloudTrailEvent"), str):
                yield _unwrapped(record)
            else:
                yield record

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one event."""
        event = record.value
        who, source = part(event, "userIdentity"), text(event, "sourceIPAddress")
        name = needed(text(event, "eventName"), "eventName")
        if text(who, "type") in _SERVICES or not source or (source[-1].isalpha() and ":" not in source):
            return None  # a service's name stands where an address would
        is_sign_in = name in _SIGN_IN
        is_success = _is_success(event, is_sign_in=is_sign_in)
        ip, network, place = where(source, reading)
        return Labelled(
            Observation(
                id=needed(text(event, "eventID"), "eventID"),
                at=moment(needed(text(event, "eventTime"), "eventTime"), "eventTime"),
                user=_user(who),
                act=Act.SIGN_IN if is_sign_in else Act.REQUEST,
                is_success=is_success,
                is_verified=is_success and (_has_factor(event, who) or (is_sign_in and reading.trusts_success)),
                ip=ip,
                network=network,
                place=place,
                agent=agent_of(text(event, "userAgent")),
                session=_session(who),
                group=text(who, "sessionContext", "sessionIssuer", "userName"),
                application="" if is_sign_in else text(event, "eventSource"),
                resource="" if is_sign_in else _resource(event),
                action="" if is_sign_in else name,
                size_bytes=number(event, "additionalEventData", "bytesTransferredOut"),
            ),
            is_labelled=False,
        )


def _unwrapped(record: Record) -> Record | Refusal:
    try:
        event = json.loads(record.value["CloudTrailEvent"])
    except (ValueError, RecursionError):
        return Refusal(record.line, "`CloudTrailEvent` is no JSON")
    return (
        Record(record.line, event)
        if isinstance(event, dict)
        else Refusal(record.line, "`CloudTrailEvent` is no object")
    )


def _is_success(event: dict[str, Any], *, is_sign_in: bool) -> bool:
    if is_sign_in:
        return text(event, "responseElements", "ConsoleLogin") == "Success"
    return not text(event, "errorCode")


def _user(who: dict[str, Any]) -> str:
    """Name the principal: its ARN, which for an assumed role ends with the person's session name."""
    if text(who, "userName") == "HIDDEN_DUE_TO_SECURITY_REASONS":  # a name that does not exist, maybe a password
        return ""
    found = text(who, "arn") or text(who, "principalId") or text(who, "userName")
    if not found and text(who, "type") != "IAMUser":
        raise RecordMalformedError("`userIdentity` names nobody")
    return found


def _has_factor(event: dict[str, Any], who: dict[str, Any]) -> bool:
    return (
        text(event, "additionalEventData", "MFAUsed") == "Yes"
        or text(who, "sessionContext", "attributes", "mfaAuthenticated") == "true"
    )


def _session(who: dict[str, Any]) -> str:
    key = text(who, "accessKeyId")
    return key if key.startswith(_TEMPORARY) else ""


def _resource(event: dict[str, Any]) -> str:
    resources = event.get("resources")
    first = resources[0] if isinstance(resources, list) and resources else None
    found = text(first, "ARN") or text(first, "arn") or text(event, "requestParameters", "bucketName")
    return found[:_LONGEST_RESOURCE]
