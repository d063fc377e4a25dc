from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from heapq import merge

import pytest

from watchword.trust.importers import in_order
from watchword.trust.importers import ordering as module
from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Observation

FIRST = Labelled(Observation("0", 0.0, "usr_1", Act.SIGN_IN))
TIMES = [number * 37 % 50 for number in range(300)]
SHUFFLED = [
    replace(FIRST, observation=replace(FIRST.observation, id=str(n), at=float(at))) for n, at in enumerate(TIMES)
]
SORTED = sorted(SHUFFLED, key=lambda one: one.observation.at)


@pytest.mark.parametrize("run", [7, 50, 299, 300, 301, 1_000])
def test_observations_come_in_order_of_time_however_few_fit_into_memory(run: int) -> None:
    assert list(in_order(SHUFFLED, run=run)) == SORTED


def test_more_runs_than_files_may_be_open_are_merged_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []

    def watching(*runs: Iterable[Labelled], key: Callable[[Labelled], float]) -> Iterator[Labelled]:
        widths.append(len(runs))
        return merge(*runs, key=key)

    monkeypatch.setattr(module, "merge", watching)
    monkeypatch.setattr(module, "_MOST_RUNS", 3)

    assert list(in_order(SHUFFLED, run=10)) == SORTED
    assert max(widths) <= 3


def test_nothing_in_order_is_nothing() -> None:
    assert list(in_order([])) == []
