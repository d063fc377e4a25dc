"""Read a JSON document that a stranger wrote, and take values out of it without believing their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from watchword.trust.feeds.errors import FeedMalformedError

_NOTHING: Final[Mapping[str, Any]] = {}


def parse(content: bytes) -> Any:
    """Parse a document; depth is bounded by the parser.

    Raises:
        FeedMalformedError: it is no JSON.
    """
    try:
        return orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise FeedMalformedError(
            f"it is no JSON (line {error.lineno})", hint="look at what the address gives, and at `format` of the feed"
        ) from error


def table(value: Any) -> Mapping[str, Any]:
    """Return an object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else _NOTHING


def entries(value: Any) -> Sequence[Any]:
    """Return a list, or an empty one in place of anything else."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """Return a text, or an empty one in place of anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """Return a number, also one that is written as a text."""
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def is_set(value: Any) -> bool:
    """Tell whether a flag is set, in each of the ways in which it is written."""
    return value is True or value in (1, "1", "true")  # a set would refuse a list
