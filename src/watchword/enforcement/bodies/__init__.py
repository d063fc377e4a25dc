"""Own the reduction of JSON answers: reading them strictly, applying rules, and which answers can be reduced at all.

Publishes `Exchange`, `BodyFilter`, `ValueKeys`, `judge` and the words about headers that both doors share.
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
from watchword.enforcement.bodies.events import ACCESS_NOTIFIED, MARK_TRACED, TOKEN_REVEALED
from watchword.enforcement.bodies.exchange import Exchange, Means
from watchword.enforcement.bodies.filtering import BodyFilter, Reduced, filter_for
from watchword.enforcement.bodies.responses import (
    ASKED,
    MOST_BODY_BYTES,
    NOT_ASKED,
    NOT_TOLD,
    TOLD,
    Verdict,
    asking_headers,
    changes_asking,
    is_json_request,
    judge,
    marked_headers,
    reduced_headers,
    withheld,
)
from watchword.enforcement.bodies.values import ValueKeys
from watchword.enforcement.bodies.watermarks import WATERMARK_HEADER, Watermark
from watchword.enforcement.bodies.witness import DataAccess, Meter, Notice, Visitor, Witness

__all__ = [
    "ACCESS_NOTIFIED",
    "ASKED",
    "FILTER_HEADER",
    "MARK_TRACED",
    "MOST_BODY_BYTES",
    "NOT_ASKED",
    "NOT_TOLD",
    "TOKEN_REVEALED",
    "TOLD",
    "WATERMARK_HEADER",
    "BodyFilter",
    "BodyRefusedError",
    "DataAccess",
    "Duties",
    "Exchange",
    "Means",
    "Meter",
    "Notice",
    "Reduced",
    "ValueKeys",
    "Verdict",
    "Visitor",
    "Watermark",
    "Witness",
    "asking_headers",
    "changes_asking",
    "filter_for",
    "filter_header",
    "is_json_request",
    "judge",
    "marked_headers",
    "merged_rules",
    "obligations_claim",
    "read_claim",
    "read_filter_header",
    "reduced_headers",
    "withheld",
]
