"""Hold the solver's picture of a request against a real one: whatever the engine says must be possible there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cedarpy
import z3
from policy_cases import IDS, Choice, World, bundle_of, is_valid, reparsed, schema, schema_text

from watchword.policy import Effect, Entity, EntityUid, PolicyRequest, PolicySet
from watchword.policy.analysis import Finding, FindingKind, Invariant, Limits, Place, Verdict, analyse
from watchword.policy.analysis.solve import hierarchy
from watchword.policy.analysis.subject import Kind, Subject
from watchword.policy.analysis.symbols import FALSE, TRUE, Fields, Sym, ip_term
from watchword.policy.analysis.symbols import World as Terms
from watchword.policy.extension import Ip
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.model import RecordKey, Truth
from watchword.policy.runtime import up
from watchword.policy.schema import Record, Reference, SetOf, Type


@dataclass
class Case:
    """A generated bundle with requests, and a condition to make promises of."""

    bundle: Bundle
    promise: WrittenPolicy | None
    requests: list[PolicyRequest] = field(default_factory=list)


def case(choice: Choice, *, policies: int, requests: int) -> Case | None:
    """Make one; nothing where no policy came out valid."""
    made = schema(choice)
    rendered = str(cedarpy.Schema.from_str(schema_text(made)))
    world = World(choice, made)
    ests = [world.policy(f"p{number}") for number in range(1 + choice.below(policies))]
    ests = [est for est in ests if is_valid([est], rendered)]
    if not ests:
        return None
    est = {**world.policy("promise"), "effect": "permit"}
    promise = (
        WrittenPolicy("invariant:promise", reparsed([est])[0], "invariants.yaml", 1, "")
        if is_valid([est], rendered)
        else None
    )
    made_requests = [world.request(_forgetful(world)) for _ in range(requests)]
    return Case(bundle_of(reparsed(ests), rendered), promise, made_requests)


def _forgetful(world: World) -> dict[EntityUid, Entity]:
    """Describe every entity but a few; what lies below them loses its place in the hierarchy above them."""
    described = world.entities()
    for uid in [uid for uid in described if world.chance(8)]:
        del described[uid]
    return described


# ---- the solver's picture of one request -----------------------------------------------------------------------------


@dataclass
class Picture:
    """How many comparisons there were, and how many of them left nothing open."""

    compared: int = 0
    exact: int = 0


def hold_against(found: Case) -> Picture:
    """Pin every fact of each request in the solver, and ask it what each policy comes to.

    Raises:
        AssertionError: the solver holds what the engine does to be impossible, or the contrary to be possible though
            it claims to be exact.
    """
    subject, picture = Subject(found.bundle), Picture()
    for request in found.requests:
        key = request.action, request.principal.type, request.resource.type
        kind = next(kind for kind in subject.kinds if kind.key == key)
        for policy in kind.policies:
            said = said_by_engine(found.bundle, policy, request)
            if said is None:
                continue
            encoded = subject.encoded(policy, kind)
            solver = z3.Solver()
            solver.set("timeout", 3000)
            solver.add(*encoded.touched.facts.values(), *hierarchy(kind.world, encoded.touched), *pins(kind, request))
            agrees = z3.And(encoded.applies == said[0], encoded.fails == said[1])
            assert solver.check(agrees) != z3.unsat, (policy.est, request, said)
            picture.compared += 1
            if encoded.touched.is_exact and not _asks_of_tags(policy):
                picture.exact += 1
                assert solver.check(z3.Not(agrees)) != z3.sat, (policy.est, request, said)
    return picture


def said_by_engine(bundle: Bundle, policy: WrittenPolicy, request: PolicyRequest) -> tuple[bool, bool] | None:
    """Ask the engine whether a policy applies, and whether it fails; nothing for a request that it refuses anyway."""
    alone = replace(policy, est={**policy.est, "effect": "permit"})
    answer = PolicySet(replace(bundle, policies=(alone,))).evaluate(request)
    if answer.code == "schema_misfit":
        return None
    return answer.effect is Effect.PERMIT, bool(answer.errors)


def pins(kind: Kind, request: PolicyRequest) -> Iterator[Any]:
    """State every fact of a request."""
    world = kind.world
    yield from _equal(world, Reference(request.principal.type), world.principal(), request.principal)
    yield from _equal(world, Reference(request.resource.type), world.resource(), request.resource)
    yield from _equal(world, world.context_type, world.context(), request.context)
    for uid in _everybody(request):
        if uid not in request.entities:
            yield z3.Not(world.described(uid.type, _uid(world, uid)))
    for uid, entity in request.entities.items():
        term = _uid(world, uid)
        yield world.described(uid.type, term)
        type_ = world.schema.entities[uid.type]
        yield from _equal(
            world, type_.attributes, Sym(type_.attributes, world.attributes(uid.type, term)), entity.attributes
        )
        for name in entity.tags:
            written = world.text(name)
            if written is not None and type_.tags is not None:
                has, value = world.tag(uid.type, term, written.term)
                yield has
                yield from _equal(world, type_.tags, value, entity.tags[name])
        above = up(uid, request.entities) - {uid}
        for other in _everybody(request):
            if other.type in world.reach(uid.type):
                yield world.is_below(uid.type, term, other.type, _uid(world, other)) == (other in above)


def _everybody(request: PolicyRequest) -> set[EntityUid]:
    """Return every entity that there may be in a generated world."""
    types = {uid.type for uid in (request.principal, request.resource, *request.entities)}
    ids = {uid.id for uid in (request.principal, request.resource, *request.entities)} | set(IDS)
    return {EntityUid(name, ident) for name in types if not name.endswith("Colour") for ident in ids} | {
        *request.entities
    }


def _uid(world: Terms, uid: EntityUid) -> Any:
    found = world.uid(uid)
    assert found is not None
    return found.term


def _equal(world: Terms, type_: Type, found: Sym, value: Any) -> Iterator[Any]:
    if isinstance(type_, Record):
        value = dict(value.items) if isinstance(value, RecordKey) else value
        assert isinstance(found.term, Fields)
        for name, one in type_.fields.items():
            is_there, inner = found.term[name]
            yield is_there == (name in value)
            if name in value:
                yield from _equal(world, one.type, inner, value[name])
    elif found.term is not None:
        term = _term(world, type_, value)
        if term is not None:
            yield found.term == term


def _term(world: Terms, type_: Type, value: Any) -> Any:  # noqa: PLR0911  # one line for each kind of value
    if isinstance(type_, SetOf):
        sort, elements = world.sort(type_), [_term(world, type_.element, one) for one in value]
        if sort is None or any(element is None for element in elements):
            return None
        array = z3.K(sort.domain(), FALSE)
        for element in elements:
            array = z3.Store(array, element, TRUE)
        return array
    match value:
        case bool() | Truth():
            return TRUE if (value.value if isinstance(value, Truth) else value) else FALSE
        case EntityUid():
            return _uid(world, value)
        case Ip():
            return ip_term(value)
        case str():
            written = world.text(value)
            return written.term if written else None
        case int():
            return z3.IntVal(value)
    return z3.IntVal(value.ms if hasattr(value, "ms") else value.value)


def _asks_of_tags(policy: WrittenPolicy) -> bool:
    """Tell a policy that asks what the pins leave open: which tags an entity does not have."""
    return "Tag" in str(policy.est)


# ---- claims against requests -----------------------------------------------------------------------------------------


def check_claims(found: Case, limits: Limits) -> list[FindingKind | Verdict]:
    """Analyse a bundle and hold every claim against requests.

    Raises:
        AssertionError: a request contradicts a claim.
    """
    promises = [
        Invariant(f"never:{is_never}", is_never, found.promise, Place("invariants.yaml", 1, 1))
        for is_never in (True, False)
        if found.promise
    ]
    report = analyse(found.bundle, promises, limits=limits)
    engine = PolicySet(found.bundle)
    for request in found.requests:
        is_permitted = engine.evaluate(request).effect is Effect.PERMIT
        asked = {policy.id: said_by_engine(found.bundle, policy, request) for policy in found.bundle.policies}
        said = {name: one for name, one in asked.items() if one is not None}
        if len(said) < len(asked):
            continue
        for finding in report.findings:
            if finding.subject in said:
                _check_finding(finding, said, {policy.id: policy for policy in found.bundle.policies}, is_permitted)
        for promise in promises:
            applies, fails = said_by_engine(found.bundle, promise.policy, request) or (False, False)
            if report.invariants[promise.id] is Verdict.HOLDS and (applies or fails):
                assert is_permitted != promise.is_never, (promise, request)
            assert report.invariants[promise.id] is not Verdict.VACUOUS or not applies, (promise, request)
    return [*(finding.kind for finding in report.findings), *report.invariants.values()]


def _check_finding(
    finding: Finding,
    said: Mapping[str, tuple[bool, bool]],
    policies: Mapping[str, WrittenPolicy],
    is_permitted: bool,  # noqa: FBT001  # what the engine said
) -> None:
    applies, fails = said[finding.subject]
    is_forbid = policies[finding.subject].est["effect"] == "forbid"
    match finding.kind:
        case FindingKind.NEVER_MATCHES:
            assert not applies, finding
            assert not (is_forbid and fails), finding
        case FindingKind.ONLY_FAILS:
            assert not applies, finding
        case FindingKind.SHADOWED | FindingKind.CONTRADICTS if applies:
            assert not is_permitted, finding
            assert any(any(said[other]) for other in finding.others), finding
        case FindingKind.IMPLIED if applies or (is_forbid and fails):
            assert any(any(said[other]) if is_forbid else said[other][0] for other in finding.others), finding
