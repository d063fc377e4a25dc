"""Read a file of any known layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import BinaryIO, Final

from watchword.trust.importers.cloudtrail import CloudTrail
from watchword.trust.importers.journal import Journal
from watchword.trust.importers.model import Format, Reading, RecordMalformedError, Refusal, Tally
from watchword.trust.importers.ocsf import Ocsf
from watchword.trust.importers.own import Own
from watchword.trust.importers.rba import Rba
from watchword.trust.importers.windows import Windows
from watchword.trust.labelled import Labelled


class Layout(StrEnum):
    """The layouts that can be read."""

    RBA = "rba"
    CLOUDTRAIL = "cloudtrail"
    WINDOWS = "windows"
    OCSF = "ocsf"
    WATCHWORD = "watchword"
    JOURNAL = "journal"


_FORMATS: Final[Mapping[Layout, Format]] = {
    Layout.RBA: Rba(),
    Layout.CLOUDTRAIL: CloudTrail(),
    Layout.WINDOWS: Windows(),
    Layout.OCSF: Ocsf(),
    Layout.WATCHWORD: Own(),
    Layout.JOURNAL: Journal(),
}


def read(
    file: BinaryIO, layout: Layout, *, tally: Tally | None = None, reading: Reading | None = None
) -> Iterator[Labelled]:
    """Yield what a file tells of what people did, in the file's own order.

    Args:
        file: binary; read once, piece by piece, so that it may be larger than the memory.
        layout: of the file.
        tally: counts what was taken, skipped and refused, with line and reason of the first refusals.
        reading: how to understand what the layout leaves open.

    Raises:
        ImportRefusedError: the file is of another layout, or more than `MOST_REFUSED` records cannot be read.
    """
    tally = tally if tally is not None else Tally()
    reading = reading or Reading()
    form = _FORMATS[layout]
    for record in form.records(file):
        if isinstance(record, Refusal):
            tally.refuse(record)
            continue
        try:
            found = form.observe(record, reading)
        except RecordMalformedError as error:
            tally.refuse(Refusal(record.line, error.message))
            continue
        if found is None:
            tally.skipped += 1
        else:
            tally.taken += 1
            yield found
