"""Own the reduction of JSON answers: reading them strictly, applying rules, and which answers can be reduced at all.

Publishes `BodyFilter`, `ValueKeys`, `judge` and the words about headers that both doors share.
Refuses what it cannot read, and imports nothing of Watchword above `kernel`, because it runs in other applications.
"""

from watchword.enforcement.bodies.claims import (
    FILTER_HEADER,
    Duties,
    filter_header,
    merged_rules,
    obligations_claim,
    read_claim,
    read_filter_header,
)
from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.enforcement.bodies.filtering import BodyFilter, filter_for
from watchword.enforcement.bodies.responses import (
    ASKED,
    MOST_BODY_BYTES,
    NOT_ASKED,
    NOT_TOLD,
    TOLD,
    Verdict,
    asking_headers,
    judge,
    reduced_headers,
    withheld,
)
from watchword.enforcement.bodies.values import ValueKeys

__all__ = [
    "ASKED",
    "FILTER_HEADER",
    "MOST_BODY_BYTES",
    "NOT_ASKED",
    "NOT_TOLD",
    "TOLD",
    "BodyFilter",
    "BodyRefusedError",
    "Duties",
    "ValueKeys",
    "Verdict",
    "asking_headers",
    "filter_for",
    "filter_header",
    "judge",
    "merged_rules",
    "obligations_claim",
    "read_claim",
    "read_filter_header",
    "reduced_headers",
    "withheld",
]
