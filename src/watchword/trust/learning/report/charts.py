"""The three pictures of a score: how well it separates, whether its probabilities come true, and what it goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log10, sqrt
from types import MappingProxyType
from typing import Final

from watchword.trust.learning.evaluation import EVERYBODY, Evaluation, Measured
from watchword.trust.learning.replaying import Scored
from watchword.trust.learning.report.scene import Anchor, Bar, Dot, Ink, Path, Picture, Shape, Text
from watchword.trust.observation import Act

_LEAST_RATE: Final = 0.001
_TENTHS: Final = 5
_MOST_INDICATORS: Final = 14
_LEAST_SHOWN: Final = 0.02
_ROW: Final = 30.0
_RATES: Final = ((0.001, "0.1%"), (0.01, "1%"), (0.1, "10%"), (1.0, "100%"))
NAMES: Final = MappingProxyType({"if": "isolation forest", "hbos": "HBOS", "ecod": "ECOD", "freeman": "Freeman"})


@dataclass(frozen=True, slots=True)
class _Frame:
    """The inside of a picture, and where a value falls in it."""

    left: float
    top: float
    right: float
    bottom: float

    def x(self, share: float) -> float:
        return self.left + share * (self.right - self.left)

    def y(self, share: float) -> float:
        return self.bottom - share * (self.bottom - self.top)


def roc_picture(evaluation: Evaluation) -> Picture:
    """Draw found attacks over alarms on owners; alarms on a scale of tens, because only the few matter."""
    width, height = 560.0, 400.0
    frame = _Frame(52.0, 44.0, width - 18.0, height - 48.0)
    shapes: list[Shape] = [_heading("Attacks found, by how many owners are troubled")]
    shapes += _grid(frame, [(_log_share(rate), words) for rate, words in _RATES])
    shapes.append(Text(frame.x(0.5), height - 8.0, "log-ins of owners that raise an alarm", anchor=Anchor.MIDDLE))
    one = frame.x(_log_share(0.01))
    shapes.append(Path(((one, frame.top), (one, frame.bottom)), Ink.SOFT, 1.0, is_dashed=True))
    drawn = _measured(evaluation)
    for measured, ink in reversed(drawn):
        points = tuple((frame.x(_log_share(wrong)), frame.y(right)) for wrong, right in measured.curve)
        shapes.append(Path(points, ink, 1.4 if ink is Ink.OTHER else 2.6, is_dashed=ink is Ink.OTHER))
    shapes += _legend(drawn, frame)
    own = evaluation.own.by_attacker.get(EVERYBODY)
    words = f"ROC curve; the area is {own.auc:.3f}" if own else "ROC curve without log-ins"
    return Picture("ROC", words, width, height, tuple(shapes))


def calibration_picture(evaluation: Evaluation) -> Picture:
    """Draw how often it was an attack, over how likely that was said to be."""
    width, height = 560.0, 400.0
    frame = _Frame(52.0, 44.0, width - 18.0, height - 48.0)
    shapes: list[Shape] = [_heading("Do probabilities come true?")]
    shapes += _grid(frame, [(step / 4, f"{step / 4:.0%}") for step in range(5)])
    shapes.append(Text(frame.x(0.5), height - 8.0, "probability of an attack, as it was said", anchor=Anchor.MIDDLE))
    shapes.append(Path(((frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))), Ink.SOFT, 1.0, is_dashed=True))
    shown = [(each, ink) for each, ink in _measured(evaluation) if each.bins]
    for measured, ink in reversed(shown):
        shapes += _bins(measured, ink, frame)
    for place, (measured, ink) in enumerate(shown):
        x, y = frame.left + 14.0, frame.top + 18.0 + 18.0 * place  # where a score that is right draws least
        shapes.append(Dot(x, y - 4.0, 5.0, ink))
        shapes.append(Text(x + 12.0, y, f"{measured.name}: off by {measured.ece:.3f}", Ink.TEXT))
    words = f"calibration; off by {evaluation.own.ece or 0.0:.3f} on average"
    return Picture("Calibration", words, width, height, tuple(shapes))


def _bins(measured: Measured, ink: Ink, frame: _Frame) -> list[Shape]:
    """Draw each bin as a dot, the larger the more was predicted there, on the range in which the truth may lie."""
    most = max(each.count for each in measured.bins)
    found: list[Shape] = []
    for each in measured.bins:
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


def contributions_picture(evaluation: Evaluation) -> Picture:
    """Draw what each indicator adds to attacks and to owners, on average; what separates them most comes first."""
    attacks, owners = _contributions(evaluation, is_attack=True), _contributions(evaluation, is_attack=False)
    apart = {name: abs(attacks.get(name, 0.0) - owners.get(name, 0.0)) for name in attacks.keys() | owners.keys()}
    names = [name for name in sorted(apart, key=lambda name: (-apart[name], name)) if apart[name] >= _LEAST_SHOWN]
    names = names[:_MOST_INDICATORS]
    width, height = 1140.0, 76.0 + _ROW * max(len(names), 1)
    frame = _Frame(240.0, 60.0, width - 60.0, height)
    values = [by.get(name, 0.0) for by in (attacks, owners) for name in names]
    low, high = min([*values, -0.5]), max([*values, 0.5])

    def place_of(value: float) -> float:
        return frame.x((value - low) / (high - low))

    shapes: list[Shape] = [
        _heading("What the score goes by"),
        Text(0.0, 36.0, "mean contribution to the log-odds of a log-in: to the right speaks for an attacker"),
        Dot(width - 250.0, 12.0, 5.0, Ink.ATTACK),
        Text(width - 238.0, 16.0, "attacks", Ink.TEXT),
        Dot(width - 160.0, 12.0, 5.0, Ink.OWNER),
        Text(width - 148.0, 16.0, "owners", Ink.TEXT),
        Path(((place_of(0.0), frame.top - 8.0), (place_of(0.0), height - 6.0)), Ink.SOFT, 1.0),
    ]
    for row, name in enumerate(names):
        y = frame.top + _ROW * row
        shapes.append(Text(frame.left - 60.0, y + 14.0, name, Ink.TEXT, 12.5, Anchor.END))
        shapes += _bar(attacks.get(name, 0.0), y, Ink.ATTACK, place_of)
        shapes += _bar(owners.get(name, 0.0), y + 11.0, Ink.OWNER, place_of)
    words = "mean contributions; " + ", ".join(f"{name} {attacks.get(name, 0.0):+.2f}" for name in names[:3])
    return Picture("Contributions", words, width, height, tuple(shapes))


def _bar(value: float, y: float, ink: Ink, place_of: Callable[[float], float]) -> list[Shape]:
    zero, end = place_of(0.0), place_of(value)
    drawn: list[Shape] = [Bar(min(zero, end), y, max(abs(end - zero), 1.0), 9.0, ink, f"{value:+.2f}")]
    at, anchor = (end + 5.0, Anchor.START) if value >= 0 else (end - 5.0, Anchor.END)
    return [*drawn, Text(at, y + 8.5, f"{value:+.2f}", size=10.0, anchor=anchor)]


def _contributions(evaluation: Evaluation, *, is_attack: bool) -> Mapping[str, float]:
    kept: Sequence[Scored] = [
        each for each in evaluation.scored if each.act is Act.SIGN_IN and each.is_attack is is_attack
    ]
    total: dict[str, float] = {}
    model = evaluation.model
    for each in kept:
        for name, value in each.values.items():
            total[name] = total.get(name, 0.0) + model.weights.get(name, model.default_weight) * value
    return {name: value / len(kept) for name, value in total.items()}


def _measured(evaluation: Evaluation) -> list[tuple[Measured, Ink]]:
    found = [(evaluation.own, Ink.OWN)]
    if evaluation.with_labels is not None:
        found.append((evaluation.with_labels, Ink.LABELLED))
    others = [each for name, each in evaluation.rivals.items() if "_" not in name]
    return found + [(each, Ink.OTHER) for each in others]


def _legend(drawn: Sequence[tuple[Measured, Ink]], frame: _Frame) -> list[Shape]:
    shapes: list[Shape] = []
    shown = [(each, ink) for each, ink in drawn if EVERYBODY in each.by_attacker]
    for place, (measured, ink) in enumerate(shown):
        y = frame.bottom - 12.0 - 18.0 * (len(shown) - 1 - place)
        x = frame.right - 205.0
        shapes.append(Path(((x, y - 4.0), (x + 22.0, y - 4.0)), ink, 2.6, is_dashed=ink is Ink.OTHER))
        shapes.append(
            Text(
                x + 30.0,
                y,
                f"{NAMES.get(measured.name, measured.name)}: {measured.by_attacker[EVERYBODY].auc:.3f}",
                Ink.TEXT,
            )
        )
    return shapes


def _heading(words: str) -> Text:
    return Text(0.0, 16.0, words, Ink.TEXT, 15.0, is_bold=True)


def _grid(frame: _Frame, columns: Sequence[tuple[float, str]]) -> list[Shape]:
    shapes: list[Shape] = []
    for step in range(_TENTHS + 1):
        y = frame.y(step / _TENTHS)
        shapes.append(Path(((frame.left, y), (frame.right, y)), Ink.GRID, 1.0))
        shapes.append(Text(frame.left - 8.0, y + 4.0, f"{step / _TENTHS:.0%}", size=11.0, anchor=Anchor.END))
    for share, words in columns:
        x = frame.x(share)
        shapes.append(Path(((x, frame.top), (x, frame.bottom)), Ink.GRID, 1.0))
        shapes.append(Text(x, frame.bottom + 16.0, words, size=11.0, anchor=Anchor.MIDDLE))
    return shapes


def _log_share(rate: float) -> float:
    return 1.0 - log10(max(rate, _LEAST_RATE)) / log10(_LEAST_RATE)
