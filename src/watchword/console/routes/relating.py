"""The administration's view of relations: what there can be, who is related to what, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.pages import Page
from watchword.console.paths import Picture, answer_of, drawn, named, title_of
from watchword.console.policy_ports import RelatedPerson, RelationDesk, TuplePage
from watchword.console.routes.endpoint import administrator, endpoint
from watchword.console.routes.visit import Visit
from watchword.policy.relations import (
    GROUP,
    RelationError,
    RelationModel,
    RelationView,
    Step,
    Subject,
    list_objects,
    name_in,
    reason_of,
    written,
)

_TAB: Final = "/admin/relations"
_SHOWN: Final = 50
_LONGEST: Final = 320
_NAMED: Final = 200
_MOST_PEOPLE: Final = 5_000


def routes(desk: Desk) -> list[Route]:
    """Return the routes of relations."""
    return [Route(_TAB, endpoint(desk, administrator(show_relations)), methods=["GET"])]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was typed."""

    user: str = ""
    relation: str = ""
    object: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.user or self.relation or self.object)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of it: a way, or names.

    Attributes:
        title: the answer in a sentence.
        problem: why there is none, by the field that it is about.
    """

    title: str = ""
    holds: bool | None = None
    step: Step | None = None
    picture: Picture | None = None
    names: Sequence[str] = ()
    is_complete: bool = True
    problem: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    depth: int
    title: str
    answer: str
    how: str


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    relations: tuple[tuple[str, str], ...]


async def show_relations(visit: Visit) -> Response:
    """Show the model, the tuples that were looked for, and the answer to a question."""
    desk = visit.desk.services.relations
    view = desk.view() if desk is not None else None
    asked = _Asked(*(_said(visit, name) for name in ("user", "relation", "object")))
    answer = None if view is None or desk is None or asked.is_empty else _answered(view, desk, asked, visit.now)
    q = _said(visit, "q")
    page = await desk.page(q, after=_said(visit, "after"), most=_SHOWN) if desk is not None else TuplePage(())
    problems = answer.problem if answer is not None and answer.problem else {}
    return visit.show(
        "admin_relations.html",
        Page(section="admin", tab=_TAB, problems=problems, problems_title="There is no answer"),
        status=422 if problems else 200,
        has_model=view is not None,
        types=_types(view.model) if view is not None else (),
        conditions=tuple(view.model.conditions.values()) if view is not None else (),
        count=len(view.graph) if view is not None else 0,
        asked=asked,
        answer=answer,
        rows=_rows(answer.step) if answer is not None and answer.step is not None else (),
        tuples=page.tuples,
        following=page.next,
        q=q,
        is_first=not _said(visit, "after"),
    )


def _answered(view: RelationView, desk: RelationDesk, asked: _Asked, now: datetime) -> _Answer:
    """Answer a question; where one end is left out, say who or what could stand there."""
    if not asked.relation:
        return _Answer(problem={"relation": "Name a relation."})
    if not asked.user and not asked.object:
        return _Answer(problem={"user": "Name a user, an object, or both."})
    try:
        if not asked.user:
            return _who(view, desk, asked, {"current_time": now})
        return _about(view, desk, asked, {"current_time": now})
    except RelationError as error:
        words = f"{error.message}; {error.hint}" if error.hint else error.message
        return _Answer(problem={"": f"{words[:1].upper()}{words[1:]}."})


def _about(view: RelationView, desk: RelationDesk, asked: _Asked, context: Mapping[str, Any]) -> _Answer:
    """Say whether a user is related so to an object and why, or to which objects of a type."""
    person = desk.person(asked.user.removeprefix("user:"))
    user = f"user:{person.id}" if person is not None else asked.user
    given = _given(person)
    if ":" in asked.object:
        step = reason_of(view, user, asked.relation, asked.object, context=context, given=given)
        step = named(step, {user: person.name} if person is not None else {})
        verb = {True: "is", False: "is not", None: "may or may not be"}[step.holds]
        return _Answer(f"{asked.user} {verb} {asked.relation} of {asked.object}.", step.holds, step, drawn(step))
    type_ = asked.object or "resource"
    found = list_objects(view, user, asked.relation, type_, context=context, given=given, most=_NAMED)
    title = f"{asked.user} is {asked.relation} of {len(found.names) or 'no'} {type_}{_plural(len(found.names))}."
    return _Answer(title, names=found.names, is_complete=found.is_complete)


def _who(view: RelationView, desk: RelationDesk, asked: _Asked, context: Mapping[str, Any]) -> _Answer:
    """Ask about each person of the directory, with their groups, as the doors would."""
    goal, object_id = view.goal(asked.relation, asked.object)
    names: list[str] = []
    is_complete = True
    for number, person in enumerate(desk.people()):
        # Prevents: a page about a large directory that holds up decisions.
        if number >= _MOST_PEOPLE or len(names) >= _NAMED:
            is_complete = False
            break
        subject = Subject("user", person.id)
        try:
            if view.walk(subject, context=context, given=_given(person)).check(goal, object_id):
                names.append(f"user:{person.id} ({person.name})")
        except RelationError:
            is_complete = False
    title = f"{len(names) or 'Nobody'}{' people are' if len(names) > 1 else ' person is' if names else ' is'}"
    return _Answer(f"{title} {asked.relation} of {asked.object}.", names=names, is_complete=is_complete)


def _given(person: RelatedPerson | None) -> dict[tuple[str, str], frozenset[str]] | None:
    return {GROUP: frozenset(map(name_in, person.groups))} if person is not None else None


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def _types(model: RelationModel) -> tuple[_Type, ...]:
    return tuple(
        _Type(type_.name, tuple((each.name, written(each.rewrite)) for each in type_.relations.values()))
        for type_ in model.types.values()
    )


def _rows(step: Step, depth: int = 0) -> list[_Row]:
    """Lay a way out as lines, for those who read instead of looking."""
    rows = [_Row(depth, title_of(step), answer_of(step), step.how)]
    return rows + [row for part in step.parts for row in _rows(part, depth + 1)]


def _said(visit: Visit, name: str) -> str:
    return visit.request.query_params.get(name, "").strip()[:_LONGEST]
