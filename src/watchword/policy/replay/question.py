"""Everything that a decision asked its policies, and what would have become of an allow: what a replay asks again.

A decision may ask more than once: a request that opens a WebSocket is a read as well, and an allowed one asks which of
the application's own permissions its user has. What comes before the policies is not asked again; of what comes after
them, the second factor for a medium risk is kept as it stood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from watchword.kernel import Acr, Reason
from watchword.policy.model import EntityUid, PolicyRequest, Value
from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.record import RecordedEntities, Recorder, request_of
from watchword.policy.replay.values import read_record, read_uid, written

_KEYS: Final = frozenset({"request", "before", "grants", "then"})
_MOST: Final = 1_000
_GRANT_LENGTH, _THEN_LENGTH = 4, 3
_REASONS: Final[Mapping[str, Reason]] = {reason.code: reason for reason in Reason}
_ACRS: Final[Mapping[str, Acr]] = {acr.value: acr for acr in Acr}


class Grant(NamedTuple):
    """A permission that is asked about when access is allowed.

    Attributes:
        extra: joins the context of the request.
    """

    name: str
    action: EntityUid
    resource: EntityUid
    extra: Mapping[str, Value]


class Then(NamedTuple):
    """What an allow of the policies became: a second factor, because the risk was medium and none was fresh."""

    reason: Reason
    acr: Acr
    max_age_s: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a decision asked.

    Attributes:
        request: about the action itself; asked last.
        before: actions that must be allowed as well, asked first, in this order, on the same resource.
        grants: asked after an allow that nothing else stopped.
        then: stands between an allow and the door; nothing where nothing did.
    """

    request: PolicyRequest
    before: tuple[EntityUid, ...] = ()
    grants: tuple[Grant, ...] = ()
    then: Then | None = None

    def record(self, recorder: Recorder) -> dict[str, Any]:
        """Return it as JSON values, for the personal part of a decision's record.

        Raises:
            MalformedRecordError: it holds something that is no value of Cedar.
        """
        found: dict[str, Any] = {
            "request": recorder.record_of(self.request, also=tuple(grant.resource for grant in self.grants))
        }
        if self.before:
            found["before"] = [list(action) for action in self.before]
        if self.grants:
            found["grants"] = [
                [grant.name, list(grant.action), list(grant.resource), written(grant.extra)] for grant in self.grants
            ]
        if self.then is not None:
            found["then"] = [self.then.reason.code, self.then.acr.value, self.then.max_age_s]
        return found


def question_of(found: Any, *, entities: RecordedEntities | None = None) -> Question:
    """Make the question that was recorded.

    Args:
        entities: those of its record, if they were read before.

    Raises:
        MalformedRecordError: it is none, or not of a form that this version writes.
    """
    if not isinstance(found, dict) or "request" not in found or not found.keys() <= _KEYS:
        raise MalformedRecordError("a recorded question is of an unknown form")
    return Question(
        request_of(found["request"], entities=entities),
        tuple(read_uid(action, "before") for action in _list(found, "before")),
        tuple(_grant(grant) for grant in _list(found, "grants")),
        _then(found["then"]) if "then" in found else None,
    )


def _list(found: Mapping[str, Any], name: str) -> list[Any]:
    listed = found.get(name, [])
    if isinstance(listed, list) and len(listed) <= _MOST:
        return listed
    raise MalformedRecordError(f"`{name}` is no list, or one of too many")


def _grant(found: Any) -> Grant:
    if not isinstance(found, list) or len(found) != _GRANT_LENGTH or not isinstance(found[0], str):
        raise MalformedRecordError("an entry of `grants` is none")
    name, action, resource, extra = found
    return Grant(name, read_uid(action, "grants"), read_uid(resource, "grants"), read_record(extra, "grants"))


def _then(found: Any) -> Then:
    if isinstance(found, list) and len(found) == _THEN_LENGTH and all(isinstance(part, str) for part in found[:2]):
        reason, acr, max_age_s = _REASONS.get(found[0]), _ACRS.get(found[1]), found[2]
        if reason and acr and isinstance(max_age_s, int) and not isinstance(max_age_s, bool) and max_age_s > 0:
            return Then(reason, acr, max_age_s)
    raise MalformedRecordError("`then` is no step that follows an allow")
