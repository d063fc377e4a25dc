"""Read YAML as a tree in which every value knows its file, line and column; nothing else in this room reads YAML.

The tree holds what JSON holds: null, truth values, numbers, text, lists, and mappings with text for keys. Words such as
`no`, `on` or `2026-01-01` are text, as in YAML 1.2. Refused: aliases and anchors, tags, a second document, merge keys,
a key that comes twice, and more than the bounds allow.

Sources: YAML 1.2.2 sections 10.2 (JSON schema) and 10.3 (core schema).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from watchword.policy import text
from watchword.policy.errors import PolicyLoadError, Problem

MOST_BYTES: Final = 1024 * 1024
MOST_DEPTH: Final = 32
MOST_VALUES: Final = 100_000

Scalar: TypeAlias = "bool | int | float | str | None"
Plain: TypeAlias = "Scalar | list[Plain] | dict[str, Plain]"

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,19}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
_LONGEST_KEY: Final = 1024
_KINDS: Final = {
    type(None): "nothing",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "text",
    tuple: "a list",
    dict: "a mapping",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands.

    Attributes:
        value: a scalar, a tuple of nodes, or a dictionary from key to node.
        path: the file's name as problems shall say it.
        line: counted from 1.
        column: counted in characters from 1.
        keys: of a mapping, where each key stands: line and column.
    """

    value: Scalar | tuple[Node, ...] | dict[str, Node]
    path: str
    line: int
    column: int
    keys: Mapping[str, tuple[int, int]] | None = None

    @property
    def kind(self) -> str:
        """What it is, as a person would say it."""
        return _KINDS[type(self.value)]

    def problem(self, message: str, *, expected: str = "", nearest: str = "") -> Problem:
        """Say what is wrong here."""
        return Problem(self.path, self.line, self.column, message, expected=expected, nearest=nearest)

    def refuse(self, message: str, *, expected: str = "", nearest: str = "") -> PolicyLoadError:
        """Make the error that says what is wrong here; the caller raises it."""
        return PolicyLoadError([self.problem(message, expected=expected, nearest=nearest)])

    def refuse_key(self, key: str, message: str, *, expected: str = "", nearest: str = "") -> PolicyLoadError:
        """Make the error that says what is wrong with a key of this mapping."""
        line, column = (self.keys or {}).get(key, (self.line, self.column))
        return PolicyLoadError([Problem(self.path, line, column, message, expected=expected, nearest=nearest)])

    def text(self) -> str:
        """Return text.

        Raises:
            PolicyLoadError: it is something else; each of the readers below raises it in the same way.
        """
        if isinstance(self.value, str):
            return self.value
        raise self.refuse(f"{self.kind} where text belongs", expected="text")

    def truth(self) -> bool:
        """Return a truth value."""
        if isinstance(self.value, bool):
            return self.value
        raise self.refuse(f"{self.kind} where a truth value belongs", expected="true or false")

    def integer(self, *, least: int, most: int) -> int:
        """Return a whole number within bounds, both included."""
        if isinstance(self.value, int) and not isinstance(self.value, bool) and least <= self.value <= most:
            return self.value
        raise self.refuse("not such a number", expected=f"a whole number from {least} to {most}")

    def items(self) -> tuple[Node, ...]:
        """Return the elements of a list."""
        if isinstance(self.value, tuple):
            return self.value
        raise self.refuse(f"{self.kind} where a list belongs", expected="a list")

    def texts(self) -> tuple[str, ...]:
        """Return a list of text."""
        return tuple(item.text() for item in self.items())

    def mapping(self, known: Iterable[str] | None = None, *, required: Iterable[str] = ()) -> dict[str, Node]:
        """Return a mapping's values by key.

        Args:
            known: the keys that may stand here; nothing for any.
            required: those that must.
        """
        if not isinstance(self.value, dict):
            raise self.refuse(f"{self.kind} where a mapping belongs", expected="a mapping")
        names = frozenset(known) | frozenset(required) if known is not None else None
        for key in self.value:
            if names is not None and key not in names:
                wanted = ", ".join(f"`{name}`" for name in sorted(names))
                near = text.nearest(key, names)
                raise self.refuse_key(key, f"no key `{_short(key)}` is known here", expected=wanted, nearest=near)
        for key in required:
            if key not in self.value:
                raise self.refuse(f"the key `{key}` is missing", expected=f"`{key}`")
        return self.value

    def plain(self) -> Plain:
        """Return the value without places, as `json.loads` would."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: inner.plain() for key, inner in self.value.items()}
        return self.value


def read_document(path: Path, *, name: str = "", most_bytes: int = MOST_BYTES) -> Node:
    """Read a file; an empty one is null.

    Args:
        name: what problems call the file; by default its last part.

    Raises:
        PolicyLoadError: unreadable, too large, not UTF-8, or anything that `parse_document` refuses.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            raw = file.read(most_bytes + 1)
    except OSError as error:
        wrong = Problem(name, 0, 0, f"cannot be read: {error.strerror}", expected="a readable file")
        raise PolicyLoadError([wrong]) from error
    return parse_document(raw, name=name, most_bytes=most_bytes)


