"""Servers elsewhere: addresses that may be asked, and answers that are whole; the rooms that ask test the rest."""

from __future__ import annotations

import http.client
import io
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.outbound import (
    AnswerCompressedError,
    AnswerTooLongError,
    body_of,
    check_url,
    entity_tag,
    redirect_target,
    target_of,
)


def answer(body: bytes, *headers: str) -> http.client.HTTPResponse:
    """Make the answer that stands in these bytes."""
    lines = "\r\n".join(("HTTP/1.1 200 OK", *headers, "", "")).encode()
    sock: Any = SimpleNamespace(makefile=lambda _mode: io.BytesIO(lines + body))
    found = http.client.HTTPResponse(sock)
    found.begin()
    return found


def test_an_answer_is_taken_whole_or_not_at_all() -> None:
    assert body_of(answer(b"abc", "Content-Length: 3"), 3) == b"abc"
    with pytest.raises(AnswerTooLongError):
        body_of(answer(b"abcd"), 3)
    with pytest.raises(http.client.IncompleteRead):
        body_of(answer(b"ab", "Content-Length: 3"), 3)
    with pytest.raises(AnswerCompressedError):
        body_of(answer(b"ab", "Content-Encoding: gzip"), 3)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "ftp://127.0.0.1/", "https://u:p@example.org/", "https://example.org/#x", "https:///x", ""],
)
def test_an_address_that_tells_a_secret_or_comes_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="an address"):
        check_url(url)


@pytest.mark.parametrize(
    "location", ["", "http://127.0.0.1/", "file:///etc/passwd", "//u@example.org/", "https://x y/"]
)
def test_a_redirect_that_leads_elsewhere_than_to_a_web_server_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"redirect|address"):
        redirect_target("https://example.org/a", location)
    assert redirect_target("https://example.org/a/b", "../c?d=1") == "https://example.org/c?d=1"


@given(st.text(max_size=40))
def test_any_text_is_an_address_that_may_be_asked_or_a_refusal(text: str) -> None:
    try:
        parts = check_url(f"https://{text}")
    except ValueError:
        return
    assert target_of(parts).startswith("/")
    assert parts.hostname


def test_a_tag_that_could_carry_another_header_is_none() -> None:
    assert entity_tag(answer(b"", 'ETag: W/"a-1"')) == 'W/"a-1"'
    assert entity_tag(answer(b"", 'ETag: "a" b')) == ""
    assert entity_tag(answer(b"")) == ""
