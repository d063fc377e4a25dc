"""Acts for the detectors: one owner's plain day, from which every test changes what it is about."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from watchword.trust.model import Place
from watchword.trust.observation import Act, Agent, NetworkTraits, Observation

START = 1_790_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

BERLIN = Place(country="DE", asn=3320, city="Berlin", latitude=52.5, longitude=13.4, radius_km=20.0)
HAMBURG = Place(country="DE", asn=3209, city="Hamburg", latitude=53.55, longitude=10.0, radius_km=20.0)
SYDNEY = Place(country="AU", asn=1221, city="Sydney", latitude=-33.9, longitude=151.2, radius_km=20.0)

FIREFOX = Agent("Mozilla/5.0 (Windows NT 10.0) Firefox/128.0", "Firefox 128", "Windows 10", "desktop")
FIREFOX_NEWER = Agent("Mozilla/5.0 (Windows NT 10.0) Firefox/129.0", "Firefox 129", "Windows 10", "desktop")
SAFARI = Agent("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) Safari/604.1", "Safari 17", "iOS 17", "mobile")
CURL = Agent("curl/8.5.0", "curl 8", "Linux", "program")

MOBILE = NetworkTraits(is_mobile=True)
SHARED = NetworkTraits(is_shared=True)
HOSTING = NetworkTraits(is_hosting=True)

_numbers = count()


def act(at: float, kind: Act = Act.REQUEST, **changes: Any) -> Observation:
    """Return what ada does at her desk, with what is different this time."""
    plain = Observation(
        id=f"act-{next(_numbers)}",
        at=at,
        user="ada",
        act=kind,
        network="198.51.100.0/24",
        place=BERLIN,
        agent=FIREFOX,
        session="" if kind is Act.SIGN_IN else "session-of-ada",
        application="wiki",
        resource="/pages",
        action="read",
        group="engineer",
        utc_offset_s=3600,
    )
    return replace(plain, **changes)


def sign_in(at: float, **changes: Any) -> Observation:
    """Return a completed sign-in; `is_success=False` for one that failed."""
    return act(at, Act.SIGN_IN, **changes)


def prompt(at: float, **changes: Any) -> Observation:
    """Return a prompt for a second factor that was answered; `is_success=False` for one that was refused."""
    return act(at, Act.PROMPT, **changes)
