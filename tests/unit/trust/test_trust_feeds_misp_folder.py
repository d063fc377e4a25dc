"""Folders of MISP events: only what changed is fetched, and folders that lie, shrink or never end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer
from feed_world import DAY, NOON, FeedWorld, intake
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.kernel import FrozenClock
from watchword.storage import Database
from watchword.trust.feeds import FeedFormat, Feeds, FeedSettings
from watchword.trust.feeds.errors import FeedError, FeedMalformedError, FeedTooLargeError, FeedUnreachableError
from watchword.trust.feeds.misp_folder import Walked, walk
from watchword.trust.feeds.misp_known import KnownEvent, read_events, write_events
from watchword.trust.feeds.model import Refusal
from watchword.trust.feeds.web import Answer, Web


def uuid(number: int) -> str:
    return f"57c6ac4c-c60c-4f79-a38f-{number:012x}"


@dataclass
class Folder:
    """A folder of events on a server, right or wicked.

    Attributes:
        manifest: what `manifest.json` says; events are added to it.
        files: body of each path.
        status: by path, where it is not 200.
    """

    manifest: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)

    def put(self, number: int, *values: str, age_min: int = 60, **about: Any) -> bytes:
        """Add an event, or change it."""
        at = str((NOON - age_min) * 60)
        attributes = [{"type": "ip-dst", "to_ids": True, "value": value, "timestamp": at} for value in values]
        event = {"uuid": uuid(number), "info": "x", "timestamp": at, "Attribute": attributes}
        body = json.dumps({"Event": event}).encode()
        self.files[f"/feed/{uuid(number)}.json"] = body
        self.manifest[uuid(number)] = {"info": "x", "Orgc": {"name": "CIRCL"}, "timestamp": at, "date": "x"} | about
        return body

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        body = self.files.get(request.path, b"")
        if request.path == "/feed/manifest.json":
            body = self.files.get(request.path) or json.dumps(self.manifest).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        status = self.status.get(request.path, 200 if body else 404)
        if status == 200 and request.headers.get("If-None-Match") == tag:
            status, body = 304, b""
        request.send_response(status)
        for name, value in (("Content-Length", str(len(body))), ("ETag", tag)):
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def folder() -> Folder:
    made = Folder()
    for number in range(12):
        made.put(number, f"45.1.{number}.7")
    return made


@pytest.fixture
def server(folder: Folder) -> Iterator[BundleServer]:
    with BundleServer(folder) as found:
        yield found


def ask(server: BundleServer, known: dict[str, KnownEvent] | None = None, **about: Any) -> tuple[Walked | None, Any]:
    url, taken = server.url("/feed/"), intake(most=about.pop("most", 1000))
    web = Web(url, allow_private=True, most_bytes=about.pop("most_bytes", 1 << 20))
    return walk(web, url, taken, known=known or {}, is_over=about.pop("is_over", lambda: False), **about), taken


def paths(server: BundleServer) -> list[str]:
    return [path.removeprefix("/feed/").removesuffix(".json") for path, _ in server.asked]


@pytest.fixture
async def feeds(
    plain_database: Database, clock: FrozenClock, entropy: Any, tmp_path: Path, server: BundleServer
) -> Feeds:
    world = FeedWorld(plain_database, clock, entropy, tmp_path)
    about = {"url": server.url("/feed"), "allow_private": True, "every_min": 1.0}
    return await world.feeds(FeedSettings(name="osint", format=FeedFormat.MISP_FEED, **about))  # type: ignore[arg-type]  # a mixed table


async def test_only_what_changed_is_fetched_and_what_is_no_more_listed_goes(
    feeds: Feeds, folder: Folder, server: BundleServer, clock: FrozenClock
) -> None:
    assert (await feeds.refresh("osint")).entries == 12
    assert sorted(paths(server)) == sorted(["manifest", *map(uuid, range(12))])
    server.asked.clear()
    assert (await feeds.refresh("osint")).is_well
    assert paths(server) == ["manifest"]
    assert "If-None-Match" in server.asked[0][1]
    folder.put(3, "45.9.3.7", "45.9.4.7", age_min=5)
    del folder.manifest[uuid(0)]
    server.asked.clear()
    assert (await feeds.refresh("osint")).entries == 12
    assert paths(server) == ["manifest", uuid(3)]
    now = clock.now()
    assert feeds.reputation.of("45.9.4.7", now).hits
    assert not feeds.reputation.of("45.1.3.7", now).hits
    assert not feeds.reputation.of("45.1.0.7", now).hits


async def test_a_large_folder_comes_in_over_several_looks_newest_first(
    feeds: Feeds, folder: Folder, server: BundleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.trust.feeds.misp_folder._MOST_FETCHED", 5)
    folder.put(11, "45.1.11.7", age_min=1)
    for entries in (5, 10, 12):
        assert (await feeds.refresh("osint")).entries == entries
        if entries == 5:
            assert paths(server)[1] == uuid(11)
    server.asked.clear()
    await feeds.refresh("osint")
    # The tag of a manifest that was not taken whole is not shown; of one that was, it is.
    assert paths(server) == ["manifest"]
    assert "If-None-Match" in server.asked[0][1]


async def test_a_folder_that_shrinks_by_half_is_kept_for_review(feeds: Feeds, folder: Folder) -> None:
    """Attack: the manifest is cut, so that what is blocked is let in."""
    await feeds.refresh("osint")
    for number in range(7):
        del folder.manifest[uuid(number)]
    status = await feeds.refresh("osint")
    assert (status.entries, status.is_well) == (12, False)
    assert "shrank from 12 to 5" in status.problem


async def test_what_waits_for_review_is_not_fetched_again(feeds: Feeds, folder: Folder, server: BundleServer) -> None:
    await feeds.refresh("osint")
    for number in range(7):
        folder.put(number, "45.7.1.7", age_min=5)
        del folder.manifest[uuid(number + 5)]
    assert (await feeds.refresh("osint")).review
    server.asked.clear()
    assert (await feeds.refresh("osint")).review
    assert paths(server) == ["manifest"]
    assert "If-None-Match" in server.asked[0][1]


TRAVERSALS = ("../../etc/passwd", "https://evil.example/x", "//evil.example/x", f"{uuid(1)}/../x", f"{uuid(1)}?x=", "")


@pytest.mark.parametrize("name", [*TRAVERSALS, "x" * 900])
def test_a_path_in_place_of_an_event_is_refused_and_never_asked_for(
    folder: Folder, server: BundleServer, name: str
) -> None:
    """Attack: path traversal, and server-side request forgery, by the names of events."""
    folder.manifest[name] = dict(folder.manifest[uuid(1)])
    found, taken = ask(server)
    assert found is not None
    assert len(found.events) == 12
    assert taken.refused[Refusal.MALFORMED] == 1
    assert sorted(paths(server)) == sorted(["manifest", *map(uuid, range(12))])


def test_a_folder_of_millions_of_events_is_refused(
    folder: Folder, server: BundleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.trust.feeds.misp_folder._MOST_EVENTS", 11)
    with pytest.raises(FeedTooLargeError, match="more than 11 events"):
        ask(server)
    assert paths(server) == ["manifest"]
    monkeypatch.undo()
    with pytest.raises(FeedTooLargeError):
        ask(server, most=11)
    folder.files["/feed/manifest.json"] = b" " * 5000
    with pytest.raises(FeedTooLargeError):
        ask(server, most_bytes=4000)


def test_events_that_could_not_count_any_more_or_not_yet_are_not_fetched(folder: Folder, server: BundleServer) -> None:
    folder.put(0, "45.1.0.7", age_min=31 * DAY)
    folder.put(1, "45.1.1.7", age_min=-2 * DAY)
    found, taken = ask(server)
    assert found is not None
    assert len(found.events) == 10
    assert (taken.refused[Refusal.EXPIRED], taken.refused[Refusal.FUTURE]) == (1, 1)
    assert not {uuid(0), uuid(1)} & set(paths(server))


def test_the_whole_internet_and_private_addresses_in_events_are_refused_by_name(
    folder: Folder, server: BundleServer
) -> None:
    folder.put(0, "0.0.0.0/0", "10.0.0.1", "127.0.0.1", "45.1.0.7")
    found, taken = ask(server)
    assert found is not None
    assert len(taken.rows) == 12
    assert [taken.refused[why] for why in (Refusal.TOO_BROAD, Refusal.PRIVATE, Refusal.LOOPBACK)] == [1, 1, 1]


@pytest.mark.parametrize("damage", ["missing", "no JSON", "another event", "another digest", "no digest"])
def test_one_damaged_event_is_counted_stays_as_it_was_and_is_asked_for_again(
    folder: Folder, server: BundleServer, damage: str
) -> None:
    """Attack: a mirror swaps one file, or serves one file under many names."""
    before, _ = ask(server)
    assert before is not None
    body = folder.put(2, "45.7.7.7", age_min=3)
    path = f"/feed/{uuid(2)}.json"
    if damage == "missing":
        folder.status[path] = 404
    elif damage == "no JSON":
        folder.files[path] = b"{" * 100_000
    elif damage == "another event":
        folder.files[path] = folder.files[f"/feed/{uuid(3)}.json"]
    elif damage == "another digest":
        folder.manifest[uuid(2)]["integrity:sha256"] = hashlib.sha256(body + b" ").hexdigest()
    else:
        folder.manifest[uuid(2)]["integrity:sha256"] = "../x"
    after, taken = ask(server, dict(before.events))
    assert after is not None
    assert taken.refused[Refusal.MALFORMED] == 1
    assert damage == "no digest" or (not after.is_whole and after.events[uuid(2)] is before.events[uuid(2)])
    folder.put(2, "45.7.7.7", age_min=3, **{"integrity:sha256": hashlib.sha256(body).hexdigest()})
    folder.files[path], folder.status = body, {}
    healed, taken = ask(server, dict(after.events))
    assert healed is not None
    assert healed.is_whole
    assert not taken.refused


def test_a_folder_of_which_too_much_is_damaged_is_refused(folder: Folder, server: BundleServer) -> None:
    for number in range(2):
        folder.files[f"/feed/{uuid(number)}.json"] = b"<html>"
    with pytest.raises(FeedMalformedError, match="2 events cannot be read"):
        ask(server)
    folder.status = {f"/feed/{uuid(number)}.json": 500 for number in range(12)}
    with pytest.raises(FeedUnreachableError):
        ask(server)
    assert len(server.asked) <= 13 + 11


@pytest.mark.parametrize("content", [b"[]", b"7", b"<html>", b"", b"[" * 200_000])
def test_what_is_no_manifest_is_refused(folder: Folder, server: BundleServer, content: bytes) -> None:
    folder.files["/feed/manifest.json"] = content or b" "
    with pytest.raises(FeedMalformedError):
        ask(server)


def test_a_server_that_asks_for_patience_or_sends_too_much_leaves_what_came(
    folder: Folder, server: BundleServer
) -> None:
    folder.put(5, "45.1.5.7", age_min=1)
    folder.put(6, "45.1.6.7", age_min=2)
    folder.status[f"/feed/{uuid(6)}.json"] = 429
    found, _ = ask(server)
    assert found is not None
    assert (list(found.events), found.is_whole) == ([uuid(5)], False)
    folder.status = {f"/feed/{uuid(5)}.json": 503}
    with pytest.raises(FeedUnreachableError):
        ask(server)
    folder.status = {}
    folder.files[f"/feed/{uuid(6)}.json"] = b" " * 40_000
    found, _ = ask(server, most_bytes=20_000)
    assert found is not None
    assert list(found.events) == [uuid(5)]


def test_time_that_is_over_leaves_the_rest_for_the_next_look(server: BundleServer) -> None:
    left = iter([False, False, True])
    found, _ = ask(server, is_over=lambda: next(left, True))
    assert found is not None
    assert (len(found.events), found.is_whole) == (2, False)


def test_what_is_known_of_events_survives_its_file(folder: Folder, server: BundleServer) -> None:
    folder.put(0, "45.1.0.7", "nonsense")
    found, taken = ask(server)
    assert found is not None
    lines = list(write_events(found.events.values()))
    known = read_events(lines)
    assert known == dict(found.events)
    again, told = ask(server, known)
    assert again is not None
    assert (told.rows, told.refused) == (taken.rows, taken.refused)
    for damage in (b"[]\n", b"7\n", b"{\n", lines[0].replace(b'"address"', b'"planet"', 1)):
        with pytest.raises((ValueError, TypeError)):
            read_events([damage])


@settings(max_examples=25)
@given(about=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=4))
def test_any_entry_of_a_manifest_is_taken_or_refused(about: Any) -> None:
    folder = Folder()
    folder.put(1, "45.1.1.7")
    folder.manifest[uuid(2)] = about
    folder.manifest[uuid(3)] = {"timestamp": about, "integrity:sha256": about}
    web: Any = type("Offline", (), {"get": lambda _self, url, **_: _answered(folder, url)})()
    with_errors: list[FeedError] = []
    try:
        walk(web, "http://127.0.0.1/feed", intake(), known={}, is_over=lambda: False)
    except FeedError as error:
        with_errors.append(error)
    assert len(with_errors) <= 1


def _answered(folder: Folder, url: str) -> Any:
    path = "/" + url.split("/", 3)[3]
    is_manifest = path.endswith("manifest.json")
    return Answer(json.dumps(folder.manifest).encode() if is_manifest else folder.files.get(path, b"x"))
