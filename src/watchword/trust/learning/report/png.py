"""Draw pictures as pixels, with Pillow: for mails, tickets and slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from math import hypot
from types import MappingProxyType
from typing import Any, Final

from watchword.trust.learning.batch.fitting import load
from watchword.trust.learning.evaluation import Evaluation
from watchword.trust.learning.report.bars import attackers_picture, contributions_picture, drift_picture
from watchword.trust.learning.report.charts import calibration_picture, roc_picture
from watchword.trust.learning.report.page import drifts_of
from watchword.trust.learning.report.scene import Anchor, Bar, Dot, Ink, Path, Picture, Text

_INKS: Final[Mapping[Ink, str]] = MappingProxyType(
    {
        Ink.TEXT: "#10211c",
        Ink.SOFT: "#40544d",
        Ink.GRID: "#cbd7d2",
        Ink.OWN: "#08614f",
        Ink.LABELLED: "#b06f00",
        Ink.OTHER: "#7b8f87",
        Ink.ATTACK: "#a3231a",
        Ink.OWNER: "#2f9d88",
        Ink.PAPER: "#ffffff",
    }
)
_SHARP: Final = 2  # pixels in a unit
_FINE: Final = 2  # drawn so much larger, then made smaller: smooth edges
_MARGIN: Final = 28.0
_BESIDE: Final = 20.0
_DASH, _GAP = 5.0, 4.0
_LEAST_STEP: Final = 1e-3
# Signs that the font which comes with Pillow does not hold.
_WRITTEN: Final = str.maketrans({"\N{MULTIPLICATION SIGN}": "x", "\N{DIVISION SIGN}": "1/"})
_ANCHORS: Final = {Anchor.START: "ls", Anchor.MIDDLE: "ms", Anchor.END: "rs"}


def require_pillow() -> None:
    """Find out before long work whether its pictures could be drawn.

    Raises:
        ExtraMissingError: Pillow is not installed.
    """
    load("PIL.Image")


def sheet(evaluation: Evaluation) -> bytes:
    """Return the pictures of an evaluation as one image.

    Raises:
        ExtraMissingError: Pillow is not installed.
    """
    pictures = [roc_picture(evaluation), calibration_picture(evaluation), contributions_picture(evaluation)]
    moved = drifts_of(evaluation)
    return png([*pictures, attackers_picture(evaluation), *([drift_picture(moved)] if moved else [])])


def png(pictures: Sequence[Picture]) -> bytes:
    """Return one image with the pictures, those that fit beside one another in a row.

    Raises:
        ExtraMissingError: Pillow is not installed.
    """
    image, drawing = load("PIL.Image"), load("PIL.ImageDraw")
    scale = _SHARP * _FINE
    width = max(picture.width for picture in pictures) + 2 * _MARGIN
    places, height = _places(pictures, width)
    paper = image.new("RGB", (round(width * scale), round(height * scale)), _INKS[Ink.PAPER])
    pen = _Pen(drawing.Draw(paper), load("PIL.ImageFont"), scale)
    for picture, (pen.left, pen.top) in zip(pictures, places, strict=True):
        for shape in picture.shapes:
            pen.draw(shape)
    smooth = paper.resize((round(width * _SHARP), round(height * _SHARP)), image.Resampling.LANCZOS)
    written = BytesIO()
    smooth.save(written, "PNG", optimize=True)
    return written.getvalue()


def _places(pictures: Sequence[Picture], width: float) -> tuple[list[tuple[float, float]], float]:
    """Return where each picture begins, and how high all of them are."""
    found: list[tuple[float, float]] = []
    left, top, tallest = _MARGIN, _MARGIN, 0.0
    for picture in pictures:
        if left + picture.width > width - _MARGIN + 1.0:
            left, top, tallest = _MARGIN, top + tallest + _MARGIN, 0.0
        found.append((left, top))
        left += picture.width + _BESIDE
        tallest = max(tallest, picture.height)
    return found, top + tallest + _MARGIN


class _Pen:
    def __init__(self, drawing: Any, fonts: Any, scale: int) -> None:
        self._drawing = drawing
        self._fonts = fonts
        self._scale = scale
        self.left = self.top = 0.0

    def draw(self, shape: Path | Bar | Dot | Text) -> None:
        if isinstance(shape, Path):
            self._path(shape)
        elif isinstance(shape, Bar):
            corner = (shape.x + shape.width, shape.y + shape.height)
            box = (*self._at(shape.x, shape.y), *self._at(*corner))
            self._drawing.rounded_rectangle(box, radius=2 * self._scale, fill=_INKS[shape.ink])
        elif isinstance(shape, Dot):
            self._disc(shape, shape.radius + 0.75, Ink.PAPER)
            self._disc(shape, shape.radius - 0.75, shape.ink)
        else:
            self._text(shape)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (self.left + x) * self._scale, (self.top + y) * self._scale

    def _disc(self, dot: Dot, radius: float, ink: Ink) -> None:
        box = (*self._at(dot.x - radius, dot.y - radius), *self._at(dot.x + radius, dot.y + radius))
        self._drawing.ellipse(box, fill=_INKS[ink])

    def _path(self, path: Path) -> None:
        strokes = _dashes(path.points) if path.is_dashed else [path.points]
        for stroke in strokes:
            points = [self._at(x, y) for x, y in stroke]
            self._drawing.line(
                points, fill=_INKS[path.ink], width=max(1, round(path.width * self._scale)), joint="curve"
            )

    def _text(self, text: Text) -> None:
        font = self._fonts.load_default(size=round(text.size * self._scale))
        stroke = round(0.35 * self._scale) if text.is_bold else 0
        ink = _INKS[text.ink]
        self._drawing.text(
            self._at(text.x, text.y),
            text.words.translate(_WRITTEN),
            fill=ink,
            font=font,
            anchor=_ANCHORS[text.anchor],
            stroke_width=stroke,
            stroke_fill=ink,
        )


def _dashes(points: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], ...]]:
    """Cut strokes into dashes, the pattern running on from stroke to stroke."""
    found: list[tuple[tuple[float, float], ...]] = []
    gone = 0.0
    for one, other in pairwise(points):
        length, at = hypot(other[0] - one[0], other[1] - one[1]), 0.0
        while at < length:
            phase = (gone + at) % (_DASH + _GAP)
            is_drawn = phase < _DASH
            step = max(min(length - at, (_DASH if is_drawn else _DASH + _GAP) - phase), _LEAST_STEP)
            if is_drawn:
                found.append((_between(one, other, at / length), _between(one, other, min(1.0, (at + step) / length))))
            at += step
        gone += length
    return found


def _between(one: tuple[float, float], other: tuple[float, float], share: float) -> tuple[float, float]:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])
