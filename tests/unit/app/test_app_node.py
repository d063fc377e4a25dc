"""What a node does when its own work in the background fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from watchword.app import main
from watchword.app.node import Node


class Stub(Node):
    """A node whose only work is in the background."""

    def __init__(self, failure: Exception | None) -> None:
        super().__init__(None, with_sample=False)  # type: ignore[arg-type]  # nothing of the configuration is read
        self.failure = failure
        self.stopped = False

    async def start(self) -> None:
        self._keep(self._work())

    async def stop(self) -> None:
        self.stopped = True
        await super().stop()

    async def _work(self) -> None:
        if self.failure is not None:
            raise self.failure
        await asyncio.Event().wait()


async def test_work_that_fails_in_the_background_ends_the_process_so_that_it_is_started_anew() -> None:
    node = Stub(RuntimeError("broken"))
    assert await asyncio.wait_for(main._run(node), 10) is True
    assert node.stopped


async def test_a_healthy_node_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Stub(None)
    handlers: dict[int, Any] = {}
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", lambda number, act: handlers.update({number: act}), raising=False)
    running = asyncio.ensure_future(main._run(node))
    while not handlers:  # noqa: ASYNC110  # a turn of the loop or two
        await asyncio.sleep(0)
    next(iter(handlers.values()))()
    assert await asyncio.wait_for(running, 10) is False
    assert node.stopped
