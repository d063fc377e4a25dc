"""Turn JSON objects into questions: required fields, types and lengths; unknown fields are ignored.

Source: Authorization API 1.0, "Information Model", "Access Evaluations API", "Search APIs", "JSON Serialization".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchword.enforcement.authzen.errors import MalformedQuestionError
from watchword.enforcement.authzen.model import (
    MAX_ID,
    MAX_NAME,
    MAX_TOKEN,
    Action,
    Batch,
    Page,
    Party,
    Question,
    Search,
    Semantic,
    Sought,
    Unreadable,
)

# Defaults count once for each evaluation that inherits them. Prevents: a short call that means an endless one.
_MOST_INHERITED = 200_000
_ENTITIES = ("subject", "action", "resource", "context")
Json = Mapping[str, Any]


def read_question(document: Json) -> Question:
    """Read one access evaluation request.

    Raises:
        MalformedQuestionError: a required field is missing, or a field has another type than it must have.
    """
    return Question(
        _party(document, "subject"),
        _action(document),
        _party(document, "resource"),
        _object(document, "context", where="context"),
    )


def read_batch(document: Json, *, max_evaluations: int) -> Question | Batch:
    """Read an access evaluations request; without evaluations it is a single request, as the specification says.

    Defaults replace whole entities, they are never merged. What is wrong with one evaluation is that one's failure.

    Raises:
        MalformedQuestionError: what is wrong concerns all of them.
    """
    listed = document.get("evaluations", [])
    if not isinstance(listed, list):
        raise MalformedQuestionError("`evaluations` is not an array")
    semantic = _semantic(_object(document, "options", where="options"))
    if not listed:
        return read_question(document)
    if len(listed) > max_evaluations:
        raise MalformedQuestionError(f"there are more than {max_evaluations} evaluations", hint="send several calls")
    defaults = {name: _object(document, name, where=name) for name in _ENTITIES if name in document}
    if _weight(defaults) * len(listed) > _MOST_INHERITED:
        raise MalformedQuestionError("the defaults are too long for so many evaluations", hint="send several calls")
    items: list[Question | Unreadable] = []
    for position, each in enumerate(listed):
        if not isinstance(each, dict):
            raise MalformedQuestionError(f"`evaluations[{position}]` is not an object")
        try:
            items.append(read_question({**defaults, **each}))
        except MalformedQuestionError as error:
            items.append(Unreadable(error.message))
    return Batch(tuple(items), semantic)


def read_search(document: Json, sought: Sought) -> Search:
    """Read a search request; the identifier of what is sought is ignored.

    Raises:
        MalformedQuestionError: as above.
    """
    subject = _party(document, "subject", needs_id=sought is not Sought.SUBJECT)
    resource = _party(document, "resource", needs_id=sought is not Sought.RESOURCE)
    action = Action("") if sought is Sought.ACTION else _action(document)
    context = _object(document, "context", where="context")
    return Search(sought, Question(subject, action, resource, context), _page(document))


def _weight(value: Any) -> int:
    """Count the values in a document whose depth is bounded already."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_weight, value.values()))
    return 1 + sum(map(_weight, value)) if isinstance(value, list) else 1


def _page(document: Json) -> Page:
    page = _object(document, "page", where="page")
    token, limit = page.get("token"), page.get("limit")
    if "token" in page and not isinstance(token, str):
        raise MalformedQuestionError("`page.token` is not a string")
    if token is not None and len(token) > MAX_TOKEN:
        raise MalformedQuestionError(f"`page.token` is longer than {MAX_TOKEN} characters")
    if isinstance(limit, float) and limit.is_integer():
        limit = int(limit)
    if "limit" in page and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise MalformedQuestionError("`page.limit` is not a whole number from 0")
    return Page(token or None, limit, _object(page, "properties", where="page.properties"))


def _semantic(options: Json) -> Semantic:
    wanted = options.get("evaluations_semantic", Semantic.EXECUTE_ALL)
    if not isinstance(wanted, str) or wanted not in {each.value for each in Semantic}:
        known = ", ".join(f"`{each.value}`" for each in Semantic)
        raise MalformedQuestionError(f"`options.evaluations_semantic` is none of {known}")
    return Semantic(wanted)


def _party(document: Json, name: str, *, needs_id: bool = True) -> Party:
    found = _required(document, name)
    return Party(
        _text(found, "type", MAX_NAME, where=name),
        _text(found, "id", MAX_ID, where=name) if needs_id else "",
        _object(found, "properties", where=f"{name}.properties"),
    )


def _action(document: Json) -> Action:
    found = _required(document, "action")
    return Action(
        _text(found, "name", MAX_NAME, where="action"), _object(found, "properties", where="action.properties")
    )


def _required(document: Json, name: str) -> Json:
    if name not in document:
        raise MalformedQuestionError(f"`{name}` is missing")
    return _object(document, name, where=name)


def _object(document: Json, name: str, *, where: str) -> Json:
    found = document.get(name, {})
    if not isinstance(found, Mapping):
        raise MalformedQuestionError(f"`{where}` is not an object")
    return found


def _text(document: Json, name: str, longest: int, *, where: str) -> str:
    found = document.get(name)
    if name not in document:
        raise MalformedQuestionError(f"`{where}.{name}` is missing")
    if not isinstance(found, str):
        raise MalformedQuestionError(f"`{where}.{name}` is not a string")
    if len(found) > longest:
        raise MalformedQuestionError(f"`{where}.{name}` is longer than {longest} characters")
    return found
