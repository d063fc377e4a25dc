"""Draw what a command printed as a terminal in SVG: `./dev demo | .venv/bin/python tools/terminal.py './dev demo'`."""

from __future__ import annotations

import html
import re
import sys

_LINE, _TOP, _LEFT, _LETTER = 19, 58, 22, 7.8
_COLUMNS = 122
_OK = re.compile(r"^(\s*)(ok|FAILED)(\s.*?)(\s+\d+ ms)(.*)$")


def draw(command: str, printed: str) -> str:
    """Return the picture: a dark window that is legible on a light page and on a dark one."""
    lines = [_fitting(line.rstrip()) for line in printed.rstrip().splitlines()]
    width = round(_COLUMNS * _LETTER + 2 * _LEFT)
    height = _TOP + (len(lines) + 1) * _LINE + 14
    rows = [_row(0, f'<tspan class="prompt">$</tspan> {html.escape(command)}')]
    rows += [_row(number, _colour(line)) for number, line in enumerate(lines, 1)]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t">
<title id="t">What {html.escape(command)} prints</title>
<style>
text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #dfe9e6 }}
.ok {{ fill: #62cdb5; font-weight: 700 }} .failed {{ fill: #ff8f83; font-weight: 700 }}
.dim {{ fill: #9db3ad }} .prompt {{ fill: #e79d1f }}
</style>
<rect width="{width}" height="{height}" rx="10" fill="#0d1f1b"/>
<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="9.5" fill="none" stroke="#5f7a73"/>
<circle cx="24" cy="22" r="6" fill="#c9574b"/>
<circle cx="44" cy="22" r="6" fill="#e79d1f"/>
<circle cx="64" cy="22" r="6" fill="#2f9e83"/>
{chr(10).join(rows)}
</svg>
"""


def _fitting(line: str) -> str:
    return line if len(line) <= _COLUMNS else f"{line[: _COLUMNS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _row(number: int, inner: str) -> str:
    return f'<text x="{_LEFT}" y="{_TOP + number * _LINE}" xml:space="preserve">{inner}</text>'


def _colour(line: str) -> str:
    found = _OK.match(line)
    if found is None:
        return html.escape(line)
    before, word, what, took, detail = map(html.escape, found.groups())
    return (
        f'{before}<tspan class="{word.lower()}">{word}</tspan>{what}'
        f'<tspan class="dim">{took}</tspan><tspan class="dim">{detail}</tspan>'
    )


if __name__ == "__main__":
    sys.stdout.write(draw(sys.argv[1], sys.stdin.read()))
