"""Read tuples from a file: JSON lines as `fga tuple` writes them, every problem with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.relations.errors import RelationError
from watchword.policy.relations.model import RelationModel
from watchword.policy.relations.parse import compiled_conditions
from watchword.policy.relations.tuples import RelationTuple, permitted, read_tuple

_MOST_BYTES: Final = 256 << 20
_MOST_PROBLEMS: Final = 20
_LONGEST_LINE: Final = 16_384
_FORM: Final = '{"user": ..., "relation": ..., "object": ...}, and perhaps "condition": {"name": ..., "context": {...}}'


def read_lines(path: Path, *, model: RelationModel | None = None) -> list[RelationTuple]:
    """Return the tuples of a file.

    Args:
        model: they are to be written, so each must be one that it allows, and stand there once.

    Raises:
        PolicyLoadError: with every problem found, the first twenty at most; nothing of the file is used then.
    """
    found: list[RelationTuple] = []
    problems: list[Problem] = []
    check = _Writable(model) if model is not None else None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PolicyLoadError([Problem(path.name, 0, 0, f"the file is larger than {_MOST_BYTES >> 20} MB")])
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    if line.strip():
                        found.append(_read(line, number, check))
                except _WrongLineError as error:
                    problems.append(Problem(path.name, number, error.column, str(error), expected=error.expected))
                if len(problems) >= _MOST_PROBLEMS:
                    break
    except OSError as error:
        raise PolicyLoadError([Problem(path.name, 0, 0, f"the file cannot be read: {error.strerror}")]) from error
    if problems:
        raise PolicyLoadError(problems)
    return found


class _WrongLineError(Exception):
    def __init__(self, message: str, *, expected: str, column: int = 0) -> None:
        super().__init__(message)
        self.expected = expected
        self.column = column


class _Writable:
    """What must hold of every tuple before the first is written.

    # Prevents: a file that is refused in the middle, with its first half in force.
    """

    def __init__(self, model: RelationModel) -> None:
        self._model = model
        self._conditions = compiled_conditions(model)
        self._lines: dict[str, int] = {}

    def __call__(self, found: RelationTuple, number: int) -> None:
        permitted(self._model, found, self._conditions)
        first = self._lines.setdefault(found.key, number)
        if first != number:
            raise _WrongLineError("a tuple is given twice", expected=f"one; the first is in line {first}")


def _read(line: bytes, number: int, check: _Writable | None) -> RelationTuple:
    if len(line) > _LONGEST_LINE:
        raise _WrongLineError("the line is too long", expected=f"{_LONGEST_LINE} bytes at most")
    try:
        written = json.loads(line.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise _WrongLineError("not JSON", expected=_FORM, column=error.colno) from None
    except (UnicodeDecodeError, RecursionError):
        raise _WrongLineError("not JSON in UTF-8", expected=_FORM) from None
    try:
        found = _tuple(written)
        if check is not None:
            check(found, number)
    except RelationError as error:
        raise _WrongLineError(error.message, expected=error.hint or "") from None
    return found


def _tuple(written: Any) -> RelationTuple:
    parts = {"user", "relation", "object"}
    if not isinstance(written, dict) or not parts <= written.keys() <= parts | {"condition"}:
        raise _WrongLineError("the line is no tuple", expected=_FORM)
    condition = written.get("condition") or {"name": ""}
    context = condition.get("context") or {} if isinstance(condition, dict) else None
    if not isinstance(condition, dict) or not isinstance(context, dict):
        raise _WrongLineError("the condition is malformed", expected=_FORM)
    words = [*(written[name] for name in ("object", "relation", "user")), condition.get("name")]
    if not all(isinstance(word, str) for word in words):
        raise _WrongLineError("a part of the tuple is no text", expected=_FORM)
    return read_tuple(words[0], words[1], words[2], condition=words[3], context=context)
