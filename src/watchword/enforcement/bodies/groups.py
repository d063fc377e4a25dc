"""Lists of records made anonymous, or made into aggregates.

What this gives: within one answer, no record that is shown stands alone among fewer than `least` with the same values
of the fields named, and no figure is made of fewer than `least` values.

What it does not give: protection when all members of a group share a secret (no l-diversity), against answers that are
compared with one another or with outside knowledge (this is not differential privacy), against one large value that
makes up most of a sum, and against fields that nobody named although they identify people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from watchword.enforcement.bodies.documents import Json, Number, canonical
from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.kernel import Aggregate, Anonymise, GroupRule

_MEAN_DIGITS: Final = 12
_ABSENT: Final = b""

Record = dict[str, Json]


def apply_group(rule: GroupRule, listed: list[Json]) -> list[Json]:
    """Return what a rule leaves of a list; the order of the original, which may tell what was hidden, is gone.

    Raises:
        BodyRefusedError: the list holds something that is no record.
    """
    records = [item for item in listed if isinstance(item, dict)]
    if len(records) != len(listed):
        raise BodyRefusedError("a list that is grouped holds something that is no record")
    groups = _groups(records, rule.by)
    large = [groups[key] for key in sorted(groups) if len(groups[key]) >= rule.least]
    if isinstance(rule, Anonymise):
        return [record for group in large for record in sorted(group, key=canonical)]
    return [_figures(rule, group) for group in large]


def _groups(records: Iterable[Record], by: Iterable[str]) -> dict[tuple[bytes, ...], list[Record]]:
    names = sorted(by)
    found: dict[tuple[bytes, ...], list[Record]] = defaultdict(list)
    for record in records:
        key = tuple(canonical(record[name]) if name in record else _ABSENT for name in names)
        found[key].append(record)
    return found


def _figures(rule: Aggregate, group: list[Record]) -> Json:
    first = group[0]
    shown: Record = {name: first[name] for name in sorted(rule.by) if name in first}
    for what, field in sorted(rule.measures):
        if what == "count":
            shown["count"] = Number(len(group))
        else:
            inner = shown.setdefault(what, {})
            assert isinstance(inner, dict)
            inner[field] = _measure(what, field, group, rule.least)
    return shown


def _measure(what: str, field: str, group: list[Record], least: int) -> Json:
    """Add up the numbers; what is no number counts as missing.

    # Prevents: a sum over a large group to which only a few contributed, which would be their values.
    """
    values = [exact for record in group if (exact := _exact(record.get(field))) is not None]
    if len(values) < least:
        return None
    total = sum(values, Decimal())
    if what == "sum":
        return Number(f"{total:f}")
    return Number(f"{float(total / len(values)):.{_MEAN_DIGITS}g}")


def _exact(value: Json) -> Decimal | None:
    return value.exact if isinstance(value, Number) else None
