"""The compiled evaluator: an index finds the few policies that may matter, Python functions say whether they do.

No foreign function, no input or output, no waiting. Strict mode denies where Cedar would go on: a failed forbid, a
request outside the schema, a spent budget. Reference mode answers as Cedar does and exists to be compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeAlias

from watchword.policy.checks import MisfitError, misfit
from watchword.policy.compiler import Compiler, Environment
from watchword.policy.errors import PolicyError
from watchword.policy.index import Bucket, Index, Rule, buckets, index_of
from watchword.policy.load import Bundle
from watchword.policy.model import Effect, Entity, EntityUid, PolicyAnswer, PolicyRef, PolicyRequest
from watchword.policy.runtime import BudgetSpentError, EvaluationError, up
from watchword.policy.sides import Sides, fits

DEFAULT_BUDGET = 200_000
_MOST_REFERENCE_INDEXES = 256
_NO_ENTITY = Entity(EntityUid("", ""))

Asked: TypeAlias = tuple[Any, ...]


class Mode(Enum):
    """How to treat what goes wrong."""

    STRICT = "strict"
    REFERENCE = "reference"


class Evaluator:
    """A bundle, compiled.

    Raises:
        PolicyLoadError: a policy holds a form that this evaluator does not know, or is nested beyond reason.
    """

    def __init__(self, bundle: Bundle, *, mode: Mode = Mode.STRICT, budget: int = DEFAULT_BUDGET) -> None:
        self._version = bundle.version
        self._budget = budget
        self._mode = mode
        compiler = Compiler(bundle)
        self._schema = compiler.schema
        self._sides = Sides(compiler.kinds, compiler.schema, budget=budget)
        if mode is Mode.STRICT:
            self._environments = compiler.environments()
        else:
            self._rules = compiler.rules()
            self._indexes: dict[tuple[str, str], Index] = {}

    def evaluate(self, request: PolicyRequest) -> PolicyAnswer:
        """Answer a request; what goes wrong is an answer too."""
        try:
            if self._mode is Mode.REFERENCE:
                return self._as_reference(request)
            return self._strictly(request)
        except MisfitError as error:
            return self._error(f"schema_misfit: {error}")
        except BudgetSpentError:
            return self._error("budget_spent: the decision takes more steps than it may")

    def _error(self, *errors: str) -> PolicyAnswer:
        return PolicyAnswer(Effect.ERROR, (), errors, self._version)

    # ---- strict --------------------------------------------------------------------------------------------------

    def _strictly(self, request: PolicyRequest) -> PolicyAnswer:
        found, asked = self.prepare(request)
        may_forbid: list[Rule] = []
        may_permit: list[Rule] = []
        for bucket in found:
            may_forbid += bucket.forbids
            may_permit += bucket.permits
        # 5. A forbid that fails denies, as one that holds does. Prevents: Cedar's skipped forbids.
        forbids, failed = _ask(may_forbid, asked)
        if failed:
            return self._error(*failed)
        if forbids:
            return PolicyAnswer(Effect.FORBID, forbids, (), self._version)
        # 6. A permit that fails permits nothing, and is told.
        permits, failed = _ask(may_permit, asked)
        return PolicyAnswer(Effect.PERMIT if permits else Effect.SILENT, permits, failed, self._version)

    def prepare(self, request: PolicyRequest) -> tuple[list[Bucket], Asked]:
        """Check a request against the schema; return the policies that may matter, and what to ask them with.

        Raises:
            MisfitError: the request does not fit the schema.
            BudgetSpentError: the policies would take too many steps.
        """
        principal, action, resource, context = request.principal, request.action, request.resource, request.context
        # 1. The request is one that the schema knows. Prevents: a new action or type that no forbid was written for.
        environment = self._environments.get((action, principal.type, resource.type))
        if environment is None:
            raise MisfitError(f"no action `{action}` by `{principal.type}` on `{resource.type}`")
        # 2. The context is whole and of the right types. Prevents: a forbid that is blind for want of a fact.
        if not fits(environment.fits, context):
            raise MisfitError(self._misfit_of(environment, context))
        # 3. Both sides are described as the schema says, with all their ancestors.
        entities = self._sides.checked(request.entities)
        who = self._sides.side(principal, environment.principal, entities)
        what = self._sides.side(resource, environment.resource, entities)
        # 4. The policies that may matter, within the budget. Prevents: a set of policies that keeps a decision busy.
        found = buckets(environment.index, who.above, what.above)
        if sum([bucket.cost for bucket in found]) > self._budget:
            raise BudgetSpentError
        return found, (
            principal,
            action,
            resource,
            context,
            entities,
            who.attributes,
            what.attributes,
            who.above,
            what.above,
            environment.action_and_above,
        )

    def _misfit_of(self, environment: Environment, context: Any) -> str:
        return misfit(environment.context, context, "context", self._schema) or "the context does not fit"

    # ---- as the reference ----------------------------------------------------------------------------------------

    def _as_reference(self, request: PolicyRequest) -> PolicyAnswer:
        entities = request.entities
        who, what = entities.get(request.principal, _NO_ENTITY), entities.get(request.resource, _NO_ENTITY)
        principals, resources = up(request.principal, entities), up(request.resource, entities)
        found = buckets(self._index_for(request.principal.type, request.resource.type), principals, resources)
        asked = (
            request.principal,
            request.action,
            request.resource,
            request.context,
            entities,
            who.attributes,
            what.attributes,
            principals,
            resources,
            up(request.action, entities),
        )
        forbids, failed = _ask([rule for bucket in found for rule in bucket.forbids], asked)
        permits, failed_permits = _ask([rule for bucket in found for rule in bucket.permits], asked)
        effect = Effect.FORBID if forbids else Effect.PERMIT if permits else Effect.SILENT
        return PolicyAnswer(effect, forbids or permits, failed + failed_permits, self._version)

    def _index_for(self, principal: str, resource: str) -> Index:
        key = (principal, resource)
        if key not in self._indexes:
            if len(self._indexes) >= _MOST_REFERENCE_INDEXES:
                self._indexes.clear()
            self._indexes[key] = index_of(
                rule
                for rule in self._rules
                if rule.scope.principal.admits(principal) and rule.scope.resource.admits(resource)
            )
        return self._indexes[key]


def _ask(rules: Iterable[Rule], asked: Asked) -> tuple[tuple[PolicyRef, ...], tuple[str, ...]]:
    """Ask each rule; return the satisfied ones in the order of ids, and what failed."""
    satisfied: list[PolicyRef] = []
    failed: list[str] = []
    for rule in rules:
        try:
            said: object = rule.function(*asked)
        except (MisfitError, BudgetSpentError):
            raise
        except Exception as error:  # noqa: BLE001 (whatever a policy does, it has failed)
            failed.append(f"policy_error: `{rule.ref.id}`: {words_of(error)}")
            continue
        if said is True:
            satisfied.append(rule.ref)
        elif said is not False:
            failed.append(f"policy_error: `{rule.ref.id}`: the conditions are neither true nor false")
    if len(satisfied) > 1:
        satisfied.sort(key=_id_of)
    return tuple(satisfied), tuple(failed)


def _id_of(ref: PolicyRef) -> str:
    return ref.id


def words_of(error: Exception) -> str:
    """Say what failed in a policy, without any value of the request."""
    match error:
        case KeyError(args=[str(name)]):
            return f"there is no attribute or tag `{name}`"
        case EvaluationError() | PolicyError():
            return str(error)
        case _:
            return f"a value is of another type than the policy expects ({type(error).__name__})"
