"""Which answers can be reduced, and what happens to the headers around them; the same at every door.

What is asked of the application: no compression, no part of a body, no comparison with what the reader has. What it
sends all the same is refused, never passed. Headers that describe the whole body (its length, its digests, its entity
tag) would tell what was taken out, and are removed. Other headers pass as they are: rules are about bodies.

Sources: RFC 9110 sections 8 (representation data), 13 (conditions), 14 (ranges), 15 (status codes); RFC 9530 (digests);
RFC 8259 section 11 and RFC 6839 section 3.1 (media types of JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.enforcement.bodies.watermarks import WATERMARK_HEADER, Watermark
from watchword.kernel import BodyRules

Header = tuple[bytes, bytes]

MOST_BODY_BYTES: Final = 1024 * 1024
# Taken out of a request whose answer will be reduced; `accept-encoding` is then set to `identity`.
NOT_ASKED: Final = frozenset(
    {b"accept-encoding", b"range", b"if-range", b"if-none-match", b"if-modified-since", b"te", b"want-digest"}
    | {b"want-content-digest", b"want-repr-digest", b"a-im"}
)
ASKED: Final = (b"accept-encoding", b"identity")
# Taken out of an answer that was reduced.
NOT_TOLD: Final = frozenset(
    {b"content-length", b"etag", b"last-modified", b"content-md5", b"digest", b"content-digest", b"repr-digest"}
    | {b"accept-ranges", b"trailer", b"cache-control", b"expires", b"age", b"content-encoding"}
)
# What was reduced for one reader is kept by no cache for another.
TOLD: Final = (b"cache-control", b"no-store")

_NO_BODY: Final = frozenset({204, 205})
_NOT_MODIFIED, _PARTIAL, _FIRST_FINAL, _FIRST_ERROR = 304, 206, 200, 400
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TOKEN: Final = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER: Final = rb"[ \t]*;[ \t]*(" + _TOKEN + rb")=(" + _TOKEN + rb'|"[^"\\]*")'
_PARAMETERS: Final = re.compile(_PARAMETER)
_MEDIA_TYPE: Final = re.compile(
    rb"application/(?:[a-z0-9!#$&^_.-]+\+)?json(?:" + _PARAMETER + rb")*[ \t]*", re.IGNORECASE
)
_ANY_TYPE: Final = re.compile(_TOKEN + rb"/" + _TOKEN + rb"(?:" + _PARAMETER + rb")*[ \t]*;?")
_PAGES: Final = frozenset({b"text/html", b"application/xhtml+xml"})
_LIKE_ASCII: Final = frozenset({b"utf-8", b"us-ascii", b"iso-8859-1", b"iso-8859-15", b"windows-1252"})


class Verdict(Enum):
    """What to do with an answer whose head has come."""

    PASS = "pass"  # noqa: S105  # no password
    REDUCE = "reduce"
    MARK_PAGE = "mark_page"
    HAS_NO_BODY = "has_no_body"
    DROP_BODY = "drop_body"


def changes_asking(rules: BodyRules) -> bool:
    """Tell whether the application must be asked for a whole answer, not encoded, so that it can be read here."""
    return rules.reads_answer or rules.marks("page") or rules.marks("member")


def judge(status: int, headers: Iterable[Header], *, is_bodiless: bool, rules: BodyRules) -> Verdict:
    """Decide from its head what can be done with an answer.

    Args:
        headers: lower-case names.
        is_bodiless: the request was HEAD, or the answer ended with its head.

    Raises:
        BodyRefusedError: not what the rules ask for; nothing of it may be passed on.
    """
    if not changes_asking(rules):
        return Verdict.PASS
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.strip())
    # 1. A whole, final answer. Prevents: parts that are not JSON and say enough; a switch to another protocol; a
    #    browser told to show what it kept from a time when no rule applied.
    if status < _FIRST_FINAL or status in {_PARTIAL, _NOT_MODIFIED} or b"content-range" in found:
        raise BodyRefusedError("the application sent a part, or no answer of its own")
    # A redirect says all in its head; its body is for nobody but old browsers.
    if status in _REDIRECTS:
        return Verdict.DROP_BODY
    # 2. Not encoded. Prevents: bombs, since nothing is ever unpacked here.
    if any(value.lower() != b"identity" for value in found.get(b"content-encoding", [])):
        raise BodyRefusedError("the body is encoded")
    if is_bodiless or status in _NO_BODY or found.get(b"content-length") == [b"0"]:
        return Verdict.HAS_NO_BODY
    types = found.get(b"content-type", [])
    if len(types) == 1 and _is_json(types[0]):
        return Verdict.REDUCE if rules.reads_answer or rules.marks("member") else Verdict.PASS
    if rules.reads_answer:
        raise BodyRefusedError("the body is not of type JSON")
    return _judge_page(types) if rules.marks("page") else Verdict.PASS


def _judge_page(types: list[bytes]) -> Verdict:
    """Mark HTML; other media show no mark and carry it in the header alone."""
    # Prevents: a page whose type a browser guesses, or reads from the second of two headers.
    if len(types) != 1 or not _ANY_TYPE.fullmatch(types[0]):
        raise BodyRefusedError("the body has no one media type")
    if types[0].partition(b";")[0].strip().lower() not in _PAGES:
        return Verdict.PASS
    if not _charsets(types[0]) <= _LIKE_ASCII:
        raise BodyRefusedError("the page is in an encoding in which a mark cannot be written")
    return Verdict.MARK_PAGE


def is_json_request(headers: Iterable[Header]) -> bool:
    """Tell whether a request says that its body is JSON that can be read here."""
    found = [(name, value.strip()) for name, value in headers]
    types = [value for name, value in found if name == b"content-type"]
    return len(types) == 1 and _is_json(types[0]) and all(name != b"content-encoding" for name, _ in found)


def _is_json(media_type: bytes) -> bool:
    """Tell whether a media type is JSON in UTF-8. Prevents: another encoding, read by the browser and not by us."""
    return _MEDIA_TYPE.fullmatch(media_type) is not None and _charsets(media_type) <= {b"utf-8"}


def _charsets(media_type: bytes) -> set[bytes]:
    named = _PARAMETERS.findall(media_type)
    return {value.strip(b'"').lower() for name, value in named if name.lower() == b"charset"}


def reduced_headers(headers: Iterable[Header], length: int | None) -> list[Header]:
    """Return the headers of an answer that was reduced to so many bytes; nothing for an answer without a body."""
    kept = [(name, value) for name, value in headers if name.lower() not in NOT_TOLD]
    size = [(b"content-length", b"%d" % length)] if length is not None else []
    return [*kept, TOLD, *size]


def marked_headers(headers: Iterable[Header], watermark: Watermark | None) -> list[Header]:
    """Return headers with the one mark that is ours; one that the application wrote is gone."""
    kept = [(name, value) for name, value in headers if name.lower() != WATERMARK_HEADER]
    return [*kept, watermark.header()] if watermark is not None else kept


def asking_headers(headers: Iterable[Header]) -> list[Header]:
    """Return the headers of a request whose answer will be reduced."""
    return [*((name, value) for name, value in headers if name.lower() not in NOT_ASKED), ASKED]


def withheld(status: int | None, reference: str) -> tuple[int, list[Header], bytes]:
    """Return what goes out instead of an answer that cannot be reduced: its status if that says no, else 502."""
    shown = status if status is not None and status >= _FIRST_ERROR else BodyRefusedError.status
    body = json.dumps(
        {
            "type": "urn:watchword:obligation:withheld",
            "title": "This answer cannot be reduced to what you may see, so nothing of it is shown.",
            "status": shown,
            "detail": "Tell an administrator the reference below.",
            "reference": reference,
        }
    ).encode()
    return shown, [(b"content-type", b"application/problem+json"), TOLD, (b"content-length", b"%d" % len(body))], body
