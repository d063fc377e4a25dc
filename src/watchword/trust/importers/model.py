"""What every importer is given, and what it keeps count of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from watchword.trust.errors import TrustError
from watchword.trust.labelled import Labelled
from watchword.trust.model import Place
from watchword.trust.observation import NOWHERE

MOST_REFUSED: Final = 1_000
_KEPT: Final = 100


class ImportRefusedError(TrustError):
    """The file is not what it was said to be, or so much of it is wrong that nothing of it should be believed."""

    code = "trust.import_refused"
    status = 422


class RecordMalformedError(TrustError):
    """One record of a file cannot be read; those after it can."""

    code = "trust.record_malformed"
    status = 422


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was wrong with one record, and on which line it begins, counted from 1.

    Attributes:
        file: which file, where several are read in one go.
    """

    line: int
    reason: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file, as its format has it."""

    line: int
    value: Any


@dataclass(slots=True)
class Tally:
    """What became of the records of a file.

    Attributes:
        skipped: records that are fine and tell nothing of what people do, such as what a service did on its own.
        first: the first refusals; `refused` counts them all.
    """

    taken: int = 0
    skipped: int = 0
    refused: int = 0
    first: list[Refusal] = field(default_factory=list)

    def of(self, file: str, *, since: int) -> None:
        """Note the file of the refusals from that one on."""
        self.first[since:] = [replace(one, file=file) for one in self.first[since:]]

    def refuse(self, refusal: Refusal) -> None:
        """Count a record that cannot be read.

        Raises:
            ImportRefusedError: it is one too many.
        """
        self.refused += 1
        if len(self.first) < _KEPT:
            self.first.append(refusal)
        # Prevents: a wrong `--format` giving a file of the few lines that happen to fit.
        if self.refused > MOST_REFUSED:
            raise ImportRefusedError(
                f"more than {MOST_REFUSED} records cannot be read, the first on line {self.first[0].line}",
                hint=self.first[0].reason,
            )


def nowhere(ip: str) -> Place:  # noqa: ARG001  # stands where a source of places may stand
    """Know no places."""
    return NOWHERE


@dataclass(frozen=True, slots=True)
class Reading:
    """How to understand what a file leaves open.

    Attributes:
        place_of: where an address is, for formats that do not say so.
        trusts_success: take a sign-in that succeeded for a verified one, where the format knows no second factor.
            Otherwise nothing could be learned from such a file; with it, an account that was taken over teaches too.
    """

    place_of: Callable[[str], Place] = nowhere
    trusts_success: bool = False


class Format(Protocol):
    """One layout of files."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield the records of a binary file in its order, in bounded memory."""
        ...

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one record; nothing if it tells nothing of what people do.

        Raises:
            RecordMalformedError: a field is missing or of the wrong kind.
        """
        ...
