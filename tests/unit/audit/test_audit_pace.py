"""The event loop waits for a quick disk, and for no other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from watchword.audit import Journal, service
from watchword.audit.pace import Pace
from watchword.audit.writer import Writer
from watchword.kernel import FrozenClock
from watchword.keys import Signer


def test_a_quick_disk_is_waited_for() -> None:
    pace = Pace()
    assert pace.is_quick(0.0)
    for _ in range(1000):
        pace.note(0.0009, 0.0)
    assert pace.is_quick(0.0)


def test_one_short_delay_among_many_is_no_slow_disk() -> None:
    pace = Pace()
    for n in range(1000):
        pace.note(0.005 if n % 50 == 0 else 0.0002, 0.0)
    assert pace.is_quick(0.0)


@pytest.mark.parametrize(("took_s", "times"), [(0.1, 1), (0.009, 1), (0.002, 6)])
def test_a_slow_disk_is_left_to_the_thread_for_ten_seconds_and_tried_again(took_s: float, times: int) -> None:
    pace = Pace()
    for _ in range(times):
        assert pace.is_quick(100.0)
        pace.note(took_s, 100.0)
    assert not pace.is_quick(109.9)
    assert pace.is_quick(110.0)


async def test_who_writes_follows_the_disk(
    tmp_path: Path, signer: Signer, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path / "journal", signer=signer, clock=clock)
    writers: list[str] = []
    real = Writer.commit

    def noted(self: Writer, group: Sequence[tuple[bytes, int | None]]) -> int:
        writers.append(threading.current_thread().name)
        return real(self, group)

    monkeypatch.setattr(Writer, "commit", noted)
    # Before and after each group that the event loop writes: a quick one, a slow one, a quick one.
    monkeypatch.setattr(service, "perf_counter", iter([0.0, 0.0002, 1.0, 1.5, 2.0, 2.0002]).__next__)
    for kind in ("quick", "slow", "left", "left too"):
        await journal.append({"type": kind})
    clock.advance(timedelta(seconds=10))
    await journal.append({"type": "tried again"})
    await journal.close()
    here, there = threading.current_thread().name, "watchword-journal"
    assert writers == [here, here, there, there, here]
