"""Read a path twice: once as the standard says, once as carelessly as any upstream might.

Where both readings end in different parts of an application, nobody can tell which one the upstream will serve, and
the request is refused instead of repaired.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

_LONGEST: Final = 8192
_ROUNDS: Final = 3
# Nearly every path: nothing in it that anybody could read in two ways but its case.
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_-]+)+/?|/")
# Prevents: a path that we read one way and the upstream another. Raw: whatever ends a path or a segment, and escapes
# of what would. Decoded: dot segments (with blanks too, as Windows reads them), empty segments, control characters.
_RAW: Final = re.compile(r"[\x00-\x20\x7f\\#;?]|%(?:2f|5c|[01][0-9a-f]|7f)|%(?![0-9a-f]{2})", re.IGNORECASE)
_DECODED: Final = re.compile(r"[\x00-\x1f\x7f\\]|//|/[. ]+(?:/|$)")
_PARAMETERS: Final = re.compile(r";[^/]*")
_TRAILING: Final = re.compile(r"[. ]+(?=/|$)")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)


class Readings(NamedTuple):
    """One path, read twice.

    Attributes:
        exact: escapes decoded once.
        careless: escapes decoded until none is left, in small letters of ordinary width, without parameters, query,
            trailing dots and blanks.
    """

    exact: str
    careless: str


def read_path(path: str) -> Readings | None:
    """Read a raw path, or nothing when two readers may disagree about its very structure. Never raises."""
    if len(path) <= _LONGEST and _PLAIN.fullmatch(path):
        return Readings(path, path.lower())
    if not path.startswith("/") or len(path) > _LONGEST or _RAW.search(path):
        return None
    exact = bare = unquote(path) if "%" in path else path
    for _ in range(_ROUNDS):
        if "%" not in bare:
            break
        bare = unquote(bare)
    bare = _PARAMETERS.sub("", _QUERY.sub("", bare))
    if _DECODED.search(exact) or _DECODED.search(bare):
        return None
    return Readings(exact, careless(bare))


def careless(path: str) -> str:
    """Drop what some file system or framework drops: case, width, dots and blanks at the end of a segment."""
    folded = path.lower() if path.isascii() else normalize("NFKC", path).casefold()
    return _TRAILING.sub("", folded)


class Prefix:
    """A configured prefix, made ready once for the paths of all requests."""

    __slots__ = ("_below", "_careless", "_careless_below", "_exact")

    def __init__(self, path: str) -> None:
        self._exact, self._below = path, _below(path)
        self._careless = careless(path)
        self._careless_below = _below(self._careless)

    def covers(self, path: str) -> bool:
        """Tell whether a path is the prefix or lies below it, by whole segments."""
        return path == self._exact or path.startswith(self._below)

    def may_cover(self, careless_path: str) -> bool:
        """Tell the same of a path and the prefix as a careless upstream reads them."""
        return careless_path == self._careless or careless_path.startswith(self._careless_below)


def _below(prefix: str) -> str:
    return prefix if prefix.endswith("/") else prefix + "/"
