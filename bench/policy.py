"""Measure one policy decision, ours and the reference's, in one interleaved run.

The sets are synthetic but shaped like an organisation that grows: the first fifty policies are about the asker's own
groups and five applications, so that about ten are candidates for each request in every size; the others are about
other groups, on the same applications and on others; the shipped policies are part of every set. The request is
Watchword's own, schema-checked, with a resource entity that is made anew for each decision. The reference gets its
policies, schema, standing entities and JSON prepared beforehand.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy

from bench import relations
from watchword.policy import DEFAULT_DIRECTORY, DEFAULT_SCHEMA, Effect, Entity, EntityUid, PolicyRequest, PolicySet, ip
from watchword.policy.load import Bundle, WrittenPolicy

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from policy_cases import differences
from policy_oracle import entity_json, to_json, uid_json

SIZES = (60, 1000, 5000)
ROUNDS = 25
OURS_A_ROUND, THEIRS_A_ROUND = 400, {60: 20, 5000: 2}
NEAR, BUSY, GROUPS, APPLICATIONS, PARTS = 50, 5, 8, 50, 3


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    """Print the figures; with `json` one object on the last line."""
    cases = {size: Case.of(size) for size in SIZES}
    for case in cases.values():
        case.check_agreement()
    ours, theirs = _interleave(cases)
    figures = {f"us_{size}": round(statistics.median(ours[size]), 2) for size in SIZES}
    figures["p99_us_5000"] = round(statistics.quantiles(ours[5000], n=100)[98], 2)
    figures |= {f"cedarpy_us_{size}": round(statistics.median(theirs[size]), 1) for size in THEIRS_A_ROUND}
    figures["compile_s_5000"] = round(cases[5000].compile_s, 2)
    figures |= relations.figures()
    figures["cases_agreed"] = _agreement()
    _print(figures, as_json=json)


@dataclass
class Case:
    """One size of set with the requests that are put to it."""

    policies: PolicySet
    reference: cedarpy.PolicySet
    schema: cedarpy.Schema
    standing: cedarpy.Entities
    compile_s: float
    count: int = 0

    @classmethod
    def of(cls, size: int) -> Case:
        text = policy_text(size)
        schema = DEFAULT_SCHEMA.read_text()
        parsed = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
        result = cedarpy.validate_policies(text, schema)
        if not result:
            raise SystemExit(f"the synthetic policies are wrong: {result.errors[0]}")
        written = [WrittenPolicy(est["annotations"]["id"], est, "bench", 1, "") for est in parsed.values()]
        handle = cedarpy.Schema.from_str(schema)
        bundle = Bundle(tuple(written), (), str(handle), "bench")
        began = time.perf_counter()
        policies = PolicySet(bundle)
        took = time.perf_counter() - began
        standing = cedarpy.Entities.from_json_str(json.dumps([entity_json(entity) for entity in STANDING]), handle)
        return cls(policies, cedarpy.PolicySet.from_str(text), handle, standing, took)

    def request(self) -> PolicyRequest:
        """Make the next request: another part of another application, by the same user, in a new context."""
        self.count += 1
        application = EntityUid("Watchword::Application", f"app{self.count % BUSY}")
        resource = EntityUid("Watchword::Resource", f"app{self.count % BUSY}/part{self.count % PARTS}")
        fresh = Entity(resource, {"sensitivity": "internal"}, (application,))
        return PolicyRequest(USER.uid, READ, resource, context(), {**STANDING_BY_UID, resource: fresh})

    def ask_reference(self, prepared: tuple[dict[str, Any], str]) -> cedarpy.AuthzResult:
        """Put a request to the reference: the fresh entity is added to the standing ones."""
        asked, fresh = prepared
        entities = self.standing.with_added_json_str(fresh)
        return cedarpy.is_authorized(asked, self.reference, entities, self.schema)

    def check_agreement(self) -> None:
        """Refuse to measure two things that do not answer alike."""
        for _ in range(APPLICATIONS):
            request = self.request()
            mine, said = self.policies.evaluate(request), self.ask_reference(for_reference(request))
            if (mine.effect is Effect.PERMIT) != said.allowed or said.diagnostics.errors or mine.effect is Effect.ERROR:
                raise SystemExit(f"the engines differ: {mine} and {said.decision} {said.diagnostics.errors}")


def _interleave(cases: dict[int, Case]) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    ours: dict[int, list[float]] = {size: [] for size in cases}
    theirs: dict[int, list[float]] = {size: [] for size in THEIRS_A_ROUND}
    gc.collect()
    gc.freeze()
    for number in range(ROUNDS + 1):
        for size, case in cases.items():
            taken = _time(case.policies.evaluate, [case.request() for _ in range(OURS_A_ROUND)])
            ours[size] += taken if number else []  # the first round warms up
        for size, count in THEIRS_A_ROUND.items():
            prepared = [for_reference(cases[size].request()) for _ in range(count)]
            taken = _time(cases[size].ask_reference, prepared)
            theirs[size] += taken if number else []
    return ours, theirs


def for_reference(request: PolicyRequest) -> tuple[dict[str, Any], str]:
    """Write a request as the reference wants it; this is not measured, although every use of it would pay for it."""
    asked = {
        "principal": uid_json(request.principal),
        "action": uid_json(request.action),
        "resource": uid_json(request.resource),
        "context": to_json(request.context),
    }
    return asked, json.dumps([entity_json(request.entities[request.resource])])


def _time(ask: Callable[[Any], Any], requests: list[Any]) -> list[float]:
    clock = time.perf_counter_ns
    taken = []
    for request in requests:
        began = clock()
        ask(request)
        taken.append((clock() - began) / 1000)
    return taken


READ, ACCESS = EntityUid("Watchword::Action", "read"), EntityUid("Watchword::Action", "access")
HOURS = "context.mfa.is_verified && context.time.is_working_hours"
SAFETY = 'context.device.posture == "noncompliant" || context.network.ip.isInRange(ip("203.0.113.0/24"))'
PLACE = (
    'resource.sensitivity == "internal" && context.network has country && '
    '["CH", "DE", "AT"].contains(context.network.country)'
)


def policy_text(size: int) -> str:
    """Write so many policies: the shipped ones, and a population of an organisation's own."""
    shipped = "\n".join(path.read_text() for path in sorted((DEFAULT_DIRECTORY / "policies").glob("*.cedar")))
    own = [_own_policy(number) for number in range(size - shipped.count("@id("))]
    return "\n".join([shipped, *own])


