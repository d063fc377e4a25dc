"""What a door must do to a JSON answer: the rules, and their order from weak to strict.

Rules meet here because three rooms need them: policy declares them, the decision carries them, doors apply them.

**The order.** A rule for a field is at least as strict as another if it tells two values apart only where the other
does too, and shows no more of them. From weak to strict:

- `tokenize` < `hash`, for the same context: both tell equal from unequal, but a token can be turned back with the key.
- `generalise`: a month < a year < a decade; a range < one whose width is a multiple; a longer prefix < a shorter one;
  a smaller network < a larger one.
- `mask` with more characters kept < with fewer.
- Two rules of different kinds, contexts or scales have no order; what is stricter than both is `mask` with nothing
  kept.
- `exclude` is stricter than everything.

Two rules for one field become the weakest rule that is at least as strict as both (`join`). It is a semilattice: the
order in which rules are joined, and joining one twice, change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from watchword.kernel.duties import Mark, Note
from watchword.kernel.field_paths import FieldPath

MOST_KEPT: Final = 4
WIDEST_RANGE: Final = 10**12
MOST_MEMBERS: Final = 10_000
MOST_PATHS: Final = 64
_LONGEST_CONTEXT: Final = 64
_LONGEST_PREFIX: Final = 16
_V4_BITS, _V6_BITS = 32, 128
_DATES: Final = ("month", "year", "decade")  # weak to strict


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Replace a value by a token: equal values have equal tokens, and whoever holds the key can turn one back."""

    context: str


@dataclass(frozen=True, slots=True)
class Hash:
    """Replace a value by its HMAC: equal values stay equal, nobody can turn one back."""

    context: str


@dataclass(frozen=True, slots=True)
class Generalise:
    """Replace a value by something coarser.

    Attributes:
        to: `month`, `year` or `decade` of a date; `range` of numbers, `prefix` of text, `network` of an address.
        size: the width of the range, the characters kept, or the prefix lengths for IPv4 and IPv6.
    """

    to: str
    size: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mask:
    """Replace a value by `***` and at most its last four characters, those only of text of eight or more."""

    keep_last: int = 0


@dataclass(frozen=True, slots=True)
class Exclude:
    """Take the field out."""


FieldRule: TypeAlias = Tokenize | Hash | Generalise | Mask | Exclude
HIDDEN: Final = Mask(0)
EXCLUDE: Final = Exclude()


