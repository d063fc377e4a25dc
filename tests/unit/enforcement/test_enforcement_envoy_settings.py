"""What the edge is told, what it refuses to be told, and what it is made into."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.enforcement.envoy import (
    EdgeFiles,
    EdgeSettings,
    EnvoyConfigurationError,
    EnvoyMissingError,
    PublishedApplication,
    TcpAddress,
    Upstream,
    bootstrap,
)
from watchword.enforcement.envoy.hygiene import refused_path, removed_headers
from watchword.enforcement.envoy.process import _check_libc

FILES = EdgeFiles(Path("/run/ww"), Path("/run/ww/c.pem"), Path("/run/ww/k.pem"), Path("/var/log/ww"))
NOTES = PublishedApplication("notes", ("notes.localhost",), Upstream.parse("http://127.0.0.1:3000"))


def test_the_same_settings_make_the_same_configuration() -> None:
    made = bootstrap(EdgeSettings(), [NOTES], FILES)
    assert made == bootstrap(EdgeSettings(), [NOTES], FILES)
    assert json.loads(json.dumps(made)) == made


def virtual_hosts() -> list[dict[str, Any]]:
    made = bootstrap(EdgeSettings(), [NOTES], FILES)
    manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    hosts: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"]
    return hosts


def test_no_route_to_an_application_goes_without_authorization() -> None:
    checked = 0
    for host in virtual_hosts():
        for route in host["routes"]:
            if route.get("route", {}).get("cluster", "").startswith("application_"):
                settings = json.dumps(
                    [route.get("typed_per_filter_config", {}), host.get("typed_per_filter_config", {})]
                )
                assert "ExtAuthzPerRoute" not in settings
                checked += 1
    assert checked >= 5


def test_no_filter_between_the_route_and_the_application_has_the_route_chosen_again() -> None:
    made = bootstrap(EdgeSettings(), [NOTES], FILES)
    manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    # Both would otherwise, or may: Envoy's script filter does by default as soon as a header changes.
    configs = {each["name"]: each["typed_config"] for each in manager["http_filters"]}
    assert [configs[name]["clear_route_cache"] for name in ("watchword.leases", "envoy.filters.http.ext_authz")] == [
        False,
        False,
    ]


def test_no_route_to_an_application_is_both_without_end_and_without_a_kill_handle() -> None:
    for host in virtual_hosts():
        for route in host["routes"]:
            action = route.get("route", {})
            if action.get("cluster", "").startswith("application_"):
                is_endless = action["max_stream_duration"]["max_stream_duration"] == "0s"
                has_handle = "envoy.filters.http.ext_proc" in route.get("typed_per_filter_config", {})
                assert is_endless == has_handle


def test_the_last_virtual_host_refuses_whatever_is_left() -> None:
    last = virtual_hosts()[-1]
    assert last["domains"] == ["*"]
    assert [route["direct_response"]["status"] for route in last["routes"]] == [404]


@pytest.mark.parametrize("text", ["", "8443", ":8443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a:b", "a:٣"])
def test_an_address_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(EnvoyConfigurationError):
        TcpAddress.parse(text)


def test_addresses_of_both_families_are_read_and_written() -> None:
    assert str(TcpAddress.parse("127.0.0.1:1")) == "127.0.0.1:1"
    assert TcpAddress.parse("[::1]:8443") == TcpAddress("::1", 8443)
    assert str(TcpAddress("::1", 8443)) == "[::1]:8443"


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("http://127.0.0.1:3000", Upstream(address=TcpAddress("127.0.0.1", 3000))),
        ("http://grafana", Upstream(address=TcpAddress("grafana", 80))),
        ("h2c://grafana:81/", Upstream(address=TcpAddress("grafana", 81), http2=True)),
        ("unix:/run/a.sock", Upstream(socket=Path("/run/a.sock"))),
        ("h2c+unix:/run/a.sock", Upstream(socket=Path("/run/a.sock"), http2=True)),
    ],
)
def test_upstreams_are_read(text: str, upstream: Upstream) -> None:
    assert Upstream.parse(text) == upstream


BAD_UPSTREAMS = [
    "",
    "grafana:3000",
    "https://grafana",
    "http://grafana/path",
    "http://user@grafana",
    "http://a b",
    "http://a?b",
    "unix:relative.sock",
    "unix:/" + "x" * 120,
    "file:///etc/passwd",
]


@pytest.mark.parametrize("text", BAD_UPSTREAMS)
def test_what_is_no_upstream_is_refused(text: str) -> None:
    with pytest.raises(EnvoyConfigurationError):
        Upstream.parse(text)


BAD_APPLICATIONS: list[dict[str, Any]] = [
    {"name": "Notes"},
    {"name": "../notes"},
    {"hosts": ("*.localhost",)},
    {"hosts": ("notes.localhost:8443",)},
    {"hosts": ("NOTES.localhost",)},
    {"hosts": ("notes.localhost\n",)},
    {"streaming": ("events",)},
    {"streaming": ("/a/../b",)},
    {"streaming": ("//",)},
    {"identity_headers": ("Remote-User",)},
    {"identity_headers": ("cookie",)},
    {"identity_headers": ("host",)},
    {"identity_headers": (":authority",)},
    {"identity_headers": ("content-length",)},
    {"identity_headers": ("x-watchword-session",)},
    {"identity_headers": ("x-envoy-original-path",)},
    {"identity_headers": ("remote_user",)},
    {"max_body_bytes": 0},
    {"response_timeout_s": 0},
]


@pytest.mark.parametrize("changes", BAD_APPLICATIONS)
def test_an_application_that_would_be_misread_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EnvoyConfigurationError):
        PublishedApplication(**{"name": "notes", "hosts": ("a.localhost",), "upstream": NOTES.upstream} | changes)


BAD_SETTINGS: list[dict[str, Any]] = [
    {"listen": "localhost:8443"},
    {"listen": "8443"},
    {"proxy_protocol_listen": "nowhere"},
    {"host": "Watchword"},
    {"trusted_proxies": ("everyone",)},
    {"trusted_proxies": ("10.0.0.1/8",)},
    {"certificate_file": "/c.pem"},
    {"public_port": 70000},
    {"max_connections": 0},
    {"concurrency": 0},
    {"hsts_s": -1},
]


@pytest.mark.parametrize("changes", BAD_SETTINGS)
def test_settings_that_would_be_misread_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EnvoyConfigurationError):
        EdgeSettings(**changes)


def test_two_applications_cannot_share_a_name_or_host_or_take_the_portals() -> None:
    other = PublishedApplication("other", ("other.localhost",), NOTES.upstream)
    bootstrap(EdgeSettings(), [NOTES, other], FILES)
    for clash in (
        PublishedApplication("notes", ("other.localhost",), NOTES.upstream),
        PublishedApplication("other", ("notes.localhost",), NOTES.upstream),
        PublishedApplication("other", ("watchword.localhost",), NOTES.upstream),
    ):
        with pytest.raises(EnvoyConfigurationError):
            bootstrap(EdgeSettings(), [NOTES, clash], FILES)


def test_the_origin_is_written_as_browsers_write_it() -> None:
    assert EdgeSettings().origin() == "https://watchword.localhost:8443"
    assert EdgeSettings(public_port=443).origin("notes.localhost") == "https://notes.localhost"


def test_a_run_directory_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(EnvoyConfigurationError, match="longer than 107 bytes"):
        EdgeFiles(Path("/" + "x" * 100), FILES.certificate_file, FILES.private_key_file, FILES.log_directory)


@pytest.mark.parametrize(
    ("name", "version"), [("glibc", "2.30"), ("glibc", "2.9"), ("", ""), ("musl", "1.2.5"), ("libc", "")]
)
def test_a_machine_whose_c_library_is_too_old_is_told(name: str, version: str) -> None:
    with pytest.raises(EnvoyMissingError, match=r"needs glibc 2\.31"):
        _check_libc(name, version)


def test_a_machine_with_a_new_enough_c_library_is_fine() -> None:
    _check_libc("glibc", "2.31")
    _check_libc("glibc", "2.41")


# RE2, which Envoy uses, and Python's engine agree on everything these expressions use.


@pytest.mark.parametrize(
    "name", ["accept", "cookie", "authorization", "user-agent", "x-custom", "x-use", "x-csrf-token"]
)
def test_ordinary_headers_are_left_alone(name: str) -> None:
    assert not re.fullmatch(removed_headers([]), name)


def test_forwarded_for_alone_is_kept_for_a_trusted_hop() -> None:
    kept = removed_headers([], keep_forwarded_for=True)
    assert not re.fullmatch(kept, "x-forwarded-for")
    for name in ("", "f", "fo", "host", "proto", "for-x", "fot", "uri", "client-cert", "foo", "prefix"):
        assert re.fullmatch(kept, f"x-forwarded-{name}"), name
    assert re.fullmatch(removed_headers([]), "x-forwarded-for")


@given(st.binary(min_size=1, max_size=30))
def test_every_encoded_control_character_is_refused_wherever_it_stands(raw: bytes) -> None:
    refused = re.compile(refused_path(allows_parameters=True))
    path = "/" + "".join(f"%{byte:02x}" for byte in raw)
    if any(byte < 0x20 or byte in {0x7F, 0xC0, 0xC1} or byte >= 0xF5 for byte in raw):
        assert refused.fullmatch(path)


@given(st.text(alphabet=st.characters(min_codepoint=32, blacklist_characters="%;", blacklist_categories=["Cs", "Cc"])))
def test_a_properly_encoded_path_is_not_refused(text: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415  # the other party's encoder

    assert not re.fullmatch(refused_path(allows_parameters=False), "/" + quote(text, safe="/"))
