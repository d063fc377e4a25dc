"""Which files a bundle holds, under which names, and how much of everything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from watchword.policy.bundles.errors import BundleMalformedError

MOST_FILES: Final = 2000
MOST_FILE_BYTES: Final = 8 * 1024 * 1024
MOST_BUNDLE_BYTES: Final = 32 * 1024 * 1024
_LONGEST_PATH: Final = 200
_SHOWN: Final = 80

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_SAFE = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,4}}", re.ASCII)
_POLICY_FILE = re.compile(
    r"[^/]+\.(?:cedar|cedarschema)|links\.json|obligations\.yaml|relations\.(?:fga|json)|invariants\.yaml"
    r"|rego/(?:.+/)?[^/]+\.(?:rego|json|yaml)|tests/(?:.+/)?[^/]+\.yaml",
    re.DOTALL,
)


def is_policy_file(path: str) -> bool:
    """Tell whether a path, relative to a policy directory, is one that the policy engine reads."""
    return _POLICY_FILE.fullmatch(path) is not None and not any(part.startswith(".") for part in path.split("/"))


def check_path(path: str) -> None:
    """Return if a name may stand in a bundle.

    # Prevents: `..`, absolute paths, backslashes, control characters, and two Unicode forms of one name: what is
    # left of Unicode is plain ASCII letters, digits, dot, dash and underscore.

    Raises:
        BundleMalformedError: it may not.
    """
    if len(path) > _LONGEST_PATH or not _SAFE.fullmatch(path) or not is_policy_file(path):
        raise BundleMalformedError(
            f"`{shown(path)}` cannot be the name of a file in a bundle",
            hint="policy files only; letters, digits, dot, dash and underscore, at most five levels deep",
        )


def check_paths(paths: Iterable[str]) -> None:
    """Return if names may stand side by side.

    Raises:
        BundleMalformedError: one may not, one stands twice (capitals do not count), or one is both file and folder.
    """
    seen: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        check_path(path)
        folded = path.lower()
        # Prevents: on a file system that ignores capitals, one file silently taking the place of another.
        if folded in seen:
            raise BundleMalformedError(f"`{shown(path)}` stands in the bundle twice")
        seen.add(folded)
        parts = folded.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if len(seen) > MOST_FILES:
            raise BundleMalformedError(f"the bundle has more than {MOST_FILES} files")
    if both := seen & folders:
        raise BundleMalformedError(f"`{shown(min(both))}` is both a file and a folder")


def shown(text: str) -> str:
    """Make a name from outside fit to be repeated in one line."""
    plain = "".join(
        letter if letter.isprintable() and letter != "`" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."
