"""Say why somebody is related so, as a tree of what leads there; for people, and slow beside a check.

The check has the last word at every step: what it calls true is followed, what it does not is not. Where somebody is
taken out again by `but not`, both sides are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from watchword.policy.relations.dsl import written
from watchword.policy.relations.errors import RelationError
from watchword.policy.relations.model import (
    Computed,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    Rewrite,
    Union,
    direct_of,
)
from watchword.policy.relations.parse import compiled_conditions
from watchword.policy.relations.tuples import Object, RelationTuple, Subject, is_alike, read_object, read_subject
from watchword.policy.relations.view import RelationView

_MOST_STEPS: Final = 60
_DEEPEST: Final = 12
_MOST_TUPLES: Final = 2_000
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing on the way.

    Attributes:
        object: what was asked about, `group:staff`; at an end of the way, the user who was found there.
        relation: empty at an end of the way.
        holds: nothing where there is no answer.
        how: what it is made of, or how it came about, in words.
        parts: what leads there; empty where nothing does, or where it would go too far.
    """

    object: str
    relation: str
    holds: bool | None
    how: str
    parts: tuple[Step, ...] = ()


def reason_of(
    view: RelationView,
    user: str,
    relation: str,
    object_: str,
    *,
    context: Mapping[str, Any] = _NOTHING,
    given: Mapping[tuple[str, str], Collection[str]] | None = None,
) -> Step:
    """Return why a user is related so to an object, or what stands against it.

    Args:
        context: values for conditions.
        given: as for `RelationView.check`.

    Raises:
        RelationError: the question is malformed, or about what the model does not know.
    """
    view.goal(relation, object_)
    view.walk(read_subject(user), context=context, given=given)
    return _Reasons(view, read_subject(user), context, given).goal(read_object(object_), relation, frozenset())


@dataclass(slots=True)
class _Reasons:
    view: RelationView
    user: Subject
    context: Mapping[str, Any]
    given: Mapping[tuple[str, str], Collection[str]] | None
    _left: int = _MOST_STEPS
    _conditions: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._conditions = compiled_conditions(self.view.model)

    def goal(self, object_: Object, relation: str, path: frozenset[tuple[Object, str]]) -> Step:
        """Return the step of one relation to one object, with what leads there."""
        self._left -= 1
        try:
            holds = self._asked(object_, relation)
        except RelationError as error:
            return Step(str(object_), relation, None, error.message)
        found = self.view.model.relation(object_.type, relation)
        assert found is not None  # the check has just answered
        how = "the one who asks is exactly this" if self._is_user(object_, relation) else written(found.rewrite)
        if self._left <= 0 or len(path) >= _DEEPEST:
            return Step(str(object_), relation, holds, how)
        way = path | {(object_, relation)}
        parts = self._true(found.rewrite, object_, relation, way) if holds else None
        if not holds and isinstance(found.rewrite, Exclusion):
            parts = self._excluded(found.rewrite, object_, relation, way)
        return Step(str(object_), relation, holds, how, parts or ())

    def _true(  # noqa: PLR0911  # one a form
        self, rewrite: Rewrite, object_: Object, relation: str, path: frozenset[tuple[Object, str]]
    ) -> tuple[Step, ...] | None:
        """Return what makes a rewrite hold; nothing where it does not, or only by going in a circle."""
        match rewrite:
            case Direct():
                return next(self._direct(object_, relation, path), None)
            case Computed(name):
                return self._follow(object_, name, path)
            case FromTupleset(name, tupleset):
                above = (Object(found.subject.type, found.subject.id) for found in self._tuples(object_, tupleset))
                known = (each for each in above if self.view.model.relation(each.type, name) is not None)
                return next(filter(None, (self._follow(each, name, path) for each in known)), None)
            case Union(parts):
                return next(filter(None, (self._true(part, object_, relation, path) for part in parts)), None)
            case Intersection(parts):
                found = [self._true(part, object_, relation, path) for part in parts]
                return tuple(step for one in found if one for step in one) if all(found) else None
            case Exclusion(base, subtract):
                if self._true(subtract, object_, relation, path):
                    return None
                return self._true(base, object_, relation, path)

    def _excluded(
        self, rewrite: Exclusion, object_: Object, relation: str, path: frozenset[tuple[Object, str]]
    ) -> tuple[Step, ...]:
        """Return what would have led there and what takes it away; nothing where nothing led there to begin with."""
        base = self._true(rewrite.base, object_, relation, path)
        against = self._true(rewrite.subtract, object_, relation, path) if base else None
        if not base or not against:
            return ()
        words = f"but not: {written(rewrite.subtract)}"
        return (*base, Step(str(object_), "", False, words, against))

    def _follow(self, object_: Object, relation: str, path: frozenset[tuple[Object, str]]) -> tuple[Step, ...] | None:
        if (object_, relation) in path or self._left <= 0 or not self._holds(object_, relation):
            return None
        step = self.goal(object_, relation, path)
        # What holds and shows no way does so in a circle, or further than this looks.
        return (step,) if step.parts or self._left <= 0 or self._is_user(object_, relation) else None

    def _direct(
        self, object_: Object, relation: str, path: frozenset[tuple[Object, str]]
    ) -> Iterator[tuple[Step, ...]]:
        if self.given is not None and object_.id in self.given.get((object_.type, relation), ()):
            yield (Step(str(self.user), "", True, "a group of the directory"),)
        for found in self._tuples(object_, relation):
            subject = found.subject
            note = f"tuple, with {found.condition}" if found.condition else "tuple"
            if subject == self.user:
                yield (Step(str(subject), "", True, note),)
            elif subject.is_wildcard and subject.type == self.user.type and not self.user.relation:
                yield (Step(str(subject), "", True, f"{note}, for everybody"),)
            elif subject.relation:
                further = self._follow(Object(subject.type, subject.id), subject.relation, path)
                if further:
                    yield further

    def _tuples(self, object_: Object, relation: str) -> Iterator[RelationTuple]:
        """Yield the tuples of one relation that the model allows and whose condition holds."""
        known = self.view.model.relation(object_.type, relation)
        direct = direct_of(known.rewrite) if known is not None else None
        for number, found in enumerate(self.view.graph.of(object_, relation)):
            if number >= _MOST_TUPLES or direct is None:
                return
            alike = (each for each in direct.restrictions if is_alike(each, found.subject))
            if any(each.condition == found.condition for each in alike) and self._is_met(found):
                yield found

    def _is_met(self, found: RelationTuple) -> bool:
        try:
            return not found.condition or self._conditions[found.condition].holds(found.context, self.context) is True
        except RelationError:
            return False

    def _is_user(self, object_: Object, relation: str) -> bool:
        return (object_.type, object_.id, relation) == tuple(self.user)

    def _asked(self, object_: Object, relation: str) -> bool:
        return self.view.check(str(self.user), relation, str(object_), context=self.context, given=self.given)

    def _holds(self, object_: Object, relation: str) -> bool:
        try:
            return self._asked(object_, relation)
        except RelationError:
            return False
