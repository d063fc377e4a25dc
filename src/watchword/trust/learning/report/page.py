"""Write an evaluation, or one decision, as a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from watchword.trust.countries import country_name
from watchword.trust.learning.batch.drift import Drift, drift, settled
from watchword.trust.learning.evaluation import EVERYBODY, Evaluation, Measured
from watchword.trust.learning.report.bars import (
    attackers_picture,
    contributions_picture,
    decision_picture,
    drift_picture,
)
from watchword.trust.learning.report.charts import calibration_picture, measured_of, method_name, roc_picture
from watchword.trust.learning.report.document import document, panel, table
from watchword.trust.learning.report.frame import HALF, WHOLE
from watchword.trust.observation import Act
from watchword.trust.wording import indicator_words, share_words

_MOST_DRIFTS: Final = 12
_TITLE: Final = "How well the score tells attackers from owners"
_ACTS: Final = {Act.SIGN_IN: "log-ins", Act.PROMPT: "prompts", Act.REQUEST: "requests"}
_EVERYBODY: Final = "everybody who signs in"


def page(evaluation: Evaluation, *, title: str = _TITLE, source: str = "") -> str:
    """Return the whole document; every word of it that comes from traffic or a model is escaped.

    Args:
        source: which traffic was measured, for whoever finds the page later.
    """
    moved = drifts_of(evaluation)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{_lead(evaluation)}</p>',
        f"<p>{escape(_span(evaluation, source))}</p>",
        _cards(evaluation),
        f'<div class="pair">{panel(lambda width: roc_picture(evaluation, width=width), HALF)}',
        f"{panel(lambda width: calibration_picture(evaluation, width=width), HALF)}</div>",
        panel(lambda width: contributions_picture(evaluation, width=width), WHOLE),
        panel(lambda width: attackers_picture(evaluation, width=width), WHOLE),
        _attackers(evaluation),
        _methods(evaluation),
        panel(lambda width: drift_picture(moved, width=width), WHOLE) if moved else "",
        drift_table(moved),
        _notes(evaluation),
    ]
    return document(title, body)


def decision_page(found: Mapping[str, Any]) -> str:
    """Return one decision's risk as a document; `found` is what `watchword risk explain` says of it."""
    title = f"Risk {found['risk']} of 100, {found['level']}"
    facts = [
        ("reference", found.get("id")),
        ("when", str(found.get("at") or "")[:19].replace("T", " ") + " UTC" if found.get("at") else ""),
        ("who", found.get("user")),
        ("asked for", found.get("asked")),
        ("from", " ".join(str(part) for part in (country_name(found.get("country") or ""), found.get("ip")) if part)),
        ("answer", str(found.get("answer") or "").replace("_", " ")),
        *(found.get("versions") or {}).items(),
    ]
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts if value)
    untold = [indicator_words(each["indicator"]) for each in found["contributions"] if not each["value"]]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(_odds(found))}</p>' if found["unit"] == "log-odds" else "",
        panel(lambda width: decision_picture(found, width=width), WHOLE),
        f'<section class="panel"><h2>What was asked, and what was read</h2><dl>{told}</dl></section>',
        f"<p>Could not be told: {escape(', '.join(untold).lower())}.</p>" if untold else "",
    ]
    return document(title, body)


def _odds(found: Mapping[str, Any]) -> str:
    return (
        "By what is usual for this account, the probability that somebody else acted is "
        f"{share_words(found['probability'])}. "
        "Each figure says how many times likelier (\N{MULTIPLICATION SIGN}) or less likely (\N{DIVISION SIGN}) one "
        "observation makes somebody else; multiplied together they give the odds."
    )


def _lead(evaluation: Evaluation) -> str:
    """Say in one sentence what a reader wants to know first."""
    own = evaluation.own.by_attacker.get(EVERYBODY)
    if own is None:
        return "No attacker signs in here, so each of them is measured by what they do afterwards."
    found = round(own.tpr_at_1pct_fpr * own.attacks)
    return (
        f"At the price of one alarm for every hundred log-ins of owners, it finds <b>{found:,} of {own.attacks:,}</b> "
        f"log-ins by attackers."
    )


def _span(evaluation: Evaluation, source: str) -> str:
    last = max((each.at for each in evaluation.scored), default=evaluation.since)
    return (
        f"{f'Traffic: {source}. ' if source else ''}{evaluation.acts:,} acts; figures are of "
        f"{len(evaluation.scored):,} judged from {_day(evaluation.since)} to {_day(last)}, by {evaluation.model.label}."
    )


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _cards(evaluation: Evaluation) -> str:
    own, after = evaluation.own, evaluation.with_labels
    cards: list[tuple[str, str, str, str]] = []
    if EVERYBODY in own.by_attacker:
        quality = own.by_attacker[EVERYBODY]
        words = "how often an attack scores above an owner; 0.5 is chance"
        cards.append(("area under the curve", f"{quality.auc:.3f}", words, _after(after, "auc", "{:.3f}")))
        words = "of attacks, where 1 of 100 log-ins of owners raises an alarm"
        found = _after(after, "tpr_at_1pct_fpr", "{:.0%}")
        cards.append(("found at 1% alarms", f"{quality.tpr_at_1pct_fpr:.0%}", words, found))
    if own.ece is not None:
        later = f"{after.ece:.3f}" if after is not None and after.ece is not None else ""
        words = "how far a probability is from what came true, on average"
        cards.append(("calibration error", f"{own.ece:.3f}", words, later))
    for count, rate in own.reauthentication.items():
        later = f"{after.reauthentication[count]:.1%}" if after is not None else ""
        words = "of owners' log-ins, where 98% of naive and VPN attackers are found"
        cards.append((f"asked again, first {count} log-ins", f"{rate:.1%}", words, later))
    labels = len(evaluation.labels)
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{value}</b><h2>{name}</h2><span>{words}</span>'
            + (f"<small>{later} with {labels} labels</small>" if later else "")
            + "</div>"
            for name, value, words, later in cards
        )
        + "</div>"
    )


