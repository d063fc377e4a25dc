"""Plain words for times, ages, browsers and answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchword.kernel import Answer

_ANSWERS = {
    Answer.ALLOW: "Let in",
    Answer.STEP_UP: "Asked again",
    Answer.APPROVAL: "Needs approval",
    Answer.DENY: "Refused",
}
# Order matters: every Edge, Opera and Samsung browser also calls itself Chrome, and every Chrome Safari.
_BROWSERS = (
    (re.compile(r"Edg(?:A|iOS)?/(\d{1,4})"), "Edge"),
    (re.compile(r"OPR/(\d{1,4})"), "Opera"),
    (re.compile(r"SamsungBrowser/(\d{1,4})"), "Samsung Internet"),
    (re.compile(r"(?:Firefox|FxiOS)/(\d{1,4})"), "Firefox"),
    (re.compile(r"(?:HeadlessChrome|Chrome|CriOS)/(\d{1,4})"), "Chrome"),
    (re.compile(r"Version/(\d{1,4})[.\d]* (?:Mobile/\w+ )?Safari"), "Safari"),
    (re.compile(r"curl/(\d{1,4})"), "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_ROUND_UP = 2
_JUST_NOW_S = 10


def zone(name: str) -> ZoneInfo:
    """Return a time zone, UTC for one that nobody knows."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def iso(at: datetime) -> str:
    """Write a time for programs."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def moment(at: datetime, zone_name: str) -> str:
    """Write day and time in somebody's zone."""
    return at.astimezone(zone(zone_name)).strftime("%-d %b %Y, %H:%M:%S")


def clock(at: datetime, zone_name: str) -> str:
    """Write the time of day in somebody's zone."""
    return at.astimezone(zone(zone_name)).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """Write a span in its largest fitting unit."""
    seconds = max(seconds, 0.0)
    for unit, length in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE), ("second", 1)):
        if seconds >= length * (_ROUND_UP if length > 1 else 1):
            return f"{int(seconds // length)} {unit}{'s' if int(seconds // length) != 1 else ''}"
    return "under a second"


def ago(at: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    if (now - at).total_seconds() < _JUST_NOW_S:
        return "just now"
    return f"{span((now - at).total_seconds())} ago"


def ahead(at: datetime, now: datetime) -> str:
    """Write how soon something will be."""
    return "now" if at <= now else f"in {span((at - now).total_seconds())}"


def within(at: datetime | None, now: datetime, limit: timedelta) -> bool:
    """Tell whether something happened, and not longer ago than a limit; a time in the future does not count."""
    return at is not None and timedelta() <= now - at <= limit


def browser(user_agent: str) -> str:
    """Name a browser and its system; a claim of the browser's own, good for recognition by its owner only."""
    name = next((f"{name} {hit[1]}" for pattern, name in _BROWSERS if (hit := pattern.search(user_agent))), "")
    system = next((words for token, words in _SYSTEMS if token in user_agent), "")
    return " on ".join(part for part in (name, system) if part) or "Unknown program"


def answer_words(answer: str) -> str:
    """Say an answer of the decision point."""
    return _ANSWERS[Answer(answer)]


def microseconds(value: int) -> str:
    """Write a span given in microseconds."""
    return f"{value} µs" if value < 1000 else f"{value / 1000:.1f} ms"  # noqa: PLR2004  # a thousand


def percent(share: float) -> str:
    """Write a share; what is all but nothing or all but everything is not rounded to it."""
    least, most = 0.001, 0.999
    if share < least:
        return "under 0.1 %"
    return "over 99.9 %" if share > most else f"{share * 100:.1f} %"


def sentence(words: str) -> str:
    """Begin with a capital letter and leave the rest as it is."""
    return words[:1].upper() + words[1:]
