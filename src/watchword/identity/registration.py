"""Challenges for passkeys that are added to an account: each good for one session, one answer, ten minutes.

A challenge carries its time and an authentication code, so nothing is stored of it until it is answered: pages that
nobody finishes cost no storage, and however many are open, none voids another.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

from watchword.identity.handles import encode, keyed
from watchword.kernel import Entropy, SessionId

LIFE = timedelta(minutes=10)
_GRACE = timedelta(seconds=60)
_NONCE_BYTES = 16
_TIME_BYTES = 8
_CODE_BYTES = 32


def new_challenge(key: bytes, session_id: SessionId, now: datetime, entropy: Entropy) -> bytes:
    """Make the challenge of one page."""
    stated = entropy.token_bytes(_NONCE_BYTES) + int(now.timestamp()).to_bytes(_TIME_BYTES)
    return stated + _code(key, session_id, stated)


def is_waiting(key: bytes, challenge: bytes, session_id: SessionId, now: datetime) -> bool:
    """Tell whether a challenge was made here, for this session, within ten minutes; not whether it was used."""
    if len(challenge) != _NONCE_BYTES + _TIME_BYTES + _CODE_BYTES:
        return False
    stated, code = challenge[:-_CODE_BYTES], challenge[-_CODE_BYTES:]
    # Prevents: a challenge that somebody made up, or that was given to another session; its time is read only then.
    if not hmac.compare_digest(code, _code(key, session_id, stated)):
        return False
    made_at = datetime.fromtimestamp(int.from_bytes(stated[_NONCE_BYTES:]), UTC)
    # A minute of grace for a clock that is a little behind.
    return -_GRACE <= now - made_at < LIFE


def _code(key: bytes, session_id: SessionId, stated: bytes) -> bytes:
    return keyed(key, "registration", session_id, encode(stated))
