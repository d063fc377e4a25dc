"""Write what a night of traffic showed as a page for people: what moved, what lies furthest away, who works alike."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from html import escape
from typing import Final

from watchword.trust.learning.batch.drift import Drift, Stability
from watchword.trust.learning.batch.nightly import Night
from watchword.trust.learning.report.bars import drift_picture
from watchword.trust.learning.report.document import document, panel, table
from watchword.trust.learning.report.frame import WHOLE
from watchword.trust.learning.report.page import drift_table

_TITLE: Final = "What a night of traffic showed"
_MOST_DRIFTS: Final = 12
_TYPICAL: Final = 4


def night_page(found: Night, *, source: str = "") -> str:
    """Return the whole document; every word of it that comes from traffic is escaped."""
    moved = moved_of(found)
    return document(
        _TITLE,
        [
            f"<h1>{_TITLE}</h1>",
            f'<p class="lead">{_lead(found)}</p>',
            f"<p>{escape(f'Traffic: {source}. ' if source else '')}{found.log_ins:,} log-ins.</p>",
            panel(lambda width: drift_picture(moved, width=width), WHOLE) if moved else "",
            drift_table(moved),
            _unusual(found),
            _groups(found),
        ],
    )


def moved_of(found: Night) -> list[Drift]:
    """Return what can be drawn of drift."""
    return [each for each in found.drifts if each.psi is not None][:_MOST_DRIFTS]


def _lead(found: Night) -> str:
    drifted = sum(each.stability is Stability.DRIFTED for each in found.drifts)
    if drifted:
        return f"<b>{drifted}</b> of {len(found.drifts)} indicators drifted: a training is due."
    return "No indicator has drifted."


def _unusual(found: Night) -> str:
    if not found.unusual:
        return ""
    rows = [
        [
            f"<code>{escape(each.id)}</code>",
            f"<code>{escape(each.user)}</code>",
            f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d %H:%M}",
            f"{each.score:.3f}",
            f"{each.margin:+.2f}",
        ]
        for each in found.unusual
    ]
    head = ["log-in", "account", "when (UTC)", "isolation", "log-odds"]
    return (
        '<section class="panel"><h2>Most unusual, taken together</h2>'
        "<p>Isolation is near one half for what is ordinary and near one for what lies alone. "
        "Where log-odds are low although it lies alone, a verdict teaches most.</p>"
        + table(head, rows, numbers=(3, 4))
        + "</section>"
    )


def _groups(found: Night) -> str:
    if found.peers is None:
        return ""
    sizes = Counter(found.peers.members.values())
    rows = [
        [escape(name), f"{sizes[name]:,}", escape(", ".join(sorted(centre, key=lambda used: -centre[used])[:_TYPICAL]))]
        for name, centre in sorted(found.peers.centres.items(), key=lambda item: (-sizes[item[0]], item[0]))
    ]
    return (
        '<section class="panel"><h2>Who works alike</h2><p>People without a group of their own are compared within '
        "these.</p>" + table(["group", "people", "typical"], rows, numbers=(1,)) + "</section>"
    )
