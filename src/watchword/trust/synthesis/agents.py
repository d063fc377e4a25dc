"""Browsers and systems as they were on a day: which version was out, and what its User-Agent looked like.

The forms are those that browsers really send since they froze most of it: Chrome since version 110 tells no minor
version and no device, Safari and Firefox no newer macOS than 10.15, and Windows 11 calls itself Windows NT 10.0.

Source: the User-Agent Reduction plan of Chromium; MDN, "User-Agent header"; release calendars of Chrome and Firefox.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random

from watchword.trust.observation import Agent
from watchword.trust.synthesis.draws import Choice, choice_of

_FOUR_WEEKS_S = 28 * 86_400
_YEAR_S = 365.25 * 86_400
_CHROME_120 = 1_701_734_400.0  # 2023-12-05; a major version every four weeks since
_FIREFOX_121 = 1_702_944_000.0  # 2023-12-19; likewise
_IOS_17 = 1_694_995_200.0  # 2023-09-18; a major version every September since, named after the next year from 26 on
_ANDROID_14 = 1_696_377_600.0  # 2023-10-04; a major version every year or a little less
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
    kind: str
    lag_s: float
    age_s: float = 0.0

    def agent(self, at: float) -> Agent:
        """Return what it says of itself at a time."""
        updated = at - self.lag_s
        if self.browser in {"Chrome", "Edge"}:
            version = 120 + int((updated - _CHROME_120) / _FOUR_WEEKS_S)
        elif self.browser == "Firefox":
            version = 121 + int((updated - _FIREFOX_121) / _FOUR_WEEKS_S)
        else:
            version = _apple(updated - self.age_s)
        return _agent(self.browser, version, self._system(updated - self.age_s), self.kind)

    def _system(self, updated: float) -> str:
        if self.system == "iOS":
            return f"iOS {_apple(updated)}"
        if self.system == "Android":
            return f"Android {14 + int((updated - _ANDROID_14) / _YEAR_S)}"
        return self.system


def _apple(updated: float) -> int:
    years = int((updated - _IOS_17) / _YEAR_S)
    return 17 + years if years <= 1 else 24 + years  # 17, 18, then 26


@lru_cache(maxsize=4096)
def _agent(browser: str, version: int, system: str, kind: str) -> Agent:
    head = _HEADS[system.split(" ", 1)[0]]
    if system.startswith("iOS"):
        number = system[4:]
        head = head.format(number=number)
    elif system.startswith("Android"):
        head = head.format(number="10")
    mobile = " Mobile" if kind == "mobile" else ""
    chrome = f"Mozilla/5.0 ({head}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0{mobile} Safari/537.36"
    if browser == "Chrome" and system.startswith("iOS"):
        full = (
            f"Mozilla/5.0 ({head}) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            f"CriOS/{version}.0.0.0 Mobile/15E148 Safari/604.1"
        )
    elif browser == "Chrome":
        full = chrome
    elif browser == "Edge":
        full = f"{chrome} Edg/{version}.0.0.0"
    elif browser == "Firefox":
        full = f"Mozilla/5.0 ({head}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    else:
        tail = "Mobile/15E148 Safari/604.1" if kind == "mobile" else "Safari/605.1.15"
        full = f"Mozilla/5.0 ({head}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version}.0 {tail}"
    return Agent(full, f"{browser} {version}", system, kind)


_HEADS = {
    "Windows": "Windows NT 10.0; Win64; x64",
    "macOS": "Macintosh; Intel Mac OS X 10_15_7",
    "Linux": "X11; Linux x86_64",
    "iOS": "iPhone; CPU iPhone OS {number}_0 like Mac OS X",
    "Android": "Linux; Android {number}; K",
}

# Source: StatCounter Global Stats, desktop and mobile browsers and systems, 2025, rounded; the shares at work and of
# one country differ, and each organisation draws its own tilt.
DESKTOPS: Choice[tuple[str, str]] = choice_of(
    [
        ("Chrome", "Windows 10"), ("Edge", "Windows 10"), ("Firefox", "Windows 10"), ("Chrome", "macOS 10.15"),
        ("Safari", "macOS 10.15"), ("Firefox", "macOS 10.15"), ("Chrome", "Linux"), ("Firefox", "Linux"),
    ],
    [44, 16, 6, 10, 12, 2, 4, 3],
)  # fmt: skip
PHONES: Choice[tuple[str, str]] = choice_of(
    [("Chrome", "Android"), ("Firefox", "Android"), ("Safari", "iOS"), ("Chrome", "iOS")], [52, 2, 40, 6]
)


def draw_machine(chance: Random, *, is_phone: bool = False, like: tuple[str, str] | None = None) -> Machine:
    """Draw a device; one in eight people puts updates off for months."""
    browser, system = like or (PHONES if is_phone else DESKTOPS).draw(chance)
    late = chance.random() < 0.125  # noqa: PLR2004  # an assumption, as the docstring says
    lag = chance.expovariate(1 / (_LATE_S if late else _PUNCTUAL_S))
    age = chance.expovariate(1 / _YEAR_S) if is_phone and system == "Android" else 0.0
    return Machine(browser, system, "mobile" if is_phone else "desktop", lag, age)
