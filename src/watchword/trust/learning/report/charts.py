"""The curves of a score: how well it separates, and whether its probabilities come true."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10, sqrt
from types import MappingProxyType
from typing import Final

from watchword.trust.learning.evaluation import EVERYBODY, Evaluation, Measured
from watchword.trust.learning.metrics import CalibrationBin
from watchword.trust.learning.report.frame import HALF, TOP, Frame, grid, heading, legend, legend_height
from watchword.trust.learning.report.scene import Anchor, Dot, Ink, Path, Picture, Shape, Text

_LEAST_RATE: Final = 0.001
_ALARMS: Final = 0.01
_FEWEST: Final = 12  # log-ins in one dot: fewer say next to nothing of a share
_RATES: Final = ((0.001, "0.1%"), (0.01, "1%"), (0.1, "10%"), (1.0, "100%"))
_VARIANTS: Final = {
    "one_hot": "one column a value",
    "four": "four features",
    "stateful": "and what is new",
    "habits": "and habits",
}
NAMES: Final = MappingProxyType(
    {"watchword": "Watchword", "if": "isolation forest", "hbos": "HBOS", "ecod": "ECOD", "freeman": "Freeman"}
)


def method_name(name: str) -> str:
    """Name a way to score as people do."""
    own, _, rest = name.partition(",")
    base, _, variant = own.partition("_")
    words = NAMES.get(base, base)
    return f"{words}{', ' + _VARIANTS.get(variant, variant) if variant else ''}{',' + rest if rest else ''}"


def roc_picture(evaluation: Evaluation, *, width: float = HALF) -> Picture:
    """Draw found attacks over alarms on owners; alarms on a scale of tens, because only the few matter."""
    drawn = [(each, ink) for each, ink in measured_of(evaluation) if EVERYBODY in each.by_attacker]
    names = [(f"{method_name(each.name)} {each.by_attacker[EVERYBODY].auc:.3f}", ink) for each, ink in drawn]
    frame, height = _frame(width, len(names))
    shapes: list[Shape] = heading(
        "Attacks found, by alarms on owners", "the higher and the further left, the better", width
    )
    shapes += grid(frame, [(_log_share(rate), words) for rate, words in _RATES])
    shapes.append(
        Text(frame.x(0.5), frame.bottom + 36.0, "log-ins of owners that raise an alarm", anchor=Anchor.MIDDLE)
    )
    one = frame.x(_log_share(_ALARMS))
    shapes.append(Path(((one, frame.top), (one, frame.bottom)), Ink.SOFT, 1.0, is_dashed=True))
    for measured, ink in reversed(drawn):
        points = tuple((frame.x(_log_share(wrong)), frame.y(right)) for wrong, right in measured.curve)
        shapes.append(Path(points, ink, 1.4 if ink is Ink.OTHER else 2.6, is_dashed=ink is Ink.OTHER))
    own = evaluation.own.by_attacker.get(EVERYBODY)
    if own is not None:
        y = frame.y(own.tpr_at_1pct_fpr)
        shapes.append(Dot(one, y, 6.0, Ink.OWN, f"{own.tpr_at_1pct_fpr:.1%} found at 1% alarms"))
        shapes.append(Text(one + 10.0, y + 20.0, f"{own.tpr_at_1pct_fpr:.0%} at 1%", Ink.TEXT, 12.0, is_bold=True))
    shapes += legend(names, frame.bottom + 46.0, width)
    words = f"ROC curve; the area is {own.auc:.3f}" if own else "ROC curve without log-ins"
    return Picture("ROC", words, width, height, tuple(shapes))


def calibration_picture(evaluation: Evaluation, *, width: float = HALF) -> Picture:
    """Draw how often it was an attack, over how likely that was said to be."""
    shown = [(each, ink) for each, ink in measured_of(evaluation) if each.bins]
    names = [(f"{method_name(each.name)}: off by {each.ece or 0.0:.3f}", ink) for each, ink in shown]
    frame, height = _frame(width, len(names))
    shapes: list[Shape] = heading(
        "Do probabilities come true?", "on the dashed line they do; upright lines say how sure that is", width
    )
    shapes += grid(frame, [(step / 4, f"{step / 4:.0%}") for step in range(5)])
    shapes.append(
        Text(frame.x(0.5), frame.bottom + 36.0, "probability of an attack, as it was said", anchor=Anchor.MIDDLE)
    )
    shapes.append(Path(((frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))), Ink.SOFT, 1.0, is_dashed=True))
    for measured, ink in reversed(shown):
        shapes += _bins(merged(measured.bins), ink, frame)
    shapes += legend(names, frame.bottom + 46.0, width)
    words = f"calibration; off by {evaluation.own.ece or 0.0:.3f} on average"
    return Picture("Calibration", words, width, height, tuple(shapes))


def merged(bins: Sequence[CalibrationBin]) -> list[CalibrationBin]:
    """Join neighbours until each holds enough to say something; the figure of the error is over bins as they were."""
    found: list[CalibrationBin] = []
    for each in bins:
        if found and (found[-1].count < _FEWEST):
            found[-1] = _joined(found[-1], each)
        else:
            found.append(each)
    if len(found) > 1 and found[-1].count < _FEWEST:
        last = found.pop()
        found[-1] = _joined(found[-1], last)
    return found


def _joined(one: CalibrationBin, other: CalibrationBin) -> CalibrationBin:
    count = one.count + other.count
    return CalibrationBin(
        (one.predicted * one.count + other.predicted * other.count) / count,
        (one.observed * one.count + other.observed * other.count) / count,
        count,
    )


def _bins(bins: Sequence[CalibrationBin], ink: Ink, frame: Frame) -> list[Shape]:
    """Draw each bin as a dot, the larger the more was predicted there, on the range in which the truth may lie."""
    most = max(each.count for each in bins)
    found: list[Shape] = [Path(tuple((frame.x(each.predicted), frame.y(each.observed)) for each in bins), ink, 1.6)]
    for each in bins:
        low, high = wilson(each.observed, each.count)
        x = frame.x(each.predicted)
        found.append(Path(((x, frame.y(low)), (x, frame.y(high))), ink, 1.4))
        words = f"said {each.predicted:.1%}, came true {each.observed:.1%} of {each.count:,}"
        found.append(Dot(x, frame.y(each.observed), 3.5 + 5.5 * (each.count / most) ** 0.33, ink, words))
    return found


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return where a share may lie that was seen in so many cases, with 95% confidence.

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927).
    """
    z = 1.96
    middle = share + z * z / (2 * count)
    wide = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - wide) / scale), min(1.0, (middle + wide) / scale)


def measured_of(evaluation: Evaluation) -> list[tuple[Measured, Ink]]:
    """Return what is drawn, and in which ink: ours, ours after labels, each other method as it is fed from a log."""
    found = [(evaluation.own, Ink.OWN)]
    if evaluation.with_labels is not None:
        found.append((evaluation.with_labels, Ink.LABELLED))
    others = [each for name, each in evaluation.rivals.items() if "_" not in name]
    return found + [(each, Ink.OTHER) for each in others]


def _frame(width: float, lines: int) -> tuple[Frame, float]:
    bottom = TOP + min(300.0, 0.62 * width + 30.0)
    return Frame(46.0, TOP, width - 10.0, bottom), bottom + 50.0 + legend_height(lines, width)


def _log_share(rate: float) -> float:
    return 1.0 - log10(max(rate, _LEAST_RATE)) / log10(_LEAST_RATE)
