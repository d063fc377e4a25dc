"""All tuples in memory, filed so that a question looks at what it needs, however many there are.

Tuples lie in parts: one for each relation of a type and each kind of subject (`document#viewer` by `user`, by
`group#member`, by `user:*`, each with or without a condition). The parts know nothing of the model: a compiled model
names the parts that its restrictions allow, so a tuple that a newer model forbids is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from sys import intern
from typing import Any, Final, NamedTuple

from watchword.policy.relations.tuples import Object, RelationTuple, Subject

Members = str | set[str]
_NO_CONTEXT: Final[Mapping[str, Any]] = {}


class PartKey(NamedTuple):
    """Which subjects a part holds. Wildcards have the relation `*`, which no relation can be named."""

    type: str
    relation: str
    condition: str


class Part:
    """Tuples of one relation with one kind of subject: object to subjects, and subject to objects.

    One member lies there as itself, several as a set; most objects have one parent and most tuples are alone.
    """

    __slots__ = ("contexts", "count", "objects", "subjects")

    def __init__(self) -> None:
        self.subjects: dict[str, Members] = {}
        self.objects: dict[str, Members] = {}
        self.contexts: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.count = 0

    def put(self, object_id: str, subject_id: str, context: Mapping[str, Any]) -> None:
        """Add a pair; the same pair twice is one."""
        if _add(self.subjects, object_id, subject_id):
            _add(self.objects, subject_id, object_id)
            self.count += 1
        if context:
            self.contexts[object_id, subject_id] = context
        elif self.contexts:
            self.contexts.pop((object_id, subject_id), None)

    def drop(self, object_id: str, subject_id: str) -> bool:
        """Remove a pair; tell whether it was there."""
        if not _remove(self.subjects, object_id, subject_id):
            return False
        _remove(self.objects, subject_id, object_id)
        self.contexts.pop((object_id, subject_id), None)
        self.count -= 1
        return True

    def context(self, object_id: str, subject_id: str) -> Mapping[str, Any]:
        """Return what the tuple fixes of its condition."""
        return self.contexts.get((object_id, subject_id), _NO_CONTEXT)


class Graph:
    """Every tuple. Reading and writing belong to one thread.

    Attributes:
        version: changes with every change, and never returns to what it was.
    """

    def __init__(self, tuples: Iterable[RelationTuple] = ()) -> None:
        self._relations: dict[tuple[str, str], dict[PartKey, Part]] = {}
        self.version = 0
        for found in tuples:
            self.put(found)

    def __len__(self) -> int:
        return sum(part.count for parts in self._relations.values() for part in parts.values())

    def part(self, type_: str, relation: str, key: PartKey) -> Part:
        """Return a part, made if it is not there yet, so that it can be looked at for good."""
        return self._relations.setdefault((type_, relation), {}).setdefault(key, Part())

    def put(self, found: RelationTuple) -> None:
        """Add a tuple, in place of the same with another condition."""
        self._take_out(found)
        part = self.part(found.object.type, found.relation, _key_of(found.subject, found.condition))
        part.put(intern(found.object.id), intern(found.subject.id), found.context)
        self.version += 1

    def drop(self, found: RelationTuple) -> bool:
        """Remove a tuple, whatever its condition; tell whether it was there."""
        was_there = self._take_out(found)
        self.version += 1
        return was_there

    def _take_out(self, found: RelationTuple) -> bool:
        parts = self._relations.get((found.object.type, found.relation), {})
        kind = _key_of(found.subject, "")[:2]
        gone = [part.drop(found.object.id, found.subject.id) for key, part in parts.items() if key[:2] == kind]
        return any(gone)

    def of(self, object_: Object, relation: str) -> Iterator[RelationTuple]:
        """Yield the tuples that stand at one relation of one object."""
        for key, part in self._relations.get((object_.type, relation), {}).items():
            for subject_id in members(part.subjects.get(object_.id)):
                subject = Subject(key.type, subject_id, "" if key.relation == "*" else key.relation)
                context = part.context(object_.id, subject_id)
                yield RelationTuple(object_, relation, subject, key.condition, context)


def members(found: Members | None) -> Collection[str]:
    """Return one or many as many."""
    if found is None:
        return ()
    return (found,) if found.__class__ is str else found


def _key_of(subject: Subject, condition: str) -> PartKey:
    return PartKey(intern(subject.type), "*" if subject.is_wildcard else intern(subject.relation), intern(condition))


def _add(table: dict[str, Members], key: str, value: str) -> bool:
    found = table.get(key)
    if found is None:
        table[key] = value
        return True
    if found == value:  # a set never equals a text
        return False
    if isinstance(found, str):
        table[key] = {found, value}
        return True
    before = len(found)
    found.add(value)
    return len(found) > before


def _remove(table: dict[str, Members], key: str, value: str) -> bool:
    found = table.get(key)
    if found is None:
        return False
    if isinstance(found, str):
        if found != value:
            return False
        del table[key]
        return True
    if value not in found:
        return False
    found.remove(value)
    if len(found) == 1:
        table[key] = next(iter(found))
    return True
