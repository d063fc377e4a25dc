"""Charts as plain figures: the server computes every coordinate, templates only place them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchword.console.model import DecisionView
from watchword.console.ports import Weight
from watchword.kernel import Answer

_STACK = (Answer.ALLOW, Answer.STEP_UP, Answer.APPROVAL, Answer.DENY)
WIDTH, HEIGHT = 720.0, 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in the units of its chart."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class WeightBar:
    """One contribution and its bar; the scale runs from 0 to 100 in the same direction for all of them."""

    weight: Weight
    start: float
    length: float
    kind: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Decisions over time, one stack of bars a slot.

    Attributes:
        peak: the highest stack, which the chart's height stands for.
        marks: five times along the foot, the last one now.
    """

    bars: tuple[Bar, ...]
    peak: int
    marks: tuple[datetime, ...]
    totals: tuple[tuple[Answer, int], ...]


def weight_bars(weights: Sequence[Weight]) -> tuple[WeightBar, ...]:
    """Lay contributions end to end, so that the bars climb to the score; a negative one reaches back."""
    bars: list[WeightBar] = []
    reached = 0.0
    total = max(100.0, sum(abs(weight.points) for weight in weights))
    for weight in weights:
        length = abs(weight.points) / total * 100
        start = reached if weight.points >= 0 else max(reached - length, 0.0)
        bars.append(WeightBar(weight, round(start, 2), round(length, 2), "up" if weight.points >= 0 else "down"))
        reached = start + length if weight.points >= 0 else start
    return tuple(bars)


def timeline(decisions: Iterable[DecisionView], *, now: datetime, slots: int = 60, slot_s: int = 60) -> Timeline:
    """Count decisions into the last `slots` slots of `slot_s` seconds and stack them."""
    counts = [dict.fromkeys(_STACK, 0) for _ in range(slots)]
    for decision in decisions:
        slot = slots - 1 - int((now - decision.at).total_seconds() // slot_s)
        if 0 <= slot < slots:
            counts[slot][decision.answer] += 1
    peak = max(1, *(sum(slot.values()) for slot in counts))
    step = WIDTH / slots
    bars: list[Bar] = []
    for number, stack in enumerate(counts):
        top = HEIGHT
        for answer in _STACK:
            height = stack[answer] / peak * HEIGHT
            if height:
                top -= height
                bars.append(
                    Bar(round(number * step + 1, 2), round(top, 2), round(step - 2, 2), round(height, 2), answer.value)
                )
    marks = tuple(now - timedelta(seconds=slots * slot_s * (4 - part) / 4) for part in range(5))
    totals = tuple((answer, sum(slot[answer] for slot in counts)) for answer in _STACK)
    return Timeline(tuple(bars), peak, marks, totals)
