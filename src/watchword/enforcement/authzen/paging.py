"""Tokens of pages: sealed, so that they are opaque and whole, and bound to the caller, the search and an hour.

A token holds the last candidate that was looked at. It may name somebody whom the caller may not see: hence sealed.
Source: Authorization API 1.0, "Pagination".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from watchword.enforcement.authzen.callers import Caller
from watchword.enforcement.authzen.errors import MalformedQuestionError, PageTokenError
from watchword.enforcement.authzen.model import Search
from watchword.enforcement.authzen.ports import Seals
from watchword.kernel import WatchwordError

_PURPOSE: Final = "enforcement.authzen.page"
_LIFE: Final = timedelta(hours=1)
_USUAL: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins, and how long it may be.

    Attributes:
        after: the candidate behind which to go on; nothing at the beginning.
        asked: the limit that the caller named; nothing where it named none.
    """

    after: str | None
    limit: int
    asked: int | None


class Pages:
    """Make tokens and read them back."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def place(self, search: Search, caller: Caller, *, now: datetime, most: int) -> Place:
        """Find the beginning of a page.

        Raises:
            PageTokenError: altered, another caller's, or older than an hour.
            MalformedQuestionError: the search or its limit is another one than before.
        """
        asked = search.page.limit
        if search.page.token is None:
            return Place(None, min(_USUAL if asked is None else asked, most), asked)
        held = self._open(search.page.token, search, caller)
        if datetime.fromtimestamp(held["at"], now.tzinfo) + _LIFE < now:
            raise PageTokenError("`page.token` is older than an hour", hint="begin the search again")
        # The specification lets a caller leave the limit out of later pages, and forbids changing anything.
        if held["search"] != _digest(search) or (asked is not None and asked != held["limit"]):
            raise MalformedQuestionError(
                "`page.token` belongs to another search",
                hint="send the same subject, action, resource, context and limit as before",
            )
        first = held["limit"]
        return Place(held["after"], min(_USUAL if first is None else first, most), first)

    def token(self, search: Search, caller: Caller, place: Place, after: str | None, *, now: datetime) -> str:
        """Make the token of the next page."""
        held = {"at": int(now.timestamp()), "after": after, "limit": place.asked, "search": _digest(search)}
        sealed = self._seals.seal(orjson.dumps(held), purpose=_PURPOSE, context=_context(search, caller))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _open(self, token: str, search: Search, caller: Caller) -> dict[str, Any]:
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            held: dict[str, Any] = orjson.loads(
                self._seals.open(sealed, purpose=_PURPOSE, context=_context(search, caller))
            )
        except (binascii.Error, ValueError, WatchwordError):
            raise PageTokenError("there is no page with this `page.token`", hint="begin the search again") from None
        return held


def _context(search: Search, caller: Caller) -> str:
    """Name whom a token is good for. Prevents: one caller that goes on with the pages of another."""
    return f"{caller.name}/{search.sought.value}"


def _digest(search: Search) -> str:
    about = {"question": search.question.as_json(), "properties": dict(search.page.properties)}
    return hashlib.sha256(orjson.dumps(about, option=orjson.OPT_SORT_KEYS)).hexdigest()
