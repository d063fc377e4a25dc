"""Asking a server that may be wicked: where we go, what we show, how much we take."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, authority, redirecting, serving

from watchword.outbound import check_url
from watchword.trust.feeds import origin
from watchword.trust.feeds.errors import FeedError, FeedMalformedError, FeedTooLargeError, FeedUnreachableError
from watchword.trust.feeds.origin import resolve
from watchword.trust.feeds.web import Credential, SlowDownError, Web

LIST = b"45.1.1.1\n"


def web(server: BundleServer, **about: Any) -> Web:
    return Web(server.url("/list"), **({"allow_private": True, "most_bytes": 10_000} | about))


def replying(
    *lines: tuple[str, str], status: int = 200, body: bytes = LIST
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in lines:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def test_validators_are_shown_back_and_an_unchanged_list_is_not_sent_again() -> None:
    with BundleServer(serving(LIST, Last_Modified="Sat, 21 Nov 2026 12:00:00 GMT")) as server:
        first = web(server).get(server.url("/list"))
        assert (first.body, first.tag, first.modified) == (LIST, '"one"', "Sat, 21 Nov 2026 12:00:00 GMT")
        again = web(server).get(server.url("/list"), tag=first.tag, modified=first.modified)
        assert again.body is None
        headers = server.asked[1][1]
        assert (headers["If-None-Match"], headers["If-Modified-Since"]) == (first.tag, first.modified)


def test_validators_that_could_carry_other_headers_are_dropped() -> None:
    with BundleServer(replying(("ETag", '"a" b'), ("Last-Modified", "yesterday"))) as server:
        answer = web(server).get(server.url("/list"))
    assert (answer.tag, answer.modified) == ("", "")


@pytest.mark.parametrize(
    "url",
    [
        "http://feeds.example/x",
        "http://10.0.0.1/x",
        "ftp://feeds.example/x",
        "file:///etc/passwd",
        "https://user:secret@feeds.example/x",
        "https:///x",
        "https://feeds.example/x#y",
        "https://feeds.example/x y",
        "https://feeds.example:99999/x",
        "",
    ],
)
def test_addresses_that_feeds_may_not_come_from_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_url(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1", "100.64.0.1", "192.168.0.1"]
)
def test_server_side_request_forgery_to_private_addresses_is_refused(host: str) -> None:
    with pytest.raises(FeedUnreachableError, match="private network or of this machine") as refused:
        resolve(host, 443, allow_private=False)
    assert "allow_private" in (refused.value.hint or "")
    assert resolve(host, 443, allow_private=True)


@pytest.mark.parametrize(("host", "is_public"), [("64:ff9b::808:808", True), ("64:ff9b::7f00:1", False)])
def test_behind_nat64_the_address_inside_counts(host: str, is_public: bool) -> None:  # noqa: FBT001  # a table
    if is_public:
        assert resolve(host, 443, allow_private=False) == [host]
    else:
        with pytest.raises(FeedUnreachableError):
            resolve(host, 443, allow_private=False)


def test_a_name_that_has_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (address, 443)) for address in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(origin.socket, "getaddrinfo", answer)
    with pytest.raises(FeedUnreachableError):
        resolve("rebound.example", 443, allow_private=False)


def test_a_name_that_changes_between_check_and_use_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that was checked is the one that is dialled, and no name is asked a second time."""
    with BundleServer(serving(LIST)) as server:
        port = int(server.url().rsplit(":", 1)[1].split("/")[0])
        asked: list[str] = []

        def answer(host: str, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(origin.socket, "getaddrinfo", answer)
        client = Web("https://name.example/", allow_private=True, most_bytes=100)
        with pytest.raises(FeedUnreachableError):
            client.get(f"https://name.example:{port}/list")  # plain HTTP answers a TLS greeting
    assert asked.count("name.example") == 1


def test_a_redirect_to_a_private_address_is_refused_unless_allowed() -> None:
    with BundleServer(serving(LIST)) as inner, BundleServer(redirecting(inner.url("/list"))) as outer:
        assert web(outer).get(outer.url("/list")).body == LIST
        with pytest.raises(FeedUnreachableError, match="private"):
            web(outer, allow_private=False).get(outer.url("/list"))


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.1/x", "file:///etc/passwd", "ftp://127.0.0.1/", "//evil.example/x", "", "http://[", "\x00"],
)
def test_a_redirect_to_another_scheme_is_not_followed(location: str) -> None:
    with BundleServer(redirecting(location)) as server, pytest.raises(FeedUnreachableError):
        web(server).get(server.url("/list"))


