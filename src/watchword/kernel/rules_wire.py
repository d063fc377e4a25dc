"""The compact form of rules: how they travel in an assertion or a header, and how they are read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, cast

from watchword.kernel.body_rules import (
    EXCLUDE,
    MOST_PATHS,
    Aggregate,
    Anonymise,
    BodyRules,
    Exclude,
    FieldRule,
    Generalise,
    GroupRule,
    Hash,
    Mask,
    Tokenize,
    body_rules,
    check_field,
    check_group,
)
from watchword.kernel.duties import Mark, Note, check_addressee, check_mark, check_note, check_rows
from watchword.kernel.field_paths import FieldPath, parse_list_path, parse_path

MOST_WIRE_BYTES: Final = 3072
_WIRE_VERSION: Final = 1
_PARTS: Final = frozenset({"v", "include", "fields", "groups", "rows", "marks", "notes", "told"})


def to_wire(rules: BodyRules) -> dict[str, Any]:
    """Return the compact form: what JSON holds, the same for equal rules."""
    wire: dict[str, Any] = {"v": _WIRE_VERSION}
    if rules.includes:
        wire["include"] = sorted(sorted(path.text for path in include) for include in rules.includes)
    if rules.fields:
        wire["fields"] = sorted([path.text, *_field_wire(rule)] for path, rule in rules.fields)
    if rules.groups:
        wire["groups"] = sorted([path.text, *_group_wire(rule)] for path, rule in rules.groups)
    if rules.rows:
        wire["rows"] = sorted([path.text, most] for path, most in rules.rows)
    if rules.watermarks:
        wire["marks"] = sorted([mark.place, mark.name] if mark.name else [mark.place] for mark in rules.watermarks)
    if rules.notes:
        wire["notes"] = sorted([note.part, note.path.text] for note in rules.notes)
    if rules.told:
        wire["told"] = sorted(rules.told)
    return wire


@lru_cache(maxsize=1024)
def wire_bytes(rules: BodyRules) -> bytes:
    """Return the compact form as JSON.

    Raises:
        ValueError: the rules together are longer than a header may carry; nobody could apply them, so deny.
    """
    found = json.dumps(to_wire(rules), separators=(",", ":"), ensure_ascii=True).encode()
    if len(found) > MOST_WIRE_BYTES:
        raise ValueError(f"the rules together are longer than {MOST_WIRE_BYTES} bytes")
    return found


def _field_wire(rule: FieldRule) -> list[Any]:
    match rule:
        case Tokenize(context):
            return ["tokenize", context]
        case Hash(context):
            return ["hash", context]
        case Generalise(to, size):
            return ["generalise", to, *size]
        case Mask(keep_last):
            return ["mask", keep_last]
        case Exclude():
            return ["exclude"]


def _group_wire(rule: GroupRule) -> list[Any]:
    if isinstance(rule, Anonymise):
        return ["anonymise", sorted(rule.by), rule.least]
    return ["aggregate", sorted(rule.by), sorted(map(list, rule.measures)), rule.least]


def from_wire(wire: object) -> BodyRules:
    """Read the compact form.

    Raises:
        ValueError: of a later version, or anything in it that is not known here; who reads it must deny.
    """
    try:
        return _from_wire(cast("dict[str, Any]", wire))
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError("the rules have a form that is not known here") from error


def _from_wire(wire: dict[str, Any]) -> BodyRules:
    # Prevents: a rule of a later version being passed over because this version has no name for it.
    if wire["v"] is not _WIRE_VERSION or not wire.keys() <= _PARTS:
        raise ValueError("the rules are of another version")
    includes = [[parse_path(path) for path in _list(include)] for include in _list(wire.get("include", []))]
    fields = [_read_rule(path, kind, rest) for path, kind, *rest in _list(wire.get("fields", []))]
    groups = [(parse_list_path(path), _read_group(kind, rest)) for path, kind, *rest in _list(wire.get("groups", []))]
    rows = [_read_rows(path, most) for path, most in _list(wire.get("rows", []))]
    marks = [check_mark(Mark(*map(_name, _list(mark)))) for mark in _list(wire.get("marks", []))]
    notes = [check_note(Note(_name(part), parse_path(path))) for part, path in _list(wire.get("notes", []))]
    told = [check_addressee(_name(name)) for name in _list(wire.get("told", []))]
    # Prevents: a document walked with thousands of rules at a time.
    parts: tuple[Sequence[object], ...] = (*includes, includes, fields, groups, rows, marks, notes, told)
    if sum(map(len, parts)) > 4 * MOST_PATHS:
        raise ValueError("there are too many rules")
    for path, group in groups:
        check_group(path, group)
    return body_rules(
        includes=includes, fields=fields, groups=groups, rows=rows, watermarks=marks, notes=notes, told=told
    )


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _read_rule(path: str, kind: object, rest: list[Any]) -> tuple[FieldPath, FieldRule]:
    found, rule = parse_list_path(path), _read_field(kind, rest)
    # Aggregates of the document itself that have no common form take it out; no other rule for a field is about it.
    if not found.steps and rule != EXCLUDE:
        raise ValueError("a rule for a field is about the whole document")
    return found, rule


def _read_rows(path: str, most: object) -> tuple[FieldPath, int]:
    if not isinstance(most, int):
        raise TypeError
    found = parse_list_path(path)
    return found, check_rows(found, most)


def _read_field(kind: object, rest: list[Any]) -> FieldRule:
    match kind, rest:
        case "exclude", []:
            return EXCLUDE
        case "mask", [int(keep_last)]:
            return check_field(Mask(keep_last))
        case "hash", [str(context)]:
            return check_field(Hash(context))
        case "tokenize", [str(context)]:
            return check_field(Tokenize(context))
        case "generalise", [str(to), *size] if all(type(part) is int for part in size):
            return check_field(Generalise(to, tuple(size)))
        case _:
            raise ValueError("a rule for a field is not known here")


def _read_group(kind: object, rest: list[Any]) -> GroupRule:
    match kind, rest:
        case "anonymise", [list(by), int(least)]:
            return Anonymise(frozenset(map(_name, by)), least)
        case "aggregate", [list(by), list(measures), int(least)]:
            found = frozenset((_name(what), _name(field)) for what, field in measures)
            return Aggregate(frozenset(map(_name, by)), found, least)
        case _:
            raise ValueError("a rule for a list is not known here")


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
