"""Bundles from a web server: entity tags, limits, redirects, certificates."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from bundle_server import BundleServer, authority, redirecting, serving
from bundle_world import FILES, OTHER, Node, bundle

from watchword.outbound import check_url
from watchword.policy.bundles import BundleKeyError, BundleMalformedError, BundleUnreachableError, UrlCarrier
from watchword.policy.bundles.oci import write_layout
from watchword.policy.bundles.tarball import write_tar

TAR = write_tar(write_layout(bundle()))


def test_a_bundle_is_fetched_once_and_then_only_asked_for_by_its_entity_tag() -> None:
    with BundleServer(serving(TAR)) as server:
        carrier = UrlCarrier(server.url("/a/policies.tar?x=1"))
        assert carrier.fetch() == bundle()
        assert carrier.fetch() is None
        server.answer = serving(write_tar(write_layout(bundle(2))), '"two"')
        assert carrier.fetch() == bundle(2)
    assert [path for path, _ in server.asked] == ["/a/policies.tar?x=1"] * 3
    assert [headers.get("If-None-Match") for _, headers in server.asked] == [None, '"one"', '"one"']
    assert all(headers["Accept-Encoding"] == "identity" for _, headers in server.asked)


def test_a_server_without_entity_tags_is_asked_in_full_each_time() -> None:
    for tag in ("", "no quotes", '"' + "x" * 300 + '"', '"a\x7f"'):
        with BundleServer(serving(TAR, tag)) as server:
            carrier = UrlCarrier(server.url())
            assert carrier.fetch() == carrier.fetch() == bundle()
            assert all("If-None-Match" not in headers for _, headers in server.asked)


async def test_a_server_that_says_for_ever_that_nothing_changed_cannot_keep_a_bundle_alive_freeze(
    tmp_path: Path,
) -> None:
    with BundleServer(serving(TAR)) as server:
        node = Node(tmp_path, UrlCarrier(server.url()))
        assert await node.source.reload()
        node.clock.advance(timedelta(days=31))
        await node.source.reload()
        assert len(node.source.current) == 0


async def test_a_server_that_offers_an_older_bundle_is_refused_and_the_node_says_so(tmp_path: Path) -> None:
    with BundleServer(serving(write_tar(write_layout(bundle(2, {**FILES, "b.cedar": OTHER}))))) as server:
        node = Node(tmp_path, UrlCarrier(server.url()))
        await node.source.reload()
        server.answer = serving(TAR, '"old"')
        await node.source.reload()
        await node.source.reload()
        assert node.version == 2
        assert node.alarm.reasons() == ["policy.bundle_rollback"]


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 500, 503, 304])
def test_any_other_answer_is_unreachable(status: int) -> None:
    with (
        BundleServer(serving(b"", "", status)) as server,
        pytest.raises(BundleUnreachableError, match=str(status)),
    ):
        UrlCarrier(server.url()).fetch()


def test_an_error_page_in_the_place_of_a_bundle_is_refused_and_not_fetched_again() -> None:
    with BundleServer(serving(b"<html>" + bytes(2000))) as server:
        carrier = UrlCarrier(server.url())
        with pytest.raises(BundleMalformedError):
            carrier.fetch()
        assert carrier.fetch() is None


def test_an_answer_larger_than_any_bundle_is_cut_off_endless_data() -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        for _ in range(1000):
            request.wfile.write(bytes(100_000))
            sent += 100_000

    with BundleServer(endless) as server:
        with pytest.raises(BundleMalformedError, match="more than any bundle"):
            UrlCarrier(server.url(), most_bytes=1_000_000).fetch()
        assert sent < 50_000_000


@pytest.mark.parametrize(
    ("head", "piece", "is_encrypted"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", b"x", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"", False),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"x", True),
        (b"HT", b"x", False),
    ],
)
def test_a_server_that_trickles_or_falls_silent_is_left_in_time_slow_retrieval(
    tmp_path: Path, head: bytes, piece: bytes, *, is_encrypted: bool
) -> None:
    done = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(head)
        while not done.wait(0.02):
            request.wfile.write(piece)
            request.wfile.flush()

    with BundleServer(slow, context=authority(tmp_path) if is_encrypted else None) as server:
        ca_file = tmp_path / "ca.pem" if is_encrypted else None
        try:
            with pytest.raises(BundleUnreachableError, match="longer than"):
                UrlCarrier(server.url(), whole_s=0.2, ca_file=ca_file).fetch()
        finally:
            done.set()


def test_an_answer_that_ends_too_early_is_not_taken_for_a_bundle() -> None:
    def short(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(TAR) + 512))
        request.end_headers()
        request.wfile.write(TAR)

    with BundleServer(short) as server, pytest.raises(BundleUnreachableError):
        UrlCarrier(server.url()).fetch()


def test_a_compressed_answer_is_refused_without_being_unfolded() -> None:
    with (
        BundleServer(serving(b"x", Content_Encoding="gzip")) as server,
        pytest.raises(BundleMalformedError, match="compressed"),
    ):
        UrlCarrier(server.url()).fetch()


def test_a_redirect_to_the_same_scheme_is_followed() -> None:
    with BundleServer(serving(TAR)) as server, BundleServer(redirecting(server.url("/b"))) as first:
        assert UrlCarrier(first.url()).fetch() == bundle()


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:9/x",
        "http://example.org/x",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//example.org/x",
        "http://user:pw@127.0.0.1/x",
        "gopher://127.0.0.1/x",
        "http://[::1",
        "",
    ],
)
def test_a_redirect_to_another_scheme_or_another_machine_in_the_clear_is_refused(location: str) -> None:
    with (
        BundleServer(redirecting(location)) as server,
        pytest.raises(BundleUnreachableError, match="not allowed"),
    ):
        UrlCarrier(server.url()).fetch()


def test_redirects_without_an_end_are_given_up() -> None:
    with BundleServer(redirecting("/again")) as server:
        with pytest.raises(BundleUnreachableError, match="more than 3"):
            UrlCarrier(server.url()).fetch()
        assert len(server.asked) == 4


def test_nobody_listening_is_unreachable() -> None:
    with BundleServer(serving(TAR)) as server:
        url = server.url()
    with pytest.raises(BundleUnreachableError, match="refused"):
        UrlCarrier(url).fetch()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "http://localhost/x",
        "http://0.0.0.0/x",
        "http://127.0.0.1.example.org/x",
        "http://127.0.0.1@example.org/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "https://user@example.org/x",
        "https://user:pw@example.org/x",
        "https:///x",
        "https://example.org:port/x",
        "https://example.org/x#y",
        "https://example.org/x y",
        "https://example.org/\r\nX-Evil: 1",
        "//example.org/x",
        "example.org",
        "",
    ],
)
def test_an_address_that_nobody_can_trust_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        check_url(url)


def test_a_certificate_of_a_configured_authority_is_accepted(tmp_path: Path) -> None:
    with BundleServer(serving(TAR), context=authority(tmp_path)) as server:
        assert UrlCarrier(server.url(), ca_file=tmp_path / "ca.pem").fetch() == bundle()


def test_a_certificate_of_nobody_known_or_for_another_name_is_refused(tmp_path: Path) -> None:
    with BundleServer(serving(TAR), context=authority(tmp_path)) as server:
        with pytest.raises(BundleUnreachableError, match="certificate"):
            UrlCarrier(server.url()).fetch()
        assert server.asked == []
    with (
        BundleServer(serving(TAR), context=authority(tmp_path, name="127.0.0.2")) as server,
        pytest.raises(BundleUnreachableError, match="certificate"),
    ):
        UrlCarrier(server.url(), ca_file=tmp_path / "ca.pem").fetch()


def test_a_file_of_authorities_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(BundleKeyError):
        UrlCarrier("https://127.0.0.1:9/x", ca_file=tmp_path / "ca.pem").fetch()