def _own_policy(number: int) -> str:
    near = number < NEAR
    application = f"app{number % (BUSY if near else APPLICATIONS)}"
    group = f"group{number % GROUPS if near else GROUPS + number % 997}"
    head = f'@id("own-{number}")\n'
    who, what = f'principal in Watchword::Group::"{group}"', f'resource in Watchword::Application::"{application}"'
    part = f'resource == Watchword::Resource::"{application}/part{number // 5 % (PARTS if near else 1000)}"'
    forms = (
        f"permit ({who}, action in {ACCESS}, {what});",
        f"permit ({who}, action == {READ}, {part}) when {{ context.risk.score < {20 + number % 60} }};",
        f"permit ({who}, action in [{READ}], {what}) when {{ {HOURS} }};",
        f"forbid (principal, action in {ACCESS}, {part}) when {{ {SAFETY} }};",
        f"permit ({who}, action in {ACCESS}, resource is Watchword::Resource in {what[12:]}) when {{ {PLACE} }};",
    )
    return head + forms[number // BUSY % len(forms)]


_GROUPS = tuple(EntityUid("Watchword::Group", name) for name in ("members", *(f"group{n}" for n in range(GROUPS))))
USER = Entity(
    EntityUid("Watchword::User", "usr_1"),
    {"name": "kim", "email": "kim@example.org", "is_administrator": False, "is_privileged": False},
    _GROUPS,
)
STANDING = (
    USER,
    *(Entity(uid) for uid in _GROUPS),
    *(Entity(EntityUid("Watchword::Application", f"app{n}"), {"sensitivity": "internal"}) for n in range(APPLICATIONS)),
)
STANDING_BY_UID = {entity.uid: entity for entity in STANDING}


def context() -> dict[str, Any]:
    """Make one context as the decision point does."""
    return {
        "http": {"method": "GET", "host": "app.localhost", "path": "/page"},
        "risk": {"score": 5, "level": 0},
        "trust": {"score": 60},
        "mfa": {"is_verified": True, "age_min": 3},
        "session": {"age_min": 4, "acr": 2, "amr": frozenset({"pwd", "otp"})},
        "device": {"is_known": True, "age_days": 30, "posture": "unknown"},
        "network": {"ip": ip("192.0.2.7"), "country": "CH", "asn": 64500, "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        "rel": frozenset(),
    }


def _agreement() -> int:
    count = 2000
    different = differences(range(count))
    if different:
        raise SystemExit(f"the engines differ on generated case {different[0]}")
    return count


def _print(figures: dict[str, float], *, as_json: bool) -> None:
    for name, figure in figures.items():
        print(f"{name:>16} {figure:>10}", file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(figures))
