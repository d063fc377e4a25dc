"""The HTTPS JSON binding as a bare ASGI application.

What goes wrong with a call is a problem document (RFC 9457); what is denied is a 200 with `"decision": false`.
Source: Authorization API 1.0, "Transport".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send

from watchword.enforcement.authzen.callers import Caller, Callers
from watchword.enforcement.authzen.document import read_document
from watchword.enforcement.authzen.errors import (
    BodyTooLongError,
    CallerUnknownError,
    EncodingUnknownError,
    MalformedQuestionError,
)
from watchword.enforcement.authzen.metadata import (
    EVALUATION,
    EVALUATIONS,
    OPENAPI,
    SEARCH_ACTION,
    SEARCH_RESOURCE,
    SEARCH_SUBJECT,
    WELL_KNOWN,
    metadata,
)
from watchword.enforcement.authzen.model import MAX_REQUEST_ID, Question, Sought
from watchword.enforcement.authzen.openapi import openapi
from watchword.enforcement.authzen.reading import read_batch, read_question, read_search
from watchword.enforcement.authzen.rendering import decision_json, decisions_json, found_json
from watchword.enforcement.authzen.service import Authzen
from watchword.enforcement.authzen.settings import AuthzenSettings
from watchword.kernel import WatchwordError

_JSON: Final = b"application/json"
_PROBLEM: Final = b"application/problem+json"
# A body may be so much too long and still be read to its end, so that its caller hears why it is refused.
SLACK: Final = 64 * 1024
_PUBLIC: Final = (b"cache-control", b"public, max-age=300")
_PRIVATE: Final = (b"cache-control", b"no-store")

Json = dict[str, Any]
Header = tuple[bytes, bytes]
Handler = Callable[[Json, Caller, str], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class _Reply:
    """What is sent back."""

    status: int
    body: bytes
    kind: bytes = _JSON
    headers: tuple[Header, ...] = (_PRIVATE,)


class _Body:
    """A request's body, read once and within bounds."""

    def __init__(self, receive: Receive, longest: int) -> None:
        self._receive = receive
        self._longest = longest
        self._seen = 0
        self._ended = False

    async def read(self) -> bytes:
        """Return all of it.

        Raises:
            BodyTooLongError: it is longer than it may be; no more than that was kept.
            MalformedQuestionError: the caller went away.
        """
        found = bytearray()
        while not self._ended:
            found += await self._next()
            # Prevents: a body of undeclared length that fills the memory.
            if self._seen > self._longest:
                raise BodyTooLongError(f"the body is longer than {self._longest} bytes", hint="send several calls")
        return bytes(found)

    async def drain(self) -> None:
        """Read what is left and drop it; of a body that is far too long, no more than it may have over."""
        while not self._ended and self._seen <= self._longest + SLACK:
            with suppress(MalformedQuestionError):
                await self._next()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise MalformedQuestionError("the body ended early")
        piece: bytes = message.get("body", b"")
        self._seen += len(piece)
        self._ended = not message.get("more_body", False)
        return piece


