"""Read a JSON document from outside, strictly and within bounds.

What two parsers could read differently is refused: doubled names, numbers beyond a double, unpaired surrogates.
Source: RFC 8259; RFC 7493 (I-JSON) sections 2.1 to 2.3; Authorization API 1.0, "JSON Payload Considerations".
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from watchword.enforcement.authzen.errors import MalformedQuestionError

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000
# The largest double has 309 digits; a sign stands before it.
_LONGEST_NUMBER: Final = 310


def read_document(body: bytes) -> dict[str, Any]:
    """Parse a body whose size is bounded already into one JSON object.

    Raises:
        MalformedQuestionError: not UTF-8, not JSON, not an object, deeper than 32, more than 50,000 values, or a value
            that I-JSON does not allow.
    """
    try:
        # Decoded here, because the parser would take UTF-16 and UTF-32 for granted as well.
        text = body.decode("utf-8")
        found = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise MalformedQuestionError("the body is not UTF-8") from None
    except RecursionError:
        # Prevents: brackets nested until the interpreter's stack is spent.
        raise MalformedQuestionError(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedQuestionError(f"the body is not JSON: {where}") from None
    if not isinstance(found, dict):
        raise MalformedQuestionError("the body is not a JSON object")
    _bound(found)
    return found


def _bound(document: dict[str, Any]) -> None:
    """Walk level by level, so that depth costs no stack."""
    level: list[Any] = [document]
    count = 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for name in value:
                    _check_text(name)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _check_text(value)
        count += len(below)
        # Prevents: a body of tiny values that costs many times its size in memory and time.
        if count > MAX_VALUES:
            raise MalformedQuestionError(f"the body holds more than {MAX_VALUES} values")
        if not below:
            return
        level = below
    raise MalformedQuestionError(f"the body is nested deeper than {MAX_DEPTH} levels")


def _check_text(text: str) -> None:
    # Prevents: a text that can be read but neither journaled nor answered.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedQuestionError("a text holds half of a surrogate pair")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # Prevents: an enforcement point that reads the first of two subjects, and a decision about the second.
    if len(found) != len(pairs):
        raise MalformedQuestionError("an object holds a name twice")
    return found


def _whole(digits: str) -> int | float:
    """Return a whole number of 64 bits; beyond that a double, as I-JSON takes it."""
    # Prevents: a number whose conversion takes longer than the decision.
    if len(digits) > _LONGEST_NUMBER:
        raise MalformedQuestionError("a number is larger than a double")
    value = int(digits)
    return value if -(2**63) <= value < 2**63 else _real(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise MalformedQuestionError("a number is larger than a double")
    return value


def _constant(word: str) -> Any:
    raise MalformedQuestionError(f"`{word}` is not JSON")
