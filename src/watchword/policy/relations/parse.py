"""Read a model and refuse what cannot be meant: every problem with its place, a right model or none.

Source: the OpenFGA documentation, "Configuration Language"; the rules that `fga model validate` applies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Final

from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.relations.conditions import CompiledCondition, ExpressionProblemError
from watchword.policy.relations.dsl import SyntaxProblemError, Written, parse
from watchword.policy.relations.json_form import as_json, parse_json
from watchword.policy.relations.model import (
    Computed,
    Condition,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    Place,
    Relation,
    RelationModel,
    Restriction,
    Rewrite,
    TypeDefinition,
    Union,
    direct_of,
    parts_of,
)
from watchword.policy.text import nearest

MODEL_FILE: Final = "relations.fga"
JSON_FILE: Final = "relations.json"
MODEL_FILES: Final = (MODEL_FILE, JSON_FILE)
_RESERVED: Final = frozenset({"self", "this"})
_LONGEST_TYPE, _LONGEST_RELATION = 254, 50
_MOST_TYPES, _MOST_RELATIONS = 200, 2000


def parse_model(source: str, *, path: str = MODEL_FILE) -> RelationModel:
    """Read a model in the modelling language, or in its JSON form where the name of the file says so.

    Raises:
        PolicyLoadError: with the first mistake of form, or else with every mistake of meaning.
    """
    if path.endswith(".json"):
        return checked(parse_json(path, source), path=path)
    try:
        written = parse(path, source)
    except SyntaxProblemError as error:
        raise PolicyLoadError([error.problem]) from None
    return checked(written, path=path)


def checked(written: Written, *, path: str = MODEL_FILE) -> RelationModel:
    """Return the model that was written, if it makes sense.

    Raises:
        PolicyLoadError: with every problem, in the order of the file.
    """
    checker = _Checker(written, path)
    checker.check()
    if checker.problems:
        raise PolicyLoadError(sorted(checker.problems, key=lambda problem: (problem.line, problem.column)))
    model = RelationModel(MappingProxyType(checker.types), MappingProxyType(checker.conditions))
    return replace(model, version=_version(model))


def _version(model: RelationModel) -> str:
    """Hash what a model says; in which order and in which of the two forms it was written does not count."""
    form = as_json(model)
    form["type_definitions"].sort(key=lambda type_: type_["type"])
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()


class _Checker:
    """One pass over one model; collects problems."""

    def __init__(self, written: Written, path: str) -> None:
        self._written = written
        self._path = path
        self.problems: list[Problem] = []
        self.types: dict[str, TypeDefinition] = {}
        self.conditions: dict[str, Condition] = {}

    def check(self) -> None:
        self._names()
        for type_ in self._written.types:
            for relation in type_.relations.values():
                self._references(type_, relation)
        for condition in self.conditions.values():
            self._condition(condition)
        if not self.problems:
            self._loops()
        if not self.problems:
            self._entrypoints()

    def _say(self, place: Place, message: str, *, expected: str = "", near: str = "") -> None:
        self.problems.append(Problem(self._path, place.line, place.column, message, expected=expected, nearest=near))

    def _names(self) -> None:
        for type_ in self._written.types:
            if self.types.setdefault(type_.name, type_) is not type_:
                self._say(type_.place, f"the type `{type_.name}` is defined twice")
            self._name(type_.name, _LONGEST_TYPE, type_.place)
            for relation in type_.relations.values():
                self._name(relation.name, _LONGEST_RELATION, relation.place)
        for condition in self._written.conditions:
            if self.conditions.setdefault(condition.name, condition) is not condition:
                self._say(condition.place, f"the condition `{condition.name}` is defined twice")
            self._name(condition.name, _LONGEST_RELATION, condition.place)
        if (
            len(self.types) > _MOST_TYPES
            or sum(len(type_.relations) for type_ in self.types.values()) > _MOST_RELATIONS
        ):
            self._say(Place(), f"the model has more than {_MOST_TYPES} types or {_MOST_RELATIONS} relations")

    def _name(self, name: str, longest: int, place: Place) -> None:
        if name in _RESERVED:
            self._say(place, f"`{name}` is a reserved word", expected="another name")
        if len(name) > longest:
            self._say(place, "the name is too long", expected=f"{longest} characters at most")

    # ---- references ----------------------------------------------------------------------------------------------

    def _references(self, type_: TypeDefinition, relation: Relation) -> None:
        for part in parts_of(relation.rewrite):
            match part:
                case Direct(restrictions):
                    for restriction in restrictions:
                        self._restriction(restriction)
                case Computed(name, place):
                    self._must_have(type_.name, name, place)
                case FromTupleset(name, tupleset, place):
                    self._tupleset(type_, name, tupleset, place)

    def _must_have(self, type_: str, relation: str, place: Place) -> bool:
        known = self.types.get(type_)
        if known is None:
            self._say(place, f"no type `{type_}`", near=nearest(type_, frozenset(self.types)))
            return False
        if relation and relation not in known.relations:
            near = nearest(relation, frozenset(known.relations))
            self._say(place, f"the type `{type_}` has no relation `{relation}`", near=near)
            return False
        return True

    def _restriction(self, restriction: Restriction) -> None:
        self._must_have(restriction.type, restriction.relation, restriction.place)
        if restriction.condition and restriction.condition not in self.conditions:
            near = nearest(restriction.condition, frozenset(self.conditions))
            self._say(restriction.place, f"no condition `{restriction.condition}`", near=near)

    def _tupleset(self, type_: TypeDefinition, name: str, tupleset: str, place: Place) -> None:
        if not self._must_have(type_.name, tupleset, place):
            return
        rewrite = type_.relations[tupleset].rewrite
        if not isinstance(rewrite, Direct):
            expected = "a relation that is nothing but a list of types"
            self._say(place, f"`{tupleset}` is not direct, so nothing can come from it", expected=expected)
            return
        if any(restriction.relation or restriction.is_wildcard for restriction in rewrite.restrictions):
            message = f"`{tupleset}` may hold usersets or everybody, so nothing can come from it"
            self._say(place, message, expected="types alone")
            return
        types = sorted({restriction.type for restriction in rewrite.restrictions} & self.types.keys())
        if types and not any(name in self.types[each].relations for each in types):
            near = nearest(name, frozenset(found for each in types for found in self.types[each].relations))
            self._say(place, f"no type in `{tupleset}` has a relation `{name}`", near=near)

    def _condition(self, condition: Condition) -> None:
        try:
            CompiledCondition(condition)
        except ExpressionProblemError as error:
            line, column = error.place
            begin = condition.expression_place
            if line and begin.line:
                place = Place(begin.line + line - 1, column + (begin.column - 1 if line == 1 else 0))
            else:
                place = begin
            self._say(place, str(error))

    # ---- sense ---------------------------------------------------------------------------------------------------

    def _loops(self) -> None:
        """Refuse a relation that is computed from itself on the same object."""
        for type_ in self.types.values():
            needs = {
                name: {part.relation for part in parts_of(relation.rewrite) if isinstance(part, Computed)}
                for name, relation in type_.relations.items()
            }
            try:
                TopologicalSorter(needs).prepare()
            except CycleError as error:
                circle = " -> ".join(reversed(error.args[1]))
                self._say(type_.relations[error.args[1][0]].place, f"a relation is computed from itself: {circle}")

    def _entrypoints(self) -> None:
        """Refuse a relation that no tuple could ever give to anybody; the least fixed point tells."""
        reached: set[tuple[str, str]] = set()
        everything = [(type_, relation) for type_ in self.types.values() for relation in type_.relations.values()]
        is_growing = True
        while is_growing:
            found = {
                (type_.name, relation.name)
                for type_, relation in everything
                if (type_.name, relation.name) not in reached and self._is_reached(relation.rewrite, type_, reached)
            }
            reached |= found
            is_growing = bool(found)
        for type_, relation in everything:
            if (type_.name, relation.name) not in reached:
                message = f"nobody can ever be `{relation.name}` of a `{type_.name}`"
                self._say(relation.place, message, expected="a way in that begins with a type")

    def _is_reached(self, rewrite: Rewrite, type_: TypeDefinition, reached: set[tuple[str, str]]) -> bool:
        match rewrite:
            case Direct(restrictions):
                return any(not each.relation or (each.type, each.relation) in reached for each in restrictions)
            case Computed(relation):
                return (type_.name, relation) in reached
            case FromTupleset(relation, tupleset):
                return any((each, relation) in reached for each in self._types_in(type_, tupleset))
            case Union(parts):
                return any(self._is_reached(part, type_, reached) for part in parts)
            case Intersection(parts):
                return all(self._is_reached(part, type_, reached) for part in parts)
            case Exclusion(base, subtract):
                return self._is_reached(base, type_, reached) and self._is_reached(subtract, type_, reached)

    def _types_in(self, type_: TypeDefinition, tupleset: str) -> Iterable[str]:
        direct = direct_of(type_.relations[tupleset].rewrite)
        return {restriction.type for restriction in direct.restrictions} if direct else set()


def compiled_conditions(model: RelationModel) -> Mapping[str, CompiledCondition]:
    """Return the conditions of a right model, ready to be asked."""
    return {name: CompiledCondition(condition) for name, condition in model.conditions.items()}
