"""Compile a bundle: each policy once, filed for every kind of request that it can apply to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from watchword.policy.checks import entity_check, record_check
from watchword.policy.emit import Types, compile_conditions
from watchword.policy.errors import PolicyLoadError, Problem, UnknownSyntaxError
from watchword.policy.index import Index, Rule, Scope, index_of, scope_of
from watchword.policy.load import Bundle, WrittenPolicy
from watchword.policy.model import EntityUid, PolicyRef
from watchword.policy.schema import Action, EntityType, Record, Reference, Schema, parse_schema
from watchword.policy.types import merge

Key: TypeAlias = tuple[EntityUid, str, str]
_IS_FORBID = {"permit": False, "forbid": True}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of entities, ready to be checked.

    Attributes:
        must_be_described: an entity of it has attributes or may have parents, so one without a description hides them.
        nests: a parent of it may have parents itself.
    """

    type: EntityType
    fits: Callable[[Any], bool]
    must_be_described: bool
    nests: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """One action by one type of principal on one type of resource, with the policies that can ever apply to it."""

    action_and_above: frozenset[EntityUid]
    context: Record
    fits: Callable[[Any], bool]
    principal: Kind
    resource: Kind
    index: Index


class Compiler:
    """One pass over one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._policies = bundle.policies
        self.schema: Schema = parse_schema(bundle.schema)
        self.kinds: Mapping[str, Kind] = {name: self._kind(type_) for name, type_ in self.schema.entities.items()}
        self._types: dict[frozenset[Key], Types] = {}
        self._problems: list[Problem] = []

    def environments(self) -> Mapping[Key, Environment]:
        """Compile with the schema's types, for requests that are checked against it.

        Raises:
            PolicyLoadError: a policy holds a form that this evaluator does not know, or is nested beyond reason.
        """
        rules: dict[Key, list[Rule]] = {key: [] for action in self.schema.actions.values() for key in _keys(action)}
        for policy in self._policies:
            scope = self._scope(policy)
            keys = frozenset(key for key in rules if self._admits(scope, key)) if scope else frozenset[Key]()
            rule = self._rule(policy, scope, scope.tests(), self._types_for(keys)) if scope and keys else None
            if rule:
                for key in keys:
                    rules[key].append(rule)
        self._raise_if_wrong()
        return {key: self._environment(key, found) for key, found in rules.items()}

    def rules(self) -> list[Rule]:
        """Compile without any type, for requests that nobody checked.

        Raises:
            PolicyLoadError: as above.
        """
        scopes = [(policy, self._scope(policy)) for policy in self._policies]
        rules = [
            self._rule(policy, scope, scope.tests() + scope.action_tests(), Types())
            for policy, scope in scopes
            if scope
        ]
        self._raise_if_wrong()
        return [rule for rule in rules if rule]

    def _admits(self, scope: Scope, key: Key) -> bool:
        action, principal, resource = key
        return (
            scope.principal.admits(principal)
            and scope.resource.admits(resource)
            and scope.admits_action(action, self.schema.actions[action].ancestors)
        )

    def _types_for(self, keys: frozenset[Key]) -> Types:
        """Return what holds in all of some environments; the same few unions serve thousands of policies."""
        if keys not in self._types:
            contexts = [self.schema.actions[action].context for action, _, _ in keys]
            self._types[keys] = Types(
                self.schema,
                merge([Reference(principal) for _, principal, _ in keys]),
                merge([Reference(resource) for _, _, resource in keys]),
                merge(contexts),
            )
        return self._types[keys]

    def _scope(self, policy: WrittenPolicy) -> Scope | None:
        try:
            return scope_of(policy.est)
        except UnknownSyntaxError as error:
            self._blame(policy, error)
            return None

    def _rule(self, policy: WrittenPolicy, scope: Scope, tests: list[Any], types: Types) -> Rule | None:
        try:
            is_forbid = _IS_FORBID[policy.est["effect"]]
            compiled = compile_conditions(tests, policy.est.get("conditions", []), types)
        except (KeyError, UnknownSyntaxError, RecursionError, SyntaxError, MemoryError) as error:
            self._blame(policy, error)
            return None
        noted = {name: value or "" for name, value in policy.est.get("annotations", {}).items()}
        ref = PolicyRef(policy.id, MappingProxyType(noted))
        return Rule(ref, is_forbid, scope, compiled.function, compiled.cost)

    def _blame(self, policy: WrittenPolicy, error: BaseException) -> None:
        words = "the policy is nested too deeply"
        if isinstance(error, UnknownSyntaxError | KeyError):
            words = str(error) if isinstance(error, UnknownSyntaxError) else "the effect is unknown"
        self._problems.append(Problem(policy.path, policy.line, 1, words, policy=policy.id))

    def _raise_if_wrong(self) -> None:
        if self._problems:
            raise PolicyLoadError(self._problems)

    def _environment(self, key: Key, rules: list[Rule]) -> Environment:
        action = self.schema.actions[key[0]]
        assert action.context is not None
        fits = record_check(action.context, self.schema)
        return Environment(
            action.ancestors, action.context, fits, self.kinds[key[1]], self.kinds[key[2]], index_of(rules)
        )

    def _kind(self, type_: EntityType) -> Kind:
        required = any(field.is_required for field in type_.attributes.fields.values())
        nests = any(self.schema.entities[name].parents for name in type_.parents if name in self.schema.entities)
        return Kind(type_, entity_check(type_, self.schema), required or bool(type_.parents), nests)


def _keys(action: Action) -> list[Key]:
    if action.context is None:
        return []
    return [(action.uid, principal, resource) for principal in action.principals for resource in action.resources]
