"""Write an evaluation as one HTML file that needs nothing else: no script, no address, no font from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from watchword.trust.learning.batch.drift import Drift, drift
from watchword.trust.learning.evaluation import EVERYBODY, Evaluation, Measured
from watchword.trust.learning.report.charts import NAMES, calibration_picture, contributions_picture, roc_picture
from watchword.trust.learning.report.scene import Picture
from watchword.trust.learning.report.svg import svg
from watchword.trust.observation import Act

_MOST_DRIFTS: Final = 12
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c1917;--soft:#78716c;--grid:#e7e5e4;--paper:#fff;--page:#fafaf9;--own:#0f766e;
--labelled:#7c3aed;--other:#a8a29e;--attack:#c2410c;--owner:#0369a1;--good:#15803d;--bad:#b91c1c}
@media(prefers-color-scheme:dark){:root{--ink:#f5f5f4;--soft:#a8a29e;--grid:#3b3835;--paper:#1f1d1b;--page:#161412;
--own:#2dd4bf;--labelled:#c4b5fd;--other:#78716c;--attack:#fb923c;--owner:#7dd3fc;--good:#4ade80;--bad:#f87171}}
*{box-sizing:border-box}body{font:15px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0}
main{max-width:76rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .35rem;letter-spacing:-.01em}h2{font-size:1.05rem;margin:0 0 .75rem}
p{margin:.25rem 0;color:var(--soft)}code{font:13px ui-monospace,monospace}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.9rem;margin:1.75rem 0}
.card,.panel{background:var(--paper);border:1px solid var(--grid);border-radius:.75rem}
.card{padding:.9rem 1.1rem}.card b{display:block;font-size:1.75rem;line-height:1.25;font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:.86rem}.card small{color:var(--labelled);font-size:.86rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:.9rem}
.panel{padding:1.1rem 1.25rem;margin:0 0 .9rem;overflow-x:auto}.pair .panel{margin:0}.pair{margin-bottom:.9rem}
svg{display:block;width:100%;height:auto;font-family:system-ui,sans-serif}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.42rem .7rem .42rem 0;border-bottom:1px solid var(--grid);white-space:nowrap}
tr:last-child td{border-bottom:0}
th{white-space:normal;vertical-align:bottom;line-height:1.3;color:var(--soft);font-weight:600;font-size:.86rem}td.n,th.n{text-align:right}
tr.all td{font-weight:600}.drifted{color:var(--bad)}.moving{color:var(--attack)}.stable{color:var(--good)}
ul{margin:.25rem 0;padding-left:1.1rem;color:var(--soft)}
"""


def page(evaluation: Evaluation, *, title: str = "How well the score tells attackers from owners") -> str:
    """Return the whole document; every word of it that comes from traffic or a model is escaped."""
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_span(evaluation))}</p>",
        _cards(evaluation),
        f'<div class="pair">{_panel(roc_picture(evaluation))}{_panel(calibration_picture(evaluation))}</div>',
        _panel(contributions_picture(evaluation)),
        _attackers(evaluation),
        _drifts(evaluation),
        _notes(evaluation),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        # Prevents: the words of a model or of traffic becoming a script or a request, should escaping ever fail.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _panel(picture: Picture) -> str:
    return f'<section class="panel">{svg(picture)}</section>'


