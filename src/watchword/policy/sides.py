"""The entities of a request, checked against the schema; its two sides once for as long as the same description comes.

A side whose ancestors may have ancestors of their own is read anew each time: what it is then stands in many places.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from watchword.policy.checks import MisfitError, entity_misfit
from watchword.policy.compiler import Kind
from watchword.policy.model import Entity, EntityUid, Value
from watchword.policy.runtime import BudgetSpentError, up
from watchword.policy.schema import Schema

_REMEMBERED: Final = 16_384
_NO_ENTITY: Final = Entity(EntityUid("", ""))

Above: TypeAlias = frozenset[EntityUid] | set[EntityUid]


class Side(NamedTuple):
    """The principal or the resource of a request.

    Attributes:
        described_by: what it was read from.
        above: itself and its ancestors.
    """

    described_by: Entity
    attributes: Mapping[str, Value]
    above: Above


class Sides:
    """Describe and check, and remember whom: the same entity object is the same side for good.

    # INVARIANT: nobody changes the mappings of an entity after a decision saw it; `model.Entity` says so.
    """

    __slots__ = ("_budget", "_kinds", "_known", "_schema")

    def __init__(self, kinds: Mapping[str, Kind], schema: Schema, *, budget: int) -> None:
        self._kinds = kinds
        self._schema = schema
        self._budget = budget
        self._known: OrderedDict[EntityUid, Side] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def checked(self, entities: Mapping[EntityUid, Entity]) -> CheckedEntities:
        """Return the entities of a request, each to be checked when it is looked at."""
        return CheckedEntities(entities, self._kinds, self._schema, budget=self._budget)

    def side(self, uid: EntityUid, kind: Kind, entities: CheckedEntities) -> Side:
        """Describe one side with everything above it.

        Raises:
            MisfitError: it, or what stands above it, is not as the schema says.
        """
        known = self._known.get(uid)
        if known is not None and entities.entities.get(uid) is known.described_by:
            return known
        entity = _described(uid, kind, entities)
        if kind.nests:
            return Side(entity, entity.attributes, self._ancestors(uid, entities))
        side = Side(entity, entity.attributes, frozenset((uid, *entity.parents)))
        if entity is not _NO_ENTITY:
            if len(self._known) >= _REMEMBERED:
                self._known.popitem(last=False)
            self._known[uid] = side
        return side

    def _ancestors(self, uid: EntityUid, entities: CheckedEntities) -> Above:
        above = up(uid, entities)
        for one in above:
            if self._kinds[one.type].must_be_described and one not in entities.entities:
                raise MisfitError(f"an ancestor of type `{one.type}` is not described")
        return above


class CheckedEntities:
    """The entities of a request; each is checked against the schema when it is looked at first.

    Args:
        budget: how often one may be looked at, all together.
    """

    __slots__ = ("_found", "_kinds", "_left", "_schema", "entities")

    def __init__(
        self, entities: Mapping[EntityUid, Entity], kinds: Mapping[str, Kind], schema: Schema, *, budget: int
    ) -> None:
        self.entities = entities
        self._kinds = kinds
        self._schema = schema
        self._left = budget
        self._found: dict[EntityUid, Entity] | None = None  # made when needed: most requests look at nothing here

    def get(self, uid: EntityUid) -> Entity | None:
        """Return a description that fits the schema, or nothing where there is none.

        Raises:
            MisfitError: it does not fit.
            BudgetSpentError: the policies look too often.
        """
        # Prevents: a few policies that walk up a wide hierarchy, or check a large entity, again and again.
        self._left -= 1
        if self._left < 0:
            raise BudgetSpentError
        if self._found is None:
            self._found = {}
        found = self._found.get(uid)
        if found is not None:
            return found
        entity = self.entities.get(uid)
        if entity is None:
            return None
        kind = self._kinds.get(uid.type)
        if kind is None:
            raise MisfitError(f"no entity type `{uid.type}`")
        # Prevents: an entity that is described under the name of another.
        if entity.uid != uid:
            raise MisfitError(f"an entity of type `{uid.type}` is filed under another name")
        if not fits(kind.fits, entity):
            raise MisfitError(
                entity_misfit(kind.type, entity, self._schema) or f"an entity of type `{uid.type}` does not fit"
            )
        self._found[uid] = entity
        return entity


def fits(check: Callable[[Any], bool], value: Any) -> bool:
    """Run a compiled check."""
    try:
        return check(value)
    except (KeyError, TypeError, AttributeError):  # a required attribute is missing, or the value is of another form
        return False


def _described(uid: EntityUid, kind: Kind, entities: CheckedEntities) -> Entity:
    found = entities.get(uid)
    if found is not None:
        return found
    if kind.must_be_described:
        raise MisfitError(f"an entity of type `{uid.type}` is not described")
    if kind.type.ids is not None and uid.id not in kind.type.ids:
        raise MisfitError(f"`{uid.type}` has no such member")
    return _NO_ENTITY
