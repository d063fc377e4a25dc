"""Measure a feed of a million networks: what its table costs to make, to open and to keep, and what a look-up costs.

The table is made as in a node, by the process beside it; `build_s` is wall time, `build_mb` the largest resident set
of that process. Two in five networks are broader than one address, and many nest. Addresses are drawn from the
whole of IPv4. `lookup_us` is the search alone, `unlisted_us` and `listed_us` a whole verdict on an address that is new
this minute, `known_us` on the same address again; all in processor time.
"""

from __future__ import annotations

import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from bench.figures import show
from watchword.trust.feeds import FeedFormat, FeedSettings, Reputation
from watchword.trust.feeds.beside import run_beside
from watchword.trust.feeds.index import FeedIndex
from watchword.trust.feeds.intake import read_network
from watchword.trust.feeds.model import Refusal
from watchword.trust.feeds.reputation import FeedInForce

NETWORKS = 1_000_000
ASKED = 50_000
MINUTE = 29_921_040
# Not a third of the Internet in all, since a feed that covers more than half of it is refused.
_LENGTHS = (32,) * 12 + (24,) * 4 + (22, 20, 18, 28)


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    with tempfile.TemporaryDirectory(prefix="watchword-bench-") as place:
        show(_figures(Path(place)), as_json=json)


def _figures(place: Path) -> dict[str, Any]:
    chance = random.Random(1)
    (place / "list.txt").write_text("\n".join(_networks(chance)))
    feed = FeedSettings(name="bench", format=FeedFormat.PLAIN, file=str(place / "list.txt"), max_percent=50.0)
    known = {"former": None, "latest": None, "credential": "", "tag": "", "modified": "", "cursor": "", "whole_at": 0}
    begun = time.perf_counter()
    made = asyncio.run(run_beside(known | {"feed": asdict(feed), "staged": str(place), "now": MINUTE}))
    build_s = time.perf_counter() - begun
    begun = time.perf_counter()
    index = FeedIndex(place / "table", made["digest"])
    open_ms = (time.perf_counter() - begun) * 1000
    return {
        "entries": made["entries"],
        "build_s": round(build_s, 1),
        "build_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "open_ms": round(open_ms, 1),
        "bytes_per_entry": round(made["size_bytes"] / made["entries"], 1),
        **_look_ups(FeedInForce(feed, index, MINUTE, MINUTE + 60), chance),
    }


def _look_ups(feed: FeedInForce, chance: random.Random) -> dict[str, float]:
    numbers = [chance.getrandbits(32) for _ in range(ASKED)]
    texts = [str(IPv4Address(number)) for number in numbers]
    listed = [text for text, number in zip(texts, numbers, strict=True) if feed.index.around(32, number, MINUTE)]
    unlisted = sorted(set(texts) - set(listed))
    now = datetime.fromtimestamp(MINUTE * 60, UTC)
    reputation = Reputation()
    reputation.put(feed)
    one = texts[0]
    return {
        "lookup_us": _each(lambda number: feed.index.around(32, number, MINUTE), numbers),
        "unlisted_us": _each(lambda text: reputation.of(text, now), unlisted),
        "listed_us": _each(lambda text: reputation.of(text, now), listed),
        "known_us": _each(lambda _text: reputation.of(one, now), texts),
    }


def _each(act: Callable[[Any], object], items: Sequence[Any]) -> float:
    begun = time.process_time()
    for item in items:
        act(item)
    return round((time.process_time() - begun) / len(items) * 1e6, 2)


def _networks(chance: random.Random) -> set[str]:
    found: set[str] = set()
    while len(found) < NETWORKS:
        number, length = chance.getrandbits(32), chance.choice(_LENGTHS)
        text = f"{IPv4Address(number >> (32 - length) << (32 - length))}/{length}"
        if not isinstance(read_network(text), Refusal):
            found.add(text)
    return found
