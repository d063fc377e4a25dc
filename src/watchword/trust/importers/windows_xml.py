"""Windows events in XML, read piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from typing import Any, Final
from xml.parsers import expat  # document types are refused below, and with them every entity

from watchword.trust.importers.model import Record, Refusal
from watchword.trust.importers.reading import LONGEST, text_of

_CHUNK: Final = 1 << 16
_DEEPEST: Final = 16
_MOST_FIELDS: Final = 128
_LONGEST_TEXT: Final = 1 << 16
_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
# What a name that somebody typed can hold and XML cannot: controls, and halves of letters.
_UNSPEAKABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#([xX]?)([0-9a-fA-F]{1,8});")
_REFERENCE: Final = 12  # a reference that is cut is shorter
# Bytes that are no UTF-8 stand for themselves here until their event is refused.
_FOREIGN: Final = {0xDC00 + byte: 0xF700 + byte for byte in range(0x80, 0x100)}
_IS_FOREIGN: Final = re.compile("[\uf780-\uf7ff]")
_MARKS: Final = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\x00<")


def is_xml(file: BufferedReader) -> bool:
    """Look whether a file begins as XML does."""
    return file.peek(64)[:64].lstrip().startswith(_MARKS)


def events(file: BufferedReader) -> Iterator[Record | Refusal]:
    """Yield each event; a mistake ends the reading, for nobody can say where the next event begins."""
    reader = _Reader()
    with text_of(file) as source:
        try:
            for piece in _pieces(source):
                reader.feed(piece)
                yield from reader.take()
            reader.feed("", is_last=True)
        except _RefusedError as error:
            yield from reader.take()
            yield Refusal(reader.line, str(error))
        except (expat.ExpatError, UnicodeEncodeError):
            yield from reader.take()
            yield Refusal(reader.line, "it is no XML from here on")


def _pieces(source: TextIOWrapper) -> Iterator[str]:
    """Yield the text with one element around all, for `wevtutil` writes events one after the other, without any.

    # Prevents: entities that unfold to gigabytes or read this machine's files. They can only be declared in a
    # document type, and one is a mistake once the first element, which is ours, has begun.
    """
    yield "<all>"
    left, piece = "", _DECLARATION.sub("", source.read(_CHUNK), count=1)
    while piece:
        text = left + (piece if piece.isascii() else piece.translate(_FOREIGN))
        cut = text.rfind("&", -_REFERENCE)
        cut = len(text) if cut < 0 or ";" in text[cut:] else cut
        # Prevents: a name with a control in it, which anybody can try to sign in with, hiding all that comes after.
        yield _UNSPEAKABLE.sub(_sound, text[:cut])
        left, piece = text[cut:], source.read(_CHUNK)
    yield left + "</all>"


def _sound(found: re.Match[str]) -> str:
    """Return a reference to a letter as it is, and U+FFFD for anything else."""
    try:
        letter = chr(int(found[2] or "0", 16 if found[1] else 10))
    except (ValueError, OverflowError):
        return "\ufffd"
    is_sound = letter in "\t\n\r" or " " <= letter < "\ud800" or "\ue000" <= letter < "\ufffe" or letter > "\uffff"
    return found[0] if is_sound else "\ufffd"


class _RefusedError(Exception):
    """The XML has what no event has."""


class _Reader:
    """Follow the elements; keep those of one event at a time."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._depth = 0
        self._event: dict[str, Any] | None = None
        self._begun = 1
        self._field = ""
        self._pieces: list[str] = []
        self._size = 0
        self._silent = 0
        self._is_foreign = False
        self._found: list[Record | Refusal] = []

    @property
    def line(self) -> int:
        return self._parser.CurrentLineNumber

    def feed(self, piece: str, *, is_last: bool = False) -> None:
        # Prevents: an attribute or a comment of a gigabyte, which the parser would keep until it ends.
        self._silent += len(piece)
        self._parser.Parse(piece.encode("utf-8"), is_last)
        if self._silent > LONGEST:
            raise _RefusedError("a tag or a comment is too long")

    def take(self) -> list[Record | Refusal]:
        found, self._found = self._found, []
        return found

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _RefusedError("it is nested too deeply")
        name = tag.rpartition(":")[2]
        if name == "Event":
            self._event, self._begun = {"data": {}}, self._parser.CurrentLineNumber
            self._is_foreign = False
        elif self._event is not None and name == "TimeCreated":
            self._event["time"] = attributes.get("SystemTime", "")
        self._field = attributes.get("Name", "") if name == "Data" else name
        self._pieces, self._size = [], 0

    def _text(self, piece: str) -> None:
        self._silent = 0
        self._size += len(piece)
        if self._size > _LONGEST_TEXT:
            raise _RefusedError("a field is too long")
        self._is_foreign = self._is_foreign or (not piece.isascii() and bool(_IS_FOREIGN.search(piece)))
        self._pieces.append(piece)

    def _end(self, tag: str) -> None:
        self._silent = 0
        self._depth -= 1
        name = tag.rpartition(":")[2]
        event = self._event
        if event is None:
            return
        if name == "Event":
            is_foreign = self._is_foreign
            self._found.append(Refusal(self._begun, "it is not in UTF-8") if is_foreign else Record(self._begun, event))
            self._event = None
        elif name in _SYSTEM:
            event[_SYSTEM[name]] = "".join(self._pieces).strip()
        elif name == "Data" and self._field:
            if len(event["data"]) >= _MOST_FIELDS:
                raise _RefusedError("an event has too many fields")
            event["data"][self._field] = "".join(self._pieces).strip()


_SYSTEM: Final = {"EventID": "id", "Computer": "computer", "EventRecordID": "record"}
