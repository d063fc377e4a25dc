"""The console's family of errors: what a browser may have done wrong, each with the page it leads to."""

from __future__ import annotations

from watchword.kernel import WatchwordError


class ConsoleError(WatchwordError):
    """A request to the console was refused."""

    code = "console.refused"
    status = 400


class MalformedRequestError(ConsoleError):
    """The request cannot be read: wrong content type, doubled field, broken encoding."""

    code = "console.malformed_request"


class TooLargeError(ConsoleError):
    """The body is larger than any form of ours."""

    code = "console.too_large"
    status = 413


class ForgedRequestError(ConsoleError):
    """The request was not made by a page of ours in this session."""

    code = "console.forged_request"
    status = 403


class MisdirectedError(ConsoleError):
    """The host named in the request is not served here."""

    code = "console.misdirected"
    status = 421


class ForbiddenError(ConsoleError):
    """The visitor may not see or do this."""

    code = "console.forbidden"
    status = 403


class TooManyRequestsError(ConsoleError):
    """The visitor asks faster than any person would."""

    code = "console.too_many_requests"
    status = 429
