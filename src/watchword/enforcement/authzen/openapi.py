"""The API as an OpenAPI 3.1 document; its bounds are the ones that the code holds to.

Source: OpenAPI 3.1.1; Authorization API 1.0, "HTTPS JSON Binding".
"""

from __future__ import annotations

from typing import Any, Final

from watchword.enforcement.authzen.duties import ISSUED
from watchword.enforcement.authzen.metadata import (
    EVALUATION,
    EVALUATIONS,
    SEARCH_ACTION,
    SEARCH_RESOURCE,
    SEARCH_SUBJECT,
    WELL_KNOWN,
    Endpoint,
)
from watchword.enforcement.authzen.model import MAX_ID, MAX_NAME, MAX_REQUEST_ID, MAX_TOKEN, Semantic
from watchword.enforcement.authzen.settings import AuthzenSettings

Json = dict[str, Any]

_OBJECT: Final[Json] = {"type": "object"}
_STRING: Final[Json] = {"type": "string"}


def openapi(settings: AuthzenSettings, origin: str) -> Json:
    """Return the document for one node."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Watchword: AuthZEN Authorization API",
            "version": "1.0",
            "description": "Decisions and searches for enforcement points, as OpenID AuthZEN 1.0 defines them.",
        },
        "servers": [{"url": origin}],
        "security": [{"key": []}],
        "paths": {
            EVALUATION.path: _call(EVALUATION, "Decide one question", "Question", "Decision"),
            EVALUATIONS.path: _call(EVALUATIONS, "Decide several questions", "Questions", "Decisions"),
            SEARCH_SUBJECT.path: _call(SEARCH_SUBJECT, "Find permitted subjects", "SubjectSearch", "Parties"),
            SEARCH_RESOURCE.path: _call(SEARCH_RESOURCE, "Find permitted resources", "ResourceSearch", "Parties"),
            SEARCH_ACTION.path: _call(SEARCH_ACTION, "Find permitted actions", "ActionSearch", "Actions"),
            WELL_KNOWN: _metadata(),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _requests(settings) | _responses(),
            "responses": {
                name: {
                    "description": words,
                    "headers": _echo(),
                    "content": _content("Problem", "application/problem+json"),
                }
                for name, words in _PROBLEMS.items()
            },
        },
    }


_PROBLEMS: Final = {
    "400": "The call is not what the specification asks for, or its `Content-Type` is not JSON.",
    "401": "The call carries no key of a known enforcement point.",
    "404": "There is no page with this token.",
    "405": "The method is another one than this address takes.",
    "413": "The body is too long.",
    "415": "The body is compressed.",
    "500": "The call could not be answered; nothing was decided.",
    "503": "The journal cannot be written, so nothing is told.",
}


def _call(endpoint: Endpoint, summary: str, asked: str, answered: str) -> Json:
    answers: Json = {
        "200": {"description": "Answered.", "headers": _echo(), "content": _content(answered)},
        **{status: {"$ref": f"#/components/responses/{status}"} for status in _PROBLEMS},
    }
    if endpoint in {EVALUATION, EVALUATIONS}:
        answers.pop("404")
    return {
        "post": {
            "operationId": endpoint.parameter.removesuffix("_endpoint"),
            "summary": summary,
            "parameters": [
                {
                    "name": "X-Request-ID",
                    "in": "header",
                    "required": False,
                    "description": "Comes back as it is.",
                    "schema": {"type": "string", "maxLength": MAX_REQUEST_ID, "pattern": "^[ -~]*$"},
                }
            ],
            "requestBody": {"required": True, "content": _content(asked)},
            "responses": answers,
        }
    }


def _metadata() -> Json:
    found = {"description": "What this decision point can do.", "content": _content("Metadata")}
    responses = {"200": found, "405": {"$ref": "#/components/responses/405"}}
    return {"get": {"operationId": "metadata", "summary": "Describe", "security": [], "responses": responses}}


def _echo() -> Json:
    return {"X-Request-ID": {"required": False, "schema": _STRING, "description": "As the caller sent it."}}


def _content(schema: str, kind: str = "application/json") -> Json:
    return {kind: {"schema": _ref(schema)}}


def _ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _requests(settings: AuthzenSettings) -> Json:
    named = {"type": {"type": "string", "maxLength": MAX_NAME}, "properties": _OBJECT}
    party: Json = {"type": "object", "required": ["type", "id"]}
    party |= {"properties": named | {"id": {"type": "string", "maxLength": MAX_ID}}}
    action: Json = {"type": "object", "required": ["name"]}
    action |= {"properties": {"name": {"type": "string", "maxLength": MAX_NAME}, "properties": _OBJECT}}
    whole = {"subject": _ref("Party"), "action": _ref("Action"), "resource": _ref("Party"), "context": _OBJECT}
    semantics = {"type": "string", "enum": [each.value for each in Semantic]}
    options = {"type": "object", "properties": {"evaluations_semantic": semantics}}
    several = {"type": "array", "items": _OBJECT, "minItems": 1, "maxItems": settings.max_evaluations}
    # Defaults are whole entities; one that lacks something is the failure of the evaluations that inherit it.
    defaults = dict.fromkeys(whole, _OBJECT)
    page = {
        "type": "object",
        "properties": {
            "token": {"type": "string", "maxLength": MAX_TOKEN},
            "limit": {"type": "integer", "minimum": 0},
            "properties": _OBJECT,
        },
    }
    return {
        "Party": party,
        "SoughtParty": {"type": "object", "required": ["type"], "properties": named},
        "Action": action,
        "Page": page,
        "Question": _object(whole, optional=("context",)),
        "Questions": {
            "anyOf": [
                _object(
                    whole | {"options": options, "evaluations": {"type": "array", "maxItems": 0}},
                    optional=("context", "options", "evaluations"),
                ),
                _object(defaults | {"options": options, "evaluations": several}, optional=(*defaults, "options")),
            ]
        },
        "SubjectSearch": _object(
            whole | {"subject": _ref("SoughtParty"), "page": _ref("Page")}, optional=("context", "page")
        ),
        "ResourceSearch": _object(
            whole | {"resource": _ref("SoughtParty"), "page": _ref("Page")}, optional=("context", "page")
        ),
        "ActionSearch": _object(
            {name: part for name, part in whole.items() if name != "action"} | {"page": _ref("Page")},
            optional=("context", "page"),
        ),
    }


def _responses() -> Json:
    duty = _object({"id": _STRING, "type": {"type": "string", "enum": list(ISSUED)}, "properties": _OBJECT})
    duties = {"type": "array", "items": _ref("Obligation")}
    reason = {"type": "object", "additionalProperties": _STRING, "description": "An HTTP status, and words."}
    context = _object(
        {
            "id": _STRING,
            "reason_admin": reason,
            "reason_user": reason,
            "error": _object({"status": {"type": "integer"}, "message": _STRING}),
            "ignored": {"type": "array", "items": _STRING},
            "acr_values": _STRING,
            "amr_values": _STRING,
            "obligations": duties,
        },
        optional=("id", "reason_admin", "reason_user", "error", "ignored", "acr_values", "amr_values", "obligations"),
    )
    page = _object({"next_token": _STRING, "count": {"type": "integer", "minimum": 0}})
    party = _object({"type": _STRING, "id": _STRING, "obligations": duties}, optional=("obligations",))
    action = _object({"name": _STRING, "obligations": duties}, optional=("obligations",))
    decision = _object({"decision": {"type": "boolean"}, "context": context}, optional=("context",))
    problem = _object(
        {
            "type": _STRING,
            "title": _STRING,
            "status": {"type": "integer"},
            "detail": _STRING,
            "code": _STRING,
            "hint": _STRING,
        },
        optional=("code", "hint"),
    )
    endpoints = {
        endpoint.parameter: {"type": "string", "format": "uri"}
        for endpoint in (EVALUATION, EVALUATIONS, SEARCH_SUBJECT, SEARCH_RESOURCE, SEARCH_ACTION)
    }
    described: Json = {"policy_decision_point": {"type": "string", "format": "uri"}, **endpoints}
    described["supported_obligations"] = {"type": "array", "items": {"type": "string"}}
    evaluations = _object({"evaluations": {"type": "array", "items": _ref("Decision"), "minItems": 1}})
    return {
        "Obligation": duty,
        "Decision": decision,
        "Decisions": {"oneOf": [_ref("Decision"), evaluations]},
        "Parties": _object({"page": page, "results": {"type": "array", "items": party}}),
        "Actions": _object({"page": page, "results": {"type": "array", "items": action}}),
        "Metadata": _object(described),
        "Problem": problem,
    }


def _object(properties: Json, *, optional: tuple[str, ...] = ()) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}
