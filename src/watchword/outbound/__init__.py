"""Own what every request to a server elsewhere shares: which addresses are allowed, TLS, bounds on what comes.

Publishes `check_url`, `redirect_target`, `tls_context`, `body_of` and words for failures; whoever asks owns the asking.
Refuses passwords in addresses, plain HTTP to other machines, and answers that are cut, compressed or too long.
"""

from watchword.outbound.errors import AnswerCompressedError, AnswerRefusedError, AnswerTooLongError
from watchword.outbound.wire import (
    MOST_REDIRECTS,
    REDIRECTS,
    body_of,
    check_url,
    entity_tag,
    reason_of,
    redirect_target,
    target_of,
    tls_context,
)

__all__ = [
    "MOST_REDIRECTS",
    "REDIRECTS",
    "AnswerCompressedError",
    "AnswerRefusedError",
    "AnswerTooLongError",
    "body_of",
    "check_url",
    "entity_tag",
    "reason_of",
    "redirect_target",
    "target_of",
    "tls_context",
]