def parse_document(source: str | bytes, *, name: str, most_bytes: int = MOST_BYTES) -> Node:
    """Parse one document; an empty one is null.

    Raises:
        PolicyLoadError: not YAML, or YAML that is refused here; with the place.
    """
    raw = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    # Prevents: hours in a parser for one file.
    if len(raw) > most_bytes:
        raise PolicyLoadError([Problem(name, 0, 0, "the file is too large", expected=f"at most {most_bytes} bytes")])
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PolicyLoadError([Problem(name, line, 0, "not UTF-8 text", expected="UTF-8")]) from error
    try:
        return _Composer(name, decoded).compose()
    except yaml.reader.ReaderError as error:
        raise PolicyLoadError([_unreadable(name, decoded, error)]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        words = f"not YAML: {error.problem or error.context or 'it cannot be read'}"
        raise PolicyLoadError([Problem(name, line, column, words)]) from error
    except yaml.YAMLError as error:
        raise PolicyLoadError([Problem(name, 0, 0, "not YAML")]) from error


def _unreadable(name: str, source: str, error: yaml.reader.ReaderError) -> Problem:
    at = next((place for place, character in enumerate(source) if not _is_printable(character)), None)
    line, column = text.line_and_column(source, at) if at is not None else (0, 0)
    return Problem(name, line, column, f"not YAML: {error.reason}", expected="printable characters")


def _is_printable(character: str) -> bool:
    return character in "\t\n\r\x85" or (character >= " " and not "\x7f" <= character < "\xa0")


class _Composer:
    """Build the tree from the parser's events, without recursion deeper than the bound."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._events = yaml.parse(source, Loader=_LOADER)
        self._values = 0

    def compose(self) -> Node:
        documents = 0
        root = Node(None, self._name, 1, 1)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "a second document begins", "one document a file")
                root = self._node(next(self._events), 1)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        self._values += 1
        # Prevents: a small file that becomes a large tree, or one that overflows a stack.
        if depth > MOST_DEPTH:
            raise self._refusal(event, "nested too deeply", f"at most {MOST_DEPTH} levels")
        if self._values > MOST_VALUES:
            raise self._refusal(event, "too many values", f"at most {MOST_VALUES}")
        # Prevents: exponential growth by references ("billion laughs"), and one value that changes in two places.
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._refusal(event, "an anchor or alias", "the value written out")
        # Prevents: a tag that makes a loader build something else than data.
        if event.tag is not None and event.tag != "!":
            raise self._refusal(event, "a tag", "a plain value")
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(self._list(depth), self._name, line, column)
        if isinstance(event, yaml.MappingStartEvent):
            values, keys = self._mapping(depth)
            return Node(values, self._name, line, column, keys)
        return Node(self._scalar(event), self._name, line, column)

    def _list(self, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._node(event, depth + 1))
        return tuple(found)

    def _mapping(self, depth: int) -> tuple[dict[str, Node], dict[str, tuple[int, int]]]:
        values: dict[str, Node] = {}
        keys: dict[str, tuple[int, int]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            node = self._node(event, depth + 1)
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
            if key is None or len(key) > _LONGEST_KEY or (event.implicit[0] and key in _NULL | {"<<"}):
                raise node.refuse("this cannot be a key", expected="text")
            # Prevents: two readers that each believe another one of two entries.
            if key in values:
                first, _ = keys[key]
                raise node.refuse(f"the key `{_short(key)}` comes twice", expected=f"one; the first is in line {first}")
            keys[key] = node.line, node.column
            values[key] = self._node(next(self._events), depth + 1)
        return values, keys

    def _scalar(self, event: Any) -> Scalar:
        word: str = event.value
        if not event.implicit[0]:  # quoted, or a block
            return word
        if word in _NULL:
            return None
        if word in _TRUTH:
            return _TRUTH[word]
        if _INTEGER.fullmatch(word):
            return int(word)
        if _FLOAT.fullmatch(word):
            number = float(word)
            if not math.isfinite(number):
                raise self._refusal(event, "the number is too large", "a number that fits 64 bits")
            return number
        return word

    def _refusal(self, event: Any, message: str, expected: str) -> PolicyLoadError:
        mark = event.start_mark
        return PolicyLoadError([Problem(self._name, mark.line + 1, mark.column + 1, message, expected=expected)])


def _short(key: str) -> str:
    return key if len(key) <= 60 else f"{key[:60]}…"  # noqa: PLR2004  # enough to find it
