"""Read the part of the STIX patterning language that feeds use: values of one observation, joined by OR.

`[ipv4-addr:value = '192.0.2.1']`, `ISSUBSET`, `IN (...)`, several comparisons or observations joined by OR, hashes of
one file joined by AND. Everything else (AND, NOT, LIKE, MATCHES, qualifiers, FOLLOWEDBY, other objects) is refused by
name: half of a condition would match what the author did not mean.

Source: STIX Version 2.1 (OASIS Standard, 10 June 2021), section 9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from watchword.trust.feeds.model import IndicatorKind, Refusal

_LONGEST: Final = 20_000
_MOST_TOKENS: Final = 4_000
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<path>[A-Za-z0-9][A-Za-z0-9-]{0,249}:[A-Za-z_][A-Za-z0-9_.\[\]*-]*(?:'[^'\\]{1,64}')?)
      | (?P<word>[A-Za-z]+)
      | (?P<sign>!=|<=|>=|[=<>\[\](),])
      | (?P<number>-?[0-9][0-9.]*)
    )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PATHS: Mapping[str, IndicatorKind] = MappingProxyType(
    {
        "ipv4-addr:value": IndicatorKind.ADDRESS,
        "ipv6-addr:value": IndicatorKind.ADDRESS,
        # The machine that a connection comes from; the other end of one says nothing of who asks us.
        "network-traffic:src_ref.value": IndicatorKind.ADDRESS,
        "domain-name:value": IndicatorKind.DOMAIN,
        "url:value": IndicatorKind.URL,
    }
)
_HASH = re.compile(r"file:hashes\.'?(MD5|SHA-1|SHA1|SHA-256|SHA256|SHA-512|SHA512)'?", re.ASCII | re.IGNORECASE)
_QUALIFIERS: Final = {"WITHIN", "REPEATS", "START", "STOP"}
_OPERATORS: Final = {"=", "IN", "ISSUBSET"}


class RefusedPatternError(Exception):
    """The pattern is outside of what is read here, or is none."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def read_pattern(text: str) -> list[tuple[IndicatorKind, str]]:
    """Return the values any one of which a pattern matches.

    Raises:
        RefusedPatternError: it says something else, or cannot be read; `why` names what.
    """
    if len(text) > _LONGEST:
        raise RefusedPatternError(Refusal.TOO_LONG)
    return _Reader(_tokens(text)).pattern()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        # Prevents: a pattern of brackets without end keeping us busy.
        if match is None or match.lastgroup is None or len(found) >= _MOST_TOKENS:
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Reader:
    """One pass over the tokens; no recursion, so that nothing that nests can exhaust us."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def pattern(self) -> list[tuple[IndicatorKind, str]]:
        """Read observations joined by OR; round brackets around them change nothing."""
        found: list[tuple[IndicatorKind, str]] = []
        depth = 0
        while True:
            while self._is("("):
                depth += 1
            found += self._observation()
            while depth and self._is(")"):
                depth -= 1
            if self._at == len(self._tokens):
                break
            self._or()
        if depth:
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
        return found

    def _or(self) -> None:
        word = self._next().text.upper()
        if word == "AND":
            raise RefusedPatternError(Refusal.PATTERN_AND)
        if word == "FOLLOWEDBY":
            raise RefusedPatternError(Refusal.PATTERN_SEQUENCE)
        if word in _QUALIFIERS:
            raise RefusedPatternError(Refusal.PATTERN_QUALIFIER)
        if word != "OR":
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)

    def _observation(self) -> list[tuple[IndicatorKind, str]]:
        self._expect("[")
        found: list[tuple[IndicatorKind, str]] = []
        depth = 0
        has_and = False
        while True:
            while self._is("("):
                depth += 1
            found += self._comparison()
            while depth and self._is(")"):
                depth -= 1
            if self._is("]"):
                break
            word = self._next().text.upper()
            if word not in {"AND", "OR"}:
                raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
            has_and = has_and or word == "AND"
        # Hashes of one file joined by AND are names of that file; of anything else AND narrows what is meant.
        if has_and and any(kind is not IndicatorKind.FILE for kind, _ in found):
            raise RefusedPatternError(Refusal.PATTERN_AND)
        if depth:
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
        return found

    def _comparison(self) -> list[tuple[IndicatorKind, str]]:
        path = self._next()
        if path.text.upper() in {"NOT", "EXISTS"}:
            raise RefusedPatternError(Refusal.PATTERN_NOT if path.text.upper() == "NOT" else Refusal.PATTERN_OPERATOR)
        if path.kind != "path":
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
        kind = _PATHS.get(path.text) or (IndicatorKind.FILE if _HASH.fullmatch(path.text) else None)
        operator = self._next().text.upper()
        if operator in {"NOT", "!="}:
            raise RefusedPatternError(Refusal.PATTERN_NOT)
        if kind is None:
            raise RefusedPatternError(Refusal.PATTERN_OBJECT)
        if operator not in _OPERATORS or (operator == "ISSUBSET" and kind is not IndicatorKind.ADDRESS):
            raise RefusedPatternError(Refusal.PATTERN_OPERATOR)
        values = self._set() if operator == "IN" else [self._text()]
        return [(kind, value) for value in values]

    def _set(self) -> list[str]:
        self._expect("(")
        found = [self._text()]
        while self._is(","):
            found.append(self._text())
        self._expect(")")
        return found

    def _text(self) -> str:
        token = self._next()
        if token.kind != "text":
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
        return _ESCAPED.sub(r"\1", token.text[1:-1])

    def _next(self) -> _Token:
        if self._at == len(self._tokens):
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, sign: str) -> bool:
        here = self._at < len(self._tokens) and self._tokens[self._at] == _Token("sign", sign)
        self._at += here
        return here

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            raise RefusedPatternError(Refusal.PATTERN_MALFORMED)
