"""Marks in answers: for whom one was made, when, and by which decision, so that a leaked copy can be traced.

The mark names nobody: it holds a pseudonym, which is the same for one person at one application and is found again by
whoever holds the key, and the decision, which the journal knows. A mark deters and traces those who do not look for
it; whoever does can take it off a copy.

Source: HTML Standard, "The after after body insertion mode": what follows the end of a document belongs to its body.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from watchword.enforcement.bodies.documents import Json

WATERMARK_HEADER: Final = b"watchword-watermark"
# Shown where the page's own policy forbids styles, too: then it is an ordinary line at the end.
_STYLE: Final = (
    "all:initial;position:fixed;z-index:2147483647;left:0;right:0;bottom:0;padding:2px;text-align:center;"
    "font:12px monospace;color:#333;background:#fffc;pointer-events:none"
)


@dataclass(frozen=True, slots=True)
class Watermark:
    """What one answer says of itself.

    Attributes:
        subject: a pseudonym, `p_...`.
        decision: `dec_...`.
    """

    subject: str
    decision: str
    at: datetime

    def header(self) -> tuple[bytes, bytes]:
        """Return the header that every marked answer carries."""
        return WATERMARK_HEADER, f"subject={self.subject}; decision={self.decision}".encode("ascii")

    def member(self) -> Json:
        """Return what a JSON answer holds."""
        return {"subject": self.subject, "decision": self.decision, "at": self._moment}

    def page(self) -> bytes:
        """Return what stands behind an HTML document, in ASCII, which every encoding that is let through shares."""
        words = f"{self.subject} {self.decision} {self._moment}"
        return f'\n<div data-watchword-watermark role="note" style="{_STYLE}">{words}</div>\n'.encode("ascii")

    @property
    def _moment(self) -> str:
        return self.at.strftime("%Y-%m-%dT%H:%M:%SZ")
