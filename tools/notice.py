"""Write NOTICE from src/watchword/vendored.toml, or check that it is not stale: `python tools/notice.py [--check]`."""

from __future__ import annotations

import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "NOTICE"
MANIFEST = ROOT / "src/watchword/vendored.toml"
WIDTH = 100
HEAD = """\
Watchword
Licensed under the Apache License, Version 2.0; see LICENSE.

This product includes work of others, unmodified or adapted as said below. It comes as it is, without
warranties, under the licences named; their holders neither endorse Watchword nor are connected with it.

Who passes on the place data, or shows what it says, owes the same attributions. The foot of the
console's pages gives them for those who use the console.
"""


def notice(manifest: Mapping[str, Any]) -> str:
    """Return the text: one paragraph for each holder."""
    licences = {file["path"]: file for file in manifest["file"]}
    parts = [HEAD, *("\n".join(_paragraph(credit, licences)) + "\n" for credit in manifest["credit"])]
    return "\n".join(parts)


def _paragraph(credit: Mapping[str, Any], files: Mapping[str, Any]) -> Iterator[str]:
    yield f"{credit['work']}"
    yield "-" * len(credit["work"])
    yield from _entry("Holder", f"{credit['holder']}, {credit['url']}")
    yield from _entry("Licence", f"{credit['licence']}, {credit['licence_url']}")
    yield from _entry("Asks for", credit["asks"])
    yield from _entry("Changes", credit["changes"])
    yield from _entry("Attribution", f"{credit['words']} <{credit['url']}>")
    packages = dict.fromkeys(package for path in credit["files"] for package in files[path]["packages"])
    yield from _entry("Packages", ", ".join(packages))
    yield from _entry("Files", ", ".join(f"watchword/{path}" for path in credit["files"]))


def _entry(name: str, words: str) -> list[str]:
    return textwrap.wrap(
        f"{name + ':':<13}{words}", WIDTH, subsequent_indent=" " * 13, break_long_words=False, break_on_hyphens=False
    )


def main(arguments: Sequence[str]) -> int:
    """Write or check."""
    text = notice(tomllib.loads(MANIFEST.read_text(encoding="utf-8")))
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print("NOTICE is stale: run python tools/notice.py", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
