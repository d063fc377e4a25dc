"""What a door reads, what it passes on, and what it keeps to itself."""

from __future__ import annotations

from typing import Any

import pytest
from decision_world import DecisionWorld
from door_world import DoorWorld, cookies_of, header
from hypothesis import given
from hypothesis import strategies as st

from watchword.enforcement.answers import read_cookies
from watchword.enforcement.door import join_headers
from watchword.kernel import Answer, Reason

HTML = {"accept": "text/html", "sec_fetch_mode": "navigate"}


@pytest.fixture
def doors(world: DecisionWorld) -> DoorWorld:
    return DoorWorld(world)


def last(doors: DoorWorld) -> Any:
    return doors.world.point.recent[-1]


async def test_an_allowed_request_goes_on_with_an_assertion(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    answer = await doors.ask(visit, "/x?y=1")
    assert answer.status == 200
    assert header(answer, "x-watchword-decision") == last(doors).id
    assert header(answer, "x-watchword-assertion") is not None
    assert last(doors).request.path == "/x"
    # The session is named to the kill handle of a stream, and to nobody else.
    assert header(answer, "x-watchword-session") is None
    stream = await doors.ask(visit, "/live", x_watchword_stream="1")
    assert header(stream, "x-watchword-session") == visit.session.id


async def test_an_open_path_goes_on_without_a_name(doors: DoorWorld) -> None:
    answer = await doors.ask(await doors.world.visit(), "/healthz")
    assert answer.status == 200
    assert header(answer, "x-watchword-assertion") is None
    assert header(answer, "x-watchword-session") is None


# --- hosts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "notes.localhost.",
        "notes.localhost:8443:8443",
        "notes.localhost:80@evil.example",
        "evil.example",
        "ada@notes.localhost",
        "notes.localhost:\u00b2",
        "notes.localhost:-1",
        "notes.localhost:port",
        "[::1]:8443",
        "notes.localhost, notes.localhost",
        "",
        ":8443",
    ],
)
async def test_a_host_that_is_not_ours_is_not_found(doors: DoorWorld, host: str) -> None:
    answer = await doors.ask(await doors.world.visit(), host=host)
    assert (answer.status, last(doors).reasons) == (404, (Reason.UNKNOWN_APPLICATION,))


@pytest.mark.parametrize("host", ["notes.localhost", "notes.localhost:8443", "notes.localhost:1"])
async def test_the_port_of_a_host_does_not_matter(doors: DoorWorld, host: str) -> None:
    assert (await doors.ask(await doors.world.visit(), host=host)).status == 200


# --- cookies --------------------------------------------------------------------------------------------------------


async def test_the_application_never_gets_our_cookies(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    ours = cookies_of(visit)
    for sent, left in (
        (f"theme=dark; {ours}; lang=nl", "theme=dark; lang=nl"),
        (f"{ours};__Host-ww-state=x;   __Host-ww-anything;a=b", "a=b"),
        (f"{ours}; __Host-ww-session-old=1; a=__Host-ww-session", "a=__Host-ww-session"),
    ):
        assert header(await doors.ask(visit, cookie=sent), "cookie") == left
    only_ours = await doors.ask(visit)
    assert header(only_ours, "cookie") is None
    assert header(only_ours, "x-envoy-auth-headers-to-remove") == "cookie"


async def test_what_is_left_of_the_cookies_is_told_on_open_paths_too(doors: DoorWorld) -> None:
    answer = await doors.ask(None, "/healthz", cookie="theme=dark")
    assert header(answer, "cookie") == "theme=dark"


async def test_a_planted_second_session_cookie_counts_for_nothing(doors: DoorWorld) -> None:
    ada, eve = await doors.world.visit(name="ada"), await doors.world.visit(name="eve")
    for planted in (f"{cookies_of(eve)}; {cookies_of(ada)}", f"{cookies_of(ada)}; __Host-ww-session="):
        answer = await doors.ask(None, cookie=planted, accept="application/json")
        assert (answer.status, last(doors).reasons) == (401, (Reason.SESSION_MISSING,))


@pytest.mark.parametrize(
    "cookie",
    [
        '__Host-ww-session="{handle}"',
        "__host-ww-session={handle}",
        "__Host-ww-session ={handle}",
        "__Host-ww-session={handle}x",
        "__Host-ww-session==%s{handle}",
        "a=__Host-ww-session={handle}",
        "__Host-ww-session=" + "A" * 100_000,
    ],
)
async def test_a_session_cookie_has_one_spelling(doors: DoorWorld, cookie: str) -> None:
    visit = await doors.world.visit()
    answer = await doors.ask(visit, cookie=cookie.replace("{handle}", visit.handle))
    assert answer.status == 401


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=200))
def test_no_cookie_header_confuses_the_reader(text: str) -> None:
    found = read_cookies(text, {"a": "A", "b": "B"})
    assert set(found) <= {"A", "B"}
    assert all(";" not in value for value in found.values())


# --- headers --------------------------------------------------------------------------------------------------------


def test_doubled_headers_are_joined() -> None:
    raw = [(b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2"), (b"x", b"2"), (b"y", b"3")]
    assert join_headers(raw) == {b"cookie": b"a=1; b=2", b"x": b"1, 2", b"y": b"3"}


async def test_only_a_get_opens_a_websocket(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    for method, upgrade, action in (
        ("GET", "websocket", "connect"),
        ("GET", "WebSocket", "connect"),
        ("GET", "h2c", "read"),
        ("GET", "websocket, h2c", "read"),
        ("POST", "websocket", "write"),
        ("DELETE", "websocket", "delete"),
    ):
        await doors.ask(visit, method=method, upgrade=upgrade)
        assert last(doors).action == action


async def test_only_streams_are_remembered(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    await doors.ask(visit)
    await doors.ask(visit, "/admin", x_watchword_stream="1")
    assert doors.admitted == []
    await doors.ask(visit, x_watchword_stream="1")
    assert [decision.answer for decision in doors.admitted] == [Answer.ALLOW]


@pytest.mark.parametrize(
    ("display_name", "sent"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Zoë", "Zoë"),
        (" root ", "%20root%20"),
        ("   ", "%20%20%20"),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
        ("a\x00b\x7fc", "a%00b%7Fc"),
        ("a\u2028b\u202eb", "a%E2%80%A8b%E2%80%AEb"),
        ("100%0A", "100%250A"),
        ("", ""),
    ],
)
async def test_an_identity_header_carries_one_value_and_nothing_else(
    world: DecisionWorld, display_name: str, sent: str
) -> None:
    doors = DoorWorld(world, identity_headers={"Remote-Name": "display_name"})
    answer = await doors.ask(await world.visit(display_name=display_name))
    assert header(answer, "remote-name") == sent


async def test_identity_headers_tell_what_was_configured(world: DecisionWorld) -> None:
    names = {"X-Id": "sub", "X-Name": "name", "X-Mail": "email", "X-Groups": "groups"}
    doors = DoorWorld(world, identity_headers=names)
    visit = await world.visit(email=None, groups=["members", "a,administrators", "b%2Cc"])
    answer = await doors.ask(visit)
    assert header(answer, "x-id") == visit.user.id
    assert header(answer, "x-name") == "ada"
    assert header(answer, "x-mail") == ""
    assert header(answer, "x-groups") == "a%2Cadministrators,b%252Cc,members"


async def test_nobody_is_named_on_an_open_path(world: DecisionWorld) -> None:
    doors = DoorWorld(world, identity_headers={"X-Name": "name"})
    assert header(await doors.ask(await world.visit(), "/healthz"), "x-name") is None
