"""The tuples of tests: what a context does not say of `rel` is found out from them, as at the doors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from watchword.policy.documents import Node
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.model import PolicyRequest
from watchword.policy.relations import (
    ATTRIBUTE,
    Graph,
    RelationError,
    RelationModel,
    RelationTuple,
    RelationView,
    compiled_conditions,
    permitted,
    read_tuple,
    supposed,
)
from watchword.policy.schema import Field, Record, SetOf
from watchword.policy.types import STRING

_KEYS: Final = ("user", "relation", "object", "condition")
_MOST_TUPLES: Final = 10_000


class Related:
    """The tuples that all tests of a directory share, as its model sees them."""

    def __init__(self, model: RelationModel | None, shared: Iterable[Node] = ()) -> None:
        self._model = model
        self._conditions = compiled_conditions(model) if model is not None else {}
        self._shared = [found for node in shared for found in self.tuples(node)]
        self._view = self._seen(())

    def tuples(self, node: Node) -> list[RelationTuple]:
        """Read a list of tuples.

        Raises:
            PolicyLoadError: with every one that is malformed or that the model does not allow.
        """
        found: list[RelationTuple] = []
        problems: list[Problem] = []
        listed = node.items() if node.value is not None else ()
        if len(listed) > _MOST_TUPLES:
            raise node.refuse("too many tuples", expected=f"at most {_MOST_TUPLES}")
        for one in listed:
            try:
                found.append(self._tuple(one))
            except PolicyLoadError as error:
                problems += error.problems
        if problems:
            raise PolicyLoadError(problems)
        return found

    def view(self, more: Sequence[RelationTuple] = ()) -> RelationView | None:
        """Return the shared tuples and more; nothing where there is no model."""
        return self._seen(more) if more else self._view

    def _seen(self, more: Sequence[RelationTuple]) -> RelationView | None:
        return RelationView(self._model, Graph((*self._shared, *more))) if self._model is not None else None

    def _tuple(self, node: Node) -> RelationTuple:
        if self._model is None:
            raise node.refuse("there is no model of relations", expected="`relations.fga` beside the policies")
        parts = node.mapping(_KEYS, required=_KEYS[:3])
        user, relation, object_ = (parts[name].text() for name in _KEYS[:3])
        condition, context = _condition(parts.get("condition"))
        try:
            found = read_tuple(object_, relation, user, condition=condition, context=context)
            return permitted(self._model, found, self._conditions)
        except RelationError as error:
            raise node.refuse(error.message, expected=error.hint or "") from None


def _condition(node: Node | None) -> tuple[str, dict[str, Any]]:
    """Read `{name: ..., context: {...}}`, as in the files of the `fga` command line, or a name alone."""
    if node is None or node.value is None:
        return "", {}
    if isinstance(node.value, str):
        return node.value, {}
    parts = node.mapping(("name", "context"), required=("name",))
    context = parts["context"].plain() if "context" in parts and parts["context"].value is not None else {}
    if not isinstance(context, dict):
        raise parts["context"].refuse(f"{parts['context'].kind} where a mapping belongs", expected="a mapping")
    return parts["name"].text(), context


def moment_in(node: Node | None) -> datetime | None:
    """Read the time that conditions of tuples see; nothing where nobody says one.

    Raises:
        PolicyLoadError: it is no time with a zone.
    """
    if node is None or node.value is None:
        return None
    try:
        found = datetime.fromisoformat(node.text())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise node.refuse("no time", expected="a time with a zone, such as `2026-11-22T10:00:00Z`")
    return found.astimezone(UTC)


def asks_relations(type_: Record | None) -> bool:
    """Tell whether an action's context holds the asker's relations, which nobody has to write down then."""
    declared = type_.fields.get(ATTRIBUTE) if type_ is not None else None
    return declared is not None and declared.type == SetOf(STRING)


def without_relations(type_: Record | None) -> Record | None:
    """Return a context's type in which the relations may be missing."""
    if type_ is None or not asks_relations(type_):
        return type_
    fields: Mapping[str, Field] = {
        name: replace(field, is_required=False) if name == ATTRIBUTE else field for name, field in type_.fields.items()
    }
    return Record(fields)


def related(
    request: PolicyRequest, type_: Record | None, view: RelationView | None, *, now: datetime | None = None
) -> PolicyRequest:
    """Fill in the relations where the context says nothing of them.

    Args:
        type_: of the action's context.
    """
    if ATTRIBUTE in request.context or not asks_relations(type_):
        return request
    return replace(request, context={**request.context, ATTRIBUTE: supposed(view, request, now=now)})
