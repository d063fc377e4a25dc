"""Draw what changes: a band from each former answer to each new one, as wide as many decisions go that way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from watchword.kernel import Answer
from watchword.policy.replay.model import Change

_ORDER: Final = (Answer.ALLOW, Answer.STEP_UP, Answer.APPROVAL, Answer.DENY)
_WORDS: Final = {
    Answer.ALLOW: "allowed",
    Answer.STEP_UP: "second factor",
    Answer.APPROVAL: "approval",
    Answer.DENY: "denied",
}
_WIDTH, _HEIGHT, _GAP, _LEFT, _RIGHT, _BAR = 720, 300, 18, 170, 550, 10
_THINNEST: Final = 2.0
_SHARES_WIDTH: Final = 140

Steps = Mapping[tuple[str, str, str, str], int]


def flow(steps: Steps) -> str:
    """Return the picture as SVG; figures stand beside the bars, so that nothing is told by colour alone."""
    bands: Counter[tuple[Answer, Answer]] = Counter()
    for (was, _, now, _), count in steps.items():
        bands[Answer(was), Answer(now)] += count
    before, after = _sums(bands, 0), _sums(bands, 1)
    scale = (_HEIGHT - _GAP * 3) / max(sum(bands.values()), 1)
    left, right = _places(before, scale), _places(after, scale)
    drawn = [
        _band(was, now, bands[was, now], left, right, scale) for was in _ORDER for now in _ORDER if bands[was, now]
    ]
    drawn += [
        _label(answer, before[answer], y, scale, x=_LEFT, is_left=True) for answer, y in _places(before, scale).items()
    ]
    drawn += [
        _label(answer, after[answer], y, scale, x=_RIGHT, is_left=False) for answer, y in _places(after, scale).items()
    ]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _GAP}" width="{_WIDTH}" role="img" '
        f'aria-label="decisions that change, from their former answer to the new one">{"".join(drawn)}</svg>'
    )


def shares(counts: Mapping[Change, int], widest: int) -> str:
    """Return a bar of the kinds of change, its length against the widest group's."""
    x, drawn = 0.0, []
    for kind, colour in ((Change.GAINS, "gains"), (Change.LOSES, "loses"), (None, "other")):
        count = counts.get(kind, 0) if kind else _others(counts)
        if count:
            width = max(count / max(widest, 1) * _SHARES_WIDTH, _THINNEST)
            drawn.append(f'<rect x="{x:.1f}" y="2" width="{width:.1f}" height="12" fill="var(--{colour})"/>')
            x += width
    return f'<svg width="{_SHARES_WIDTH}" height="16" aria-hidden="true">{"".join(drawn)}</svg>'


def _others(counts: Mapping[Change, int]) -> int:
    return sum(count for kind, count in counts.items() if kind not in {Change.GAINS, Change.LOSES})


def _sums(bands: Mapping[tuple[Answer, Answer], int], side: int) -> Counter[Answer]:
    found: Counter[Answer] = Counter()
    for pair, count in bands.items():
        found[pair[side]] += count
    return found


def _places(sums: Mapping[Answer, int], scale: float) -> dict[Answer, float]:
    """Return where each bar begins, from top to bottom; an answer that does not occur has none."""
    y, found = _GAP / 2, {}
    for answer in _ORDER:
        if sums.get(answer):
            found[answer] = y
            y += max(sums[answer] * scale, _THINNEST) + _GAP
    return found


def _band(
    was: Answer, now: Answer, count: int, left: dict[Answer, float], right: dict[Answer, float], scale: float
) -> str:
    """Draw one band, and move both places on for the next."""
    thick = max(count * scale, _THINNEST)
    begin, end, bend = left[was], right[now], (_LEFT + _RIGHT) / 2
    left[was] += count * scale
    right[now] += count * scale
    colour = "other" if was is now else "gains" if _ORDER.index(now) < _ORDER.index(was) else "loses"
    x0, x1 = _LEFT + _BAR, _RIGHT
    return (
        f'<path d="M{x0} {begin:.1f}C{bend:.0f} {begin:.1f} {bend:.0f} {end:.1f} {x1} {end:.1f}V{end + thick:.1f}'
        f'C{bend:.0f} {end + thick:.1f} {bend:.0f} {begin + thick:.1f} {x0} {begin + thick:.1f}Z" '
        f'fill="var(--{colour})" fill-opacity=".55"><title>{_WORDS[was]} to {_WORDS[now]}: {count:,}</title></path>'
    )


def _label(answer: Answer, count: int, y: float, scale: float, *, x: int, is_left: bool) -> str:
    tall = max(count * scale, _THINNEST)
    words, at = f"{_WORDS[answer]} {count:,}", (x - 8 if is_left else x + _BAR + 8)
    return (
        f'<rect x="{x}" y="{y:.1f}" width="{_BAR}" height="{tall:.1f}" fill="var(--soft)"/>'
        f'<text x="{at}" y="{y + tall / 2 + 4:.1f}" text-anchor="{"end" if is_left else "start"}">{words}</text>'
    )
