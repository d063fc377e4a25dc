"""Ask the reference implementation of Cedar, and say what our evaluator should then answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from watchword.policy import Datetime, Decimal, Duration, Effect, Entity, EntityUid, Ip, PolicyRequest, Value
from watchword.policy.load import Bundle
from watchword.policy.model import RecordKey, Truth

_FAILED = re.compile(r"^error while evaluating policy `([^`]*)`")
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Verdict:
    """What the reference says; `is_refused` when it would not evaluate the request at all."""

    is_allowed: bool
    reasons: frozenset[str]
    failed: frozenset[str]
    is_refused: bool = False


class Oracle:
    """A bundle in the hands of `cedarpy`; `schema` as text, or nothing to let everything through."""

    def __init__(
        self, bundle: Bundle, *, is_schema_checked: bool = True, written: Mapping[str, Any] | None = None
    ) -> None:
        self._schema = cedarpy.Schema.from_str(bundle.schema) if is_schema_checked else None
        static = {policy.id: policy.est for policy in bundle.policies}
        self._forbids = frozenset(policy.id for policy in bundle.policies if policy.est["effect"] == "forbid")
        # With `written`, which may hold templates and links, the reference links for itself.
        whole = written or {"staticPolicies": static, "templates": {}, "templateLinks": []}
        self._policies = cedarpy.PolicySet.from_json_str(json.dumps(whole))

    def ask(self, request: PolicyRequest) -> Verdict:
        asked = {
            "principal": uid_json(request.principal),
            "action": uid_json(request.action),
            "resource": uid_json(request.resource),
            "context": {name: to_json(value) for name, value in request.context.items()},
        }
        entities = [entity_json(entity) for entity in request.entities.values()]
        said = cedarpy.is_authorized(asked, self._policies, entities, self._schema)
        found = [_FAILED.match(error) for error in said.diagnostics.errors]
        failed = frozenset(match.group(1) for match in found if match)
        is_refused = said.decision is cedarpy.Decision.NoDecision or len(failed) != len(said.diagnostics.errors)
        return Verdict(said.allowed, frozenset(said.diagnostics.reasons), failed, is_refused)

    def strict_effect(self, verdict: Verdict) -> Effect:
        """What strict mode makes of a verdict."""
        if verdict.is_refused or verdict.failed & self._forbids:
            return Effect.ERROR
        if verdict.is_allowed:
            return Effect.PERMIT
        return Effect.FORBID if verdict.reasons else Effect.SILENT


def entity_json(entity: Entity) -> dict[str, Any]:
    return {
        "uid": uid_json(entity.uid),
        "attrs": {name: to_json(value) for name, value in entity.attributes.items()},
        "parents": [uid_json(parent) for parent in entity.parents],
        "tags": {name: to_json(value) for name, value in entity.tags.items()},
    }


def to_json(value: Value) -> Any:  # noqa: PLR0911 (one line for each kind of value)
    match value:
        case EntityUid():
            return {"__entity": uid_json(value)}
        case Truth():
            return value.value
        case Ip():
            return _call("ip", str(value))
        case Decimal():
            return _call("decimal", str(value))
        case Datetime():
            return {
                "__extn": {
                    "fn": "offset",
                    "args": [_call("datetime", "1970-01-01"), _call("duration", f"{value.ms}ms")],
                }
            }
        case Duration():
            return _call("duration", f"{value.ms}ms")
        case RecordKey():
            return {name: to_json(inner) for name, inner in value.items}
        case Mapping():
            return {name: to_json(inner) for name, inner in value.items()}
        case frozenset():
            return [to_json(inner) for inner in value]
        case _:
            return value


def _call(name: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": name, "arg": argument}}


def uid_json(uid: EntityUid) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}
