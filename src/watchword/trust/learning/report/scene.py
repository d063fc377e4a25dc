"""What a picture is made of: a few shapes in a named ink, drawn as SVG or as pixels by whoever can."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ink(StrEnum):
    """Colours by meaning; each renderer knows its own."""

    TEXT = "ink"
    SOFT = "soft"
    GRID = "grid"
    OWN = "own"
    LABELLED = "labelled"
    OTHER = "other"
    ATTACK = "attack"
    OWNER = "owner"
    PAPER = "paper"


class Anchor(StrEnum):
    """Where a text stands to its point."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


@dataclass(frozen=True, slots=True)
class Path:
    """Straight strokes from point to point."""

    points: tuple[tuple[float, float], ...]
    ink: Ink
    width: float = 1.0
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    ink: Ink
    words: str = ""  # shown when somebody points at it


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle with a rim of paper, so that it stands out from a line."""

    x: float
    y: float
    radius: float
    ink: Ink
    words: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of words; `y` is its base line."""

    x: float
    y: float
    words: str
    ink: Ink = Ink.SOFT
    size: float = 12.0
    anchor: Anchor = Anchor.START
    is_bold: bool = False


Shape = Path | Bar | Dot | Text


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes in a frame, from back to front.

    Attributes:
        title: what it shows; `words` say it to somebody who cannot see it.
    """

    title: str
    words: str
    width: float
    height: float
    shapes: tuple[Shape, ...]
