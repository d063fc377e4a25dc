"""Find where in a policy's text each of its clauses stands, to mark them there.

The JSON form of Cedar holds no places. This cuts the text at the words that join clauses and lays the pieces beside
the places of the compiled policy; where the two do not have the same form, a piece stands for all that lies in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from watchword.policy.text import Token, tokens_of
from watchword.policy.tracing import Place

Span: TypeAlias = tuple[int, int]
_OPENING, _CLOSING = frozenset("({["), frozenset(")}]")
_SIDES: Final = ("principal", "action", "resource")
# What binds looser than `!`: an expression that begins with `!` and holds one of these beside it is no negation.
_RELATIONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "has", "like", "is", "+", "-", "*"})


@dataclass(frozen=True, slots=True)
class _Piece:
    span: Span
    join: str = ""
    parts: tuple[_Piece, ...] = ()


def spans_of(text: str, places: Sequence[Place]) -> Mapping[int, Span]:
    """Return where each place stands, by its `id()`; characters count from 0, the end is not included."""
    found: dict[int, Span] = {}
    for place, tokens in zip(places, _conditions(list(tokens_of(text))), strict=False):
        _lay(place, _piece(tokens), found)
    return found


def head_spans(text: str) -> Mapping[str, Span]:
    """Return where `principal`, `action` and `resource` of the head stand."""
    tokens = list(tokens_of(text))
    begin = next((at for at, token in enumerate(tokens) if _is_effect(tokens, at, token)), None)
    if begin is None:
        return {}
    sides = _split(tokens[begin + 2 : _closing(tokens, begin + 1)], ",")
    return {name: _span(side) for name, side in zip(_SIDES, sides, strict=False) if side}


def _is_effect(tokens: Sequence[Token], at: int, token: Token) -> bool:
    is_annotation = at > 0 and tokens[at - 1].text == "@"
    return token.kind == "name" and token.text in {"permit", "forbid"} and not is_annotation


def _conditions(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    found = []
    at = 0
    while at + 1 < len(tokens):
        word, following = tokens[at], tokens[at + 1]
        if word.kind == "name" and word.text in {"when", "unless"} and following.text == "{":
            end = _closing(tokens, at + 1)
            found.append(tokens[at + 2 : end])
            at = end
        at += 1
    return found


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += _step(tokens[at])
        if depth == 0:
            return at
    return len(tokens)


def _step(token: Token) -> int:
    return (token.text in _OPENING) - (token.text in _CLOSING) if token.kind == "sign" else 0


def _split(tokens: Sequence[Token], *signs: str) -> list[Sequence[Token]]:
    """Cut at signs that stand in no bracket."""
    parts, begin, depth = [], 0, 0
    for at, token in enumerate(tokens):
        depth += _step(token)
        if depth == 0 and token.text in signs and token.kind in {"sign", "name"}:
            parts.append(tokens[begin:at])
            begin = at + 1
    return [*parts, tokens[begin:]]


def _span(tokens: Sequence[Token]) -> Span:
    return tokens[0].start, tokens[-1].end


def _bare(tokens: Sequence[Token]) -> Sequence[Token]:
    while len(tokens) > 1 and tokens[0].text == "(" and _closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _piece(tokens: Sequence[Token]) -> _Piece:
    bare = _bare(tokens)
    if not bare:
        return _Piece((0, 0))
    span = _span(bare)
    if bare[0].text == "if" and bare[0].kind == "name":
        return _Piece(span, "if-then-else", tuple(_piece(part) for part in _branches(bare[1:])))
    for sign in ("||", "&&"):
        parts = _split(bare, sign)
        if len(parts) > 1:
            return _Piece(span, sign, _flat(sign, [_piece(part) for part in parts]))
    if bare[0].text == "!" and len(_split(bare[1:], *_RELATIONS)) == 1:
        return _Piece(span, "!", (_piece(bare[1:]),))
    steps = _has_steps(bare)
    return _Piece(span, "&&", (_Piece(span),) * steps) if steps > 1 else _Piece(span)


def _has_steps(tokens: Sequence[Token]) -> int:
    """Count what `x has a.b.c` asks: it stands for one `has` for each name."""
    last = _split(tokens, "has")[-1]
    is_path = all((token.text == ".") == (at % 2 == 1) for at, token in enumerate(last))
    return len(last) // 2 + 1 if is_path and len(last) < len(tokens) else 0


def _branches(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Cut what follows `if` at its own `then` and `else`; an `if` in between has its own."""
    cuts, depth, inner = [-1], 0, 0
    for at, token in enumerate(tokens):
        depth += _step(token)
        if depth or token.kind != "name" or (at and tokens[at - 1].text == "."):
            continue
        inner += token.text == "if"
        wanted = "then" if len(cuts) == 1 else "else"
        if token.text == wanted and not inner:
            cuts.append(at)
        elif token.text == "else":
            inner -= 1
    return [tokens[begin + 1 : end] for begin, end in zip(cuts, [*cuts[1:], len(tokens)], strict=True)]


def _flat(sign: str, pieces: list[_Piece]) -> tuple[_Piece, ...]:
    """Take the first apart if brackets alone set it off: `(a && b) && c` is one run."""
    first = pieces[0]
    return (*(first.parts if first.join == sign else (first,)), *pieces[1:])


def _lay(place: Place, piece: _Piece, found: dict[int, Span]) -> None:
    found[id(place)] = piece.span
    same = place.join == piece.join and len(place.parts) == len(piece.parts)
    for number, part in enumerate(place.parts):
        _lay(part, piece.parts[number] if same else _Piece(piece.span), found)
