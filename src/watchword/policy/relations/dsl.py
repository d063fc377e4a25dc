"""Read the modelling language of OpenFGA. A parser of our own, so that each mistake has its line and column.

Lines matter, indentation does not. `#` begins a comment at the start of a line or after a blank.
Source: the OpenFGA documentation, "Configuration Language"; github.com/openfga/language, OpenFGAParser.g4.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

from watchword.policy.errors import Problem
from watchword.policy.relations.model import (
    Computed,
    Condition,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    Parameter,
    Place,
    Relation,
    Restriction,
    Rewrite,
    TypeDefinition,
    Union,
)

MOST_CHARACTERS: Final = 256 * 1024
_DEEPEST: Final = 25
_KEYWORDS: Final = frozenset({"relations", "define", "from", "or", "and", "but", "not", "with", "condition"})
SCALARS: Final = ("bool", "string", "int", "uint", "double", "duration", "timestamp", "ipaddress")
CONTAINERS: Final = ("list", "map")
_TOKEN: Final = re.compile(
    r"(?P<comment>(?:(?<=[ \t\n])|\A)\#[^\n]*)|(?P<blank>[ \t]+)|(?P<line>\n)"
    r"|(?P<word>[A-Za-z0-9_][A-Za-z0-9_./-]*)|(?P<mark>[\[\]():,\#*<>{}])|(?P<other>.)",
)
_COMMENT: Final = re.compile(r"//[^\n]*|(?<=[\s{])\#[^\n]*")
_STRING: Final = re.compile(r'[rRbB]{0,2}("""|\'\'\'|"|\')')


