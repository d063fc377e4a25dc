"""Every operator on every kind of value: true, false or an error exactly where the reference says so."""

from __future__ import annotations

import itertools
import json
import re

import cedarpy
import pytest
from policy_cases import bundle_of
from policy_oracle import Oracle

from watchword.policy import Effect, Entity, EntityUid, PolicyRequest, decimal, duration, instant, ip, set_of
from watchword.policy.evaluator import Evaluator, Mode

ANN, BOB, TEAM, ORG = (
    EntityUid("N::U", "ann"),
    EntityUid("N::U", "bob"),
    EntityUid("N::T", "team"),
    EntityUid("N::T", "org"),
)
LOOK, ANY = EntityUid("N::Action", "look"), EntityUid("N::Action", "any")
ATTRIBUTES = {
    "yes": True,
    "one": 1,
    "word": "a*b",
    "boss": BOB,
    "ghost": EntityUid("N::U", "nobody"),
    "home": ip("10.1.2.3"),
    "flags": set_of([True, 1, "1"]),
    "nested": {"one": 1, "yes": True},
    "records": set_of([{"one": 1}, {"yes": True}]),
    "price": decimal("1.5"),
    "since": instant("2026-11-21"),
    "span": duration("-90m"),
    "empty": set_of([]),
    "groups": set_of([TEAM, ORG]),
}
ENTITIES = [
    Entity(ANN, ATTRIBUTES, (TEAM,), {"t": "tag", "n": 7}),
    Entity(BOB, {"one": True}, (ORG,)),
    Entity(TEAM, {}, (ORG,)),
    Entity(ORG),
    Entity(LOOK, {}, (ANY,)),
]
REQUEST = PolicyRequest(ANN, LOOK, TEAM, ATTRIBUTES, {entity.uid: entity for entity in ENTITIES})
VALUES = (
    "true",
    "false",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    '"1"',
    '""',
    '"true"',
    'N::U::"ann"',
    'N::T::"org"',
    'N::U::"nobody"',
    "principal",
    "action",
    "resource",
    "context",
    "context.missing",
    "[]",
    "[1]",
    "[true]",
    "[1, true]",
    '["1", 1, [1]]',
    "[[true], [1]]",
    "[{a: 1}, {a: true}]",
    '[N::T::"team", N::U::"ann"]',
    '[N::T::"team", 1]',
    "{}",
    "{a: 1}",
    "{a: true}",
    '{"a": {b: [1]}}',
    'ip("10.1.2.3")',
    'ip("10.1.2.3/32")',
    'ip("10.0.0.0/8")',
    'ip("::1")',
    'ip("bad")',
    'decimal("1.5")',
    'decimal("1.50")',
    'datetime("2026-11-21")',
    'datetime("1969-12-31T23:59:59.999Z")',
    'duration("-90m")',
    'duration("36h")',
    *(f"principal.{name}" for name in ATTRIBUTES),
    *(f"context.{name}" for name in ("one", "yes", "flags", "nested", "boss")),
    "context.ghost.one",
    "context.boss.one",
    "principal.nested.one",
    'principal.getTag("t")',
    'principal.getTag("x")',
    'context.boss.getTag("t")',
)
ALL_PAIRS = 5  # the first so many are tried on all pairs of values, the others on a quarter
BINARY = (
    "{0} == {1}",
    "{0} in {1}",
    "{0}.contains({1})",
    "{0} < {1}",
    "[{0}] == [{1}]",
    "{0} != {1}",
    "{0} <= {1}",
    "{0} > {1}",
    "{0} >= {1}",
    "{0} && {1}",
    "{0} || {1}",
    "({0} + {1}) == 1",
    "({0} - {1}) == 0",
    "({0} * {1}) == 1",
    "{0}.containsAll({1})",
    "{0}.containsAny({1})",
    "{0}.isInRange({1})",
    "{0}.lessThan({1})",
    "{0}.lessThanOrEqual({1})",
    "{0}.greaterThan({1})",
    "{0}.greaterThanOrEqual({1})",
    "{0}.offset({1}) == {0}",
    '{0}.durationSince({1}) == duration("0ms")',
    "{0}.hasTag({1})",
    "{0}.getTag({1}) == 7",
    "[{0}, {1}] == [{1}]",
    "{{a: {0}}} == {{a: {1}}}",
    "(if {0} then true else {1}) == true",
)
UNARY = (
    "{0}",
    "!{0}",
    "!!({0})",
    "-{0} == 1",
    "{0}.isEmpty()",
    "{0} has one",
    "{0} has missing",
    "{0} has nested.one",
    '{0} like "*"',
    '{0} like "a\\**"',
    '{0} like "1"',
    "{0} is N::U",
    '{0} is N::U in N::T::"org"',
    '{0} is N::U in [N::T::"team", N::T::"org"]',
    "{0} is N::U in 1",
    "{0} in []",
    '[N::T::"org"].contains({0})',
    "{0}.isIpv4()",
    "{0}.isIpv6()",
    "{0}.isLoopback()",
    "{0}.isMulticast()",
    '{0}.toDate() == datetime("2026-11-21")',
    '{0}.toDate() == datetime("1969-12-31")',
    '{0}.toTime() == duration("86399999ms")',
    "{0}.toMilliseconds() == -5400000",
    "{0}.toSeconds() == -5400",
    "{0}.toMinutes() == -90",
    "{0}.toHours() == -1",
    "{0}.toHours() == 36",
    "{0}.toDays() == 0",
    "{0}.toDays() == 1",
    "ip({0}).isIpv4()",
    '(if {0} then 1 else "1") == 1',
    "(if principal.yes then {0} else 1) == (if principal.yes then {0} else true)",
    "false && {0}",
    "true || {0}",
    "true && {0}",
    "false || {0}",
)
MORE = (
    *(
        f'ip("{address}").isLoopback()'
        for address in ("127.0.0.1", "127.0.0.0/8", "126.0.0.0/7", "::1", "::1/127", "::2")
    ),
    *(
        f'ip("{address}").isMulticast()'
        for address in ("224.0.0.1", "224.0.0.0/4", "224.0.0.0/3", "ff00::/8", "ff02::1", "ff00::/7")
    ),
    *(
        f'ip("10.1.0.0/16").isInRange(ip("{net}"))'
        for net in ("10.0.0.0/8", "10.1.2.0/24", "10.1.2.3/16", "0.0.0.0/0", "::/0")
    ),
    'duration("-1ms").toSeconds() == 0',
    'duration("-1999ms").toSeconds() == -1',
    'duration("-25h").toDays() == -1',
    'datetime("1969-12-31T23:59:59.999Z").toTime() == duration("86399999ms")',
    'datetime("0000-02-29").toDate() == datetime("0000-02-29T23:00:00Z").toDate()',
    'datetime("2026-11-21T00:00:00+0100") == datetime("2026-11-20T23:00:00Z")',
    'datetime("2026-11-21").offset(duration("9223372036854775807ms")) > datetime("2026-11-21")',
    "principal in principal",
    "context.ghost in context.ghost",
    'context.ghost in N::T::"org"',
    'action in N::Action::"any"',
    "action.one == 1",
    'context.flags == [true, 1, "1"]',
    "context.flags.contains(1 == 1)",
    "context.records.contains({one: 1})",
    "context.records.contains({one: true})",
    "context.records.containsAll([{yes: true}])",
    '{a: 1, b: "x"} == {b: "x", a: 1}',
    "{a: 1}.b == 1",
    "[1, 1, 2] == [2, 1]",
    '"aaab" like "*a*ab"',
    '"ab" like "*ab*ab*"',
    '"aab" like "a*a*a*"',
    '"ab" like "a*b*b"',
    '"aXbX" like "a*X"',
    '"" like ""',
    '"*" like "\\*"',
    '"x" like "\\*"',
)


