"""The ceremonies that a browser has begun, in as many tabs as it likes: one cookie each, a few of them.

A form says by its token which of them it belongs to, and an address by the letter of its cookie.
"""

from __future__ import annotations

import hashlib
from typing import Final

from starlette.responses import Response

from watchword.console import guards
from watchword.console.guards import Form
from watchword.console.routes.visit import Visit, drop_cookie, set_cookie
from watchword.identity import CeremonyInvalidError
from watchword.kernel import Secret

_COOKIE: Final = "__Host-ww-ceremony-"
_LETTERS: Final = "abcdefghijklmnop"
_KNOWN: Final = frozenset(_LETTERS)
_LIFE_S: Final = 600
# Prevents: cookies that somebody makes a browser collect, until no server reads its requests any more.
_MOST: Final = 5
# nginx reads 8 KiB of cookies unless it is told otherwise; those of session and browser are among them.
_MOST_BYTES: Final = 6 * 1024


def begun(visit: Visit) -> dict[str, str]:
    """Return the ceremonies of this browser by letter, the one that was begun first before the others."""
    mine = ((name.removeprefix(_COOKIE), value) for name, value in visit.cookies.items() if name.startswith(_COOKIE))
    return {letter: handle for letter, handle in mine if letter in _KNOWN}


def at_hand(visit: Visit) -> str:
    """Return the ceremony that an address names, or the one that was begun last.

    Raises:
        CeremonyInvalidError: this browser has none.
    """
    found = begun(visit)
    named = visit.request.query_params.getlist("at")
    letter = named[0] if len(named) == 1 and named[0] in found else next(reversed(found), None)
    if letter is None:
        raise none_begun()
    visit.ceremony = found[letter]
    return visit.ceremony


async def posted(visit: Visit) -> tuple[str, Form]:
    """Read a form, and return it with the ceremony that its token was made for.

    Raises:
        CeremonyInvalidError: this browser has begun none.
        ForgedRequestError: it was not sent by a page of ours, or in no ceremony that this browser holds.
        MalformedRequestError, TooLargeError: it cannot be read.
    """
    found = begun(visit)
    if not found:
        raise none_begun()
    form = await visit.unverified_form()
    key, token = visit.desk.services.csrf_key, form.text("csrf")
    handle = next((one for one in found.values() if guards.is_csrf(key, one, token)), "")
    # Prevents: login forgery, with a ceremony of the attacker's own.
    guards.check_csrf(key, handle, token)
    visit.ceremony = handle
    return handle, form


def address(visit: Visit, path: str, handle: str) -> str:
    """Return an address that leads to this ceremony."""
    letter = next((letter for letter, one in begun(visit).items() if one == handle), None)
    return f"{path}?at={letter}" if letter else path


def keep(visit: Visit, response: Response, handle: Secret[str]) -> str:
    """Give the browser one more ceremony, return its letter, and forget the oldest if there are many, or long ones."""
    found = begun(visit)
    # Two tabs that open together do not know of one another; each begins to look for a free letter elsewhere.
    first = hashlib.sha256(handle.reveal().encode()).digest()[0]
    turned = [_LETTERS[(first + step) % len(_LETTERS)] for step in range(len(_LETTERS))]
    room = _MOST_BYTES - len(handle.reveal())
    for count, letter in enumerate(reversed(found), 2):  # the new one is the first
        room -= len(found[letter])
        if count > _MOST or room < 0:
            drop_cookie(response, _COOKIE + letter)
    letter = next((letter for letter in turned if letter not in found), turned[0])
    set_cookie(response, _COOKIE + letter, handle, life_s=_LIFE_S)
    return letter


def forget(visit: Visit, response: Response, handle: str | None) -> None:
    """Take back the cookie of a ceremony that is over."""
    for letter, one in begun(visit).items():
        if one == handle:
            drop_cookie(response, _COOKIE + letter)


def forget_all(visit: Visit, response: Response) -> None:
    """Take back the cookies of all that was begun here."""
    for letter in begun(visit):
        drop_cookie(response, _COOKIE + letter)


def none_begun() -> CeremonyInvalidError:
    """Say that nothing was begun here."""
    return CeremonyInvalidError("this sign-in cannot go on", hint="start again")
