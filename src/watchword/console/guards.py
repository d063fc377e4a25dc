"""What is checked before any page looks at a request: whose host, whose form, how large, how spelled.

Pure functions on headers and bytes; the routes bring them from the web framework.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from watchword.console.errors import ForgedRequestError, MalformedRequestError

MAX_BODY = 64 * 1024
_MAX_FIELDS = 64
_FORM = "application/x-www-form-urlencoded"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TOKEN_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form; unknown ones lie unread.

    Attributes:
        fields: name to every value it was sent with, in order.
    """

    fields: Mapping[str, tuple[str, ...]]

    def text(self, name: str) -> str:
        """Return the one value of a field, empty if it was not sent.

        Raises:
            MalformedRequestError: it was sent more than once. Prevents: two readers of one form seeing two values.
        """
        values = self.fields.get(name, ())
        if len(values) > 1:
            raise MalformedRequestError(f"the field `{name}` was sent {len(values)} times")
        return values[0] if values else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field that may have several."""
        return self.fields.get(name, ())

    def __repr__(self) -> str:
        """Say the names only: values are passwords and codes."""
        return f"Form({', '.join(sorted(self.fields))})"


def parse_form(body: bytes, content_types: Sequence[str]) -> Form:
    """Read a URL-encoded form, strictly.

    Args:
        body: at most `MAX_BODY` bytes; whoever read them held that bound.
        content_types: every Content-Type header that was sent.

    Raises:
        MalformedRequestError: another content type, too many fields, or a spelling that is not UTF-8.
    """
    kind = content_types[0].partition(";")[0].strip().lower() if len(content_types) == 1 else ""
    if kind != _FORM:
        raise MalformedRequestError(f"a form must be sent as `{_FORM}`")
    try:
        text = body.decode("ascii")
        if _BAD_ESCAPE.search(text):
            raise MalformedRequestError("the form has a broken escape")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, encoding="utf-8", errors="strict")
    except ValueError as error:
        raise MalformedRequestError("the form cannot be read") from error
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        # Prevents: a NUL cutting a value short in whatever reads it next.
        if "\0" in name or "\0" in value:
            raise MalformedRequestError("the form has a NUL in it")
        fields[name] = (*fields.get(name, ()), value)
    return Form(fields)


def csrf_token(key: bytes, bearer: str) -> str:
    """Make the token of one visitor: bound to the cookie that the form will be sent with, kept nowhere.

    Args:
        key: 32 bytes known to the server alone.
        bearer: the session handle, or the handle of the ceremony before there is a session.
    """
    return hmac.digest(key, b"console.csrf\0" + bearer.encode("utf-8", "surrogatepass"), "sha256").hex()


def check_same_origin(headers: Mapping[str, Sequence[str]], origin: str) -> None:
    """Refuse a change that a page of another origin asks for.

    Args:
        headers: every value of `origin` and `sec-fetch-site`.
        origin: the one origin whose pages may ask.

    Raises:
        ForgedRequestError: no origin, another one, or a browser that says the page was not ours.
    """
    # Prevents: cross-site request forgery, from a sibling host too (`same-site` is not `same-origin`).
    sites = headers.get("sec-fetch-site", ())
    if any(site != "same-origin" for site in sites):
        raise ForgedRequestError("the request comes from another site")
    # Every browser of the last years sends Origin with a POST; one that does not is not let through on trust.
    if tuple(headers.get("origin", ())) != (origin,):
        raise ForgedRequestError("the request does not say that it comes from here")


def is_csrf(key: bytes, bearer: str, token: str) -> bool:
    """Tell whether a token was made for this visitor."""
    expected = csrf_token(key, bearer)
    return len(token) == _TOKEN_LENGTH and hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))


def check_csrf(key: bytes, bearer: str, token: str) -> None:
    """Refuse a form that was not made for this visitor.

    Raises:
        ForgedRequestError: the token is missing or somebody else's.
    """
    # Prevents: cross-site request forgery where both browser headers could be had, and login forgery.
    if not is_csrf(key, bearer, token):
        raise ForgedRequestError("the form was not made for this session", hint="load the page again")


def client_ip(values: Sequence[str]) -> str:
    """Read the client's address from the one header that our own proxy sets.

    Raises:
        MalformedRequestError: it is missing, doubled, or no address; nobody but a misconfigured edge causes this.
    """
    # Prevents: an address of the client's own choosing, should the edge ever append to the header.
    if len(values) != 1:
        raise MalformedRequestError("the edge did not say where the request comes from")
    try:
        return str(ipaddress.ip_address(values[0].strip()))
    except ValueError as error:
        raise MalformedRequestError("the edge did not say where the request comes from") from error


def cookies(headers: Sequence[str], *, longest: int) -> dict[str, str]:
    """Read the cookies, in the order in which they were sent, all at once.

    A name that stands twice counts as missing: whoever planted the second one gains nothing. So does a value that is
    empty or too long. Source: RFC 6265 section 5.4.
    """
    found: dict[str, str] = {}
    for header in headers:
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            found[name] = "" if name in found else value
    return {name: value for name, value in found.items() if 0 < len(value) <= longest}


def host_of(authority: str) -> str:
    """Return the host of a `host[:port]`, in lower case."""
    host, colon, port = authority.lower().rpartition(":")
    return host if colon and port.isascii() and port.isdigit() else authority.lower()
