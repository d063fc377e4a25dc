"""Pictures in rows: what the score goes by, how each attacker fares, what moved, and what made one risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from watchword.trust.learning.batch.drift import Drift, Stability
from watchword.trust.learning.evaluation import EVERYBODY, Evaluation
from watchword.trust.learning.replaying import Scored
from watchword.trust.learning.report.charts import measured_of, method_name
from watchword.trust.learning.report.frame import HALF, TOP, WHOLE, fitted, heading, legend, legend_height
from watchword.trust.learning.report.scene import Anchor, Bar, Dot, Ink, Path, Picture, Shape, Text
from watchword.trust.observation import Act
from watchword.trust.wording import factor_words, indicator_words, told_of

_MOST_INDICATORS: Final = 14
_LEAST_SHOWN: Final = 0.02
_LEAST_DRAWN: Final = 0.005
_NAME_COLUMN: Final = 230.0
_STORY_COLUMN: Final = 350.0  # a name with a sentence below it
_CHANCE: Final = 0.5
_STATES: Final = {Stability.DRIFTED: Ink.ATTACK, Stability.MOVING: Ink.LABELLED}


class _Rows:
    """Names to the left of their rows; above them where there is no room beside."""

    def __init__(self, width: float, *, height: float, right: float = 64.0, names: float = _NAME_COLUMN) -> None:
        self.is_narrow = width < HALF
        self.left = 4.0 if self.is_narrow else names
        self.right = width - right
        self.step = height + 18.0 if self.is_narrow else height
        self._below = 16.0 if self.is_narrow else 0.0

    def at(self, row: int) -> float:
        """Return where the drawing of a row begins."""
        return TOP + self.step * row + self._below

    def name(self, row: int, words: str, *, middle: float) -> Text:
        """Write the name of a row."""
        if self.is_narrow:
            return Text(0.0, self.at(row) - 4.0, words, Ink.TEXT, 12.5)
        return Text(self.left - 20.0, self.at(row) + middle, words, Ink.TEXT, 12.5, Anchor.END)

    def axis(self, x: float, count: int) -> list[Shape]:
        """Draw an upright line through so many rows, not through the names above them."""
        if not self.is_narrow:
            return [Path(((x, TOP - 8.0), (x, self.foot(count))), Ink.SOFT, 1.0)]
        height = self.step - 18.0
        return [Path(((x, self.at(row)), (x, self.at(row) + height - 4.0)), Ink.SOFT, 1.0) for row in range(count)]

    def foot(self, count: int) -> float:
        """Return where so many rows end."""
        return TOP + self.step * max(count, 1)


def contributions_picture(evaluation: Evaluation, *, width: float = WHOLE) -> Picture:
    """Draw what each indicator adds to attacks and to owners, on average; what separates them most comes first."""
    attacks, owners = _contributions(evaluation, is_attack=True), _contributions(evaluation, is_attack=False)
    apart = {name: abs(attacks.get(name, 0.0) - owners.get(name, 0.0)) for name in attacks.keys() | owners.keys()}
    names = [name for name in sorted(apart, key=lambda name: (-apart[name], name)) if apart[name] >= _LEAST_SHOWN]
    names = names[:_MOST_INDICATORS]
    rows = _Rows(width, height=30.0)
    values = [by.get(name, 0.0) for by in (attacks, owners) for name in names]
    low, high = min([*values, -0.5]), max([*values, 0.5])
    left = rows.left + 46.0

    def place_of(value: float) -> float:
        return left + (value - low) / (high - low) * (rows.right - left)

    foot = rows.foot(len(names))
    shapes: list[Shape] = heading(
        "What the score goes by", "mean log-odds of a log-in: right speaks for an attacker", width
    )
    shapes += rows.axis(place_of(0.0), len(names))
    for row, name in enumerate(names):
        shapes.append(rows.name(row, indicator_words(name), middle=14.0))
        shapes += _bar(attacks.get(name, 0.0), rows.at(row), Ink.ATTACK, place_of)
        shapes += _bar(owners.get(name, 0.0), rows.at(row) + 11.0, Ink.OWNER, place_of)
    entries = [("attacks", Ink.ATTACK), ("owners", Ink.OWNER)]
    shapes += legend(entries, foot + 8.0, width)
    words = "mean contributions; " + ", ".join(f"{name} {attacks.get(name, 0.0):+.2f}" for name in names[:3])
    return Picture("Contributions", words, width, foot + 12.0 + legend_height(2, width), tuple(shapes))


def attackers_picture(evaluation: Evaluation, *, width: float = WHOLE) -> Picture:
    """Draw, for each attacker, how well every method tells them from owners."""
    drawn = measured_of(evaluation)
    names = sorted(evaluation.own.by_attacker, key=lambda name: (name == EVERYBODY, name))
    areas = [each.by_attacker[name].auc for each, _ in drawn for name in names if name in each.by_attacker]
    low = min(_CHANCE, *(int(area * 10) / 10 for area in areas))
    rows = _Rows(width, height=27.0, right=16.0 if width < HALF else 130.0)
    foot = rows.foot(len(names))

    def place_of(area: float) -> float:
        return rows.left + 8.0 + (area - low) / (1.0 - low) * (rows.right - rows.left - 16.0)

    shapes: list[Shape] = heading(
        "Each attacker", "area under the curve: one half is chance, to the right is better", width
    )
    for step in range(round(low * 10), 11):
        x = place_of(step / 10)
        shapes.append(Path(((x, TOP - 6.0), (x, foot)), Ink.SOFT if step == 5 else Ink.GRID, 1.0, is_dashed=step == 5))  # noqa: PLR2004  # a half
        shapes.append(Text(x, foot + 16.0, f"{step / 10:.1f}", size=11.0, anchor=Anchor.MIDDLE))
    for row, name in enumerate(names):
        quality = evaluation.own.by_attacker[name]
        y = rows.at(row) + 9.0
        shapes.append(
            rows.name(row, "everybody who signs in" if name == EVERYBODY else name.replace("_", " "), middle=13.0)
        )
        for measured, ink in reversed(drawn):
            if name in measured.by_attacker:
                area = measured.by_attacker[name].auc
                size = 4.0 if ink is Ink.OTHER else 6.5
                shapes.append(Dot(place_of(area), y, size, ink, f"{method_name(measured.name)}: {area:.3f}"))
        if not rows.is_narrow:
            found = f"{round(quality.tpr_at_1pct_fpr * quality.attacks):,} of {quality.attacks:,} found"
            shapes.append(Text(width, y + 4.0, found, size=11.5, anchor=Anchor.END))
    entries = [(method_name(each.name), ink) for each, ink in drawn]
    shapes += legend(entries, foot + 26.0, width)
    words = "area under the curve; " + ", ".join(f"{n} {evaluation.own.by_attacker[n].auc:.3f}" for n in names)
    return Picture("Attackers", words, width, foot + 30.0 + legend_height(len(entries), width), tuple(shapes))


def drift_picture(found: Sequence[Drift], *, width: float = WHOLE) -> Picture:
    """Draw from where to where the mean of each indicator moved."""
    rows = _Rows(width, height=27.0, right=70.0)
    values = [value for each in found for value in (each.before, each.after)]
    low, high = min([*values, -0.5]), max([*values, 0.5])
    foot = rows.foot(len(found))

    def place_of(value: float) -> float:
        return rows.left + 8.0 + (value - low) / (high - low) * (rows.right - rows.left - 16.0)

    shapes: list[Shape] = heading(
        "What moved", "mean log-odds of a log-in: from the ring, before, to the dot, now", width
    )
    shapes += rows.axis(place_of(0.0), len(found))
    for row, each in enumerate(found):
        ink = _STATES.get(each.stability, Ink.OWN)
        y = rows.at(row) + 9.0
        before, after = place_of(each.before), place_of(each.after)
        shapes.append(rows.name(row, indicator_words(each.indicator), middle=13.0))
        shapes.append(Path(((before, y), (after, y)), ink, 2.0))
        shapes += [Dot(before, y, 5.0, ink, f"before {each.before:+.2f}"), Dot(before, y, 3.0, Ink.PAPER)]
        shapes.append(Dot(after, y, 5.0, ink, f"now {each.after:+.2f}"))
        shapes.append(Text(width, y + 4.0, each.stability.value, ink, 12.0, Anchor.END))
    words = "drift; " + ", ".join(f"{each.indicator} is {each.stability.value}" for each in found[:5])
    return Picture("Drift", words, width, foot + 6.0, tuple(shapes))


def decision_picture(found: Mapping[str, Any], *, width: float = WHOLE) -> Picture:
    """Draw how one risk came together: each bar begins where the one before it ended.

    Args:
        found: `risk`, `level`, `id`, `unit` and `contributions` of a decision, as `watchword risk explain` has them.
    """
    is_behaviour = found["unit"] == "log-odds"
    told = sorted((each for each in found["contributions"] if each["value"]), key=_order)
    ends = [0.0]
    for each in told:
        ends.append(ends[-1] + each["value"])
    low, high = min(ends), max(*ends, min(ends) + 1.0)
    rows = _Rows(width, height=38.0, right=96.0, names=_STORY_COLUMN)

    def place_of(value: float) -> float:
        return rows.left + 46.0 + (value - low) / (high - low) * (rows.right - rows.left - 46.0)

    foot = rows.foot(len(told) + 1)
    title = f"What made the risk {found['risk']} of 100"
    below = "left speaks for the owner, right for somebody else; each bar begins where the last one ended"
    shapes: list[Shape] = heading(title, below if is_behaviour else "points, added up", width)
    shapes += rows.axis(place_of(0.0), len(told) + 1)
    for row, (each, begin, end) in enumerate(zip(told, ends, ends[1:], strict=False)):
        ink = Ink.ATTACK if each["value"] > 0 else Ink.OWNER
        figure = factor_words(each["value"]) if is_behaviour else f"{each['value']:+d}"
        shapes += _step(
            rows, row, _words_of(each, is_behaviour=is_behaviour), (place_of(begin), place_of(end)), ink, figure
        )
    total = factor_words(ends[-1]) if is_behaviour else f"{found['risk']}"
    ink = Ink.ATTACK if ends[-1] > 0 else Ink.OWNER
    shapes += _step(rows, len(told), ("Together", ""), (place_of(0.0), place_of(ends[-1])), ink, total)
    said = ", ".join(f"{indicator_words(each['indicator'])} {each['value']:+.1f}" for each in told)
    return Picture("Decision", f"{title}; {said}", width, foot + 6.0, tuple(shapes))


def _order(each: Mapping[str, Any]) -> tuple[bool, float]:
    return each["indicator"] != "prior", -each["value"]


def _words_of(each: Mapping[str, Any], *, is_behaviour: bool) -> tuple[str, str]:
    detail = told_of(each["indicator"], each["value"], each["detail"]) if is_behaviour else each["detail"]
    return indicator_words(each["indicator"]), fitted(detail, _STORY_COLUMN - 20.0, 10.5)


def _step(
    rows: _Rows, row: int, words: tuple[str, str], ends: tuple[float, float], ink: Ink, figure: str
) -> list[Shape]:
    begin, end = ends
    y = rows.at(row)
    left, right = min(begin, end), max(begin, end)
    name = rows.name(row, words[0], middle=12.0)
    shapes: list[Shape] = [name, Bar(left, y, max(right - left, 1.5), 15.0, ink, f"{words[0]}: {figure}. {words[1]}")]
    if words[1] and not rows.is_narrow:
        shapes.append(Text(name.x, y + 27.0, words[1], size=10.5, anchor=Anchor.END))
    at, anchor = (right + 6.0, Anchor.START) if end >= begin else (left - 6.0, Anchor.END)
    return [*shapes, Text(at, y + 12.0, figure, Ink.TEXT, 12.0, anchor, is_bold=True)]


def _bar(value: float, y: float, ink: Ink, place_of: Callable[[float], float]) -> list[Shape]:
    if abs(value) < _LEAST_DRAWN:
        return []
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
