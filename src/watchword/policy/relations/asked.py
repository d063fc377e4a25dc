"""What policies ask of relations: the set `context.rel`, and the check that what they name exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from watchword.policy.errors import PolicyError, Problem
from watchword.policy.extension import Ip
from watchword.policy.lazy import LazySet
from watchword.policy.model import EntityUid, PolicyRequest
from watchword.policy.relations.check import Walk
from watchword.policy.relations.errors import RelationBudgetError, RelationError, RelationUnknownError
from watchword.policy.relations.model import RelationModel
from watchword.policy.relations.parse import MODEL_FILE
from watchword.policy.relations.tuples import Object, Subject, name_in, unknown
from watchword.policy.relations.view import RelationView
from watchword.policy.runtime import BudgetSpentError
from watchword.policy.text import nearest

USER_TYPE: Final = "user"
GROUP: Final = ("group", "member")
OBJECT_TYPES: Final = ("resource", "application")
ATTRIBUTE: Final = "rel"
_ASKING: Final = ("contains", "containsAny", "containsAll")
_NO_MODEL: Final = "there are no relations, because there is no model of them"


class RelationSet(LazySet):
    """The relations of one user to the objects of one request; each is looked for when a policy asks.

    A relation is held if the user has it to any of the objects whose type the model gives it to. One budget serves
    all that a decision asks.

    Attributes:
        version: which tuples answer.
        is_repeatable: the same question gets the same answer while the version stays; a condition was not asked.
    """

    __slots__ = (
        "_asked",
        "_context",
        "_failed",
        "_groups",
        "_has_read_condition",
        "_objects",
        "_user_id",
        "_view",
        "_walk",
        "version",
    )

    def __init__(
        self,
        view: RelationView | None,
        user_id: str,
        objects: tuple[Object, ...],
        *,
        groups: Collection[str] = (),
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a set that has looked at nothing yet.

        Args:
            view: nothing where there is no model; every question is then an error.
            user_id: of the type `user`.
            objects: see `objects_of`.
            groups: names of the user's groups: memberships that the directory knows and no tuple has to say again.
            context: values for conditions.
        """
        self._view = view
        self._user_id = user_id
        self._objects = objects
        self._groups = groups
        self._context = context or {}
        self._walk: Walk | None = None
        self._has_read_condition = False
        self._asked: dict[str, bool | None] = {}
        self._failed: dict[str, PolicyError | BudgetSpentError] | None = None
        self.version = view.version if view is not None else 0

    def seen_by(self, view: RelationView | None) -> RelationSet:
        """Return the same question, put to another model or other tuples, with a budget of its own."""
        return RelationSet(view, self._user_id, self._objects, groups=self._groups, context=self._context)

    @property
    def asked(self) -> Mapping[str, bool | None]:
        """What was asked so far, with the answers; nothing for a name that had none."""
        return self._asked

    @property
    def model(self) -> str:
        """The version of the model that answers; empty where there is none."""
        return self._view.model.version if self._view is not None else ""

    @property
    def is_repeatable(self) -> bool:
        """Whether no condition was asked, whose answer may hang on the time or the network."""
        return not (self._has_read_condition or (self._walk is not None and self._walk.has_read_condition))

    def rest(self) -> None:
        """Forget the way to the answers, which are kept; whoever asks for more walks anew, with a budget of its own."""
        if self._walk is not None:
            self._has_read_condition, self._walk = not self.is_repeatable, None

    def names(self) -> Iterable[str]:
        """Return every relation that the objects' types have."""
        return self._view.model.relation_names(*(each.type for each in self._objects)) if self._view else ()

    def holds(self, name: str) -> bool:
        """Tell whether the user has a relation.

        Raises:
            RelationError: there is no answer, or no such relation. Prevents: a misspelt `forbid` that never holds.
            BudgetSpentError: finding out would take too long.
        """
        known = self._asked.get(name)
        if known is not None:
            return known
        if self._failed is not None and name in self._failed:
            raise self._failed[name].with_traceback(None)
        self._asked[name] = None
        try:
            found = self._asked[name] = self._find(name)
        except RelationBudgetError as error:
            spent = BudgetSpentError()
            self._failed = {**(self._failed or {}), name: spent}
            raise spent from error
        except RelationError as error:
            self._failed = {**(self._failed or {}), name: error}
            raise
        return found

    def _find(self, name: str) -> bool:
        view = self._view
        if view is None:
            raise RelationUnknownError(_NO_MODEL, hint=f"write `{MODEL_FILE}` beside the policies")
        nodes = view.compiled.nodes
        goals = [(nodes[each.type, name], each.id) for each in self._objects if (each.type, name) in nodes]
        if not goals:
            raise unknown(view.model, self._objects[0].type if self._objects else "", name)
        if self._walk is None:
            given = {GROUP: _names_in(frozenset(self._groups))} if self._groups else None
            self._walk = view.walk(Subject(USER_TYPE, self._user_id), context=self._context, given=given)
        failure: RelationError | None = None
        for node, object_id in goals:
            try:
                if self._walk.check(node, object_id):
                    return True
            except RelationBudgetError:
                raise
            except RelationError as error:
                failure = error
        if failure is not None:
            raise failure
        return False