def test_redirects_without_end_are_not_followed_without_end() -> None:
    with BundleServer(redirecting("/list")) as server:
        with pytest.raises(FeedUnreachableError, match="more than 3"):
            web(server).get(server.url("/list"))
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("auth", "header", "expected"),
    [
        ("basic", "Authorization", "Basic dXNlcjpwYXNz"),
        ("bearer", "Authorization", "Bearer user:pass"),
        ("header", "X-Key", "user:pass"),
    ],
)
def test_the_credential_goes_to_the_feeds_own_server_and_nowhere_else(auth: str, header: str, expected: str) -> None:
    credential = Credential.of(auth, header, "user:pass")
    assert "pass" not in repr(credential)
    with BundleServer(serving(LIST)) as other, BundleServer(redirecting(other.url("/list"))) as own:
        web(own, credential=credential).get(own.url("/list"))
        assert own.asked[0][1][header] == expected
        assert header not in other.asked[0][1]


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with BundleServer(serving(LIST), context=authority(tmp_path)) as server:
        with pytest.raises(FeedUnreachableError, match="certificate"):
            web(server).get(server.url("/list"))
        assert web(server, ca_file=str(tmp_path / "ca.pem")).get(server.url("/list")).body == LIST


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    context: ssl.SSLContext = authority(tmp_path, name="127.0.0.2")
    with (
        BundleServer(serving(LIST), context=context) as server,
        pytest.raises(FeedUnreachableError, match="certificate"),
    ):
        web(server, ca_file=str(tmp_path / "ca.pem")).get(server.url("/list"))


def test_more_bytes_than_allowed_are_refused_also_over_several_answers() -> None:
    with BundleServer(serving(b"x" * 6_000, tag="")) as server:
        client = web(server)
        assert client.get(server.url("/list")).body
        with pytest.raises(FeedTooLargeError):
            client.get(server.url("/list"))


def test_an_answer_without_a_length_is_bounded_too() -> None:
    with BundleServer(replying(body=b"x" * 20_000)) as server, pytest.raises(FeedTooLargeError):
        web(server).get(server.url("/list"))


def test_a_list_that_was_cut_on_the_way_is_refused() -> None:
    with (
        BundleServer(replying(("Content-Length", "900"))) as server,
        pytest.raises(FeedUnreachableError, match="middle"),
    ):
        web(server).get(server.url("/list"))


def test_a_connection_that_somebody_ends_early_is_not_the_end_of_the_list(tmp_path: Path) -> None:
    """An answer without a length ends with the connection; TLS says when that is meant, an attacker's FIN does not."""
    with (
        BundleServer(replying(), context=authority(tmp_path)) as server,
        pytest.raises(FeedUnreachableError, match="EOF"),
    ):
        web(server, ca_file=str(tmp_path / "ca.pem")).get(server.url("/list"))


def test_an_address_that_a_server_made_too_long_is_not_asked() -> None:
    with BundleServer(serving(LIST)) as server:
        with pytest.raises(FeedUnreachableError, match="may not be asked"):
            web(server).get(server.url("/list?next=" + "a" * 3_000))
        assert not server.asked


def test_unchanged_is_no_answer_to_somebody_who_has_nothing() -> None:
    with BundleServer(replying(status=304, body=b"")) as server:
        with pytest.raises(FeedUnreachableError, match="304"):
            web(server).get(server.url("/list"))
        assert web(server).get(server.url("/list"), tag='"one"').body is None


def test_a_server_is_named_as_its_address_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BundleServer(serving(LIST), context=authority(tmp_path)) as server:
        port = int(server.url().rsplit(":", 1)[1].split("/")[0])
        monkeypatch.setattr("watchword.trust.feeds.web._dial", lambda *_: socket.create_connection(("127.0.0.1", port)))
        web(server, ca_file=str(tmp_path / "ca.pem")).get("https://127.0.0.1/list")
        assert server.asked[0][1]["Host"] == "127.0.0.1"


def test_an_answer_that_would_unfold_is_refused() -> None:
    with BundleServer(replying(("Content-Encoding", "gzip"))) as server, pytest.raises(FeedMalformedError):
        web(server).get(server.url("/list"))


@pytest.mark.parametrize(
    ("wait", "expected"), [("30", 30), ("", 0), ("soon", 0), ("-1", 0), ("9" * 50, 0), ("9999999", 86_400)]
)
def test_a_server_that_asks_for_patience_gets_it(wait: str, expected: int) -> None:
    with BundleServer(replying(("Retry-After", wait), status=429)) as server, pytest.raises(SlowDownError) as asked:
        web(server).get(server.url("/list"))
    assert asked.value.wait_s == expected


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 403, 404, 500])
def test_any_other_answer_is_no_list(status: int) -> None:
    with BundleServer(replying(status=status, body=b"")) as server, pytest.raises(FeedError, match=str(status)):
        web(server).get(server.url("/list"))


def test_a_server_that_speaks_no_http_is_unreachable() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"\x00\xff" * 40_000)

    with BundleServer(answer) as server, pytest.raises(FeedUnreachableError):
        web(server).get(server.url("/list"))
