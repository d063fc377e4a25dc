"""Write down a request so that it can be asked again exactly, and read it back.

A record holds the request's names, its whole context (of sets that are found out when asked, what was asked), and every
entity that can be reached from them: the principal,
the resource, what the context names, and whatever those name as parents, attributes or tags. An entity that was named
and not described stands without a description, so that "was not there" and "was not recorded" stay apart.

The whole of it is personal: the context holds an address and habits, the entities hold names. It belongs under
`personal` in the journal.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from watchword.policy.extension import Datetime, Decimal, Duration, Ip
from watchword.policy.lazy import LazySet
from watchword.policy.model import Entity, EntityUid, PolicyRequest, RecordKey, Value
from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.values import read_record, read_uid, written

FORM: Final = 1
_KEYS: Final = frozenset({"form", "principal", "action", "resource", "context", "entities"})
_REMEMBERED: Final = 16_384
_MOST_ENTITIES: Final = 10_000
_ABSENT, _DESCRIBED, _TAGGED = 1, 3, 4
# What names no entity; the rest is looked into.
_SIMPLE: Final = frozenset({str, int, bool, Ip, Decimal, Datetime, Duration})

Row = list[Any]


class _Side(NamedTuple):
    """What one end of a request names, written: valid as long as the same mapping describes it."""

    entities: Mapping[EntityUid, Entity]
    rows: list[Row]
    names: frozenset[EntityUid]


class Recorder:
    """Write records, and write what changes seldom once.

    The rows of the principal depend on the principal and on `entities` alone, those of the resource on the resource
    and on `entities`; both are kept for as long as the very same mapping comes. The context is written each time.

    # INVARIANT: nobody changes a mapping of entities after a decision saw it; `model.Entity` says so.
    """

    __slots__ = ("_sides",)

    def __init__(self) -> None:
        self._sides: OrderedDict[tuple[EntityUid, ...], _Side] = OrderedDict()

    def record_of(self, request: PolicyRequest, *, also: tuple[EntityUid, ...] = ()) -> dict[str, Any]:
        """Return a request as JSON values. Lists in it are shared between records: do not change them.

        Args:
            also: further entities to keep, such as the permissions that may be asked about next.

        Raises:
            MalformedRecordError: it holds something that is no value of Cedar.
        """
        principal, action, resource, context, entities = (
            request.principal,
            request.action,
            request.resource,
            request.context,
            request.entities,
        )
        who = self._side((principal,), entities)
        what = self._side((resource, *also), entities)
        rows = who.rows + what.rows
        if not who.names.isdisjoint(what.names):
            rows = who.rows + [row for row in what.rows if EntityUid(*row[0]) not in who.names]
        found = written(context)
        # What is written as it is holds plain values only, which name nothing.
        odd = [value for name, value in context.items() if found[name] is not value]
        if _names_entities(odd):
            rows = rows + _rows(_named(odd), entities, known=who.names | what.names)
        return {
            "form": FORM,
            "principal": [principal.type, principal.id],
            "action": [action.type, action.id],
            "resource": [resource.type, resource.id],
            "context": found,
            "entities": rows,
        }

    def _side(self, roots: tuple[EntityUid, ...], entities: Mapping[EntityUid, Entity]) -> _Side:
        known = self._sides.get(roots)
        if known is not None and known.entities is entities:
            return known
        rows = _rows(roots, entities)
        if len(self._sides) >= _REMEMBERED:
            self._sides.popitem(last=False)
        side = self._sides[roots] = _Side(entities, rows, frozenset(EntityUid(*row[0]) for row in rows))
        return side


def record_of(request: PolicyRequest, *, also: tuple[EntityUid, ...] = ()) -> dict[str, Any]:
    """Return a request as JSON values, from which `request_of` makes it again.

    Raises:
        MalformedRecordError: it holds something that is no value of Cedar.
    """
    return Recorder().record_of(request, also=also)


def request_of(record: Any, *, entities: RecordedEntities | None = None) -> PolicyRequest:
    """Make the request that was recorded; its entities are `RecordedEntities`.

    Args:
        entities: those of the record, if they were read before.

    Raises:
        MalformedRecordError: it is no record, or not of a form that this version writes.
    """
    if not isinstance(record, dict):
        raise MalformedRecordError("a recorded request is no object")
    if record.get("form") != FORM or isinstance(record.get("form"), bool):
        raise MalformedRecordError("a recorded request is of another form", hint=f"this version reads form {FORM}")
    unknown = record.keys() ^ _KEYS
    if unknown:
        raise MalformedRecordError(f"a recorded request lacks or has too much: `{min(unknown)}`")
    return PolicyRequest(
        read_uid(record["principal"], "principal"),
        read_uid(record["action"], "action"),
        read_uid(record["resource"], "resource"),
        read_record(record["context"], "context"),
        read_entities(record["entities"]) if entities is None else entities,
    )


class RecordedEntities(dict[EntityUid, Entity]):
    """The entities of a record, which remembers being asked for one that is not in it.

    Attributes:
        absent: named when the record was written, and not described then either.
        missed: asked for, and neither described nor known to be absent: nobody can say what the answer would have been.
    """

    __slots__ = ("absent", "missed")

    def __init__(self, described: Mapping[EntityUid, Entity], absent: frozenset[EntityUid]) -> None:
        super().__init__(described)
        self.absent = absent
        self.missed = False

    def __contains__(self, uid: object) -> bool:
        return dict.__contains__(self, uid) or self._note(uid)

    def get(self, uid: EntityUid, default: Any = None) -> Any:
        """Return a description, and note a question that the record cannot answer."""
        found = dict.get(self, uid)
        if found is None:
            self._note(uid)
            return default
        return found

    def _note(self, uid: object) -> bool:
        if uid not in self.absent:
            self.missed = True
        return False


def read_entities(found: Any) -> RecordedEntities:
    """Return the entities that stand in a record.

    Raises:
        MalformedRecordError: they are none, or one is described twice.
    """
    if not isinstance(found, list) or len(found) > _MOST_ENTITIES:
        raise MalformedRecordError("`entities` is no list of entities, or a list of too many")
    described: dict[EntityUid, Entity] = {}
    absent: set[EntityUid] = set()
    for number, row in enumerate(found):
        place = f"entities[{number}]"
        if not isinstance(row, list) or len(row) not in {_ABSENT, _DESCRIBED, _TAGGED}:
            raise MalformedRecordError(f"`{place}` is no entity")
        uid = read_uid(row[0], place)
        # Prevents: a second description of the same entity, which another reader might take for the right one.
        if uid in described or uid in absent:
            raise MalformedRecordError(f"`{place}` is described twice")
        if len(row) == _ABSENT:
            absent.add(uid)
        else:
            described[uid] = _entity(uid, row, place)
    return RecordedEntities(described, frozenset(absent))


def _entity(uid: EntityUid, row: Row, place: str) -> Entity:
    if not isinstance(row[2], list):
        raise MalformedRecordError(f"`{place}[2]` is no list of parents")
    where = f"{place}[2]"
    parents = tuple([read_uid(parent, where) for parent in row[2]])
    tags = read_record(row[3], f"{place}[3]") if len(row) == _TAGGED else {}
    return Entity(uid, read_record(row[1], f"{place}[1]"), parents, tags)


def _rows(
    roots: Iterable[EntityUid], entities: Mapping[EntityUid, Entity], *, known: frozenset[EntityUid] = frozenset()
) -> list[Row]:
    """Write the roots and everything that can be reached from them, each once."""
    rows: list[Row] = []
    seen, waiting = set(known), list(roots)
    while waiting:
        uid = waiting.pop(0)
        if uid in seen:
            continue
        seen.add(uid)
        entity = entities.get(uid)
        if entity is None:
            rows.append([[uid.type, uid.id]])
            continue
        rows.append(_row(uid, entity))
        waiting += entity.parents
        waiting += _named((*entity.attributes.values(), *entity.tags.values()))
        if len(rows) > _MOST_ENTITIES:
            raise MalformedRecordError("a request names too many entities to be recorded")
    return rows


def _row(uid: EntityUid, entity: Entity) -> Row:
    if entity.uid != uid:
        raise MalformedRecordError("an entity is filed under the name of another")
    parents = [[parent.type, parent.id] for parent in entity.parents]
    row = [[uid.type, uid.id], written(entity.attributes), parents]
    return [*row, written(entity.tags)] if entity.tags else row


def _names_entities(values: Iterable[Value]) -> bool:
    """Tell quickly whether values may name entities; what is no record, set or name does not."""
    for value in values:
        kind = value.__class__
        if kind in _SIMPLE:
            continue
        if kind is dict:
            if _names_entities(value.values()):  # type: ignore[union-attr]  # a dictionary, as was just seen
                return True
        elif kind is frozenset:
            if any(element.__class__ is not str for element in value):  # type: ignore[union-attr]  # as above
                return True
        elif not isinstance(value, LazySet):
            return True
    return False


def _named(values: Mapping[str, Value] | Sequence[Value]) -> list[EntityUid]:
    return list(_uids(values))


def _uids(value: Any) -> Iterator[EntityUid]:
    if isinstance(value, EntityUid):
        yield value
    elif isinstance(value, RecordKey):
        for _, inner in value.items:
            yield from _uids(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _uids(inner)
    elif isinstance(value, frozenset | tuple | list):
        for inner in value:
            yield from _uids(inner)