@lru_cache(maxsize=16_384)
def _names_in(groups: frozenset[str]) -> frozenset[str]:
    """Write the names of a user's groups as identifiers, once for all requests of those who are in the same.

    Nearly all names are identifiers as they are; then the answer is what was given, and takes no room.
    """
    names = frozenset(map(_name_in, groups))
    return groups if names == groups else names


# Those who are in different groups are in many of the same.
_name_in = lru_cache(maxsize=8192)(name_in)


@lru_cache(maxsize=4096)
def objects_of(application: str, part: str) -> tuple[Object, ...]:
    """Name a part of an application, and the application, as objects."""
    name = name_in(application)
    return Object("resource", f"{name}/{name_in(part)}"), Object("application", name)


# ---- a request that somebody wrote down ----------------------------------------------------------------------------


def supposed(
    view: RelationView | None,
    request: PolicyRequest,
    *,
    now: datetime | None = None,
) -> RelationSet:
    """Return what the doors would put into the context of a request: who asks for what, in the words of relations.

    A permission stands for its application alone: which part it is asked from, its name does not say. Whoever is no
    user, or whatever is no part of an application, is related to nothing, and every question then fails.

    Args:
        now: for conditions; nothing where nobody said, so that a condition that reads the time has no answer.
    """
    context: dict[str, Any] = {} if now is None else {"current_time": now}
    network = request.context.get("network")
    address = network.get("ip") if isinstance(network, Mapping) else None
    if isinstance(address, Ip):
        context["ip"] = str(address).partition("/")[0]
    person, groups = request.entities.get(request.principal), frozenset[str]()
    if person is not None:
        groups = frozenset(parent.id for parent in person.parents if parent.type == _GROUP_TYPE)
    is_user = request.principal.type == _USER_ENTITY
    return RelationSet(
        view, request.principal.id, _meant(request.resource) if is_user else (), groups=groups, context=context
    )


def _meant(resource: EntityUid) -> tuple[Object, ...]:
    application, slash, part = resource.id.partition("/")
    if resource.type == _RESOURCE_ENTITY and slash:
        return objects_of(application, part)
    if resource.type == _PERMISSION_ENTITY and slash:
        return objects_of(application, part)[1:]
    return ()


_USER_ENTITY: Final = "Watchword::User"
_GROUP_TYPE: Final = "Watchword::Group"
_RESOURCE_ENTITY: Final = "Watchword::Resource"
_PERMISSION_ENTITY: Final = "Watchword::Permission"


# ---- when policies are loaded --------------------------------------------------------------------------------------


def refuse_unknown(model: RelationModel | None, policies: Iterable[tuple[Any, Problem]]) -> Iterator[Problem]:
    """Yield a problem for each relation that a policy names and the model does not have.

    Args:
        policies: each in Cedar's JSON form, with a problem that says where it stands.
    """
    known = frozenset(model.relation_names(*OBJECT_TYPES)) if model else frozenset[str]()
    where = " or ".join(f"`{type_}`" for type_ in OBJECT_TYPES)
    for est, at in policies:
        for name in sorted(set(_named(est)) - known):
            message = f"no relation `{name[:50]}` of {where}" if model else f"no relation `{name[:50]}`: {_NO_MODEL}"
            yield Problem(
                at.path,
                at.line,
                at.column,
                message,
                expected=f"a relation that `{MODEL_FILE}` defines",
                nearest=nearest(name, known),
                policy=at.policy,
            )


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name in _ASKING:
            asked = node.get(name)
            if isinstance(asked, dict) and asked.get("left") == _SET:
                yield from _strings(asked.get("right"))
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _named(child)


_SET: Final = {".": {"left": {"Var": "context"}, "attr": ATTRIBUTE}}


def _strings(node: Any) -> Iterator[str]:
    parts = node.get("Set", [node]) if isinstance(node, dict) else []
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("Value"), str):
            yield part["Value"]
