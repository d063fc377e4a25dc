"""Ask the reference implementation: slow, with input in JSON, and the judge of our own evaluator in tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import cedarpy

from watchword.policy.extension import Datetime, Decimal, Duration, Ip
from watchword.policy.load import Bundle
from watchword.policy.model import (
    Effect,
    Entity,
    EntityUid,
    PolicyAnswer,
    PolicyRef,
    PolicyRequest,
    RecordKey,
    Truth,
    Value,
)


class Oracle:
    """Evaluate a bundle with `cedarpy`; errors of any kind deny, with their codes."""

    def __init__(self, bundle: Bundle) -> None:
        self._version = bundle.version
        self._schema = cedarpy.Schema.from_str(bundle.schema) if bundle.schema else None
        static = {policy.id: policy.est for policy in bundle.policies}
        self._policies = cedarpy.PolicySet.from_json_str(
            json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
        )
        self._annotations = {
            policy.id: MappingProxyType(
                {name: value or "" for name, value in policy.est.get("annotations", {}).items()}
            )
            for policy in bundle.policies
        }
        self._forbids = frozenset(policy.id for policy in bundle.policies if policy.est["effect"] == "forbid")

    def evaluate(self, request: PolicyRequest) -> PolicyAnswer:
        """Answer in strict mode: a failed policy of either kind denies."""
        said = cedarpy.is_authorized(
            {
                "principal": _uid(request.principal),
                "action": _uid(request.action),
                "resource": _uid(request.resource),
                "context": {name: to_json(value) for name, value in request.context.items()},
            },
            self._policies,
            [entity_to_json(entity) for entity in request.entities.values()],
            self._schema,
        )
        if said.decision is cedarpy.Decision.NoDecision or (said.diagnostics.errors and not said.diagnostics.reasons):
            return self._failed(said.diagnostics.errors)
        determining = tuple(PolicyRef(name, self._annotations[name]) for name in sorted(said.diagnostics.reasons))
        errors = tuple(f"policy_error: {error}" for error in said.diagnostics.errors)
        if errors:
            return PolicyAnswer(Effect.ERROR, (), errors, self._version)
        effect = Effect.PERMIT if said.allowed else Effect.FORBID if determining else Effect.SILENT
        return PolicyAnswer(effect, determining, (), self._version)

    def _failed(self, errors: list[str]) -> PolicyAnswer:
        evaluated = any(error.startswith("error while evaluating policy") for error in errors)
        code = "policy_error" if evaluated else "schema_misfit"
        return PolicyAnswer(Effect.ERROR, (), tuple(f"{code}: {error}" for error in errors) or (code,), self._version)


def entity_to_json(entity: Entity) -> dict[str, Any]:
    """Write an entity as Cedar's JSON."""
    written: dict[str, Any] = {
        "uid": _uid(entity.uid),
        "attrs": {name: to_json(value) for name, value in entity.attributes.items()},
        "parents": [_uid(parent) for parent in entity.parents],
    }
    if entity.tags:
        written["tags"] = {name: to_json(value) for name, value in entity.tags.items()}
    return written


def to_json(value: Value) -> Any:  # noqa: PLR0911 (one line for each kind of value)
    """Write a value as Cedar's JSON."""
    match value:
        case EntityUid():
            return {"__entity": _uid(value)}
        case Truth():
            return value.value
        case Ip():
            return {"__extn": {"fn": "ip", "arg": str(value)}}
        case Decimal():
            return {"__extn": {"fn": "decimal", "arg": str(value)}}
        case Datetime():
            return {"__extn": {"fn": "offset", "args": [_extension("datetime", "1970-01-01"), _span(value.ms)]}}
        case Duration():
            return _span(value.ms)
        case RecordKey():
            return {name: to_json(inner) for name, inner in value.items}
        case Mapping():
            return {name: to_json(inner) for name, inner in value.items()}
        case frozenset():
            return [to_json(inner) for inner in value]
        case _:
            return value


def _span(ms: int) -> dict[str, Any]:
    return _extension("duration", f"{ms}ms")


def _extension(name: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": name, "arg": argument}}


def _uid(uid: EntityUid) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}
