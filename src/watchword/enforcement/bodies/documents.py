"""Read and write the JSON of an answer: strictly, within bounds, and without changing what no rule touches.

Numbers keep the digits they were sent with. Refused is whatever two readers might read differently: a member that comes
twice, however its name is escaped, text that is not UTF-8, `NaN`, anything behind the document.

Sources: RFC 8259; RFC 7493 (I-JSON) section 2.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import accumulate, count
from json.encoder import encode_basestring_ascii
from operator import sub
from typing import Any, Final, TypeAlias

from watchword.enforcement.bodies.errors import BodyRefusedError

MOST_DEPTH: Final = 64
# Strings, and whatever else is no bracket. A string that never ends is taken to the end, and refused by the parser.
# Prevents: a search that begins anew at each of a million quotes.
_NO_BRACKET: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^\[\]{}"]+', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"[{]}", b"\2\2\0\0")
_MODEST: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?")


class Number(str):
    """A number as it was written. Text to Python, so look for this before looking for text."""

    __slots__ = ()

    @property
    def exact(self) -> Decimal | None:
        """The value; nothing for one of more digits than anybody counts with.

        # Prevents: `1e999999999`, which is short to write and takes all memory to add up.
        """
        return Decimal(self) if _MODEST.fullmatch(self) else None


Json: TypeAlias = "dict[str, Json] | list[Json] | str | Number | bool | None"


def read_json(body: bytes) -> Json:
    """Parse a document.

    Raises:
        BodyRefusedError: anything but one JSON document that all readers read alike.
    """
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        document: Json = _DECODER.decode(text)
    except ValueError as error:
        raise BodyRefusedError("the body is not JSON that all readers read alike") from error
    return document


def _check_depth(text: str) -> None:
    """Count open brackets outside of strings, before anything recurses.

    # Prevents: a document nested so deeply that reading or writing it overflows a stack.
    """
    steps = _NO_BRACKET.sub("", text).encode().translate(_STEPS)
    # Opening counts 2, closing 0, and each step less one is what it adds: so that C does all of it.
    if max(map(sub, accumulate(steps), count(1)), default=0) > MOST_DEPTH:
        raise BodyRefusedError("the body is nested too deeply")


def write_json(document: Json) -> bytes:
    """Render a document, compactly and in ASCII."""
    parts: list[str] = []
    _write(document, parts.append)
    return "".join(parts).encode("ascii")


def canonical(document: Json) -> bytes:
    """Render a document so that the order of members makes no difference."""
    return write_json(_sorted(document))


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _write(value: Json, emit: Any) -> None:
    if isinstance(value, Number):
        emit(str.__str__(value))
    elif isinstance(value, str):
        emit(encode_basestring_ascii(value))
    elif isinstance(value, dict):
        emit("{")
        for place, (name, inner) in enumerate(value.items()):
            emit(("," if place else "") + encode_basestring_ascii(name) + ":")
            _write(inner, emit)
        emit("}")
    elif isinstance(value, list):
        emit("[")
        for place, inner in enumerate(value):
            if place:
                emit(",")
            _write(inner, emit)
        emit("]")
    else:
        emit({None: "null", True: "true", False: "false"}[value])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # Prevents: a rule applied to one of two members with the same name while the reader believes the other.
    if len(found) != len(pairs):
        raise ValueError("a member comes twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"`{constant}` is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=Number, parse_float=Number, parse_constant=_refuse, strict=True
)
