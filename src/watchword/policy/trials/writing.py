"""Write boundary cases as a file of policy tests, which expects what the policies say today."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from watchword.policy.errors import PolicyError
from watchword.policy.extension import Datetime
from watchword.policy.facts import Drop, Put
from watchword.policy.lazy import LazySet
from watchword.policy.model import Entity, EntityUid, RecordKey, Truth, Value
from watchword.policy.runtime import BudgetSpentError
from watchword.policy.trials.boundaries import Boundary
from watchword.policy.trials.running import reasons_of

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_./@ -]*")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRINTABLE: Final = re.compile(r"[ !#-\[\]-~]")
_SIMPLE: Final = re.compile(r"[ -&(-~]*")
_HEAD: Final = """\
# Boundary cases, generated from the constants of the policies: one fact is varied at a time, on either side of each
# point where a clause changes. What is expected is what the policies said when this file was written; read it, and
# change what ought to be otherwise.
"""


class UnwritableError(Exception):
    """A value has no form that can be read back."""


def written(cases: Iterable[Boundary]) -> str:
    """Return a file of tests; a case whose values cannot be read back is left out."""
    writer = _Writer()
    for case in cases:
        writer.add(case)
    return "".join(writer.lines())


class _Writer:
    """Collects what the rows need, each entity and context once."""

    def __init__(self) -> None:
        self._entities: dict[str, str] = {}
        self._contexts: dict[str, str] = {}
        self._taken: dict[EntityUid, int] = {}
        self._rows: list[str] = []
        self._names: set[str] = set()

    def add(self, case: Boundary) -> None:
        try:
            self._rows.append(self._row(case))
        except UnwritableError:
            return

    def lines(self) -> Iterator[str]:
        yield _HEAD
        for title, found in (("entities", self._entities), ("contexts", self._contexts)):
            if found:
                yield f"\n{title}:\n"
                yield from (f"  {quoted(name)}: {body}\n" for body, name in found.items())
        yield "\ntests:\n" if self._rows else "\ntests: []\n"
        yield from self._rows

    def _row(self, case: Boundary) -> str:
        request, given = case.request, case.given
        names = {uid: self._entity(entity) for uid, entity in _described(given.entities)}
        varied = {uid: self._entity(entity) for uid, entity in _described(request.entities)}
        also = [name for uid, name in varied.items() if names.get(uid) != name]
        parts = {
            "name": quoted(self._name(case)),
            "principal": self._named(request.principal, varied),
            "action": uid_text(request.action),
            "resource": self._named(request.resource, varied),
            "context": quoted(self._context(given.context)),
        }
        if isinstance(case.act, Put | Drop) and case.act.path.root == "context":
            value = "null" if isinstance(case.act, Drop) else value_text(case.act.value)
            for step in reversed(case.act.path.steps):
                value = f"{{{key_text(step)}: {value}}}"
            parts["with"] = value
        if also:
            parts["also"] = f"[{', '.join(map(quoted, also))}]"
        parts["expect"] = case.verdict.value
        parts["reasons"] = f"[{', '.join(map(quoted, sorted(reasons_of(case.answer))))}]"
        first, *rest = (f"{name}: {text}\n" for name, text in parts.items())
        return f"  - {first}" + "".join(f"    {line}" for line in rest)

    def _name(self, case: Boundary) -> str:
        name = wanted = f"{case.policy.id}: {case.fact}"
        number = 1
        while name in self._names:
            number += 1
            name = f"{wanted} ({number})"
        self._names.add(name)
        return name

    def _named(self, uid: EntityUid, names: Mapping[EntityUid, str]) -> str:
        return quoted(names[uid]) if uid in names else uid_text(uid)

    def _entity(self, entity: Entity) -> str:
        parts = [f"uid: {uid_text(entity.uid)}"]
        if entity.attributes:
            parts.append(f"attributes: {value_text(entity.attributes)}")
        if entity.parents:
            parts.append(f"parents: [{', '.join(map(uid_text, entity.parents))}]")
        if entity.tags:
            parts.append(f"tags: {value_text(entity.tags)}")
        body = f"{{{', '.join(parts)}}}"
        if body not in self._entities:
            self._taken[entity.uid] = number = self._taken.get(entity.uid, 0) + 1
            self._entities[body] = f"boundary {entity.uid}" + (f" #{number}" if number > 1 else "")
        return self._entities[body]

    def _context(self, context: Mapping[str, Value]) -> str:
        context = {name: _found_out(value) for name, value in context.items()}
        body = f"{{with: {value_text(context)}}}"
        return self._contexts.setdefault(body, f"boundary {len(self._contexts) + 1}")


def _found_out(value: Value) -> Value:
    """Return the members of a lazy set, for a file that is read without the tuples that answered."""
    if not isinstance(value, LazySet):
        return value
    try:
        return frozenset(value)
    except (PolicyError, BudgetSpentError):
        raise UnwritableError from None


def _described(entities: Mapping[EntityUid, Entity]) -> list[tuple[EntityUid, Entity]]:
    return [(uid, entities[uid]) for uid in sorted(entities)]


def uid_text(uid: EntityUid) -> str:
    """Write the name of an entity."""
    if _PLAIN_ID.fullmatch(uid.id):
        return f"'{uid}'"
    return f"{{type: {quoted(uid.type)}, id: {quoted(uid.id)}}}"


def value_text(value: Value) -> str:
    """Write a value on one line.

    Raises:
        UnwritableError: a time so far away that it has no date.
    """
    match value:
        case Truth() | bool():
            text = "true" if value in {True, Truth.YES} else "false"
        case int():
            text = str(value)
        case EntityUid():
            text = uid_text(value)
        case frozenset():
            text = f"[{', '.join(sorted(map(value_text, value)))}]"
        case RecordKey() | Mapping():
            items = value.items if isinstance(value, RecordKey) else value.items()
            text = f"{{{', '.join(sorted(f'{key_text(name)}: {value_text(inner)}' for name, inner in items))}}}"
        case Datetime() if str(value).endswith("1970"):
            raise UnwritableError
        case _:
            text = quoted(str(value))
    return text


def key_text(name: str) -> str:
    """Write a key; words that YAML takes for something else stand in quotes."""
    return name if _PLAIN_KEY.fullmatch(name) and name.lower() not in {"true", "false", "null"} else quoted(name)


def quoted(text: str) -> str:
    """Write text in quotes, everything but printable ASCII escaped."""
    if _SIMPLE.fullmatch(text):
        return f"'{text}'"
    return '"' + "".join(one if _PRINTABLE.fullmatch(one) else _escaped(ord(one)) for one in text) + '"'


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 (widths of YAML's escapes)
