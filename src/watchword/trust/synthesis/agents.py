"""Browsers and systems as they were on a day: which version was out, and what its User-Agent looked like.

The forms are those that browsers really send since they froze most of it: Chrome since version 110 tells no minor
version and no device, Safari and Firefox no newer macOS than 10.15, and Windows 11 calls itself Windows NT 10.0.

Source: the User-Agent Reduction plan of Chromium; MDN, "User-Agent header"; release calendars of Chrome and Firefox.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import floor

from watchword.trust.agents import agent_of
from watchword.trust.observation import Agent
from watchword.trust.synthesis.draws import Chance, Choice, choice_of

_DAY_S = 86_400
_YEAR_S = 365.25 * 86_400
_CHROME_120 = 1_701_734_400.0  # 2023-12-05; 143 came on 2025-12-02
_CHROME_EVERY_S = 31.6 * _DAY_S
_FIREFOX_121 = 1_702_944_000.0  # 2023-12-19; 146 came on 2025-12-09
_FIREFOX_EVERY_S = 28.8 * _DAY_S
_IOS_17 = 1_694_995_200.0  # 2023-09-18; a major version every September since, named after the next year from 26 on
_ANDROID_14 = 1_696_377_600.0  # 2023-10-04; a major version every year or a little less
_RENUMBERED = 2.0  # years after iOS 17
_PUNCTUAL_S = 4 * 86_400.0
_LATE_S = 75 * 86_400.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A device's system and browser, and how late its owner updates.

    Attributes:
        lag_s: how long after a release it is installed, on average.
        age_s: for phones, how far behind the newest system they have stayed.
    """

    browser: str
    system: str
    lag_s: float
    age_s: float = 0.0

    def agent(self, at: float) -> Agent:
        """Return what it says of itself at a time."""
        updated = at - self.lag_s
        if self.browser == "Firefox":
            version = 121 + floor((updated - _FIREFOX_121) / _FIREFOX_EVERY_S)
        elif self.browser == "Safari":
            version = _apple(updated - self.age_s)
        else:
            version = 120 + floor((updated - _CHROME_120) / _CHROME_EVERY_S)
        return _agent(self.browser, version, self.system, self._release(updated - self.age_s))

    def _release(self, updated: float) -> int:
        if self.system == "iOS":
            return _apple(updated)
        return 140 + max(0, int((updated - _ANDROID_14) / _YEAR_S)) * 10 if self.system == "Android" else 0


def _apple(updated: float) -> int:
    """Return a release as ten times the major version plus the minor: 17.0 is 170, and after 18.6 comes 26.0."""
    years = max(0.0, (updated - _IOS_17) / _YEAR_S)
    major = 17 + int(years) if years < _RENUMBERED else 24 + int(years)
    return major * 10 + int(years % 1.0 * 7)


@lru_cache(maxsize=4096)
def _agent(browser: str, version: int, system: str, release: int) -> Agent:
    # The one reader of such headers says what an application would see in it.
    return agent_of(_full(browser, version, system, release))


def _full(browser: str, version: int, system: str, release: int) -> str:
    platform = _PLATFORMS[system]
    if system == "iOS":  # frozen at 18.6 since iOS 26
        shown = min(release, 186)
        platform = f"iPhone; CPU iPhone OS {shown // 10}_{shown % 10} like Mac OS X"
    if browser == "Firefox" and system == "Android":
        return f"Mozilla/5.0 (Android {release // 10}; Mobile; rv:{version}.0) Gecko/{version}.0 Firefox/{version}.0"
    if browser == "Firefox":
        return f"Mozilla/5.0 ({platform}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    mobile = " Mobile" if system == "Android" else ""
    if browser == "Safari" or system == "iOS":
        name = f"Version/{version // 10}.{version % 10}" if browser == "Safari" else f"CriOS/{version}.0.0.0"
        tail = "Mobile/15E148 Safari/604.1" if system == "iOS" else "Safari/605.1.15"
        return f"Mozilla/5.0 ({platform}) AppleWebKit/605.1.15 (KHTML, like Gecko) {name} {tail}"
    chrome = f"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0{mobile} Safari/537.36"
    edge = f" Edg/{version}.0.0.0" if browser == "Edge" else ""
    return f"Mozilla/5.0 ({platform}) {chrome}{edge}"


_PLATFORMS = {
    "Windows": "Windows NT 10.0; Win64; x64",
    "macOS": "Macintosh; Intel Mac OS X 10_15_7",
    "Linux": "X11; Linux x86_64",
    "iOS": "",
    "Android": "Linux; Android 10; K",
}

# Source: StatCounter Global Stats, desktop and mobile browsers and systems, 2025, rounded; the shares at work and of
# one country differ, and each organisation draws its own tilt.
DESKTOPS: Choice[tuple[str, str]] = choice_of(
    [
        ("Chrome", "Windows"), ("Edge", "Windows"), ("Firefox", "Windows"), ("Chrome", "macOS"),
        ("Safari", "macOS"), ("Firefox", "macOS"), ("Chrome", "Linux"), ("Firefox", "Linux"),
    ],
    [44, 16, 6, 10, 12, 2, 4, 3],
)  # fmt: skip
PHONES: Choice[tuple[str, str]] = choice_of(
    [("Chrome", "Android"), ("Firefox", "Android"), ("Safari", "iOS"), ("Chrome", "iOS")], [52, 2, 40, 6]
)


def draw_machine(chance: Chance, *, is_phone: bool = False, like: tuple[str, str] | None = None) -> Machine:
    """Draw a device; one in eight people puts updates off for months."""
    browser, system = like or (PHONES if is_phone else DESKTOPS).draw(chance)
    late = chance.random() < 0.125  # noqa: PLR2004  # an assumption, as the docstring says
    lag = chance.expovariate(1 / (_LATE_S if late else _PUNCTUAL_S))
    age = chance.expovariate(1 / _YEAR_S) if is_phone and system == "Android" else 0.0
    return Machine(browser, system, lag, age)


# What people's own scripts and the tools of attackers are written with.
PROGRAMS = tuple(
    map(agent_of, ("python-requests/2.32.3", "Go-http-client/2.0", "curl/8.9.1", "okhttp/4.12.0", "axios/1.7.9"))
)
