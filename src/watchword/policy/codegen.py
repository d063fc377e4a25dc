"""Turn trusted shapes into Python functions. What a policy says never becomes part of a source text.

A source holds only names that this room made up; every literal, attribute name, entity and pattern is passed in as a
constant. Sources of one shape share one compiled code object, so thousands of alike policies compile once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from watchword.policy.errors import UnknownSyntaxError

_KEYWORDS = "for def return if else elif and or not in is for None True False len frozenset isinstance"
_MEMBERS = "__class__ ms isdisjoint issuperset startswith endswith parents attributes tags uid get"
_PARAMETERS = "P A R C E PA RA PS RS AS make f"
_MADE_UP = re.compile(r"[kxn][0-9]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# No quote, no backslash, no brace, no semicolon, no hash: nothing a literal could be hidden in.
_ALPHABET = re.compile(r"[A-Za-z0-9_ \n.,:()\[\]=!<>+*-]*")

_compiled: dict[tuple[int, int, str], Any] = {}
_MOST_COMPILED = 50_000


class Constants:
    """The values of one function, each under a name of its own."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._names: dict[Any, str] = {}

    def name(self, value: Any) -> str:
        """Return the name of a constant; equal scalars share one."""
        key = (value.__class__, value) if isinstance(value, str | int | tuple) else id(value)
        if key not in self._names:
            self._names[key] = f"k{len(self.values)}"
            self.values.append(value)
        return self._names[key]


def build(source: str, constants: Constants, vocabulary: Mapping[str, Any]) -> Callable[..., Any]:
    """Make the function `f` of a source, with its constants bound.

    Args:
        source: the body of a module that defines `f`, without any literal of a policy.
        constants: bound in the order in which they were named.
        vocabulary: the helpers that the source may call, one mapping for all sources of a kind; nothing else is
            reachable, no builtin either.

    Raises:
        UnknownSyntaxError: the source holds something that no generator of ours writes.
    """
    key = (id(vocabulary), len(constants.values), source)
    make = _compiled.get(key)
    if make is None:
        make = _compile(source, len(constants.values), vocabulary)
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        _compiled[key] = make
    function: Callable[..., Any] = make(*constants.values)
    return function


def _compile(source: str, constants: int, vocabulary: Mapping[str, Any]) -> FunctionType:
    _refuse_foreign(source, vocabulary)
    parameters = ", ".join(f"k{number}" for number in range(constants))
    body = "".join(f"  {line}\n" for line in source.splitlines())
    scope: dict[str, Any] = {"__builtins__": {}, **vocabulary}
    code = compile(f"def make({parameters}):\n{body}  return f\n", "<policy>", "exec")
    exec(code, scope)  # noqa: S102 (every character and name of it was checked above)
    made: FunctionType = scope["make"]
    return made


def _refuse_foreign(source: str, vocabulary: Mapping[str, Any]) -> None:
    """Prevents: a literal, attribute or entity name that reaches the Python compiler as text."""
    if not _ALPHABET.fullmatch(source):
        raise UnknownSyntaxError("generated code holds a foreign character")
    for name in _NAME.findall(source):
        if name not in vocabulary and name not in _ALLOWED and not _MADE_UP.fullmatch(name):
            raise UnknownSyntaxError("generated code holds a foreign name")


_ALLOWED = frozenset(f"{_KEYWORDS} {_MEMBERS} {_PARAMETERS}".split())