class SyntaxProblemError(Exception):
    """The text is not of the language, in one place."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Written:
    """What a text says, before anybody asked whether it makes sense."""

    types: tuple[TypeDefinition, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(path: str, source: str) -> Written:
    """Read a whole file.

    Raises:
        SyntaxProblemError: at the first place that is wrong.
    """
    if len(source) > MOST_CHARACTERS:
        raise SyntaxProblemError(Problem(path, 0, 0, f"the model is longer than {MOST_CHARACTERS >> 10} KB"))
    return _Parser(path, source.replace("\r\n", "\n")).model()


class _Parser:
    """Recursive descent, one token ahead; its depth is bounded by `_DEEPEST`."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", source))]
        self._at = 0
        self._token = self._read()

    # ---- tokens --------------------------------------------------------------------------------------------------

    def _read(self) -> _Token:
        while self._at < len(self._source):
            found = _TOKEN.match(self._source, self._at)
            assert found is not None
            self._at = found.end()
            kind = str(found.lastgroup)
            if kind not in {"comment", "blank"}:
                return _Token(kind, found[0], found.start())
        return _Token("end", "", len(self._source))

    def _next(self) -> _Token:
        token, self._token = self._token, self._read()
        return token

    def _place(self, token: _Token) -> Place:
        line = bisect_right(self._line_starts, token.at)
        return Place(line, token.at - self._line_starts[line - 1] + 1)

    def _fail(self, message: str, *, expected: str = "", at: _Token | None = None) -> NoReturn:
        place = self._place(at or self._token)
        raise SyntaxProblemError(Problem(self._path, place.line, place.column, message, expected=expected))

    def _unexpected(self, expected: str) -> NoReturn:
        token = self._token
        found = {"end": "the end of the file", "line": "the end of the line"}.get(token.kind, f"`{token.text[:40]}`")
        self._fail(f"{found} cannot stand here", expected=expected)

    def _is(self, text: str) -> bool:
        return self._token.text == text and self._token.kind in {"word", "mark"}

    def _take(self, text: str) -> bool:
        if self._is(text):
            self._next()
            return True
        return False

    def _want(self, text: str) -> _Token:
        if not self._is(text):
            self._unexpected(f"`{text}`")
        return self._next()

    def _name(self, of: str) -> _Token:
        if self._token.kind != "word" or self._token.text in _KEYWORDS:
            self._unexpected(f"the name of {of}")
        return self._next()

    def _lines(self) -> None:
        while self._token.kind == "line":
            self._next()

    def _line_end(self) -> None:
        if self._token.kind not in {"line", "end"}:
            self._unexpected("the end of the line")
        self._lines()

    # ---- the file ------------------------------------------------------------------------------------------------

    def model(self) -> Written:
        self._lines()
        self._want("model")
        self._line_end()
        self._want("schema")
        if self._token.text != "1.1":
            self._unexpected("`1.1`; modules (schema 1.2) are not read")
        self._next()
        self._line_end()
        types: list[TypeDefinition] = []
        conditions: list[Condition] = []
        while self._is("type"):
            types.append(self._type())
        while self._is("condition"):
            conditions.append(self._condition())
        if self._token.kind != "end":
            self._unexpected("`condition`" if conditions else "`type` or `condition`")
        return Written(tuple(types), tuple(conditions))

    def _type(self) -> TypeDefinition:
        self._want("type")
        name = self._name("a type")
        self._line_end()
        relations: dict[str, Relation] = {}
        if self._take("relations"):
            self._line_end()
            if not self._is("define"):
                self._unexpected("`define`")
            while self._is("define"):
                relation = self._relation()
                if relation.name in relations:
                    message = f"the relation `{relation.name}` of `{name.text}` is defined twice"
                    raise SyntaxProblemError(Problem(self._path, *relation.place, message))
                relations[relation.name] = relation
        return TypeDefinition(name.text, MappingProxyType(relations), self._place(name))

    def _relation(self) -> Relation:
        self._want("define")
        name = self._name("a relation")
        self._want(":")
        rewrite = self._rewrite(0, may_be_direct=True)
        self._line_end()
        return Relation(name.text, rewrite, self._place(name))

    # ---- rewrites ------------------------------------------------------------------------------------------------

    def _rewrite(self, depth: int, *, may_be_direct: bool) -> Rewrite:
        """Read one run of a single operator; another one needs parentheses, as in the reference."""
        first = self._operand(depth, may_be_direct=may_be_direct)
        if self._is("or") or self._is("and"):
            operator = self._token.text
            parts = [first]
            while self._take(operator):
                parts.append(self._operand(depth, may_be_direct=False))
            self._refuse_mixture()
            return Union(tuple(parts)) if operator == "or" else Intersection(tuple(parts))
        if self._take("but"):
            self._want("not")
            subtract = self._operand(depth, may_be_direct=False)
            self._refuse_mixture()
            return Exclusion(first, subtract)
        return first

    def _refuse_mixture(self) -> None:
        if self._is("or") or self._is("and") or self._is("but"):
            self._fail(f"`{self._token.text}` cannot follow without parentheses", expected="parentheses around a part")

    def _operand(self, depth: int, *, may_be_direct: bool) -> Rewrite:
        if depth > _DEEPEST:
            self._fail("the relation is nested too deeply", expected=f"{_DEEPEST} parentheses at most")
        if self._is("["):
            if not may_be_direct:
                self._fail("a list of types comes first or not at all", expected="the name of a relation or `(`")
            return self._direct()
        if self._take("("):
            inner = self._rewrite(depth + 1, may_be_direct=may_be_direct)
            self._want(")")
            return inner
        wanted = "a relation, or `(`" + (", or `[`" if may_be_direct else "")
        name = self._name(wanted)
        place = self._place(name)
        if self._take("from"):
            return FromTupleset(name.text, self._name("a relation").text, place)
        return Computed(name.text, place)

    def _direct(self) -> Direct:
        self._want("[")
        restrictions = [self._restriction()]
        while self._take(","):
            restrictions.append(self._restriction())
        self._want("]")
        return Direct(tuple(restrictions))

    def _restriction(self) -> Restriction:
        name = self._name("a type")
        relation, is_wildcard = "", False
        if self._take("#"):
            relation = self._name("a relation").text
        elif self._take(":"):
            self._want("*")
            is_wildcard = True
        condition = self._name("a condition").text if self._take("with") else ""
        return Restriction(name.text, relation, is_wildcard, condition, self._place(name))

    # ---- conditions ----------------------------------------------------------------------------------------------

    def _condition(self) -> Condition:
        self._want("condition")
        name = self._name("a condition")
        self._want("(")
        self._lines()
        parameters: dict[str, Parameter] = {}
        while True:
            token = self._name("a parameter")
            self._want(":")
            if token.text in parameters:
                self._fail(f"the parameter `{token.text}` is declared twice", at=token)
            parameters[token.text] = self._parameter()
            self._lines()
            if not self._take(","):
                break
            self._lines()
        self._want(")")
        expression, place = self._expression()
        self._line_end()
        return Condition(name.text, MappingProxyType(parameters), expression, self._place(name), place)

    def _parameter(self) -> Parameter:
        token = self._next()
        if token.text in SCALARS:
            return Parameter(token.text)
        if token.text not in CONTAINERS:
            self._fail(
                f"`{token.text[:40]}` is no type of a parameter", expected=_any_of(SCALARS + CONTAINERS), at=token
            )
        self._want("<")
        element = self._next()
        if element.text not in SCALARS:
            self._fail(f"`{element.text[:40]}` is no type of an element", expected=_any_of(SCALARS), at=element)
        self._want(">")
        return Parameter(token.text, element.text)

    def _expression(self) -> tuple[str, Place]:  # noqa: RET503 (`_fail` never returns)
        """Cut the text between the braces; strings, comments and maps may hold braces. Comments become blanks."""
        opening = self._token
        if not self._is("{"):
            self._unexpected("`{`")
        at, depth = opening.at + 1, 1
        source, said = self._source, ""
        while at < len(source):
            string, comment = _STRING.match(source, at), _COMMENT.match(source, at)
            if comment is not None:
                said, at = said + " " * len(comment[0]), comment.end()
            elif string is not None:
                end = self._past_string(string)
                said, at = said + source[at:end], end
            elif source[at] == "}" and depth == 1:
                self._at = at + 1
                self._token = self._read()
                begin = at - len(said.lstrip())
                return said.strip(), self._place(_Token("mark", "", begin))
            else:
                said += source[at]
                depth += {"{": 1, "}": -1}.get(source[at], 0)
                at += 1
        self._fail("the condition has no end", expected="`}`", at=opening)

    def _past_string(self, string: re.Match[str]) -> int:  # noqa: RET503 (as above)
        quote, is_raw = string[1], "r" in string[0].lower()
        at = string.end()
        while at < len(self._source):
            if self._source.startswith(quote, at):
                return at + len(quote)
            at += 2 if self._source[at] == "\\" and not is_raw else 1
        self._fail("a string has no end", expected=f"`{quote}`", at=_Token("mark", quote, string.start()))