def _span(evaluation: Evaluation) -> str:
    last = max((each.at for each in evaluation.scored), default=evaluation.since)
    return (
        f"{evaluation.acts:,} acts; figures are of {len(evaluation.scored):,} judged from {_day(evaluation.since)} "
        f"to {_day(last)}, by {evaluation.model.label}"
    )


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _cards(evaluation: Evaluation) -> str:
    own, after = evaluation.own, evaluation.with_labels
    cards = []
    if EVERYBODY in own.by_attacker:
        cards.append(("area under the curve", f"{own.by_attacker[EVERYBODY].auc:.3f}", _after(after, "auc", "{:.3f}")))
        found = f"{own.by_attacker[EVERYBODY].tpr_at_1pct_fpr:.0%}"
        cards.append(("found at 1% false alarms", found, _after(after, "tpr_at_1pct_fpr", "{:.0%}")))
    if own.ece is not None:
        later = f"{after.ece:.3f}" if after is not None and after.ece is not None else ""
        cards.append(("calibration error", f"{own.ece:.3f}", later))
    for count, rate in own.reauthentication.items():
        later = f"{after.reauthentication[count]:.1%}" if after is not None else ""
        cards.append((f"asked again in the first {count} log-ins", f"{rate:.1%}", later))
    labels = len(evaluation.labels)
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{value}</b><span>{words}</span>'
            + (f"<br><small>{later} with {labels} labels</small>" if later else "")
            + "</div>"
            for words, value, later in cards
        )
        + "</div>"
    )


def _after(measured: Measured | None, field: str, form: str) -> str:
    if measured is None or EVERYBODY not in measured.by_attacker:
        return ""
    return form.format(getattr(measured.by_attacker[EVERYBODY], field))


def _attackers(evaluation: Evaluation) -> str:
    shown = [evaluation.own, *([evaluation.with_labels] if evaluation.with_labels else []), *evaluation.rivals.values()]
    names = [escape(NAMES.get(each.name, each.name.replace("_", " "))) for each in shown]
    head = ["attacker", "judged by", "attacks", "found at 1% alarms", *names]
    rows = []
    for name, quality in evaluation.own.by_attacker.items():
        areas = [f"{each.by_attacker[name].auc:.3f}" if name in each.by_attacker else "" for each in shown]
        words = escape(name.replace("_", " "))
        rows.append([words, _ACTS[quality.act], f"{quality.attacks:,}", f"{quality.tpr_at_1pct_fpr:.0%}", *areas])
    return (
        '<section class="panel"><h2>Area under the curve, by attacker</h2>'
        + _table(head, rows, numbers=range(2, len(head)), strong=EVERYBODY)
        + "</section>"
    )


_ACTS: Final = {Act.SIGN_IN: "log-ins", Act.PROMPT: "prompts", Act.REQUEST: "requests"}


def _drifts(evaluation: Evaluation) -> str:
    past, recent = (
        [each.values for each in acts if each.act is Act.SIGN_IN and not each.is_attack]
        for acts in (evaluation.past, evaluation.scored)
    )
    found = [each for each in drift(past, recent) if each.psi is not None][:_MOST_DRIFTS]
    if not found:
        return ""
    rows = [_drift_row(each) for each in found]
    head = ["indicator", "mean before", "mean now", "stability index", ""]
    return (
        '<section class="panel"><h2>Drift of indicators, over log-ins of owners</h2>'
        + _table(head, rows, numbers=range(1, 4))
        + "</section>"
    )


def _drift_row(each: Drift) -> list[str]:
    state = f'<span class="{each.stability}">{each.stability}</span>'
    name = f"<code>{escape(each.indicator)}</code>"
    return [name, f"{each.before:+.2f}", f"{each.after:+.2f}", f"{each.psi or 0.0:.3f}", state]


def _notes(evaluation: Evaluation) -> str:
    notes = [
        "An act is judged before anything is learned from it, and without knowing whether a second factor was given.",
        "Who is asked again is counted from the first log-in on, where 98% of naive and VPN attackers are found.",
    ]
    if evaluation.labels:
        notes.append(f"{len(evaluation.labels)} labels, half of them attacks, were drawn from before what is measured.")
    if evaluation.rivals:
        notes.append("Other methods see the same log-ins; generic detectors get features with each user's history.")
    if evaluation.unreadable:
        notes.append(f"{evaluation.unreadable:,} acts could not be read by the score: a fault of it.")
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="panel"><h2>How it was measured</h2><ul>{items}</ul></section>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = (), strong: str = "") -> str:
    right = set(numbers)

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{value}</{tag}>" for place, value in enumerate(values)
        )

    body = "".join(f"<tr{' class=all' if row[0] == strong else ''}>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"
