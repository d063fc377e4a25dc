"""Read foreign files piece by piece: as text in bounded memory, line by line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, TextIOWrapper
from typing import BinaryIO, Final

from watchword.trust.importers.model import ImportRefusedError, Record, Refusal

LONGEST: Final = 1 << 20  # characters of one record; what AWS, Windows and OCSF write is far below
CHUNK: Final = 1 << 16  # of what is read at once
_BINARY: Final = {
    b"ElfFile\0": (
        "an event file of Windows",
        "export it: `wevtutil query-events FILE /lf:true /format:xml /uni:true`",
    ),
    b"PAR1": ("in Parquet, as Security Lake keeps it", "write it as JSON, one event a line, with Athena or DuckDB"),
    b"PK\x03\x04": ("a zip archive", "unzip it"),
    b"\x1f\x8b": ("packed with gzip twice, or was not unpacked", "unpack it"),
}


@contextmanager
def peekable(file: BinaryIO) -> Iterator[BufferedReader]:
    """Give a binary file one can look ahead in; the file stays its owner's to close."""
    if isinstance(file, BufferedReader):
        yield file
        return
    buffered: BufferedReader = BufferedReader(file)  # type: ignore[arg-type]  # any binary file will do
    try:
        yield buffered
    finally:
        with suppress(ValueError):  # closed before
            buffered.detach()


@contextmanager
def text_of(file: BinaryIO) -> Iterator[TextIOWrapper]:
    """Read a binary file as text: UTF-16 if its first bytes say so, as PowerShell writes it, else UTF-8.

    Raises:
        ImportRefusedError: it is no text, and known by how it begins.
    """
    with peekable(file) as buffered:
        _refuse_binary(buffered.peek(8)[:8])
        is_wide = buffered.peek(2)[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
        encoding, errors = ("utf-16", "replace") if is_wide else ("utf-8-sig", "surrogateescape")
        text = TextIOWrapper(buffered, encoding=encoding, errors=errors, newline="\n")
        try:
            yield text
        finally:
            with suppress(ValueError):  # as above
                text.detach()


def _refuse_binary(begins: bytes) -> None:
    for magic, (name, hint) in _BINARY.items():
        if begins.startswith(magic):
            raise ImportRefusedError(f"the file is {name}", hint=hint)


def lines(file: BinaryIO) -> Iterator[Record | Refusal]:
    """Yield the lines of a file that are not blank, without their breaks."""
    with text_of(file) as source:
        yield from _lines(source)


def _lines(source: TextIOWrapper) -> Iterator[Record | Refusal]:
    number = 0
    while line := source.readline(LONGEST):
        number += 1
        if len(line) == LONGEST and not line.endswith("\n"):
            # Prevents: a line without an end filling the memory.
            while (rest := source.readline(LONGEST)) and not rest.endswith("\n"):
                pass
            yield Refusal(number, f"it is longer than {LONGEST} characters")
        elif not is_text(line):
            yield Refusal(number, "it is not in UTF-8")
        elif line.strip():
            yield Record(number, line.rstrip("\r\n"))


def is_text(line: str) -> bool:
    """Tell whether every byte of it was a letter of the encoding."""
    return line.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in line)
