"""Apply rules to a document, in an order that never shows more than a rule allows.

1. Fields, innermost first: a value that is hidden as a whole was reduced inside before, so that no hash or token is
   made of what another rule takes out. Several rules that meet in one field are joined to the strictest.
2. The lists of what may be shown: what none of a list's paths names is taken out.
3. Lists of records: made anonymous, then made into aggregates.
4. Lists that are longer than a limit: cut there.

What is left is counted where it is to be recorded, and at the very end marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from watchword.enforcement.bodies.counting import Counter
from watchword.enforcement.bodies.documents import Json, read_json, write_json
from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.enforcement.bodies.groups import apply_group
from watchword.enforcement.bodies.places import Place, start
from watchword.enforcement.bodies.values import ValueKeys, apply_rule
from watchword.enforcement.bodies.watermarks import Watermark
from watchword.kernel import Anonymise, BodyRules, Exclude, FieldPath, GroupRule, Step, StepKind


class _Gone:
    """Stands for a value that was taken out."""


_GONE: Final = _Gone()

ListRule = Callable[[list[Json]], list[Json]]


@dataclass(frozen=True, slots=True)
class Reduced:
    """What the rules left of a body.

    Attributes:
        counts: how often each path that is recorded led somewhere in it.
    """

    body: bytes
    counts: Mapping[str, int] = field(default_factory=dict)


class BodyFilter:
    """Rules, made ready to be applied to any number of documents.

    Args:
        keys: needed by rules that hash or tokenize.

    Raises:
        BodyRefusedError: the rules need keys and there are none.
    """

    def __init__(self, rules: BodyRules, keys: ValueKeys | None = None) -> None:
        # Prevents: finding out at the first value, after half of an answer was made.
        if rules.needs_key and keys is None:
            raise BodyRefusedError("there is no key for hashes and tokens")
        self._keys = keys
        self._fields = start(rules.fields)
        self._includes = [start((path, None) for path in include) for include in rules.includes]
        # Anonymous first, so that small groups are gone before anything is added up.
        groups = sorted(rules.groups, key=lambda group: (not isinstance(group[1], Anonymise), group[0].text))
        self._lists = [(path, _of_group(rule)) for path, rule in groups]
        self._lists += [(path, _of_limit(most)) for path, most in sorted(rules.rows)]
        self._counters = {
            part: Counter(note.path for note in rules.notes if note.part == part) for part in ("answer", "request")
        }
        self._members = sorted(mark.name for mark in rules.watermarks if mark.place == "member")

    def apply(self, body: bytes, watermark: Watermark | None = None) -> Reduced:
        """Return what the rules leave of a JSON document; of no body at all, nothing.

        Args:
            watermark: what marks the answer, where the rules ask for a mark in it.

        Raises:
            BodyRefusedError: the document cannot be read, or has not the shape that the rules describe.
        """
        if not body:
            return Reduced(body, self._counters["answer"].count({}))
        found = self.reduce(read_json(body))
        counts = self._counters["answer"].count(found)
        return Reduced(write_json(self._marked(found, watermark)), counts)

    def count_request(self, body: bytes) -> Mapping[str, int]:
        """Return how often each path that is recorded leads somewhere in the body of a request.

        Raises:
            BodyRefusedError: it is no JSON document.
        """
        return self._counters["request"].count(read_json(body) if body else {})

    def _marked(self, document: Json, watermark: Watermark | None) -> Json:
        if not self._members:
            return document
        # Prevents: an answer without its mark; a mark of the application's own making is overwritten.
        if watermark is None or not isinstance(document, dict):
            raise BodyRefusedError("the answer cannot be marked")
        return document | dict.fromkeys(self._members, watermark.member())

    def reduce(self, document: Json) -> Json:
        """Return what the rules leave of a document that was read.

        Raises:
            BodyRefusedError: the document has not the shape that the rules describe.
        """
        for path, _ in self._lists:
            _check_list(path, document)
        found: Json | _Gone = self._reduced(document, self._fields)
        if isinstance(self._fields.rule, Exclude):
            found = _GONE
        for include in self._includes:
            found = _kept(found, include) if not isinstance(found, _Gone) else found
        if isinstance(found, _Gone):
            return [] if isinstance(document, list) else {}
        for path, rule in self._lists:
            found = _listed(found, path.steps, rule)
        return found

    def _reduced(self, value: Json, place: Place) -> Json:
        # Prevents: an answer of another form (one customer instead of a list of them) going out in full because no
        # path led to what it holds.
        if not place.shape.admits(value):
            raise BodyRefusedError("the body has not the shape that the rules describe")
        if isinstance(value, dict):
            members = [(name, self._child(item, place.member(name))) for name, item in value.items()]
            return {name: item for name, item in members if not isinstance(item, _Gone)}
        if isinstance(value, list) and (below := place.element()) is not None:
            items = [self._child(item, below) for item in value]
            return [item for item in items if not isinstance(item, _Gone)]
        return value

    def _child(self, value: Json, place: Place | None) -> Json | _Gone:
        if place is None:
            return value
        if isinstance(place.rule, Exclude):
            return _GONE
        reduced = self._reduced(value, place)
        return reduced if place.rule is None else apply_rule(place.rule, reduced, self._keys)


@lru_cache(maxsize=256)
def filter_for(rules: BodyRules, keys: ValueKeys | None = None) -> BodyFilter:
    """Return a filter for rules, made once.

    Raises:
        BodyRefusedError: the rules need keys and there are none.
    """
    return BodyFilter(rules, keys)


def _kept(value: Json, place: Place) -> Json | _Gone:
    """Keep what lies at or below the end of a path, and what leads there; the rest is gone."""
    if place.ends:
        return value
    found: Json
    if isinstance(value, dict):
        members = [(name, _kept(item, into)) for name, item in value.items() if (into := place.member(name))]
        found = {name: item for name, item in members if not isinstance(item, _Gone)}
    elif isinstance(value, list):
        below = place.element()
        items = [_kept(item, below) for item in value] if below is not None else []
        found = [item for item in items if not isinstance(item, _Gone)]
    else:
        return _GONE
    return found if found or not value else _GONE


def _check_list(path: FieldPath, document: Json) -> None:
    """Refuse a document without the list that a rule is about; null is an empty one."""
    values: list[Json] = [document]
    for step in path.steps:
        there = [value for value in values if value is not None]
        if step.kind is StepKind.NAME:
            fits = all(isinstance(value, dict) and step.name in value for value in there)
            values = [value[step.name] for value in there if isinstance(value, dict) and fits]
        else:
            fits = all(isinstance(value, list) for value in there)
            values = [item for value in there if isinstance(value, list) for item in value]
        if not fits:
            raise BodyRefusedError("the body has not the shape that the rules describe")
    if not all(isinstance(value, list) for value in values if value is not None):
        raise BodyRefusedError("the body has not the shape that the rules describe")


def _of_group(rule: GroupRule) -> ListRule:
    return lambda listed: apply_group(rule, listed)


def _of_limit(most: int) -> ListRule:
    return lambda listed: listed[:most]


def _listed(value: Json, steps: tuple[Step, ...], rule: ListRule) -> Json:
    """Apply a rule to the lists at the end of a path; where the rules before took them out, there is nothing to do."""
    if not steps:
        return rule(value) if isinstance(value, list) else value
    step, rest = steps[0], steps[1:]
    if step.kind is StepKind.NAME and isinstance(value, dict) and step.name in value:
        return {**value, step.name: _listed(value[step.name], rest, rule)}
    if step.kind is StepKind.ELEMENTS and isinstance(value, list):
        return [_listed(item, rest, rule) for item in value]
    return value