def _any_of(names: tuple[str, ...]) -> str:
    return "one of " + ", ".join(f"`{name}`" for name in names)


def rendered(types: Mapping[str, TypeDefinition], conditions: Mapping[str, Condition]) -> str:
    """Write a model in the language again, in a canonical layout; two models with one text mean the same."""
    lines = ["model", "  schema 1.1"]
    for type_ in types.values():
        lines.append(f"\ntype {type_.name}")
        if type_.relations:
            lines.append("  relations")
        lines += [f"    define {relation.name}: {written(relation.rewrite)}" for relation in type_.relations.values()]
    for condition in conditions.values():
        parameters = ", ".join(f"{name}: {type_}" for name, type_ in condition.parameters.items())
        lines.append(f"\ncondition {condition.name}({parameters}) {{\n  {condition.expression}\n}}")
    return "\n".join(lines) + "\n"


def written(rewrite: Rewrite) -> str:
    """Write what a relation is made of, in the language."""
    return _text(rewrite, is_outermost=True)


def _text(rewrite: Rewrite, *, is_outermost: bool = False) -> str:
    match rewrite:
        case Direct(restrictions):
            return f"[{', '.join(map(str, restrictions))}]"
        case Computed(relation):
            return relation
        case FromTupleset(relation, tupleset):
            return f"{relation} from {tupleset}"
        case Union(parts):
            joined = " or ".join(map(_text, parts))
        case Intersection(parts):
            joined = " and ".join(map(_text, parts))
        case Exclusion(base, subtract):
            joined = f"{_text(base)} but not {_text(subtract)}"
    return joined if is_outermost else f"({joined})"
