"""Run one benchmark: `./dev bench NAME [--json]`; its last line is one JSON object with `--json`."""

from __future__ import annotations

import argparse
import importlib
import sys

NAMES = (
    "decision",
    "policy",
    "differential",
    "proxy",
    "footprint",
    "replay",
    "flood",
    "trust",
    "feeds",
    "bodies",
    "journal",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="Measure. Figures are recorded in docs/reference/performance.md."
    )
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    given = parser.parse_args()
    importlib.import_module(f"bench.{given.name}").main(given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
