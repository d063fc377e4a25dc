"""What habits that match are worth where somebody acts with what is the owner's."""

from __future__ import annotations

from collections.abc import Sequence

from watchword.trust.behaviour.indicators import Row
from watchword.trust.detectors import WITHIN
from watchword.trust.observation import Finding

INDICATOR = "not_vouched"
# In log-odds: a rare click alone must not cost the owner a second factor; from here on nothing vouches.
_FROM, _WHOLLY = 0.5, 2.0
_WORDS = "a session in other hands carries them along: the usual device, network and program do not speak for the owner"


def not_vouched(habits: Sequence[Row], findings: Sequence[Finding]) -> Row | None:
    """Take back what matching habits say for the owner, where something speaks for an attacker from within.

    A thief of the session, malware at the owner's machine and the owner as insider show the same habits as the owner
    at work: likelier for the owner than for a stranger, and not likelier than for them. The strongest of the findings
    from within decides how much is taken back; never more than was said.

    Args:
        habits: as they stand before findings were added.
    """
    within = max([found.value for found in findings if found.is_known and found.indicator in WITHIN], default=0.0)
    if not within > _FROM:
        return None
    vouched = sum([value for _, value, _, is_known in habits if is_known and value < 0.0])
    return (INDICATOR, -vouched * min(1.0, (within - _FROM) / (_WHOLLY - _FROM)), _WORDS, True) if vouched else None
