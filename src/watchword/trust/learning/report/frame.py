"""What pictures share: the inside of a frame, a grid, a heading, a legend below, and the two widths of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from watchword.trust.learning.report.scene import Anchor, Dot, Ink, Path, Shape, Text

# A page holds two pictures of half its width, or one of all of it; a telephone one of its own.
HALF: Final = 560.0
WHOLE: Final = 1140.0
NARROW: Final = 350.0
TOP: Final = 66.0  # where drawing begins, below the heading
_STEPS: Final = 5
_LEGEND_ROW: Final = 20.0
_LEGEND_COLUMN: Final = 240.0
# What a letter takes of its size, about; for texts that must not run out of their place.
_LETTER: Final = 0.54


@dataclass(frozen=True, slots=True)
class Frame:
    """The inside of a picture, and where a share of either side falls in it."""

    left: float
    top: float
    right: float
    bottom: float

    def x(self, share: float) -> float:
        """Place a share of the width."""
        return self.left + share * (self.right - self.left)

    def y(self, share: float) -> float:
        """Place a share of the height, from the foot up."""
        return self.bottom - share * (self.bottom - self.top)


def heading(words: str, below: str, width: float) -> list[Shape]:
    """Write what a picture is about, and how to read it; above `TOP`, whatever the width."""
    size, small = (15.0, 12.0) if width >= HALF else (13.0, 11.0)
    lines = wrap(below, max(20, int(width / (small * _LETTER))))[:2]
    shapes: list[Shape] = [Text(0.0, 16.0, words, Ink.TEXT, size, is_bold=True)]
    return [*shapes, *(Text(0.0, 34.0 + 14.0 * row, line, size=small) for row, line in enumerate(lines))]


def grid(frame: Frame, columns: Sequence[tuple[float, str]]) -> list[Shape]:
    """Draw lines at every fifth of the height, and at the named shares of the width."""
    shapes: list[Shape] = []
    for step in range(_STEPS + 1):
        y = frame.y(step / _STEPS)
        shapes.append(Path(((frame.left, y), (frame.right, y)), Ink.GRID, 1.0))
        shapes.append(Text(frame.left - 8.0, y + 4.0, f"{step / _STEPS:.0%}", size=11.0, anchor=Anchor.END))
    for share, words in columns:
        x = frame.x(share)
        anchor = Anchor.END if share > 1 - 1e-9 else Anchor.MIDDLE
        shapes.append(Path(((x, frame.top), (x, frame.bottom)), Ink.GRID, 1.0))
        shapes.append(Text(x, frame.bottom + 16.0, words, size=11.0, anchor=anchor))
    return shapes


def legend_height(count: int, width: float) -> float:
    """Say how much room the legend of so many lines takes."""
    return _LEGEND_ROW * -(-count // _columns(width))


def legend(entries: Sequence[tuple[str, Ink]], top: float, width: float) -> list[Shape]:
    """Name what is drawn, below the picture, where it covers nothing."""
    shapes: list[Shape] = []
    columns = _columns(width)
    for number, (words, ink) in enumerate(entries):
        x = (number % columns) * _LEGEND_COLUMN
        y = top + _LEGEND_ROW * (number // columns) + 12.0
        if ink is Ink.OTHER:
            shapes.append(Path(((x, y - 4.0), (x + 20.0, y - 4.0)), ink, 2.0, is_dashed=True))
        else:
            shapes += [Path(((x, y - 4.0), (x + 20.0, y - 4.0)), ink, 2.6), Dot(x + 10.0, y - 4.0, 4.5, ink)]
        shapes.append(Text(x + 28.0, y, words, Ink.TEXT))
    return shapes


def fitted(words: str, width: float, size: float = 12.0) -> str:
    """Cut words that would run out of their place."""
    most = max(4, int(width / (size * _LETTER)))
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def _columns(width: float) -> int:
    return max(1, int(width // _LEGEND_COLUMN))
