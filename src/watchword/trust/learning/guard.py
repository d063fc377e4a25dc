"""Which labels count in a refit: capped by user, giver and source, and held back where they contradict in bulk.

A pure function of all labels, so that what was held yesterday is judged again with what is known today.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from watchword.trust.learning.labels import Label, Review, Source


class Hold(StrEnum):
    """Why a label does not count."""

    DISPUTED = "disputed"  # another source says the contrary of the same act
    BULK = "bulk"  # one of many that contradict the score, from one giver or within a day
    USER_CAP = "user_cap"  # this account has said as much as one account may
    GIVER_CAP = "giver_cap"  # so has whoever gave it, for that day
    REJECTED = "rejected"  # an analyst looked at it
    UNREADABLE = "unreadable"  # a figure in it is none, or it does not say what the indicators saw


@dataclass(frozen=True, slots=True)
class Caps:
    """What one voice can weigh.

    Attributes:
        user: sum of weights that count for one account, of each kind of label.
        giver_per_day: labels that one giver may give a day (UTC).
        weak_share: what weak labels may weigh together, of all that count.
        contradiction: log-odds from which a score is sure enough to be contradicted.
        bulk: so many contradictions of one giver or of one source within a day are held.
        bulk_share: if they are also at least this share of what was said there.
    """

    user: float = 4.0
    giver_per_day: int = 50
    weak_share: float = 0.25
    contradiction: float = 2.0
    bulk: int = 8
    bulk_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Held:
    """A label that waits, or is passed over."""

    label: Label
    why: Hold


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a refit may learn from."""

    counted: tuple[Label, ...]
    held: tuple[Held, ...]

    @property
    def for_review(self) -> tuple[Held, ...]:
        """Those about which an analyst should decide."""
        return tuple(each for each in self.held if each.why in {Hold.DISPUTED, Hold.BULK})


_CAPS = Caps()


def admit(labels: Iterable[Label], caps: Caps = _CAPS) -> Admitted:
    """Sort labels into those that count and those that do not; what an analyst released counts, within the caps."""
    # The best source first, then the newest: where a cap leaves no room for all, the present counts.
    ranked = sorted(labels, key=lambda each: (_RANK[each.source], -each.given_at.timestamp(), each.id))
    held: list[Held] = []
    left = _pass(ranked, held, lambda each: Hold.UNREADABLE if not _is_readable(each) else None)
    left = _pass(left, held, lambda each: Hold.REJECTED if each.review is Review.REJECTED else None)
    disputed = _disputed(left)
    left = _pass(left, held, lambda each: Hold.DISPUTED if _waits(each) and each.act in disputed else None)
    # Prevents: an attacker with many accounts, or with one analyst's, teaching the score that the attack is usual.
    bulk = _bulk(left, caps)
    left = _pass(left, held, lambda each: Hold.BULK if _waits(each) and each.id in bulk else None)
    left = _one_per_act(left)
    left = _capped(left, held, caps)
    return Admitted(_weak_bounded(sorted(left, key=lambda each: (each.given_at, each.id)), caps), tuple(held))


_RANK = {Source.ANALYST: 0, Source.OWNER: 1, Source.STEP_UP: 2}


_Why = Callable[[Label], Hold | None]


def _pass(labels: Sequence[Label], held: list[Held], why: _Why) -> list[Label]:
    left = []
    for each in labels:
        reason = why(each)
        if reason is None:
            left.append(each)
        else:
            held.append(Held(each, reason))
    return left


def _waits(label: Label) -> bool:
    return label.review is not Review.RELEASED


def _is_readable(label: Label) -> bool:
    figures = (label.margin, *label.values.values())
    return bool(label.values) and 0 < label.weight <= 1 and all(map(isfinite, figures))


def _disputed(labels: Sequence[Label]) -> set[str]:
    """Return the acts of which strong sources say both; an analyst settles a dispute with anybody else."""
    said: dict[str, dict[Source, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for each in labels:
        if each.source is not Source.STEP_UP:
            said[each.act][each.source].add(each.is_attack)
    return {act for act, by in said.items() if len(by.get(Source.ANALYST) or set().union(*by.values())) > 1}


def _bulk(labels: Sequence[Label], caps: Caps) -> set[str]:
    groups: dict[tuple[str, ...], list[Label]] = defaultdict(list)
    for each in labels:
        day = each.given_at.date().isoformat()
        groups["giver", _voice(each)].append(each)
        groups["day", day, each.source].append(each)
    found: set[str] = set()
    for members in groups.values():
        against = [each.id for each in members if _contradicts(each, caps)]
        if len(against) >= max(caps.bulk, caps.bulk_share * len(members)):
            found.update(against)
    return found


def _voice(label: Label) -> str:
    """Name who says it; of a second factor whoever was asked for it.

    # Prevents: one account that is asked without end leaving no room for what others were asked.
    """
    return label.user if label.source is Source.STEP_UP else label.given_by


def _contradicts(label: Label, caps: Caps) -> bool:
    return label.margin <= -caps.contradiction if label.is_attack else label.margin >= caps.contradiction


def _one_per_act(labels: Sequence[Label]) -> list[Label]:
    """Keep what the best source said of each act: three voices about one act are still one act."""
    seen: dict[str, Label] = {}
    for each in labels:
        seen.setdefault(each.act, each)
    return list(seen.values())


def _capped(labels: Sequence[Label], held: list[Held], caps: Caps) -> list[Label]:
    by_user: dict[tuple[str, bool], float] = defaultdict(float)
    by_giver: Counter[tuple[str, str]] = Counter()
    left = []
    for each in labels:
        user, giver = (each.user, each.is_attack), (_voice(each), each.given_at.date().isoformat())
        if by_giver[giver] >= caps.giver_per_day:
            held.append(Held(each, Hold.GIVER_CAP))
        elif by_user[user] + each.weight > caps.user:
            held.append(Held(each, Hold.USER_CAP))
        else:
            by_user[user] += each.weight
            by_giver[giver] += 1
            left.append(each)
    return left


def _weak_bounded(labels: Sequence[Label], caps: Caps) -> tuple[Label, ...]:
    """Shrink weak labels until they are no more than their share of the whole."""
    weak = sum(each.weight for each in labels if each.source is Source.STEP_UP)
    strong = sum(each.weight for each in labels if each.source is not Source.STEP_UP)
    most = strong * caps.weak_share / (1.0 - caps.weak_share)
    if weak <= most:
        return tuple(labels)
    scale = most / weak
    shrunk = (replace(each, weight=each.weight * scale) if each.source is Source.STEP_UP else each for each in labels)
    return tuple(each for each in shrunk if each.weight > 0)
