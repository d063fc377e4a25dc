"""Read files of labelled observations, strictly: a figure over half a file is a wrong figure."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from watchword.trust.labelled import LONGEST_LINE, Labelled, LineMalformedError, decode
from watchword.trust.learning.errors import ObservationsError


def read_observations(path: Path) -> Iterator[Labelled]:
    """Yield what `watchword risk synthesize` or `import` wrote, one line after another; `.gz` is unpacked.

    Raises:
        ObservationsError: the file cannot be read, or one line of it is no labelled observation.
    """
    try:
        with path.open("rb") as packed:
            file = cast("BinaryIO", gzip.GzipFile(fileobj=packed)) if path.suffix == ".gz" else packed
            yield from _lines(file, path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ObservationsError(f"`{path}` is no gzip file, or it is damaged", hint=str(error)) from None
    except OSError as error:
        raise ObservationsError(
            f"`{path}` cannot be read ({error.strerror})", hint="make one with `watchword risk synthesize FILE`"
        ) from None


def _lines(file: BinaryIO, path: Path) -> Iterator[Labelled]:
    number = 0
    # Prevents: a line without end filling the memory.
    while line := file.readline(LONGEST_LINE + 2):
        number += 1
        if not line.strip():
            continue
        try:
            yield decode(line)
        except LineMalformedError as error:
            raise ObservationsError(
                f"line {number} of `{path}` is no labelled observation: {error.message}",
                hint="`watchword risk import` turns other layouts into this one, and names what it cannot read",
            ) from None
