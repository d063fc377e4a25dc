"""Read a User-Agent header: which browser on which system, as far as it says so.

It is a claim of the client and never more: whoever steals a session can copy it. So it is read for what it tells of
habits, by a few tables in one pass over a bounded text, and whatever is unknown stays empty.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from watchword.trust.observation import UNKNOWN_AGENT, Agent

# The journal keeps as much, so that what was judged can be read there.
LONGEST: Final = 256
_REMEMBERED: Final = 4096
_LONGEST_NAME: Final = 40

# Bounded repetitions without overlap: one pass, whatever the text.
_PRODUCT: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,39})/v?(\d{1,6})")
_SYSTEMS: Final = (
    (re.compile(r"Windows Phone(?: OS)? (\d{1,3})"), "Windows Phone"),
    (re.compile(r"Windows NT (\d{1,3}\.\d)"), "Windows"),
    (re.compile(r"(?:iPhone )?OS (\d{1,3})[_.\d]{0,12} like Mac OS X"), "iOS"),
    (re.compile(r"Mac OS X (\d{1,3})"), "macOS"),
    (re.compile(r"Android (\d{1,3})"), "Android"),
    (re.compile(r"CrOS \w{1,16} (\d{1,6})"), "ChromeOS"),
)
_WORDS: Final = (("Windows", "Windows"), ("Android", "Android"), ("Macintosh", "macOS"), ("Linux", "Linux"))
# What Windows calls itself to servers, and to people. Source: Microsoft, Operating System Version.
_WINDOWS: Final = {"5.1": "XP", "6.0": "Vista", "6.1": "7", "6.2": "8", "6.3": "8.1", "10.0": "10"}
# Most browsers also name those whose pages they want to be given, so the more special name counts.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("EdgA", "Edge"),
    ("EdgiOS", "Edge"),
    ("Edge", "Edge"),
    ("OPR", "Opera"),
    ("OPiOS", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("YaBrowser", "Yandex Browser"),
    ("UCBrowser", "UC Browser"),
    ("DuckDuckGo", "DuckDuckGo"),
    ("Electron", "Electron"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("HeadlessChrome", "Headless Chrome"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Chromium", "Chrome"),
)
_BOT: Final = re.compile(r"bot\b|bot/|crawler|spider|slurp", re.IGNORECASE)


def agent_of(header: str) -> Agent:
    """Read a header; never raises, and an empty one is unknown."""
    # Prevents: a header of a megabyte filling the cache, or the profile it ends up in.
    return _read(header[:LONGEST]) if header else UNKNOWN_AGENT


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> Agent:
    full = "".join([letter if letter.isprintable() else " " for letter in text]).strip()
    products = dict(reversed(_PRODUCT.findall(full)))
    system = _system(full)
    browser = _browser(full, products)
    return Agent(full=full, browser=browser, system=system, kind=_kind(full, products, system))


def _browser(full: str, products: dict[str, str]) -> str:
    for name, known in _BROWSERS:
        if name in products:
            return f"{known} {products[name]}"
    if "Safari" in products and "Version" in products:
        return f"Safari {products['Version']}"
    if "Trident" in products or "MSIE " in full:
        return "Internet Explorer"
    # A program: what it says first.
    name = next((name for name in reversed(products) if name != "Mozilla"), "")
    return f"{name[:_LONGEST_NAME]} {products[name]}" if name else ""


def _system(full: str) -> str:
    for pattern, name in _SYSTEMS:
        found = pattern.search(full)
        if found:
            version = _WINDOWS.get(found[1], found[1].partition(".")[0]) if name == "Windows" else found[1]
            return f"{name} {version}"
    return next((name for word, name in _WORDS if word in full), "")


def _kind(full: str, products: dict[str, str], system: str) -> str:
    if not full:
        return ""
    if _BOT.search(full):
        return "bot"
    if "Mozilla" not in products:
        return "program"
    if "iPad" in full or "Tablet" in full or (system.startswith("Android") and "Mobile" not in full):
        return "tablet"
    if "Mobile" in full or "iPhone" in full:
        return "mobile"
    return "desktop" if system else ""