def texts(forms: tuple[str, ...], *values: tuple[str, ...]) -> list[str]:
    return [form.format(*chosen) for form in forms for chosen in itertools.product(*values)]


def parsed(expressions: list[str]) -> list[dict[str, object]]:
    """Parse many policies at once; the few that Cedar's grammar refuses are left out."""
    policies = [
        f'@id("{number}") permit (principal, action, resource) when {{ {text} }};'
        for number, text in enumerate(expressions)
    ]
    try:
        found = json.loads(cedarpy.policies_to_json_str("\n".join(policies)))["staticPolicies"]
        return list(found.values())
    except ValueError:
        if len(expressions) == 1:
            return []
        half = len(expressions) // 2
        kept = [(text, parsed([text])) for text in expressions] if half < 8 else None
        if kept is not None:
            return [{**est[0], "annotations": {"id": text}} for text, est in kept if est]
        return [
            {**est, "annotations": {"id": _text(est, part)}}
            for part in (expressions[:half], expressions[half:])
            for est in parsed(part)
        ]


def _text(est: dict[str, object], part: list[str]) -> str:
    name = est["annotations"]["id"]  # type: ignore[index]  # JSON
    return part[int(name)] if re.fullmatch("[0-9]+", name) else name


@pytest.mark.parametrize("form", BINARY)
def test_an_operator_of_two_means_what_the_reference_means(form: str) -> None:
    some = VALUES if BINARY.index(form) < ALL_PAIRS else VALUES[::2] + VALUES[-3:]
    check(texts((form,), some, some))


@pytest.mark.parametrize("form", UNARY)
def test_an_operator_of_one_means_what_the_reference_means(form: str) -> None:
    check(texts((form,), VALUES))


def test_corners_mean_what_the_reference_means() -> None:
    check(list(MORE))


def check(expressions: list[str]) -> None:
    ests = parsed(expressions)
    assert len(ests) > len(expressions) // 2
    named = {str(number): est for number, est in enumerate(ests)}
    bundle = bundle_of([{**est, "annotations": {"id": number}} for number, est in named.items()])
    verdict = Oracle(bundle, is_schema_checked=False).ask(REQUEST)
    assert not verdict.is_refused
    answer = Evaluator(bundle, mode=Mode.REFERENCE).evaluate(REQUEST)
    satisfied = {policy.id for policy in answer.determining}
    failed = {re.match(r"policy_error: `([^`]*)`", error)[1] for error in answer.errors}  # type: ignore[index]  # ours
    wrong = (satisfied ^ verdict.reasons) | (failed ^ verdict.failed)
    assert not wrong, [
        (
            named[number]["conditions"],
            number in satisfied,
            number in failed,
            number in verdict.reasons,
            number in verdict.failed,
        )
        for number in sorted(wrong)[:3]
    ]
    assert answer.effect is (Effect.PERMIT if satisfied else Effect.SILENT)
