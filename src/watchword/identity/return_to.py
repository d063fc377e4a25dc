"""Where a sign-in may lead back to."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

_LONGEST = 1024
# What RFC 3986 lets stand in a path, query or fragment, and nothing else: no space, control character, backslash,
# quotation mark, angle bracket or letter beyond ASCII, all of which some browser reads in its own way.
_REST = re.compile(
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?(#[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)


def safe_return_to(url: str, allowed_origins: Collection[str]) -> str | None:
    """Return the address when it lies on one of our own origins, else nothing. Never raises.

    Args:
        url: a path on the portal (`/account`), or an absolute address.
        allowed_origins: exact origins, `https://notes.localhost:8443`, without a slash at the end.

    Prevents: an open redirect. What is accepted starts with an allowed origin followed by one `/`, `?`, `#` or nothing,
    or with exactly one slash; nothing is decoded or repaired, since browsers repair differently from us. After an
    origin, too, two slashes are refused: whoever takes the origin off would be left with the address of another host.
    """
    if not 0 < len(url) <= _LONGEST:
        return None
    if url[0] == "/":
        # `//host`, `/\host` and their kin are other hosts to a browser.
        return url if not url.startswith("//") and _REST.fullmatch(url) else None
    for origin in allowed_origins:
        rest = url[len(origin) :]
        begins_well = rest[:1] in {"", "/", "?", "#"} and not rest.startswith("//")
        if url.startswith(origin) and begins_well and _REST.fullmatch(rest):
            return url if _agrees(url, origin) else None
    return None


def _agrees(url: str, origin: str) -> bool:
    """Ask a second parser, so that two mistakes are needed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}" == origin and parts.username is None
