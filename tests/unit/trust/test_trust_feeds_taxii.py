"""TAXII 2.1: discovery, collections, pages, what was added since, and servers that lie."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from bundle_server import BundleServer
from feed_world import stix
from hypothesis import given, settings
from hypothesis import strategies as st
from taxii_server import COLLECTION, MEDIA, Taxii

from watchword.trust.feeds.errors import FeedError, FeedMalformedError, FeedTooLargeError, FeedUnreachableError
from watchword.trust.feeds.taxii import Harvest, harvest
from watchword.trust.feeds.web import Answer, Credential, Web


def indicator(number: int, **about: Any) -> dict[str, Any]:
    return stix(f"[ipv4-addr:value = '45.1.1.{number}']", id=f"indicator--{number}", **about)


@pytest.fixture
def taxii() -> Taxii:
    server = Taxii()
    for number in range(5):
        server.add(f"2026-11-2{number}T00:00:00.000000Z", indicator(number))
    return server


def ask(
    server: BundleServer, path: str = "/taxii2/", *, collection: str = "", known: Harvest | None = None, **about: Any
) -> Harvest:
    most = about.pop("most", 100)
    web = Web(server.url(path), allow_private=True, most_bytes=1 << 20, **about)
    return harvest(web, server.url(path), collection, known=known or Harvest(), most=most)


@pytest.mark.parametrize("path", ["/taxii2/", "/api/", f"/api/collections/{COLLECTION}/"])
@pytest.mark.parametrize("marks", ["number", "same", ""])
def test_every_page_is_read_from_wherever_the_configuration_begins(taxii: Taxii, path: str, marks: str) -> None:
    taxii.marks = marks
    with BundleServer(taxii) as server:
        found = ask(server, path)
        asked = [path for path, _ in server.asked if "/objects/" in path]
    assert sorted(found.found) == [f"indicator--{number}" for number in range(5)]
    assert found.cursor == "2026-11-24T00:00:00.000000Z"
    assert len(asked) == 3
    assert all("match%5Btype%5D=indicator" in path for path in asked)


@pytest.mark.parametrize("collection", [COLLECTION, "Indicators"])
def test_a_collection_is_named_by_id_or_title(taxii: Taxii, collection: str) -> None:
    with BundleServer(taxii) as server:
        assert len(ask(server, collection=collection).found) == 5


def test_only_what_was_added_is_asked_for_the_next_time(taxii: Taxii) -> None:
    with BundleServer(taxii) as server:
        known = ask(server)
        taxii.add(
            "2026-11-25T00:00:00.000000Z", indicator(9), indicator(2, revoked=True, modified="2026-11-25T00:00:00Z")
        )
        server.asked.clear()
        found = ask(server, known=known)
        asked = [path for path, _ in server.asked if "/objects/" in path]
    assert len(asked) == 1
    assert "added_after=2026-11-24T00%3A00%3A00.000000Z" in asked[0]
    assert found.found["indicator--2"].why is not None
    assert len(found.found) == 6


def test_an_empty_collection_is_no_failure(taxii: Taxii) -> None:
    taxii.objects.clear()
    with BundleServer(taxii) as server:
        assert ask(server).found == {}


@pytest.mark.parametrize(("auth", "secret"), [("basic", "reader:pass"), ("bearer", "token")])
def test_servers_that_ask_who_we_are_are_told(taxii: Taxii, auth: str, secret: str) -> None:
    credential = Credential.of(auth, "", secret)
    taxii.authorization = credential.value.reveal()
    with BundleServer(taxii) as server:
        assert len(ask(server, credential=credential).found) == 5
        with pytest.raises(FeedUnreachableError, match="401"):
            ask(server)


def test_a_collection_that_may_not_be_read_is_not_offered(taxii: Taxii) -> None:
    with BundleServer(taxii) as server, pytest.raises(FeedUnreachableError) as refused:
        ask(server, collection="Secret")
    assert refused.value.hint == "set the feed's `collection`; offered: Indicators"


def test_of_several_collections_one_must_be_named(taxii: Taxii) -> None:
    taxii.collections = [{"id": f"a{number}", "title": f"T{number}", "can_read": True} for number in range(2)]
    with BundleServer(taxii) as server, pytest.raises(FeedUnreachableError, match="several"):
        ask(server)


def _root_elsewhere(path: str, body: dict[str, Any]) -> dict[str, Any]:
    return body | {"default": "https://169.254.169.254/"} if path == "/taxii2/" else body


def _id_that_climbs(path: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"collections": [{"id": "../../admin", "can_read": True}]} if path.endswith("collections/") else body


def _same_page(path: str, body: dict[str, Any]) -> dict[str, Any]:
    return body | {"more": True, "next": "0"} if path.endswith("objects/") else body


def _nowhere(path: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"more": True} if path.endswith("objects/") else body


def _wrong_types(_path: str, _body: dict[str, Any]) -> dict[str, Any]:
    return {"api_roots": 7, "default": [], "collections": "x", "versions": None, "objects": {"a": 1}, "more": "yes"}


@pytest.mark.parametrize("twist", [_root_elsewhere, _id_that_climbs, _same_page, _nowhere, _wrong_types])
def test_a_server_that_lies_is_refused_and_never_followed_for_ever(taxii: Taxii, twist: Any) -> None:
    taxii.twist = twist
    with BundleServer(taxii) as server:
        with pytest.raises(FeedError):
            ask(server)
        assert len(server.asked) < 10


def test_objects_without_end_are_refused(taxii: Taxii) -> None:
    endless = iter(range(10**9))

    def more(path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not path.endswith("objects/"):
            return body
        number = next(endless)
        return {
            "more": True,
            "next": str(number),
            "objects": [stix("x", id=f"indicator--{number}-{each}") for each in range(50)],
        }

    taxii.twist = more
    with BundleServer(taxii) as server, pytest.raises(FeedTooLargeError, match="100 entries"):
        ask(server)


@pytest.mark.parametrize(
    "media",
    [
        "text/html",
        "application/json",
        "application/vnd.oasis.taxii+json; version=2.0",
        "application/taxii+json;version=2.0",
        "",
    ],
)
def test_a_server_of_another_protocol_is_refused(taxii: Taxii, media: str) -> None:
    taxii.media = media
    with BundleServer(taxii) as server, pytest.raises(FeedMalformedError):
        ask(server)


class _Parrot:
    """A server that answers each question with the next of some documents."""

    def __init__(self, documents: list[Any]) -> None:
        self._documents = iter(documents)

    def get(self, _url: str, **_about: Any) -> Answer:
        headers = {"Content-Type": MEDIA, "X-TAXII-Date-Added-First": "", "X-TAXII-Date-Added-Last": "a"}
        return Answer(json.dumps(next(self._documents, {})).encode(), headers=headers)


_urls = st.sampled_from(["//[", "https://a.example:99999/", "https://u:p@a.example/", "/x y", "/api/", "\x00", "a:b"])
_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | _urls
_documents = st.dictionaries(
    st.sampled_from(["api_roots", "default", "versions", "can_read", "collections", "objects", "more", "next", "id"]),
    _scalars | st.lists(_scalars | st.dictionaries(st.sampled_from(["id", "can_read", "type"]), _scalars), max_size=3),
)


@settings(max_examples=50)
@given(st.lists(_documents | _scalars, min_size=1, max_size=6))
def test_any_documents_are_a_collection_or_a_refusal(documents: list[Any]) -> None:
    with suppress(FeedError):
        harvest(_Parrot(documents), "https://a.example/", "", known=Harvest(), most=100)  # type: ignore[arg-type]
