"""Why a call of the API gets no decision, each in one clear sentence. A denial is no error: it is an answer."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class AuthzenError(WatchwordError):
    """The API cannot be served, or a call of it cannot be answered."""

    code: ClassVar[str] = "enforcement.authzen"


class MalformedQuestionError(AuthzenError):
    """The body is not what the specification asks for; nothing was decided."""

    code: ClassVar[str] = "enforcement.authzen_malformed"
    status: ClassVar[int] = 400


class PageTokenError(AuthzenError):
    """There is no such page: the token was not given to this caller, was altered, or is too old."""

    code: ClassVar[str] = "enforcement.authzen_page_token"
    status: ClassVar[int] = 404


class CallerUnknownError(AuthzenError):
    """No configured enforcement point has this key."""

    code: ClassVar[str] = "enforcement.authzen_caller_unknown"
    status: ClassVar[int] = 401


class BodyTooLongError(AuthzenError):
    """The body is longer than a call may be."""

    code: ClassVar[str] = "enforcement.authzen_body_too_long"
    status: ClassVar[int] = 413


class EncodingUnknownError(AuthzenError):
    """The body is compressed, which nobody asked for."""

    code: ClassVar[str] = "enforcement.authzen_encoding"
    status: ClassVar[int] = 415


class UnprovableError(AuthzenError):
    """What was found cannot be journaled, so it is not told."""

    code: ClassVar[str] = "enforcement.authzen_unprovable"
    status: ClassVar[int] = 503


class EntitiesFileError(AuthzenError):
    """The file of entities cannot be used; what was known stays known."""

    code: ClassVar[str] = "enforcement.authzen_entities"
