"""Read a collection of a TAXII 2.1 server: discovery, API root, collection, page by page.

Source: TAXII Version 2.1 (OASIS Standard, 10 June 2021), sections 1.6, 3.4, 4.1, 4.2, 5.1 and 5.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from watchword.outbound import check_url
from watchword.trust.feeds.document import entries, parse, table, text
from watchword.trust.feeds.errors import FeedMalformedError, FeedTooLargeError, FeedUnreachableError
from watchword.trust.feeds.origin import origin_of
from watchword.trust.feeds.stix import Statement, merge, statements
from watchword.trust.feeds.web import Answer, Web

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
_ADDED_FIRST: Final = "X-TAXII-Date-Added-First"
_ADDED_LAST: Final = "X-TAXII-Date-Added-Last"
_PAGE: Final = 1_000
_MOST_PAGES: Final = 2_000
_MOST_COLLECTIONS: Final = 1_000
_LONGEST_MARK: Final = 1_000


@dataclass
class Harvest:
    """What a collection holds.

    Attributes:
        found: the newest version of each object, by its id.
        cursor: when the newest of them was added, in the server's own words; to be asked for what came after.
    """

    found: dict[str, Statement] = field(default_factory=dict)
    cursor: str = ""


def harvest(web: Web, url: str, collection: str, *, known: Harvest, most: int) -> Harvest:
    """Add everything that was added to a collection since `known` was taken.

    Args:
        url: of the discovery, of an API root, or of the collection itself.
        collection: id, alias or title; may be empty where there is but one.
        most: indicators at most.

    Raises:
        FeedUnreachableError: the server does not answer, or leads elsewhere.
        FeedMalformedError: it does not speak TAXII 2.1.
        FeedTooLargeError: the collection holds too much.
    """
    objects = _objects_url(web, url, collection)
    since, mark, former = known.cursor, "", b""
    for _ in range(_MOST_PAGES):
        query = {"limit": str(_PAGE), "match[type]": "indicator"}
        query |= {"added_after": since} if since else {}
        query |= {"next": mark} if mark else {}
        answer = web.get(
            f"{objects}?{urlencode(query)}", accept=MEDIA_TYPE, wanted=(_ADDED_FIRST, _ADDED_LAST, "Content-Type")
        )
        envelope = _document(answer)
        for statement in statements(entries(envelope.get("objects"))):
            merge(known.found, statement)
        # Prevents: a server that makes up objects without end.
        if len(known.found) > most:
            raise FeedTooLargeError(f"the collection has more than {most} entries", hint="raise `max_entries`")
        last = answer.headers[_ADDED_LAST] or answer.headers[_ADDED_FIRST]
        known.cursor = max(known.cursor, last)
        if envelope.get("more") is not True:
            return known
        # Prevents: a server that gives the same page for ever. Its mark alone may well stay the same.
        if answer.body == former:
            raise FeedMalformedError("the server gives the same page again and again")
        former = answer.body or b""
        since, mark = _onward(envelope, since, last)
    raise FeedTooLargeError(f"the collection has more than {_MOST_PAGES} pages")


def _onward(envelope: Mapping[str, Any], since: str, last: str) -> tuple[str, str]:
    """Return what to ask for next: by the server's mark, or where it gives none by what was added last."""
    mark = text(envelope.get("next"))[:_LONGEST_MARK]
    if mark:
        return since, mark
    if last > since:
        return last, ""
    raise FeedMalformedError("the server says that there is more, and not where")


def _objects_url(web: Web, url: str, collection: str) -> str:
    """Follow discovery and API root to the collection, as far as `url` does not lead there already."""
    for _ in range(2):
        answer = _document(web.get(url, accept=MEDIA_TYPE, wanted=("Content-Type",)))
        if "api_roots" in answer or "default" in answer:
            url = _api_root(url, answer)
            continue
        if "can_read" in answer:
            return f"{_slashed(url)}objects/"
        if "versions" in answer:
            found = _collection(web, _slashed(url), collection)
            return f"{_slashed(url)}collections/{found}/objects/"
        break
    raise FeedMalformedError("the server does not speak TAXII 2.1", hint="look at the feed's `url`")


def _api_root(url: str, discovery: Mapping[str, Any]) -> str:
    named = text(discovery.get("default")) or next(map(text, entries(discovery.get("api_roots"))), "")
    # Prevents: a server that sends us, and what we ask with, to another machine.
    if not named or not _is_same_origin(root := _joined(url, named), url):
        raise FeedUnreachableError(
            "the server's API root is on another machine", hint="set the feed's `url` to the API root itself"
        )
    return _slashed(root)


def _joined(url: str, named: str) -> str:
    try:
        root = urljoin(url, named)
        check_url(root)
    except ValueError:
        return ""
    return root


def _is_same_origin(root: str, url: str) -> bool:
    return bool(root) and origin_of(urlsplit(root)) == origin_of(urlsplit(url))


def _collection(web: Web, root: str, wanted: str) -> str:
    answer = _document(web.get(f"{root}collections/", accept=MEDIA_TYPE, wanted=("Content-Type",)))
    readable = [
        each
        for each in map(table, entries(answer.get("collections"))[:_MOST_COLLECTIONS])
        if each.get("can_read") is True and _is_plain(text(each.get("id")))
    ]
    names = ("id", "alias", "title")
    chosen = [each for each in readable if not wanted or wanted in {text(each.get(name)) for name in names}]
    if len(chosen) != 1:
        offered = ", ".join(text(each.get("title"))[:60] for each in readable[:8]) or "none"
        raise FeedUnreachableError(
            "the server has no such collection that may be read"
            if not chosen
            else "the server has several collections",
            hint=f"set the feed's `collection`; offered: {offered}",
        )
    return text(chosen[0]["id"])


def _document(answer: Answer) -> Mapping[str, Any]:
    # Prevents: a page of HTML, or of TAXII 1, being read as an empty collection.
    kind = answer.headers.get("Content-Type", "").replace(" ", "").lower()
    if not kind.startswith("application/taxii+json") or ("version=" in kind and "version=2.1" not in kind):
        raise FeedMalformedError("the server does not answer in TAXII 2.1", hint="look at the feed's `url`")
    found = parse(answer.body or b"{}")
    if not isinstance(found, dict):
        raise FeedMalformedError("the server's answer is no object")
    return found


def _is_plain(name: str) -> bool:
    # Prevents: an id that leads out of its folder (`../`).
    return 0 < len(name) <= 100 and name.replace("-", "").replace("_", "").isalnum() and name.isascii()  # noqa: PLR2004


def _slashed(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"
