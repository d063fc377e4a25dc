"""Turn a policy set and a question without its resource into one expression of a query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from watchword.policy.checks import MisfitError, entity_misfit, misfit
from watchword.policy.engine import PolicySet
from watchword.policy.errors import Problem
from watchword.policy.evaluator import DEFAULT_BUDGET
from watchword.policy.filters.errors import FilterMappingError, UntranslatableError
from watchword.policy.filters.mapping import ResourceMap, Table
from watchword.policy.filters.pairs import ALWAYS, NEVER, Pair, conjunction, negation
from watchword.policy.filters.partial import Partial
from watchword.policy.filters.rows import CheckedEntities
from watchword.policy.filters.sql import ColumnElement, any_of, every, false
from watchword.policy.index import Constraint, scope_of
from watchword.policy.load import WrittenPolicy
from watchword.policy.model import Entity, EntityUid, PolicyRequest, Value
from watchword.policy.runtime import BudgetSpentError, up
from watchword.policy.schema import Action, Schema, parse_schema

# What the decision point computes for the resource at hand.
OF_THE_ROW: Final = ("rel",)


class Gaps(StrEnum):
    """What to do with what cannot be translated: give fewer rows, or raise."""

    NARROW = "narrow"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class Filter:
    """An expression, and what was left out of it.

    Attributes:
        gaps: each place where the filter may give fewer rows than the policies permit; empty when it gives all.
    """

    expression: ColumnElement[bool]
    gaps: tuple[Problem, ...] = ()


def filter_for(
    policies: PolicySet,
    principal: EntityUid,
    action: EntityUid,
    resource_type: str,
    context: Mapping[str, Value],
    entities: Mapping[EntityUid, Entity],
    mapping: ResourceMap,
    *,
    gaps: Gaps = Gaps.NARROW,
    of_the_row: Collection[str] = OF_THE_ROW,
) -> ColumnElement[bool]:
    """Return the condition under which a row is one that the policies permit.

    Args:
        resource_type: the type of entity that the rows are.
        entities: at least the principal and all its ancestors; whatever else policies look at besides the row.
        mapping: which columns hold what.
        gaps: what to do with what cannot be translated.
        of_the_row: names in the context whose values depend on the row; policies that ask them cannot be translated.

    Returns:
        An expression that is true or false for every row, never null, and true for no row that `PolicySet.evaluate`
        would not permit, given that the row is described to it as the mapping says.

    Raises:
        FilterMappingError: the mapping does not fit the schema.
        UntranslatableError: something cannot be translated, and `gaps` says to raise.
    """
    found = translate(policies, principal, action, resource_type, context, entities, mapping, of_the_row=of_the_row)
    if found.gaps and gaps is Gaps.RAISE:
        raise UntranslatableError(found.gaps)
    return found.expression


def translate(
    policies: PolicySet,
    principal: EntityUid,
    action: EntityUid,
    resource_type: str,
    context: Mapping[str, Value],
    entities: Mapping[EntityUid, Entity],
    mapping: ResourceMap,
    *,
    of_the_row: Collection[str] = OF_THE_ROW,
) -> Filter:
    """Do what `filter_for` does, and tell what was left out.

    Raises:
        FilterMappingError: the mapping does not fit the schema.
    """
    schema = _schema(policies.bundle.schema)
    if resource_type not in schema.entities:
        raise FilterMappingError(f"the schema has no type `{resource_type}`")
    table = Table(mapping, resource_type, schema)
    if not policies.is_repeatable:
        # Prevents: a row that policies in Rego, or a policy server, would refuse.
        return Filter(false(), (Problem("", 0, 0, "others than Cedar have a say, and no query can ask them"),))
    asked = PolicyRequest(principal, action, EntityUid(resource_type, ""), context, entities)
    try:
        return _Translation(policies, asked, table, of_the_row).filter()
    except (MisfitError, BudgetSpentError) as error:
        # The decision point refuses such a request whatever the row.
        return Filter(false(), (Problem("", 0, 0, str(error) or "the decision takes more steps than it may"),))


@lru_cache(maxsize=16)
def _schema(rendered: str) -> Schema:
    return parse_schema(rendered)


class _Translation:
    """One question, checked as the decision point checks it, and then policy by policy."""

    def __init__(self, policies: PolicySet, asked: PolicyRequest, table: Table, of_the_row: Collection[str]) -> None:
        self._policies = policies.bundle.policies
        self._asked = asked
        self._table = table
        self._of_the_row = of_the_row
        self._schema = table.schema
        self._action = self._checked_action()
        self._entities = CheckedEntities(asked.entities, self._schema)
        self._above = self._checked_principal()
        self._gaps: list[Problem] = []

    def filter(self) -> Filter:
        admitted = [policy for policy in self._policies if self._admits(policy)]
        # Prevents: policies that keep the decision point busy until it refuses giving rows here.
        if sum(_steps(policy.est) for policy in admitted) > DEFAULT_BUDGET:
            raise BudgetSpentError
        permits = [self._pair(policy) for policy in admitted if policy.est["effect"] == "permit"]
        forbids = [self._pair(policy) for policy in admitted if policy.est["effect"] != "permit"]
        granted = any_of(pair.is_true for pair in permits)
        # A forbid is over only where it is false: one that fails forbids, and so does one that was not understood.
        free = every(pair.is_false for pair in forbids)
        return Filter(every([*self._table.guards(), granted, free]), tuple(self._gaps))

    # ---- the checks of the decision point, as far as the row has no part in them ---------------------------------

    def _checked_action(self) -> Action:
        asked = self._asked
        action = self._schema.actions.get(asked.action)
        kinds = asked.principal.type, asked.resource.type
        if (
            action is None
            or action.context is None
            or kinds[0] not in action.principals
            or kinds[1] not in action.resources
        ):
            raise MisfitError(f"no action `{asked.action}` by `{kinds[0]}` on `{kinds[1]}`")
        words = misfit(action.context, asked.context, "context", self._schema)
        if words:
            raise MisfitError(words)
        return action

    def _checked_principal(self) -> frozenset[EntityUid]:
        uid, type_ = self._asked.principal, self._schema.entities[self._asked.principal.type]
        known = self._entities.get(uid)
        if known is None and self._must_be_described(uid):
            raise MisfitError(f"an entity of type `{uid.type}` is not described")
        if known is None and entity_misfit(replace(type_, tags=None), Entity(uid), self._schema):
            raise MisfitError(f"`{uid.type}` has no such member")
        above = frozenset(up(uid, self._entities))
        if any(self._must_be_described(one) and one not in self._asked.entities for one in above):
            raise MisfitError("an ancestor is not described")
        return above

    def _must_be_described(self, uid: EntityUid) -> bool:
        type_ = self._schema.entities.get(uid.type)
        return type_ is None or bool(type_.parents) or any(one.is_required for one in type_.attributes.fields.values())

    # ---- one policy ----------------------------------------------------------------------------------------------

    def _admits(self, policy: WrittenPolicy) -> bool:
        scope, asked = scope_of(policy.est), self._asked
        return (
            scope.principal.admits(asked.principal.type)
            and scope.resource.admits(asked.resource.type)
            and scope.admits_action(asked.action, self._action.ancestors)
            and self._fits_principal(scope.principal)
        )

    def _fits_principal(self, wanted: Constraint) -> bool:
        if wanted.anchor is None:
            return True
        return wanted.anchor == self._asked.principal if wanted.is_exact else wanted.anchor in self._above

    def _pair(self, policy: WrittenPolicy) -> Pair:
        partial = Partial(self._asked, self._table, self._entities, self._action.ancestors, of_the_row=self._of_the_row)
        found = self._head(scope_of(policy.est).resource, partial)
        for condition in policy.est.get("conditions", []):
            if found is NEVER:
                break
            said = partial.condition(condition["body"])
            found = conjunction(found, said if condition["kind"] == "when" else negation(said))
        for what in dict.fromkeys(partial.gaps):
            message = f"`{policy.id}` asks what the query cannot: {what}"
            self._gaps.append(Problem(policy.path, policy.line, policy.column, message, policy=policy.id))
        return found

    def _head(self, wanted: Constraint, partial: Partial) -> Pair:
        if wanted.anchor is None:
            return ALWAYS
        return partial.row_is(wanted.anchor) if wanted.is_exact else partial.row_in(wanted.anchor)


def _steps(node: Any) -> int:
    """Count at least as many steps as the evaluator does."""
    if isinstance(node, dict):
        return 1 + sum(map(_steps, node.values()))
    return 1 + sum(map(_steps, node)) if isinstance(node, list) else 1
