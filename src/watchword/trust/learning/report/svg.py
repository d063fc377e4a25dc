"""Draw a picture as SVG that takes its colours from the page."""

from __future__ import annotations

from html import escape

from watchword.trust.learning.report.scene import Bar, Dot, Path, Picture, Shape, Text

_FEWEST = 2


def svg(picture: Picture) -> str:
    """Return one element; every word in it is escaped."""
    return (
        f'<svg viewBox="0 0 {picture.width:g} {picture.height:g}" role="img" '
        f'aria-label="{escape(picture.words)}">{"".join(map(_drawn, picture.shapes))}</svg>'
    )


def _drawn(shape: Shape) -> str:
    if isinstance(shape, Path):
        return _path(shape)
    if isinstance(shape, Bar):
        return (
            f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" rx="2" '
            f'fill="var(--{shape.ink})">{_title(shape.words)}</rect>'
        )
    if isinstance(shape, Dot):
        return (
            f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:.1f}" fill="var(--{shape.ink})" '
            f'stroke="var(--paper)" stroke-width="1.5">{_title(shape.words)}</circle>'
        )
    return _text(shape)


def _path(shape: Path) -> str:
    if len(shape.points) < _FEWEST:
        return ""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    dashes = ' stroke-dasharray="5 4"' if shape.is_dashed else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="var(--{shape.ink})" stroke-width="{shape.width:g}" '
        f'stroke-linejoin="round" stroke-linecap="round"{dashes}/>'
    )


def _text(shape: Text) -> str:
    weight = ' font-weight="600"' if shape.is_bold else ""
    return (
        f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}" '
        f'fill="var(--{shape.ink})"{weight}>{escape(shape.words)}</text>'
    )


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
