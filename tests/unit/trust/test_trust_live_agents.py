"""What a User-Agent header says; what it says is the client's own, so whatever it is, reading it does no harm."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust.agents import LONGEST, _read, agent_of
from watchword.trust.observation import UNKNOWN_AGENT

SAMPLES = [
    (
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        ("Firefox 128", "Linux", "desktop"),
    ),
    (
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
        ),
        ("Edge 126", "Windows 10", "desktop"),
    ),
    (
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.4 Safari/605.1.15"
        ),
        ("Safari 17", "macOS 10", "desktop"),
    ),
    (
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "CriOS/125.0.6422.80 Mobile/15E148 Safari/604.1"
        ),
        ("Chrome 125", "iOS 17", "mobile"),
    ),
    (
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/16.6 Mobile/15E148 Safari/604.1"
        ),
        ("Safari 16", "iOS 16", "tablet"),
    ),
    (
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 "
            "Chrome/121.0.0.0 Mobile Safari/537.36"
        ),
        ("Samsung Internet 25", "Android 14", "mobile"),
    ),
    (
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
            "Safari/537.36"
        ),
        ("Chrome 124", "Android 13", "tablet"),
    ),
    ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", ("Internet Explorer", "Windows 7", "desktop")),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ("Googlebot 2", "", "bot")),
    (
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
            "Safari/537.36"
        ),
        ("Chrome 126", "ChromeOS 14541", "desktop"),
    ),
    ("curl/8.5.0", ("curl 8", "", "program")),
    ("python-requests/2.32.3", ("python-requests 2", "", "program")),
    ("Go-http-client/2.0", ("Go-http-client 2", "", "program")),
    ("kubectl/v1.29.0 (linux/amd64) kubernetes/4b8e819", ("kubectl 1", "", "program")),
]


@pytest.mark.parametrize(("header", "expected"), SAMPLES)
def test_the_browser_the_system_and_the_kind_of_a_client_are_read(header: str, expected: tuple[str, str, str]) -> None:
    agent = agent_of(header)

    assert (agent.browser, agent.system, agent.kind) == expected
    assert agent.full == header


def test_a_client_that_says_nothing_is_unknown() -> None:
    assert agent_of("") is UNKNOWN_AGENT
    assert agent_of(" \t").kind == ""


def test_a_header_of_a_megabyte_is_cut_and_fills_no_memory() -> None:
    long = agent_of("Mozilla/5.0 Firefox/128.0 " + "A" * (1 << 20))

    assert len(long.full) == LONGEST
    assert long.browser == "Firefox 128"
    # The same beginning is the same entry: nobody fills the cache with tails.
    assert agent_of("Mozilla/5.0 Firefox/128.0 " + "A" * (1 << 19)) is long


def test_a_flood_of_different_headers_stays_within_the_cache() -> None:
    for number in range(6000):
        agent_of(f"made-up/{number}")

    assert _read.cache_info().currsize <= 4096
    assert sys.getsizeof(agent_of("made-up/1").full) < 1024


def test_control_characters_of_a_header_are_not_kept() -> None:
    assert agent_of("evil/1\x1b[31m\r\nX: y").full.isprintable()


@given(st.text(max_size=2000))
def test_whatever_a_client_sends_is_read_without_an_error_and_bounded(header: str) -> None:
    agent = agent_of(header)

    assert len(agent.full) <= LONGEST
    assert len(agent.browser) <= 48
    assert len(agent.system) <= 24
    assert agent.kind in {"", "desktop", "mobile", "tablet", "bot", "program"}
    assert agent == agent_of(header)


@given(
    st.lists(
        st.sampled_from(
            ["Mozilla/5.0", "Chrome/", "Windows NT ", "Mac OS X ", "Android", "(", ")", "/", "9" * 50, "_" * 90]
        )
    )
)
def test_pieces_of_real_headers_in_any_order_are_read(pieces: list[str]) -> None:
    agent_of("".join(pieces))
