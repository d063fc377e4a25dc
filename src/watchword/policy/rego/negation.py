"""Make `not` mean what it means to OPA when something that it is about is missing.

OPA takes what a negated call is about out of the negation: `not startswith(input.path, "/x")` is undefined without
`input.path`, so the rule does not hold. `regorus` finds the call undefined and its negation true, so the rule holds,
which lets people in whom OPA refuses. So each such thing gets a statement before the negation: `_ = input.path`.
What a plain `not input.x` or `not input.x == 1` is about stays inside for both.
Source: OPA's compiler, stages "RewriteExprTerms" and "RewriteDynamicTerms"; `tests/conformance/policy/rego`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_COMPOSITE: Final = frozenset({"Array", "Set"})
_OPERATORS: Final = frozenset({"ArithExpr", "BinExpr", "BoolExpr", "AssignExpr"})
_QUOTES: Final = b'"`'

Node = Mapping[str, Any]


def guarded(source: str, tree: Node, names: frozenset[str]) -> str:
    """Return a module with a statement before each negation that needs one; line numbers stay.

    Args:
        tree: its syntax tree; places are counted in bytes.
        names: of rules and imports of its package, which a bare word may stand for.
    """
    text = source.encode()
    inserts: dict[int, list[bytes]] = {}
    bodies = {id(query) for query in _rule_bodies(tree["rules"])}
    for query in _queries(tree["rules"]):
        found = list(_guards(text, query, names))
        for at, guard in found:
            inserts.setdefault(at, []).append(guard)
        first = query["stmts"][0]["span"]["start"]
        if found and id(query) in bodies and first == query["span"]["start"]:
            inserts[first].insert(0, b"{ ")
            inserts.setdefault(_end(text, query["span"]["end"]), []).append(b" }")
    for at in sorted(inserts, reverse=True):
        text = text[:at] + b"".join(inserts[at]) + text[at:]
    return text.decode()


def _end(text: bytes, at: int) -> int:
    """Return where something ends; the places of strings leave out the quotes."""
    return at + 1 if text[at : at + 1] and text[at] in _QUOTES else at


def nodes(tree: Any) -> Iterator[Node]:
    """Yield every node of a syntax tree, however deep."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            yield one


def _queries(tree: Any) -> Iterator[Node]:
    return (node for node in nodes(tree) if node.get("stmts"))


def _rule_bodies(rules: list[Node]) -> Iterator[Node]:
    for rule in rules:
        for body in rule.get("Spec", {}).get("bodies", []):
            yield body["query"]


def _guards(text: bytes, query: Node, names: frozenset[str]) -> Iterator[tuple[int, bytes]]:
    for statement in query["stmts"]:
        negated = statement["literal"].get("NotExpr")
        if negated is None:
            continue
        ends = b"".join(b" " + _slice(text, each) for each in statement.get("with_mods", []))
        for part in dict.fromkeys(_slice(text, node) for node in _outside(negated["expr"], names)):
            yield statement["span"]["start"], b"_ = " + part + ends + b"; "


def _slice(text: bytes, node: Node) -> bytes:
    span = node["span"]
    return text[span["start"] : _end(text, span["end"])]


def _outside(expression: Node, names: frozenset[str]) -> Iterator[Node]:
    """Yield what OPA takes out of a negated expression."""
    kind, node = next(iter(expression.items()))
    if kind in {"BoolExpr", "AssignExpr"} and node["op"] == "Eq":
        for side in (node["lhs"], node["rhs"]):
            yield from _within(side, names)
    elif kind == "Call":
        for each in node["params"]:
            yield from _taken(each, names)
    elif kind in _OPERATORS or kind in {"Membership", "UnaryExpr"}:
        yield from _taken(expression, names)
    else:
        yield from _within(expression, names)


def _within(expression: Node, names: frozenset[str]) -> Iterator[Node]:
    """Yield what is taken out of a term that itself stays inside."""
    kind, node = next(iter(expression.items()))
    if kind == "RefBrack":
        yield from _taken(node["index"], names)
        yield from _within(node["refr"], names)
    elif kind == "RefDot":
        yield from _within(node["refr"], names)
    elif kind != "Var":
        yield from _taken(expression, names)


def _taken(expression: Node, names: frozenset[str]) -> Iterator[Node]:  # noqa: C901 (one branch for each kind)
    kind, node = next(iter(expression.items()))
    if kind in {"RefDot", "RefBrack", "Call"} or (kind == "Var" and node["value"] in names):
        yield node
    elif kind in _COMPOSITE:
        for each in node["items"]:
            yield from _taken(each, names)
    elif kind == "Object":
        for _, key, value in node["fields"]:
            yield from _taken(key, names)
            yield from _taken(value, names)
    elif kind in _OPERATORS:
        yield from _taken(node["lhs"], names)
        yield from _taken(node["rhs"], names)
    elif kind == "UnaryExpr":
        yield from _taken(node["expr"], names)
    elif kind == "Membership":
        for part in ("key", "value", "collection"):
            if node[part] is not None:
                yield from _taken(node[part], names)
