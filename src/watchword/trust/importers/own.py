"""The lines that this program writes itself, so that whatever reads files reads these too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchword.trust.importers.model import Reading, Record, RecordMalformedError, Refusal
from watchword.trust.importers.reading import lines
from watchword.trust.labelled import Labelled, LineMalformedError, decode


class Own:
    """Labelled observations, one a line."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each line."""
        return lines(file)

    def observe(self, record: Record, reading: Reading) -> Labelled:  # noqa: ARG002  # it leaves nothing open
        """Understand one line."""
        try:
            return decode(record.value.encode())
        except LineMalformedError as error:
            raise RecordMalformedError(error.message) from None