def _after(measured: Measured | None, field: str, form: str) -> str:
    if measured is None or EVERYBODY not in measured.by_attacker:
        return ""
    return form.format(getattr(measured.by_attacker[EVERYBODY], field))


def _attackers(evaluation: Evaluation) -> str:
    shown = [each for each, _ in measured_of(evaluation)]
    head = [
        "attacker",
        "judged by",
        "attacks",
        "found at 1% alarms",
        *(escape(method_name(each.name)) for each in shown),
    ]
    rows = []
    for name, quality in evaluation.own.by_attacker.items():
        areas = [f"{each.by_attacker[name].auc:.3f}" if name in each.by_attacker else "" for each in shown]
        words = _EVERYBODY if name == EVERYBODY else escape(name.replace("_", " "))
        found = f"{quality.tpr_at_1pct_fpr:.0%}"
        rows.append([words, _ACTS[quality.act], f"{quality.attacks:,}", found, *areas])
    return (
        '<section class="panel"><h2>Area under the curve, by attacker</h2>'
        "<p>A figure of few attacks is worth little; the column says how many there were.</p>"
        + table(head, rows, numbers=range(2, len(head)), strong=_EVERYBODY)
        + "</section>"
    )


def _methods(evaluation: Evaluation) -> str:
    """Compare every method over the same log-ins, those that get more than a log holds included."""
    ours = [evaluation.own, *([evaluation.with_labels] if evaluation.with_labels else [])]
    shown = [each for each in (*ours, *evaluation.rivals.values()) if EVERYBODY in each.by_attacker]
    counts = list(evaluation.own.reauthentication)
    if len(shown) == len(ours):
        return ""
    head = ["method", "area under the curve", "found at 1% alarms", *(f"asked again, first {each}" for each in counts)]
    rows = []
    for each in shown:
        quality = each.by_attacker[EVERYBODY]
        asked = [f"{each.reauthentication[count]:.1%}" if count in each.reauthentication else "" for count in counts]
        name = escape(method_name(each.name))
        rows.append([name, f"{quality.auc:.3f}", f"{quality.tpr_at_1pct_fpr:.0%}", *asked])
    return (
        '<section class="panel"><h2>Beside other methods, over the same log-ins</h2>'
        + table(head, rows, numbers=range(1, len(head)), strong=escape(method_name(evaluation.own.name)))
        + "</section>"
    )


def drifts_of(evaluation: Evaluation) -> list[Drift]:
    """Compare owners' log-ins before what was measured with those in it; newcomers' habits move by themselves."""
    past, recent = (
        [each.values for each in settled(acts) if each.act is Act.SIGN_IN and not each.is_attack]
        for acts in (evaluation.past, evaluation.scored)
    )
    return [each for each in drift(past, recent) if each.psi is not None][:_MOST_DRIFTS]


def drift_table(found: Sequence[Drift]) -> str:
    """Return the figures of drift as a table that opens."""
    if not found:
        return ""
    head = ["indicator", "mean before", "mean now", "moved by", "stability index", ""]
    rows = [_drift_row(each) for each in found]
    return (
        '<section class="panel"><h2>Drift of indicators</h2>'
        "<details><summary>figures</summary>"
        "<p>The stability index is below 0.1 where nothing moved and above 0.25 where much did; what moved by less "
        "than a tenth of log-odds changes no decision, and what chance makes of so few is called unknown.</p>"
        + table(head, rows, numbers=range(1, 5))
        + "</details></section>"
    )


def _drift_row(each: Drift) -> list[str]:
    state = f'<span class="{each.stability}">{each.stability}</span>'
    name = f"{escape(indicator_words(each.indicator))} <code>{escape(each.indicator)}</code>"
    return [name, f"{each.before:+.2f}", f"{each.after:+.2f}", f"{each.moved:.2f}", f"{each.psi or 0.0:.3f}", state]


def _notes(evaluation: Evaluation) -> str:
    notes = [
        "An act is judged before anything is learned from it, and without knowing whether a second factor was given.",
        "Who is asked again is counted from the first log-in on, where 98% of naive and VPN attackers are found.",
    ]
    if evaluation.labels:
        notes.append(f"{len(evaluation.labels)} labels, half of them attacks, were drawn from before what is measured.")
    if evaluation.rivals:
        notes.append("Other methods see the same log-ins; how generic detectors are fed stands behind their names.")
    if evaluation.left_out:
        words = ", ".join(evaluation.left_out).replace("_", " ")
        notes.append(f"No act of an owner is like those of {words}, so nothing is said of them.")
    if evaluation.unreadable:
        notes.append(f"{evaluation.unreadable:,} acts could not be read by the score: a fault of it.")
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="panel"><h2>How it was measured</h2><ul>{items}</ul></section>'
