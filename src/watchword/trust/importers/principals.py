"""Who acted in AWS: one name for each, whether they came in or failed to.

Source: AWS CloudTrail User Guide, "userIdentity element"; AWS Security Blog, "Important changes to CloudTrail events
for AWS IAM Identity Center", 2024.
"""

from __future__ import annotations

from typing import Any, Final

from watchword.trust.importers.fields import flag, text
from watchword.trust.importers.model import RecordMalformedError
from watchword.trust.observation import Act

_TEMPORARY: Final = "ASIA"  # how the identifiers of temporary keys begin
_HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"  # a name that does not exist, maybe a password
_ANONYMOUS: Final = frozenset({"", "Anonymous", "ANONYMOUS_PRINCIPAL"})
_FACTORS: Final = frozenset({"TOTP", "WEBAUTHN", "SMARTCARD", "EMAIL_OTP"})
_PARTITIONS: Final = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


def principal(event: dict[str, Any], who: dict[str, Any]) -> str | None:
    """Name the principal: its ARN, which for an assumed role ends with the person's session name.

    Returns:
        The empty text for an account that does not exist; nothing for what nobody did.

    Raises:
        RecordMalformedError: somebody acted, and is not named.
    """
    kind, name = text(who, "type"), text(who, "userName")
    if name == _HIDDEN:
        return ""
    if kind == "IAMUser" and name:
        return _iam_user(event, who, name)
    found = text(who, "arn") or text(who, "onBehalfOf", "userId") or text(who, "principalId")
    if found == text(who, "accountId"):  # in older events of the Identity Center, where the account stands for its user
        found = name
    if kind in {"AWSAccount", "Unknown"} and found in _ANONYMOUS and not name:
        return None
    if not found and not name and kind != "IAMUser":
        if text(event, "eventType") == "AwsServiceEvent":
            return None
        raise RecordMalformedError("`userIdentity` names nobody")
    return found or name


def _iam_user(event: dict[str, Any], who: dict[str, Any], name: str) -> str:
    """Name a user of an account as their ARN does without its path; a sign-in that failed has none."""
    region = text(event, "awsRegion").rpartition("-")[0].rpartition("-")[0]
    known = text(who, "arn").split(":")
    partition = known[1] if len(known) > 1 else _PARTITIONS.get(region, "aws")
    account = text(who, "accountId") or (known[4] if len(known) > 4 else "")  # noqa: PLR2004  # where an ARN has it
    return f"arn:{partition}:iam::{account}:user/{name}"


def has_factor(event: dict[str, Any], who: dict[str, Any], act: Act) -> bool:
    """Tell whether a second factor was given, for this or for the session."""
    given = text(event, "additionalEventData", "CredentialType").split(",")
    return (
        act is Act.PROMPT
        or not _FACTORS.isdisjoint(given)
        or flag(event, "additionalEventData", "MFAUsed")
        or flag(who, "sessionContext", "attributes", "mfaAuthenticated")
    )


def session_of(who: dict[str, Any]) -> str:
    """Name the session: a temporary key, for others last."""
    key = text(who, "accessKeyId")
    return key if key.startswith(_TEMPORARY) else ""
