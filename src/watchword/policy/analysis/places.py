"""Where in a file the parts of a policy stand, and what they say there."""

from __future__ import annotations

from collections.abc import Sequence

from watchword.policy import text
from watchword.policy.analysis.encode import Part
from watchword.policy.analysis.model import Place
from watchword.policy.load import WrittenPolicy
from watchword.policy.text import Token

_LONGEST = 100
_OPENING, _CLOSING = ("(", "{", "["), (")", "}", "]")


class Places:
    """Finds parts by counting words, and falls back on the whole condition where the counts differ."""

    def of(self, policy: WrittenPolicy, part: Part | None = None, alternative: int | None = None) -> Place:
        """Return where a policy, a part of it or one of the part's alternatives begins."""
        if part is None or not policy.line:
            return Place(policy.path, policy.line, policy.column if policy.line else 0)
        found = self._tokens(policy, part, alternative)
        if not found:
            return self.of(policy)
        line, column = text.line_and_column(policy.text, found[0].start)
        return Place(policy.path, policy.line + line - 1, column + (policy.column - 1 if line == 1 else 0))

    def words(self, policy: WrittenPolicy, part: Part, alternative: int | None = None) -> str:
        """Return what a part says, on one line, as the file has it."""
        found = self._tokens(policy, part, alternative)
        if not found:
            return f"condition {part.condition + 1}"
        written = " ".join(policy.text[found[0].start : found[-1].end].split())
        return f"`{written if len(written) <= _LONGEST else written[:_LONGEST] + '…'}`"

    def _tokens(self, policy: WrittenPolicy, part: Part, alternative: int | None) -> Sequence[Token]:
        conditions = list(_conditions(list(text.tokens_of(policy.text))))
        bodies = policy.est.get("conditions", [])
        if len(conditions) != len(bodies):
            return ()
        inner = conditions[part.condition]
        if bodies[part.condition]["kind"] == "when":
            inner = _piece(inner, "&&", part.place, _count(bodies[part.condition]["body"], "&&"))
        if alternative is not None:
            inner = _piece(_bare(inner), "||", alternative, len(part.alternatives))
        return inner


def _count(node: object, name: str) -> int:
    number = 1
    while isinstance(node, dict) and set(node) == {name}:
        number += 1
        node = node[name]["left"]
    return number


def _conditions(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Return the words inside each `when { }` and `unless { }`."""
    found: list[Sequence[Token]] = []
    depth, start = 0, -1
    for place, token in enumerate(tokens):
        if token.kind != "sign":
            continue
        if token.text in _OPENING:
            depth += 1
            if depth == 1 and token.text == "{":
                start = place + 1
        elif token.text in _CLOSING:
            depth -= 1
            if depth == 0 and token.text == "}" and start >= 0:
                found.append(tokens[start:place])
    return found


def _piece(tokens: Sequence[Token], sign: str, number: int, wanted: int) -> Sequence[Token]:
    """Cut at the operators that stand in no bracket; everything where that gives another count than the parser's."""
    pieces: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
            if depth == 0 and token.text == sign:
                pieces.append([])
                continue
        pieces[-1].append(token)
    return pieces[number] if len(pieces) == wanted and all(pieces) else tokens


def _bare(tokens: Sequence[Token]) -> Sequence[Token]:
    """Drop brackets around the whole."""
    while len(tokens) > 1 and tokens[0].text == "(" and tokens[-1].text == ")":
        depth = 0
        for place, token in enumerate(tokens):
            if token.kind == "sign":
                depth += (token.text in _OPENING) - (token.text in _CLOSING)
            if depth == 0 and place < len(tokens) - 1:
                return tokens
        tokens = tokens[1:-1]
    return tokens
