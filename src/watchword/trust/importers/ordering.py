"""Bring observations into the order of time, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from watchword.trust.labelled import Labelled, decode, encode

_RUN: Final = 100_000  # observations that are sorted in memory at once
_MOST_RUNS: Final = 200  # files that are open at once
_AT: Final = attrgetter("observation.at")


def in_order(found: Iterable[Labelled], *, run: int = _RUN) -> Iterator[Labelled]:
    """Yield observations by their time; those of the same time stay in the order in which they came.

    Up to `run` of them are held in memory; more go through a temporary directory, readable for nobody else.
    """
    source = iter(found)
    first = sorted(islice(source, run), key=_AT)
    if len(first) < run:
        yield from first
        return
    with TemporaryDirectory(prefix="watchword-") as directory, ExitStack() as files:
        runs = [_written(Path(directory) / "0", first)]
        del first
        while part := sorted(islice(source, run), key=_AT):
            runs.append(_written(Path(directory) / str(len(runs)), part))
            if len(runs) == _MOST_RUNS:
                runs = [_merged(Path(directory) / "merged", runs)]
        yield from merge(*(_read(files.enter_context(path.open("rb"))) for path in runs), key=_AT)


def _written(path: Path, found: Iterable[Labelled]) -> Path:
    with path.open("wb") as file:
        file.writelines(encode(one) + b"\n" for one in found)
    return path


def _merged(path: Path, runs: list[Path]) -> Path:
    with ExitStack() as files:
        _written(path, merge(*(_read(files.enter_context(one.open("rb"))) for one in runs), key=_AT))
    for one in runs:
        one.unlink()
    return path.replace(path.with_name("0"))


def _read(file: BinaryIO) -> Iterator[Labelled]:
    return (decode(line.rstrip(b"\n")) for line in file)
