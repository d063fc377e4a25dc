"""Read `obligations.yaml`: what each obligation is called, and what it does to which fields of a JSON answer.

    obligations:
      hide_payment:
        kind: exclude
        fields: ["**.payment_info"]
      mask_ssn:
        kind: mask
        fields: ["customers[*].ssn"]
        keep_last: 4

The kinds and their keys are in `_KINDS`, `_PATHLESS` and `_LIMITS`; docs/how-to/hide-fields.md says what each does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from watchword.kernel import (
    EXCLUDE,
    HIDDEN,
    Aggregate,
    Anonymise,
    BodyRules,
    FieldPath,
    FieldRule,
    Generalise,
    GroupRule,
    Hash,
    Limits,
    Mark,
    Mask,
    Note,
    Obligation,
    Tokenize,
    body_rules,
    check_addressee,
    check_field,
    check_group,
    check_mark,
    check_note,
    check_rows,
    parse_list_path,
    parse_path,
    wire_bytes,
)
from watchword.kernel.duties import LONGEST_SPAN_S
from watchword.policy import text
from watchword.policy.documents import Node, read_document
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.obligations.book import ObligationBook

OBLIGATIONS_FILE: Final = "obligations.yaml"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_LEAST_GROUP: Final = 5
_MOST_OBLIGATIONS: Final = 1000
_V4_BITS, _V6_BITS = 24, 48
_MOST: Final = 10**12
_ADMINISTRATORS: Final = "administrators"

Keys = Mapping[str, Node]


def read_obligations(directory: Path) -> ObligationBook:
    """Read the obligations of a policy directory; without the file there are none.

    Raises:
        PolicyLoadError: with every problem found, one for each obligation.
    """
    path = directory / OBLIGATIONS_FILE
    if not path.exists():
        return ObligationBook()
    listed = read_document(path).mapping(("obligations",), required=("obligations",))["obligations"]
    if listed.value is None:
        return ObligationBook({})
    found: dict[str, Obligation] = {}
    problems: list[Problem] = []
    if len(listed.mapping()) > _MOST_OBLIGATIONS:
        raise listed.refuse("too many obligations", expected=f"at most {_MOST_OBLIGATIONS}")
    for name, node in listed.mapping().items():
        try:
            if not _NAME.fullmatch(name):
                raise listed.refuse_key(name, "this cannot be a name", expected="letters, digits, `_`, `-` and `.`")
            found[name] = _obligation(name, node)
        except PolicyLoadError as error:
            problems += error.problems
    if problems:
        raise PolicyLoadError(problems)
    return ObligationBook(found)


def _obligation(name: str, node: Node) -> Obligation:
    kind = node.mapping(None, required=("kind",))["kind"]
    word = kind.text()
    if word == "application":
        node.mapping(("kind", "description"))
        return Obligation(name, is_for_application=True)
    if word in _LIMITS:
        keys = node.mapping(("kind", "description", "seconds"), required=("seconds",))
        return Obligation(name, limits=_LIMITS[word](keys["seconds"]))
    if word not in _KINDS and word not in _PATHLESS:
        known = frozenset({*_KINDS, *_PATHLESS, *_LIMITS, "application"})
        wanted = ", ".join(f"`{each}`" for each in sorted(known))
        raise kind.refuse(f"no kind `{word[:60]}` of obligation", expected=wanted, nearest=text.nearest(word, known))
    try:
        rules = _rules(node, word, name)
        wire_bytes(rules)  # Prevents: an obligation that is found too long to carry when somebody needs it.
    except ValueError as error:
        raise node.refuse(f"the obligation `{name}` makes no sense: {error}") from error
    return Obligation(name, rules=rules)


def _rules(node: Node, word: str, name: str) -> BodyRules:
    if word in _PATHLESS:
        allowed, make = _PATHLESS[word]
        return make(node.mapping(("kind", "description", *allowed)))
    allowed, read = _KINDS[word]
    keys = node.mapping(("kind", "fields", "description", *allowed), required=("fields",))
    return read(_paths(keys["fields"], parse_list_path if word in _OF_LISTS else parse_path), keys, name)


def _paths(node: Node, parse: Callable[[str], FieldPath] = parse_path) -> list[FieldPath]:
    found: list[FieldPath] = []
    for item in node.items():
        try:
            found.append(parse(item.text()))
        except ValueError as error:
            raise item.refuse(f"no path: {error}", expected="a path such as `customers[*].ssn`") from error
    if not found:
        raise node.refuse("there is no field", expected="one path or more")
    return found


def _each(paths: list[FieldPath], rule: FieldRule) -> BodyRules:
    checked = check_field(rule)
    return body_rules(fields=[(path, checked) for path in paths])


def _include(paths: list[FieldPath], _keys: Keys, _name: str) -> BodyRules:
    return body_rules(includes=[paths])


def _exclude(paths: list[FieldPath], _keys: Keys, _name: str) -> BodyRules:
    return _each(paths, EXCLUDE)


def _redact(paths: list[FieldPath], _keys: Keys, _name: str) -> BodyRules:
    return _each(paths, HIDDEN)


def _truncate(paths: list[FieldPath], keys: Keys, _name: str) -> BodyRules:
    return _each(paths, Generalise("prefix", (_integer(keys, "keep", None, least=0),)))


def _mask(paths: list[FieldPath], keys: Keys, _name: str) -> BodyRules:
    return _each(paths, Mask(_integer(keys, "keep_last", 0, least=0)))


def _hash(paths: list[FieldPath], keys: Keys, name: str) -> BodyRules:
    return _each(paths, Hash(keys["context"].text() if "context" in keys else name))


def _tokenize(paths: list[FieldPath], keys: Keys, name: str) -> BodyRules:
    return _each(paths, Tokenize(keys["context"].text() if "context" in keys else name))


def _generalise(paths: list[FieldPath], keys: Keys, _name: str) -> BodyRules:
    if "to" not in keys:
        raise ValueError("the key `to` is missing")
    to = keys["to"].text()
    needed = {"range": ("width",), "prefix": ("keep",), "network": ("v4", "v6")}.get(to, ())
    for key in ("width", "keep", "v4", "v6"):
        if key in keys and key not in needed:
            raise keys[key].refuse(f"`{key}` has no meaning for `{to[:60]}`")
    sizes = {"v4": _V4_BITS, "v6": _V6_BITS}
    return _each(paths, Generalise(to, tuple(_integer(keys, key, sizes.get(key), least=0) for key in needed)))


def _anonymise(paths: list[FieldPath], keys: Keys, _name: str) -> BodyRules:
    rule = Anonymise(_names(keys, "by"), _integer(keys, "least", _LEAST_GROUP, least=2))
    return _grouped(paths, rule)


def _aggregate(paths: list[FieldPath], keys: Keys, _name: str) -> BodyRules:
    measures = {(what, field) for what in ("sum", "mean") for field in _names(keys, what)}
    if "count" not in keys or keys["count"].truth():
        measures.add(("count", ""))
    rule = Aggregate(_names(keys, "by"), frozenset(measures), _integer(keys, "least", _LEAST_GROUP, least=2))
    return _grouped(paths, rule)


def _grouped(paths: list[FieldPath], rule: GroupRule) -> BodyRules:
    return body_rules(groups=[(path, check_group(path, rule)) for path in paths])


def _row_limit(paths: list[FieldPath], keys: Keys, _name: str) -> BodyRules:
    most = _integer(keys, "most", None, least=0)
    return body_rules(rows=[(path, check_rows(path, most)) for path in paths])


def _watermark(keys: Keys) -> BodyRules:
    """Mark every answer in a header, and besides where the definition says so."""
    marks = {Mark("header")}
    if "pages" in keys and keys["pages"].truth():
        marks.add(Mark("page"))
    if "member" in keys:
        marks.add(Mark("member", keys["member"].text()))
    return body_rules(watermarks=map(check_mark, marks))


def _record(keys: Keys) -> BodyRules:
    parts = {"fields": "answer", "changes": "request"}
    notes = [Note(part, path) for key, part in parts.items() if key in keys for path in _paths(keys[key])]
    if not notes:
        raise ValueError("name what is recorded in `fields` or `changes`")
    return body_rules(notes=map(check_note, notes))


def _notify(keys: Keys) -> BodyRules:
    names = keys["to"].texts() if "to" in keys else [_ADMINISTRATORS]
    if not names:
        raise ValueError("there is nobody in `to`")
    return body_rules(told=map(check_addressee, names))


def _seconds(node: Node) -> int:
    return node.integer(least=0, most=LONGEST_SPAN_S)


def _names(keys: Keys, key: str) -> frozenset[str]:
    return frozenset(keys[key].texts()) if key in keys else frozenset()


def _integer(keys: Keys, key: str, default: int | None, *, least: int) -> int:
    if key in keys:
        return keys[key].integer(least=least, most=_MOST)
    if default is None:
        raise ValueError(f"the key `{key}` is missing")
    return default


_KINDS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[list[FieldPath], Keys, str], BodyRules]]]] = {
    "include": ((), _include),
    "exclude": ((), _exclude),
    "drop": ((), _exclude),
    "redact": ((), _redact),
    "truncate": (("keep",), _truncate),
    "mask": (("keep_last",), _mask),
    "hash": (("context",), _hash),
    "tokenize": (("context",), _tokenize),
    "generalise": (("to", "width", "keep", "v4", "v6"), _generalise),
    "anonymise": (("by", "least"), _anonymise),
    "aggregate": (("by", "count", "sum", "mean", "least"), _aggregate),
    "row_limit": (("most",), _row_limit),
}
# Rules for whole lists, which may be the document itself.
_OF_LISTS: Final = frozenset({"anonymise", "aggregate", "row_limit"})
_PATHLESS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Keys], BodyRules]]]] = {
    "watermark": (("pages", "member"), _watermark),
    "record": (("fields", "changes"), _record),
    "notify": (("to",), _notify),
}
_LIMITS: Final[Mapping[str, Callable[[Node], Limits]]] = {
    "lease_limit": lambda node: Limits(lease_s=_seconds(node)),
    "session_limit": lambda node: Limits(session_s=_seconds(node)),
}
