"""One HTML file that needs nothing else: no script, no address, no font from elsewhere; for screens and for paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Final

from watchword.trust.learning.report.frame import NARROW
from watchword.trust.learning.report.scene import Picture
from watchword.trust.learning.report.svg import svg

# The colours of the console: stone and verdigris by day, night green and lantern amber after dark.
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#10211c;--soft:#40544d;--grid:#cbd7d2;--paper:#fcfdfc;--page:#eff3f1;--own:#08614f;
--labelled:#b06f00;--other:#7b8f87;--attack:#a3231a;--owner:#2f9d88;--good:#08614f}
@media(prefers-color-scheme:dark){:root{--ink:#e4efea;--soft:#a0b6ad;--grid:#253831;--paper:#111d19;--page:#0a1310;
--own:#62cdb4;--labelled:#f2b347;--other:#63796f;--attack:#ff9384;--owner:#2f9d88;--good:#62cdb4}}
*{box-sizing:border-box}
body{font:15px/1.55 Inter,system-ui,-apple-system,"Segoe UI","Liberation Sans",sans-serif;color:var(--ink);
background:var(--page);margin:0}
main{max-width:76rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.02em}h2{font-size:1.05rem;margin:0 0 .25rem}
p{margin:.25rem 0;color:var(--soft);max-width:50rem}p.lead{font-size:1.1rem;color:var(--ink);margin:.75rem 0 .5rem}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:1rem;margin:1.5rem 0}
.card,.panel{background:var(--paper);border:1px solid var(--grid);border-radius:3px}
.card{padding:1rem 1.1rem}
.card b{display:block;font-size:2rem;line-height:1.2;letter-spacing:-.03em;font-variant-numeric:tabular-nums}
.card h2{font-size:.9rem;margin:.15rem 0}.card span{color:var(--soft);font-size:.84rem;line-height:1.4;display:block}
.card small{color:var(--labelled);font-size:.86rem;font-weight:600}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:1rem;margin-bottom:1rem}
.panel{padding:1.25rem 1.35rem;margin:0 0 1rem}.pair .panel{margin:0}
summary{cursor:pointer;font-weight:600}details p{font-size:.92rem;margin:.5rem 0}
.scroll{overflow-x:auto}.panel>p{margin-bottom:.75rem;font-size:.92rem}
svg{display:block;width:100%;height:auto;font-family:inherit}.narrow{display:none}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--grid);white-space:nowrap}
tr:last-child td{border-bottom:0}td:last-child,th:last-child{padding-right:0}
th{white-space:normal;vertical-align:bottom;line-height:1.3;color:var(--soft);font-weight:600;font-size:.84rem}
td:first-child,th:first-child{position:sticky;left:0;background:var(--paper)}
td.n,th.n{text-align:right}tr.all td{font-weight:650}
.drifted{color:var(--attack);font-weight:600}.moving{color:var(--labelled);font-weight:600}.stable{color:var(--good)}
ul{margin:.25rem 0;padding-left:1.1rem;color:var(--soft);max-width:60rem}dl{margin:0;display:grid;gap:.15rem 1rem;
grid-template-columns:auto 1fr}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media screen and (max-width:40rem){.wide{display:none}.narrow{display:block}main{padding:1.5rem 1rem 3rem}
h1{font-size:1.5rem}.panel{padding:1.1rem 1rem}.cards{grid-template-columns:1fr 1fr;gap:.75rem}
.card b{font-size:1.6rem}}
@media print{:root{color-scheme:light;--ink:#000;--soft:#333;--grid:#bbb;--paper:#fff;--page:#fff;--own:#08614f;
--labelled:#b06f00;--other:#777;--attack:#a3231a;--owner:#2f9d88;--good:#08614f}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}body{font-size:11px}main{padding:0;max-width:none}
.panel,.card{break-inside:avoid}.cards{grid-template-columns:repeat(5,1fr);gap:.5rem}.card b{font-size:1.4rem}
.pair{grid-template-columns:1fr 1fr}.scroll{overflow:visible}th,td{padding-right:.5rem}}
"""


def document(title: str, body: Iterable[str]) -> str:
    """Return the whole file; the parts of the body are trusted, the title is not."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        # Prevents: the words of a model or of traffic becoming a script or a request, should escaping ever fail.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def panel(draw: Callable[[float], Picture], width: float) -> str:
    """Draw a picture twice, for wide pages and for telephones; only one of them is shown, and read aloud."""
    return (
        f'<section class="panel"><div class="wide">{svg(draw(width))}</div>'
        f'<div class="narrow">{svg(draw(NARROW))}</div></section>'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = (), strong: str = "") -> str:
    """Return a table; cells are trusted, some of them hold marks."""
    right = set(numbers)

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{value}</{tag}>" for place, value in enumerate(values)
        )

    body = "".join(f"<tr{' class=all' if row[0] == strong else ''}>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells("th", head)}</tr></thead><tbody>{body}</tbody></table></div>'
