"""Measure what a node costs when it does nothing: seconds to start, memory of each process.

`start_s` is from the start of the command to the line that says the node is up, the first time (keys, certificates,
database) and again on the same data. Memory is the resident set of the control plane with its supervisor, after a
sign-in page was served; the sample application is not part of the product and is not counted.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import psutil

from bench.figures import show
from watchword.demo.client import Browser
from watchword.demo.node import DemoNode

ROUNDS = 5
_MB = 1024 * 1024


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    first, again = [], []
    memory: dict[str, float] = {}
    for _ in range(ROUNDS):
        node = DemoNode()
        try:
            first.append(_start(node))
            Browser(node.proxy_port, node.authority, "127.0.0.1").get(f"{node.portal}/sign-in")
            memory = _memory(node)
            node.stop()
            again.append(_start(node))
        finally:
            node.close()
    figures: dict[str, Any] = {
        "start_s": round(statistics.median(again), 2),
        "first_start_s": round(statistics.median(first), 2),
        **memory,
    }
    show(figures, as_json=json)


def _start(node: DemoNode) -> float:
    begun = time.perf_counter()
    node.start()
    return time.perf_counter() - begun


def _memory(node: DemoNode) -> dict[str, float]:
    pids: dict[str, int] = node.up["pids"]
    rss = {name: psutil.Process(pid).memory_info().rss / _MB for name, pid in pids.items()}
    supervisor = psutil.Process(node.pid).memory_info().rss / _MB
    return {
        "rss_mb": round(rss["control plane"] + supervisor, 1),
        "control_plane_rss_mb": round(rss["control plane"], 1),
        "supervisor_rss_mb": round(supervisor, 1),
        "envoy_rss_mb": round(rss["envoy"], 1),
    }
