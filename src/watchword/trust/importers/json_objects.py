"""JSON objects wherever they stand in a foreign file: one a line, in a row, in an array, or in a service's wrapping."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO, Final, NoReturn

from watchword.trust.importers.model import Record, Refusal
from watchword.trust.importers.reading import CHUNK, LONGEST, is_text, text_of

# What may stand between two objects; the heading is one that `evtx_dump` writes.
_SPACE: Final = re.compile(r"(?:[\s,]+|Record \d{1,19}(?=\s))*")
# Where a service wraps its records: `{"Records": [` of CloudTrail's files, `{"Events": [` of its command.
_WRAPPED: Final = re.compile(r'(?:\{\s*"(?:Records|Events|value)"\s*:\s*)?\[')
_LONGEST_WRAP: Final = 256


def objects(file: BinaryIO) -> Iterator[Record | Refusal]:
    """Yield JSON objects: one a line, one after the other, in an array, or in CloudTrail's wrapping.

    Files that were strung together are read as such. A mistake within an object ends the reading, for nobody can say
    where the next one begins; a line of its own that is wrong costs that line only.
    """
    with text_of(file) as source:
        yield from _objects(_Buffer(source))


def _objects(buffer: _Buffer) -> Iterator[Record | Refusal]:
    may_wrap, is_array = True, False
    while not buffer.is_over():
        wrapping = buffer.enter() if may_wrap else ""
        may_wrap = is_array = bool(wrapping)
        try:
            if is_array:
                yield from _array(buffer, wrapping)
            else:
                yield Record(buffer.line, buffer.object())
        except _BrokenError as error:
            yield Refusal(buffer.line, str(error))
            if is_array or not buffer.skip_line():
                return


def _array(buffer: _Buffer, wrapping: str) -> Iterator[Record]:
    while not buffer.is_over():
        if buffer.text.startswith("]"):
            buffer.leave(wrapping)
            return
        yield Record(buffer.line, buffer.object())
    raise _BrokenError("the file ends before its array does")


class _BrokenError(Exception):
    """There is no object here."""


class _Buffer:
    """The part of a text that is being looked at.

    Attributes:
        line: where it begins, counted from 1.
    """

    def __init__(self, source: TextIOWrapper) -> None:
        self._source = source
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self.text = ""
        self.line = 1

    def fill(self, size: int) -> bool:
        """Read until so much is there; false if the file ended before."""
        pieces, have = [self.text], len(self.text)
        while have < size:
            piece = self._source.read(CHUNK)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        self.text = "".join(pieces)
        return have >= size

    def skip(self, count: int) -> None:
        self.line += self.text.count("\n", 0, count)
        self.text = self.text[count:]

    def is_over(self) -> bool:
        """Pass over what may stand between two objects; tell whether nothing follows."""
        while True:
            self.fill(_TOKEN)
            found = _SPACE.match(self.text)
            end = found.end() if found else 0
            self.skip(end)
            if not end:
                return not self.text

    def enter(self) -> str:
        """Go into the array that begins here, wrapped or not; return how it was opened, or nothing if none begins."""
        self.fill(_LONGEST_WRAP)
        found = _WRAPPED.match(self.text)
        if found is None:
            return ""
        self.skip(found.end())
        return found[0]

    def leave(self, opened: str) -> None:
        """Go out of an array, and over what its wrapping says after it."""
        self.skip(1)
        if opened.startswith("{"):
            self.text = '{"":0' + self.text
            self.object()

    def skip_line(self) -> bool:
        """Go to the next line, if there is one."""
        while True:
            end = self.text.find("\n")
            if end >= 0:
                self.skip(end + 1)
                return True
            self.text = ""
            if not self.fill(1):
                return False

    def object(self) -> dict[str, Any]:
        """Take the object that begins here, reading on until it is whole."""
        size = CHUNK
        while True:
            is_more = self.fill(size)
            try:
                found, end = self._decoder.raw_decode(self.text)
            except RecursionError:
                # Prevents: a million opening brackets.
                raise _BrokenError("it is nested too deeply") from None
            except ValueError as error:
                if is_more and size < LONGEST and _might_go_on(error, self.text):
                    size *= 2
                    continue
                reason = "it is no JSON" if size < LONGEST else f"it is longer than {LONGEST} characters"
                raise _BrokenError(reason) from None
            if not isinstance(found, dict):
                raise _BrokenError("it is no JSON object")
            if not is_text(self.text[:end]):
                raise _BrokenError("it is not in UTF-8")
            self.skip(end)
            return found


def _might_go_on(error: ValueError, text: str) -> bool:
    """Tell whether a mistake is only that the text ends too early."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - _TOKEN


_TOKEN: Final = 64  # a number or a word that was cut is shorter


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
