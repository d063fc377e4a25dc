"""Charts as plain figures: the server computes every coordinate, templates only place them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchword.console.ports import Weight
from watchword.console.tally import hour_before
from watchword.kernel import Answer

_STACK = (Answer.ALLOW, Answer.STEP_UP, Answer.APPROVAL, Answer.DENY)
WIDTH, HEIGHT = 720.0, 100.0
_MIDDLE = 50.0


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
    """One contribution and its bar; the scale runs from 0 to 100 in the same direction for all of them.

    Attributes:
        axis: where nothing speaks for anybody.
    """

    weight: Weight
    start: float
    length: float
    kind: str
    axis: float = 0.0


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


def balance_bars(weights: Sequence[Weight]) -> tuple[WeightBar, ...]:
    """Draw log-odds from an axis: to the right what speaks for somebody else, to the left for the owner.

    Where nothing speaks for the owner the axis is the left edge, and bars take the whole width.
    """
    longest = max((abs(weight.points) for weight in weights), default=1.0)
    axis = _MIDDLE if any(weight.points < 0 for weight in weights) else 0.0
    bars = []
    for weight in sorted(weights, key=lambda weight: -weight.points):
        length = abs(weight.points) / longest * (100.0 - axis)
        start = axis if weight.points >= 0 else axis - length
        kind = "up" if weight.points >= 0 else "down"
        bars.append(WeightBar(weight, round(start, 2), round(length, 2), kind, axis))
    return tuple(bars)


def columns(shares: Sequence[float]) -> tuple[Bar, ...]:
    """Draw shares as columns side by side, the highest of which fills the chart."""
    highest, step = max(shares) or 1.0, WIDTH / len(shares)
    return tuple(
        Bar(
            round(number * step + 1, 2),
            round(HEIGHT - share / highest * HEIGHT, 2),
            round(step - 2, 2),
            round(share / highest * HEIGHT, 2),
            "allow",
        )
        for number, share in enumerate(shares)
    )


def timeline(counts: Sequence[Mapping[Answer, int]], *, now: datetime) -> Timeline:
    """Stack the counts of the last hour, one stack a minute, oldest first."""
    peak = max(1, *(sum(minute.values()) for minute in counts))
    step = WIDTH / len(counts)
    bars: list[Bar] = []
    for number, minute in enumerate(counts):
        top = HEIGHT
        for answer in _STACK:
            height = minute.get(answer, 0) / peak * HEIGHT
            if height:
                top -= height
                bars.append(
                    Bar(round(number * step + 1, 2), round(top, 2), round(step - 2, 2), round(height, 2), answer.value)
                )
    marks = tuple(hour_before(now, part) for part in range(5))
    totals = tuple((answer, sum(minute.get(answer, 0) for minute in counts)) for answer in _STACK)
    return Timeline(tuple(bars), peak, marks, totals)
