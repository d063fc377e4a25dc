"""Draw why somebody is related so: boxes below one another, each joined to what it follows from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from watchword.policy.relations import Step

_ROW, _BOX, _INDENT, _LETTER, _PADDING = 62, 46, 28, 7.3, 14
_LONGEST: Final = 64
_ANSWERS: Final = {True: "yes", False: "no", None: "no answer"}
_MARKS: Final = {True: "", False: "✗ ", None: "? "}  # colour is never the only sign
_CLASSES: Final = {True: "yes", False: "no", None: "open"}


@dataclass(frozen=True, slots=True)
class Box:
    """One box of the picture; `joint` is the line from what it belongs to, empty for the first."""

    x: float
    y: float
    width: float
    height: float
    title: str
    note: str
    state: str
    joint: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing in its own units.

    Attributes:
        summary: the whole of it in words, for those who do not see it.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    summary: str


def named(step: Step, names: Mapping[str, str]) -> Step:
    """Return a way in which users stand with their names as well."""
    parts = tuple(named(part, names) for part in step.parts)
    name = names.get(step.object, "") if not step.relation else ""
    return replace(step, object=f"{step.object} ({name})" if name else step.object, parts=parts)


def drawn(step: Step) -> Picture:
    """Lay out a way, top down."""
    boxes: list[Box] = []
    _lay(step, 0, None, boxes)
    width = max(box.x + box.width for box in boxes) + 2
    return Picture(width, len(boxes) * _ROW, tuple(boxes), "; ".join(_words(step)))


def title_of(step: Step) -> str:
    """Name a step: the relation and its object, or who stands at the end of the way."""
    return f"{step.relation} of {step.object}" if step.relation else step.object


def answer_of(step: Step) -> str:
    """Say how it came out."""
    return _ANSWERS[step.holds]


def _lay(step: Step, depth: int, above: Box | None, boxes: list[Box]) -> None:
    title, note = _MARKS[step.holds] + _cut(title_of(step)), _cut(step.how)
    x, y = 1 + depth * _INDENT, len(boxes) * _ROW + 1
    width = max(len(title), len(note)) * _LETTER + 2 * _PADDING
    joint = ""
    if above is not None:
        from_x, from_y = above.x + _INDENT / 2, above.y + above.height
        joint = f"M{from_x:g} {from_y:g}V{y + _BOX / 2:g}H{x:g}"
    box = Box(x, y, round(width, 1), _BOX, title, note, _CLASSES[step.holds], joint)
    boxes.append(box)
    for part in step.parts:
        _lay(part, depth + 1, box, boxes)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _words(step: Step) -> Iterator[str]:
    yield f"{title_of(step)}: {answer_of(step)}, {step.how}"
    for part in step.parts:
        yield from _words(part)
