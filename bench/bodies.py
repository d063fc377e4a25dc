"""Measure the reduction of long answers: how long it takes, and how long decisions would have waited meanwhile.

Records of customers, two rules that touch each. Each size is reduced as the node does it, in a process of its own, and
for comparison in a thread beside the event loop; a ticker on the loop says how long it stood still at most. Envoy is
not in it: docs/adr/0058 tells of whole exchanges.
"""

from __future__ import annotations

import asyncio
import json as json_module
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psutil

from bench.figures import show
from watchword.enforcement.bodies import Exchange, Means, Reduced, ValueKeys, Visitor
from watchword.enforcement.envoy.reducers import Reducers
from watchword.kernel import EXCLUDE, Mask, body_rules, parse_path

SIZES = {"100kb": 100_000, "1mb": 1_000_000, "4mb": 4_000_000}
ROUNDS = 15
RULES = body_rules(fields=[(parse_path("customers[*].ssn"), EXCLUDE), (parse_path("**.iban"), Mask(4))])
_SSN = "123-45-6789"


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    show(asyncio.run(_measure()), as_json=json)


async def _measure() -> dict[str, Any]:
    exchange = Exchange(RULES, Visitor("dec_1", "crm", "usr_1"), Means(ValueKeys(b"k" * 32)))
    reducers = Reducers([b"k" * 32])
    ways: dict[str, Callable[[bytes], Awaitable[Reduced]]] = {
        "process": lambda body: reducers.reduce(exchange, body),
        "thread": lambda body: asyncio.to_thread(exchange.filter.apply, body),
    }
    figures: dict[str, Any] = {"cores": os.cpu_count()}
    for size, least in SIZES.items():
        body = _answer(least)
        for way, reduce in ways.items():
            await reduce(body)  # starts the process, and makes what is made once
            took, stall = await _timed(reduce, body)
            figures[f"{way}_{size}_ms"] = round(statistics.median(took) * 1000, 1)
            figures[f"{way}_{size}_longest_stall_ms"] = round(stall * 1000, 1)
        figures[f"worker_{size}_mb"] = round(max(_resident()) / 1e6)
    await reducers.close()
    return figures


async def _timed(reduce: Callable[[bytes], Awaitable[Reduced]], body: bytes) -> tuple[list[float], float]:
    gaps: list[float] = []
    ticking = asyncio.create_task(_tick(gaps))
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        reduced = await reduce(body)
        took.append(time.perf_counter() - began)
        if _SSN.encode() in reduced.body or len(reduced.body) < len(body) // 2:
            raise SystemExit("this would measure something else")
    ticking.cancel()
    return took, max(gaps)


async def _tick(gaps: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - began - 0.001)


def _resident() -> list[int]:
    return [child.memory_info().rss for child in psutil.Process().children()]


def _answer(least: int) -> bytes:
    chance = random.Random(7)
    record = {"ssn": _SSN, "iban": "NL91ABNA0417164300", "notes": "Called about the invoice. " * 3}
    one = len(json_module.dumps(record)) + 60
    customers = [
        {"id": n, "name": f"Customer {n}", "city": chance.choice(["Oslo", "Rome"]), "spent": chance.random()} | record
        for n in range(least // one + 1)
    ]
    return json_module.dumps({"customers": customers}).encode()
