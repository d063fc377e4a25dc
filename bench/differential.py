"""Put generated schemas, policies, templates, links, entities and requests to our evaluator and to the reference.

Much longer than the tests do, and with other cases in each run. Most cases come from a seeded generator, which is fast;
the rest from hypothesis, which shrinks what it finds. A seed that differs is told, and `compare(Seeded(SEED), ...)` of
`tests/support/policy_cases.py` shows it again. Ends with status 1 when the engines differ.
"""

from __future__ import annotations

import json as json_
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from policy_cases import Choice, Drawn, compare, differences
from policy_links import compare_links, link_differences

SEEDED, SEEDED_LINKS, DRAWN = 6000, 2000, 600
REQUESTS_A_CASE = 3

HUNTS: dict[str, Callable[[Choice], object]] = {
    "as the reference": lambda choice: compare(choice, is_strict=False),
    "strictly": lambda choice: compare(choice, is_strict=True),
    "templates and links": compare_links,
}


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    """Print how many cases agreed, and every one that did not; with `json` one object on the last line."""
    began = time.perf_counter()
    first = int(time.time()) % 1_000_000 * 10_000
    out = sys.stderr if json else sys.stdout
    wrong = [f"seed {seed}" for seed in differences(range(first, first + SEEDED))]
    wrong += [f"links, seed {seed}" for seed in link_differences(range(first, first + SEEDED_LINKS))]
    for name, hunt in HUNTS.items():
        found = shrunk(hunt)
        wrong += [f"{name}, shrunk: {found}"] if found else []
    for each in wrong:
        print(each, file=out)
    cases = SEEDED + SEEDED_LINKS + DRAWN * len(HUNTS)
    figures = {
        "cases": cases,
        "requests": cases * REQUESTS_A_CASE,
        "differences": len(wrong),
        "seconds": round(time.perf_counter() - began),
    }
    for name, figure in figures.items():
        print(f"{name:>16} {figure:>10}", file=out)
    if json:
        print(json_.dumps(figures))
    if wrong:
        raise SystemExit(1)


def shrunk(hunt: Callable[[Choice], object]) -> str:
    """Return the smallest counter-example that hypothesis finds; nothing when it finds none."""

    @given(st.data())
    @settings(max_examples=DRAWN, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def hunts(data: st.DataObject) -> None:
        hunt(Drawn(data.draw))

    try:
        hunts()
    except AssertionError as error:
        return str(error)
    return ""
