"""The compact table of address ranges that Watchword ships; tools/places.py writes it.

Magic, length of the header, a JSON header, then columns in little-endian order: for IPv4 the sorted starts (32 bits)
and one byte of country number each, for IPv6 the upper 64 bits of the starts and one byte each, and after each pair
the ASNs (32 bits) where the header says so. A range ends where the next one starts; number 0 means unknown.

The file is mapped, not read: only the pages that look-ups touch stay in memory. Of an operator's own file a copy is.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal, NoReturn

from watchword.kernel import V4_BITS
from watchword.trust.errors import PlaceDataError
from watchword.trust.ownfile import own_copy

MAGIC = b"WWPLACE1"
_START = len(MAGIC) + 4
_Kind = Literal["B", "I", "Q"]
_WIDTHS: dict[_Kind, int] = {"B": 1, "I": 4, "Q": 8}


class PlaceTable:
    """The table, mapped into memory.

    Args:
        is_ours: nobody writes into it, for it belongs to the program.

    Attributes:
        source: the data it was made from, with its version.

    Raises:
        PlaceDataError: the file is missing, damaged or of another form.
    """

    def __init__(self, path: Path, *, is_ours: bool = False) -> None:
        try:
            with nullcontext(path) if is_ours else own_copy(path) as copy, copy.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except PlaceDataError:
            raise
        except OSError as error:
            raise PlaceDataError(f"the place table `{path.name}` cannot be read", hint=str(error.strerror)) from error
        except ValueError as error:  # an empty file cannot be mapped
            _refuse(path, error)
        try:
            self._parse(content)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error) as error:
            _refuse(path, error)
        if content[: len(MAGIC)] != MAGIC:
            _refuse(path, None)
        if hasattr(mmap, "MADV_DONTNEED"):  # the checksum touched every page; the kernel need not keep them for us
            content.madvise(mmap.MADV_DONTNEED)

    def _parse(self, content: mmap.mmap) -> None:
        (length,) = struct.unpack_from("<I", content, len(MAGIC))
        header = json.loads(content[_START : _START + length])
        body = memoryview(content)[_START + length :]
        # Prevents: a cut or altered file quietly moving people to other countries.
        if hashlib.sha256(body).hexdigest() != header["sha256"]:
            raise ValueError("the checksum differs")
        self.source = str(header["source"])
        codes = str(header["countries"])
        self._countries: list[str | None] = [None, *(codes[at : at + 2] for at in range(0, len(codes), 2))]
        self._v4 = _Columns(body, "I", int(header["v4"]), has_asn=bool(header["has_asn"]))
        self._v6 = _Columns(body[self._v4.size :], "Q", int(header["v6"]), has_asn=bool(header["has_asn"]))
        if self._v4.size + self._v6.size != len(body):
            raise ValueError("the columns do not fill the file")
        # Prevents: a look-up that fails, by a number no country has.
        named = bytes(range(min(256, len(self._countries))))
        if bytes(self._v4.countries).translate(None, named) or bytes(self._v6.countries).translate(None, named):
            raise ValueError("a country has no name")

    def find(self, bits: int, number: int) -> tuple[str | None, int | None]:
        """Return country and ASN of an address; `bits` is 32 or 128."""
        columns, key = (self._v4, number) if bits == V4_BITS else (self._v6, number >> 64)
        index = bisect_right(columns.starts, key) - 1
        if index < 0:
            return None, None
        return self._countries[columns.countries[index]], (columns.asns[index] or None) if columns.asns else None


class _Columns:
    def __init__(self, body: memoryview, kind: _Kind, count: int, *, has_asn: bool) -> None:
        self.starts = _numbers(kind, body, count)
        self.size = count * _WIDTHS[kind]
        self.countries = _numbers("B", body[self.size :], count)
        self.size += count
        self.asns = _numbers("I", body[self.size :], count) if has_asn else None
        self.size += count * _WIDTHS["I"] if has_asn else 0


def _numbers(kind: _Kind, body: memoryview, count: int) -> Sequence[int]:
    if struct.calcsize(kind) != _WIDTHS[kind]:
        raise PlaceDataError("this machine's integers are of an unexpected size")
    numbers = body[: count * _WIDTHS[kind]].cast(kind)
    if len(numbers) != count:
        raise ValueError("a column is too short")
    if sys.byteorder == "big":
        copied = array(kind, numbers)
        copied.byteswap()
        return copied
    return numbers


def _refuse(path: Path, cause: Exception | None) -> NoReturn:
    raise PlaceDataError(
        f"`{path.name}` is no place table, or is damaged", hint="install Watchword again, or run tools/places.py"
    ) from cause
