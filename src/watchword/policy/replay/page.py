"""Write a report as one HTML file that needs nothing else: no script, no address, no font from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from watchword.policy.replay.model import Change
from watchword.policy.replay.picture import flow, shares
from watchword.policy.replay.report import Example, Group, Report, ranked

_MOST_ROWS: Final = 50
_KINDS: Final = (
    (Change.GAINS, "gain"),
    (Change.LOSES, "lose"),
    (Change.OBLIGATIONS, "other obligations"),
    (Change.PERMISSIONS, "other permissions"),
    (Change.STEP_UP, "another second factor"),
)
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c1917;--soft:#57534e;--line:#e7e5e4;--paper:#fff;--gains:#c2410c;--loses:#1d4ed8;
--other:#7e22ce;--same:#a8a29e}
@media(prefers-color-scheme:dark){:root{--ink:#f5f5f4;--soft:#a8a29e;--line:#44403c;--paper:#1c1917;--gains:#fb923c;
--loses:#60a5fa;--other:#c084fc;--same:#78716c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72rem;margin:2rem auto;
padding:0 1.25rem}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2.25rem 0 .5rem}p{margin:.25rem 0;color:var(--soft)}
.cards{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}
.card{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .9rem;min-width:7rem}
.card b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}.card span{color:var(--soft)}
.gains b{color:var(--gains)}.loses b{color:var(--loses)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right}
td{overflow-wrap:anywhere}
code{font:13px ui-monospace,monospace}svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:13px system-ui}
"""


def page(report: Report, *, title: str = "What the draft would change") -> str:
    """Return the whole document; every word of it that comes from a decision or a policy is escaped."""
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_span(report))}</p>",
        _cards(report),
        _remarks(report),
        "<h2>From what to what</h2>" + flow(report.steps) if report.flips else "",
        _groups("By policy", "policy", report.by_policy),
        _groups("By subject", "subject", report.by_subject),
        _groups("By target", "target", report.by_target),
        _obligations(report),
        _examples(report.total.examples),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        # Prevents: a policy's or a path's words becoming a script or a request, should escaping ever fail.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _span(report: Report) -> str:
    if not report.decisions:
        return "No decision was looked at."
    return (
        f"{report.decisions:,} decisions from {report.first_at[:19]} to {report.last_at[:19]}; "
        f"draft {report.draft[:12]}, decided then by {', '.join(version[:12] or 'none' for version in report.versions)}"
    )


def _cards(report: Report) -> str:
    cards = [("", "compared", report.compared), ("", "stay as they are", report.compared - report.flips)]
    cards += [(kind.value, words, report.count(kind)) for kind, words in _KINDS]
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card {name}"><b>{number:,}</b><span>{words}</span></div>' for name, words, number in cards
        )
        + "</div>"
    )


def _remarks(report: Report) -> str:
    not_reached = sum(report.not_reached.values())
    said = [
        (not_reached, "were settled before any policy was asked; no policy changes them"),
        (report.not_recorded, "were made before the journal kept what policies were asked"),
        (report.unknown, "cannot be told: the draft asks for something that was not recorded"),
        (report.malformed, "have a record that cannot be read"),
        (report.other_policies, "come out the same, by other policies"),
    ]
    return "".join(f"<p>{number:,} {words}.</p>" for number, words in said if number)


def _groups(title: str, what: str, groups: dict[str, Group]) -> str:
    if not groups:
        return ""
    shown = ranked(groups)
    widest = shown[0][1].flips
    rows = [
        [
            f"<code>{escape(name)}</code>",
            shares(group.counts, widest),
            *(f"{group.counts[kind]:,}" if group.counts[kind] else "" for kind, _ in _KINDS),
            ", ".join(f"<code>{escape(example.id)}</code>" for example in group.examples[:2]),
        ]
        for name, group in shown[:_MOST_ROWS]
    ]
    more = f"<p>and {len(shown) - _MOST_ROWS:,} more</p>" if len(shown) > _MOST_ROWS else ""
    head = [what, "", *(words for _, words in _KINDS), "for example"]
    return f"<h2>{title}</h2>" + _table(head, rows, numbers=range(2, 2 + len(_KINDS))) + more


def _obligations(report: Report) -> str:
    names = sorted(report.added.keys() | report.removed.keys())
    if not names:
        return ""
    rows = [[f"<code>{escape(name)}</code>", f"{report.added[name]:,}", f"{report.removed[name]:,}"] for name in names]
    return "<h2>Obligations</h2>" + _table(["obligation", "more often by", "less often by"], rows, numbers=(1, 2))


def _examples(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    rows = [
        [
            f"<code>{escape(example.id)}</code>",
            escape(example.at[:19]),
            f"<code>{escape(example.subject)}</code>",
            f"{escape(example.action)} {escape(example.target)}",
            escape(example.was),
            escape(example.now),
            escape(", ".join(example.policies) or example.reason),
        ]
        for example in examples
    ]
    return "<h2>The newest of them</h2>" + _table(
        ["decision", "at", "subject", "asked", "was", "now", "because of"], rows
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    right = set(numbers)

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{value}</{tag}>" for place, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"
