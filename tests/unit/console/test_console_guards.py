"""What is checked before a page looks at a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.console import guards
from watchword.console.errors import ForgedRequestError, MalformedRequestError

ORIGIN = "https://watchword.localhost:8443"
FORM = ("application/x-www-form-urlencoded",)
KEY = b"k" * 32


def test_an_ordinary_form_is_read() -> None:
    form = guards.parse_form(b"name=Ada+L%C3%B6&groups=a&groups=b&empty=", FORM)
    assert form.text("name") == "Ada Lö"
    assert form.all("groups") == ("a", "b")
    assert form.text("empty") == ""
    assert form.text("missing") == ""


def test_a_field_sent_twice_is_refused_when_it_is_read_as_one() -> None:
    form = guards.parse_form(b"username=ada&username=root", FORM)
    with pytest.raises(MalformedRequestError):
        form.text("username")


@pytest.mark.parametrize(
    "body",
    [
        b"a=%",
        b"a=%zz",
        b"a=%ff",
        b"a=%ed%a0%80",
        b"a=\xff",
        b"a=%00b",
        b"%00=b",
        b"&".join(b"f%d=1" % number for number in range(65)),
    ],
    ids=["cut escape", "wrong escape", "no utf-8", "surrogate", "raw byte", "nul", "nul in name", "too many fields"],
)
def test_a_malformed_form_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        guards.parse_form(body, FORM)


@pytest.mark.parametrize(
    "kinds",
    [(), ("text/plain",), ("multipart/form-data; boundary=x",), ("application/json",), FORM * 2],
    ids=["none", "text", "multipart", "json", "twice"],
)
def test_a_form_of_another_content_type_is_refused(kinds: tuple[str, ...]) -> None:
    with pytest.raises(MalformedRequestError):
        guards.parse_form(b"a=b", kinds)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        form = guards.parse_form(body, FORM)
    except MalformedRequestError:
        return
    for name, values in form.fields.items():
        assert "\0" not in name
        assert values


def test_a_form_never_shows_its_values() -> None:
    assert "hunter2" not in repr(guards.parse_form(b"password=hunter2", FORM))


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ((), ("same-origin",)),
        (("null",), ("same-origin",)),
        (("https://evil.example",), ("same-origin",)),
        (("https://watchword.localhost:8443.evil.example",), ()),
        (("https://notes.localhost:8443",), ("same-site",)),
        ((ORIGIN,), ("same-site",)),
        ((ORIGIN,), ("cross-site",)),
        ((ORIGIN,), ("none",)),
        ((ORIGIN, ORIGIN), ("same-origin",)),
        (("http://watchword.localhost:8443",), ("same-origin",)),
    ],
)
def test_a_form_from_another_origin_is_refused(origin: tuple[str, ...], site: tuple[str, ...]) -> None:
    with pytest.raises(ForgedRequestError):
        guards.check_same_origin({"origin": origin, "sec-fetch-site": site}, ORIGIN)


def test_a_form_of_our_own_passes_with_and_without_fetch_metadata() -> None:
    guards.check_same_origin({"origin": (ORIGIN,), "sec-fetch-site": ("same-origin",)}, ORIGIN)
    guards.check_same_origin({"origin": (ORIGIN,)}, ORIGIN)


def test_a_token_fits_its_own_bearer_and_no_other() -> None:
    token = guards.csrf_token(KEY, "mine")
    guards.check_csrf(KEY, "mine", token)
    for bearer, shown in (("theirs", token), ("mine", ""), ("mine", token[:-1] + "0"), ("mine", "é" * 64)):
        if shown == guards.csrf_token(KEY, bearer):
            continue
        with pytest.raises(ForgedRequestError):
            guards.check_csrf(KEY, bearer, shown)


@pytest.mark.parametrize(
    "values", [(), ("",), ("127.0.0.1, 8.8.8.8",), ("1.2.3.4", "5.6.7.8"), ("localhost",), ("1.2.3.4:80",)]
)
def test_an_address_that_the_edge_did_not_set_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(MalformedRequestError):
        guards.client_ip(values)


def test_addresses_of_both_families_are_read() -> None:
    assert guards.client_ip(("203.0.113.7",)) == "203.0.113.7"
    assert guards.client_ip(("2001:DB8::1",)) == "2001:db8::1"


def test_a_cookie_planted_a_second_time_counts_as_missing() -> None:
    assert guards.cookies(("a=1; b=2",), longest=10) == {"a": "1", "b": "2"}
    for header in (("b=1; b=2",), ("b=1", "b=1"), ("b=1; b=1; b=1",), ("b=; b=1",), ("b=" + "x" * 11,), ("b=",)):
        assert guards.cookies(header, longest=10) == {}
    assert list(guards.cookies(("bb=1; xb=2",), longest=10)) == ["bb", "xb"]


def test_the_host_is_read_without_its_port() -> None:
    assert guards.host_of("watchword.localhost:8443") == "watchword.localhost"
    assert guards.host_of("Watchword.localhost") == "watchword.localhost"