@dataclass(frozen=True, slots=True)
class Anonymise:
    """Of a list of records, keep those that share the values of `by` with at least `least - 1` others."""

    by: frozenset[str]
    least: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Replace a list of records by one record for each group of at least `least`.

    Attributes:
        by: what makes the groups; with nothing, all are one.
        measures: `("count", "")`, `("sum", FIELD)`, `("mean", FIELD)`.
    """

    by: frozenset[str]
    measures: frozenset[tuple[str, str]]
    least: int


GroupRule: TypeAlias = Anonymise | Aggregate


@dataclass(frozen=True, slots=True)
class BodyRules:
    """What to do with one exchange. Build with `body_rules`; join with `merge`.

    Attributes:
        includes: of each of these lists of paths a field must match one; no list, no limit.
        fields: at most one rule a path.
        groups: at most one rule of each kind a path, none where `fields` takes the path out.
        rows: how many elements of a list are shown at most; one limit a path.
        watermarks: where the answer says for whom it was made.
        notes: what is recorded before anything goes on.
        told: who is told before the application is asked.
    """

    includes: frozenset[frozenset[FieldPath]] = frozenset()
    fields: frozenset[tuple[FieldPath, FieldRule]] = frozenset()
    groups: frozenset[tuple[FieldPath, GroupRule]] = frozenset()
    rows: frozenset[tuple[FieldPath, int]] = frozenset()
    watermarks: frozenset[Mark] = frozenset()
    notes: frozenset[Note] = frozenset()
    told: frozenset[str] = frozenset()

    @property
    def needs_key(self) -> bool:
        """Tell whether they can be applied only by who holds a key."""
        return bool(self.watermarks) or any(isinstance(rule, Hash | Tokenize) for _, rule in self.fields)

    @property
    def needs_witness(self) -> bool:
        """Tell whether they can be applied only by who can prove or tell something elsewhere."""
        return bool(self.notes or self.told)

    @property
    def reads_answer(self) -> bool:
        """Tell whether the answer must be a JSON document."""
        noted = any(note.part == "answer" for note in self.notes)
        return bool(self.includes or self.fields or self.groups or self.rows) or noted

    @property
    def reads_request(self) -> bool:
        """Tell whether a body of the request must be a JSON document."""
        return any(note.part == "request" for note in self.notes)

    def marks(self, place: str) -> bool:
        """Tell whether answers are marked there: `header`, `page` or `member`."""
        return any(mark.place == place for mark in self.watermarks)


def join(one: FieldRule, other: FieldRule) -> FieldRule:
    """Return the weakest rule that is at least as strict as both."""
    match one, other:
        case (Exclude(), _) | (_, Exclude()):
            return EXCLUDE
        case Mask(), Mask():
            return Mask(min(one.keep_last, other.keep_last))
        case Tokenize(), Tokenize() if one == other:
            return one
        case ((Hash() | Tokenize()), (Hash() | Tokenize())) if one.context == other.context:
            return Hash(one.context)
        case Generalise(), Generalise():
            return _coarser(one, other)
        case _:
            return HIDDEN


def _coarser(one: Generalise, other: Generalise) -> FieldRule:
    if one.to in _DATES and other.to in _DATES:
        return max(one, other, key=lambda rule: _DATES.index(rule.to))
    if one.to != other.to:
        return HIDDEN
    if one.to == "range":
        width = math.lcm(one.size[0], other.size[0])
        return Generalise("range", (width,)) if width <= WIDEST_RANGE else HIDDEN
    return Generalise(one.to, tuple(map(min, one.size, other.size)))


def body_rules(
    *,
    includes: Iterable[Iterable[FieldPath]] = (),
    fields: Iterable[tuple[FieldPath, FieldRule]] = (),
    groups: Iterable[tuple[FieldPath, GroupRule]] = (),
    rows: Iterable[tuple[FieldPath, int]] = (),
    watermarks: Iterable[Mark] = (),
    notes: Iterable[Note] = (),
    told: Iterable[str] = (),
) -> BodyRules:
    """Bring rules into their one form: what stands twice for a path is joined."""
    by_path: dict[FieldPath, FieldRule] = {}
    for path, rule in fields:
        by_path[path] = join(by_path[path], rule) if path in by_path else rule
    most: dict[FieldPath, int] = {}
    for path, limit in rows:
        most[path] = min(limit, most.get(path, limit))
    grouped: dict[tuple[FieldPath, type], GroupRule] = {}
    for path, group in groups:
        known = grouped.get((path, type(group)), group)
        joined = _join_groups(known, group)
        if joined is None:
            by_path[path] = EXCLUDE
        else:
            grouped[path, type(group)] = joined
    kept = ((path, group) for (path, _), group in grouped.items() if by_path.get(path) != EXCLUDE)
    return BodyRules(
        frozenset(map(frozenset, includes)),
        frozenset(by_path.items()),
        frozenset(kept),
        frozenset(most.items()),
        frozenset(watermarks),
        frozenset(notes),
        frozenset(told),
    )


def _join_groups(one: GroupRule, other: GroupRule) -> GroupRule | None:
    """Join two of a kind; nothing if no grouping is as strict as both, so that the list must go.

    Records that lie k together by all of `by` lie k together by any part of it. Aggregates over different groups can
    be subtracted from one another, so there is no third grouping that gives away no more than each of them.
    """
    match one, other:
        case Anonymise(), Anonymise():
            return Anonymise(one.by | other.by, max(one.least, other.least))
        case Aggregate(), Aggregate() if one.by == other.by:
            return Aggregate(one.by, one.measures & other.measures, max(one.least, other.least))
        case _:
            return None


@lru_cache(maxsize=1024)
def merge(every: frozenset[BodyRules]) -> BodyRules:
    """Return rules at least as strict as each of those given."""
    return body_rules(
        includes=(include for rules in every for include in rules.includes),
        fields=(field for rules in every for field in rules.fields),
        groups=(group for rules in every for group in rules.groups),
        rows=(limit for rules in every for limit in rules.rows),
        watermarks=(mark for rules in every for mark in rules.watermarks),
        notes=(note for rules in every for note in rules.notes),
        told=(name for rules in every for name in rules.told),
    )


def check_field(rule: FieldRule) -> FieldRule:
    """Return a rule whose parameters make sense.

    Raises:
        ValueError: they do not; in words that can be shown.
    """
    match rule:
        case Mask(keep_last) if isinstance(keep_last, bool) or not 0 <= keep_last <= MOST_KEPT:
            raise ValueError(f"a mask keeps at most {MOST_KEPT} characters")
        case Hash(context) | Tokenize(context) if not 0 < len(context) <= _LONGEST_CONTEXT:
            raise ValueError(f"a context has 1 to {_LONGEST_CONTEXT} characters")
        case Generalise(to, size) if not _is_sensible(to, size):
            raise ValueError("values are not made coarser in such a way")
        case _:
            return rule


def _is_sensible(to: str, size: tuple[int, ...]) -> bool:
    match to, size:
        case (("month" | "year" | "decade"), ()):
            return True
        case "range", (width,):
            return 0 < width <= WIDEST_RANGE
        case "prefix", (kept,):
            return 0 <= kept <= _LONGEST_PREFIX
        case "network", (v4, v6):
            return 0 <= v4 < _V4_BITS and 0 <= v6 < _V6_BITS
        case _:
            return False


def check_group(path: FieldPath, rule: GroupRule) -> GroupRule:
    """Return a rule for a list whose path and parameters make sense.

    Raises:
        ValueError: they do not; in words that can be shown.
    """
    path.check_list()
    if isinstance(rule.least, bool) or not 2 <= rule.least <= MOST_MEMBERS:  # noqa: PLR2004  # a group of one hides nobody
        raise ValueError(f"a group has at least 2 and at most {MOST_MEMBERS} members")
    if len(rule.by) > MOST_PATHS or not rule.by.isdisjoint({"", "count", "sum", "mean"}):
        raise ValueError("groups are made by names of fields other than `count`, `sum` and `mean`")
    if isinstance(rule, Anonymise) and not rule.by:
        raise ValueError("a list is made anonymous by fields; name them")
    if isinstance(rule, Aggregate) and not all(_is_measure(*measure) for measure in rule.measures):
        raise ValueError("a measure is a count, or the sum or mean of a field")
    return rule


def _is_measure(what: str, field: str) -> bool:
    return field == "" if what == "count" else what in {"sum", "mean"} and field != ""