class AuthzenApp:
    """Answer `/access/v1/...` and the metadata; everything else is 404.

    Args:
        origin: where callers reach it, `https://host[:port]`.
    """

    def __init__(self, service: Authzen, callers: Callers, settings: AuthzenSettings, origin: str) -> None:
        self._service = service
        self._callers = callers
        self._settings = settings
        self._challenge = f'Bearer realm="{origin}"'.encode()
        self._open: Mapping[str, bytes] = {
            WELL_KNOWN: orjson.dumps(metadata(origin)),
            OPENAPI: orjson.dumps(openapi(settings, origin)),
        }
        self._asked: Mapping[str, Handler] = {
            EVALUATION.path: self._evaluation,
            EVALUATIONS.path: self._evaluations,
            SEARCH_SUBJECT.path: self._search(Sought.SUBJECT),
            SEARCH_RESOURCE.path: self._search(Sought.RESOURCE),
            SEARCH_ACTION.path: self._search(Sought.ACTION),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call; the caller's request identifier comes back with whatever the answer is."""
        if scope["type"] != "http":
            raise RuntimeError("this door speaks HTTP only")
        headers = _joined(scope["headers"])
        request_id = headers.get(b"x-request-id")
        body = _Body(receive, self._settings.max_body_kb * 1024)
        reply = await self._answer(scope, headers, body)
        # Answered before the body was read, many a client would see a broken connection instead of the answer.
        await body.drain()
        sent = [(b"content-type", reply.kind), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
        sent.append((b"x-content-type-options", b"nosniff"))
        if request_id is not None and _is_plain(request_id):
            sent.append((b"x-request-id", request_id))
        await send({"type": "http.response.start", "status": reply.status, "headers": sent})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes], body: _Body) -> _Reply:
        path, method = scope["path"], scope["method"]
        handler = self._asked.get(path)
        if handler is None and path not in self._open:
            return _problem(404, "there is no such endpoint")
        methods = ("GET", "HEAD") if handler is None else ("POST",)
        if method not in methods:
            return _problem(405, "this address takes another method", more=((b"allow", ", ".join(methods).encode()),))
        if handler is None:
            return _Reply(200, self._open[path], headers=(_PUBLIC,))
        try:
            return _Reply(200, orjson.dumps(await self._asked_for(handler, headers, body)))
        except WatchwordError as error:
            about = {"code": error.code} | ({"hint": error.hint} if error.hint else {})
            return _problem(error.status, error.message, about, more=self._more(error))
        except Exception:  # noqa: BLE001  # no decision was told; what failed is nobody's business out there
            return _problem(500, "the call could not be answered")

    def _more(self, error: WatchwordError) -> tuple[Header, ...]:
        if isinstance(error, CallerUnknownError):
            return ((b"www-authenticate", self._challenge),)
        # What is left of a long body is not read; the connection cannot carry another call.
        return ((b"connection", b"close"),) if isinstance(error, BodyTooLongError) else ()

    async def _asked_for(self, handler: Handler, headers: Mapping[bytes, bytes], body: _Body) -> Json:
        # Before the body is kept or looked at, and before anything is said about it.
        caller = self._callers.recognise(_text(headers.get(b"authorization")))
        request_id = headers.get(b"x-request-id", b"")
        if not _is_plain(request_id):
            raise MalformedQuestionError("`X-Request-ID` cannot be returned as it is")
        _check_kind(headers)
        return await handler(read_document(await body.read()), caller, request_id.decode("latin-1"))

    async def _evaluation(self, document: Json, caller: Caller, request_id: str) -> Json:
        verdict = await self._service.evaluate(read_question(document), caller, request_id)
        return decision_json(verdict, caller.told)

    async def _evaluations(self, document: Json, caller: Caller, request_id: str) -> Json:
        asked = read_batch(document, max_evaluations=self._settings.max_evaluations)
        if isinstance(asked, Question):
            return decision_json(await self._service.evaluate(asked, caller, request_id), caller.told)
        return decisions_json(await self._service.evaluate_batch(asked, caller, request_id), caller.told)

    def _search(self, sought: Sought) -> Handler:
        async def answer(document: Json, caller: Caller, request_id: str) -> Json:
            return found_json(await self._service.search(read_search(document, sought), caller, request_id))

        return answer


def _check_kind(headers: Mapping[bytes, bytes]) -> None:
    """Take JSON only. Any other kind is 400, as the certification scenario wants it, not 415 as HTTP would allow."""
    kind, _, parameters = headers.get(b"content-type", b"").partition(b";")
    if kind.strip().lower() != _JSON:
        raise MalformedQuestionError("the `Content-Type` is not `application/json`")
    charset = parameters.replace(b" ", b"").lower()
    if charset not in {b"", b"charset=utf-8", b'charset="utf-8"'}:
        raise MalformedQuestionError("JSON is UTF-8 and nothing else")
    # Prevents: a few bytes that unpack into gigabytes.
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise EncodingUnknownError("compressed bodies are not read")


def _problem(status: int, words: str, about: Json | None = None, *, more: tuple[Header, ...] = ()) -> _Reply:
    found = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": words}
    return _Reply(status, orjson.dumps(found | (about or {})), _PROBLEM, (_PRIVATE, *more))


def _joined(raw: list[Header]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in raw:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def _is_plain(value: bytes) -> bool:
    """Tell whether a header can be returned as it came. Prevents: one that ends early and begins another."""
    return len(value) <= MAX_REQUEST_ID and value.isascii() and value.decode("ascii").isprintable()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
