"""A path means one part of an application, or the request is refused."""

from __future__ import annotations

from typing import Any

import pytest
from decision_world import NOTES, DecisionWorld
from hypothesis import given
from hypothesis import strategies as st

from watchword.decision import ApplicationSettings, ResourceSettings, applications
from watchword.decision.paths import read_path
from watchword.kernel import Answer, Reason


def meant(path: str) -> str | None:
    readings = read_path(path)
    rule = NOTES.resource_meant(readings) if readings else None
    return rule.name if rule else None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "default"),
        ("/admin", "admin"),
        ("/admin/", "admin"),
        ("/admin/x/y", "admin"),
        ("/administrator", "default"),
        ("/x/admin", "default"),
        ("/%61dmin", "admin"),
        ("/admin/caf%C3%A9%20au%20lait", "admin"),
        ("/a.b/.c/d..e", "default"),
        ("/100%25", "default"),
        ("/a+b,c=d&e:f@g!$'()*~_-", "default"),
    ],
)
def test_a_path_lies_in_the_most_specific_part(path: str, name: str) -> None:
    assert meant(path) == name


@pytest.mark.parametrize(
    "path",
    [
        "/Admin",
        "/ADMIN/x",
        "/%41dmin",
        "/%2561dmin",
        "/%25%36%31dmin",
        "/admin.",
        "/admin%20",
        "/admin%20/x",
        "/admin%3bx=1",
        "/admin%3Fx",
        "/admin%23x",
        "/%EF%BD%81dmin",
    ],
)
def test_a_path_that_a_careless_upstream_takes_for_a_guarded_part_is_refused(path: str) -> None:
    assert meant(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "admin",
        "*",
        "http://x/",
        "/x/../admin",
        "/x/./admin",
        "/..",
        "/x/..",
        "//admin",
        "/x//admin",
        "/x;/admin",
        "/x\\admin",
        "/x admin",
        "/x#y",
        "/x?y",
        "/x\0",
        "/x\x7f",
        "/x\n",
        "/x%2fadmin",
        "/x%2Fadmin",
        "/x%5Cadmin",
        "/x%00",
        "/x%0a",
        "/x%7f",
        "/x/%2e%2e/admin",
        "/x/.%2E/admin",
        "/x/%252e%252e/admin",
        "/x/..%3b/admin",
        "/x/..%20/admin",
        "/x/%2e%2e.",
        "/x%252fadmin/%252f",
        "/x%",
        "/x%g1",
        "/x%1",
        "/" + "a" * 8192,
    ],
)
def test_a_path_of_doubtful_structure_is_refused(path: str) -> None:
    assert read_path(path) is None


@given(st.text(max_size=60))
def test_reading_a_path_never_raises_and_never_leaves_dot_segments(text: str) -> None:
    for path in (text, "/" + text):
        readings = read_path(path)
        if readings is not None:
            for reading in readings:
                assert reading.startswith("/")
                assert not {".", ".."} & set(reading.split("/"))


@given(
    prefix=st.sampled_from(["/admin", "/vault"]),
    escaped=st.lists(st.sampled_from(["plain", "hex", "HEX", "twice", "upper"]), min_size=5, max_size=5),
    tail=st.sampled_from(["", "/", "/x", ".", "%20", "%3b", "%3f"]),
)
def test_no_spelling_of_a_guarded_part_reaches_another(prefix: str, escaped: list[str], tail: str) -> None:
    spelled = {
        "plain": lambda c: c,
        "hex": lambda c: f"%{ord(c):02x}",
        "HEX": lambda c: f"%{ord(c):02X}",
        "twice": lambda c: f"%25{ord(c):02x}",
        "upper": str.upper,
    }
    path = "/" + "".join(spelled[how](letter) for letter, how in zip(prefix[1:], escaped, strict=True)) + tail
    assert meant(path) in {prefix[1:], None}


async def test_a_doubtful_path_is_denied_as_malformed(world: DecisionWorld) -> None:
    visit = await world.visit(groups=["administrators"])
    for path in ("/Admin", "/x/%2e%2e/admin", "/healthz/%2e%2e/admin", "/healthz/..%3b/admin"):
        decision = visit.asks(path)
        assert (decision.answer, decision.reasons) == (Answer.DENY, (Reason.REQUEST_MALFORMED,)), path


def published(**about: Any) -> Any:
    return applications([ApplicationSettings(name="a", hosts=("a.example",), upstream="http://127.0.0.1:1", **about)])[
        0
    ]


def test_parts_are_configured_as_the_application_sees_them() -> None:
    application = published(resources=(ResourceSettings("menu", "/Café au lait/"),))
    assert application.resource_meant(read_path("/Caf%C3%A9%20au%20lait/x")).name == "menu"
    assert application.resource_meant(read_path("/caf%C3%A9%20au%20lait/x")) is None
    assert application.resource_meant(read_path("/tea")).name == "default"


def test_two_parts_that_differ_in_case_are_told_apart() -> None:
    application = published(resources=(ResourceSettings("small", "/x"), ResourceSettings("large", "/X")))
    assert application.resource_meant(read_path("/x/1")).name == "small"
    assert application.resource_meant(read_path("/X/1")).name == "large"
