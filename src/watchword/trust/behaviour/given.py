"""Evidence that is given rather than learned: device posture, authentication, reputation; each with its age.

Small values: a well kept device and a fresh passkey speak for the owner, and an attacker may have stolen both.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchword.kernel import Acr
from watchword.trust.observation import Finding

POSTURE = "device_posture"
AUTHENTICATION = "authentication"
REPUTATION = "reputation"
# However many lists name an address: feeding attack data into the probabilities made published results worse, and
# lists share their sources. Source: Wiefling et al., ACM TOPS 2022, section 6.
MOST_REPUTATION = 3.0

_FRESH_POSTURE_S = 86_400.0
_STALE_POSTURE_S = 7 * 86_400.0
_POSTURE = (("managed", 0.7), ("disk encrypted", 0.3), ("patched", 0.4))
_FRESH_PROOF_S = 900.0
_STALE_PROOF_S = 12 * 3600.0
_CLOCK_SKEW_S = 60.0
_PROOF = {
    Acr.SINGLE_FACTOR: (0.3, "one factor"),
    Acr.MULTI_FACTOR: (1.0, "two factors"),
    Acr.PHISHING_RESISTANT: (1.8, "a passkey"),
}

_NOT_REPORTED = Finding(POSTURE, 0.0, "unknown: the device has not reported", is_known=False)
_NO_PROOF = Finding(AUTHENTICATION, 0.0, "unknown: nobody has signed in yet", is_known=False)


def posture(
    *, is_managed: bool | None, is_encrypted: bool | None, is_patched: bool | None, age_s: float | None
) -> Finding:
    """Judge what the device says of itself; it counts in full for a day and no more after a week.

    Args:
        age_s: since the report; nothing or a time in the future means that there is none.
    """
    if age_s is None or age_s < -_CLOCK_SKEW_S or age_s >= _STALE_POSTURE_S:
        return _NOT_REPORTED
    faded = _faded(age_s, _FRESH_POSTURE_S, _STALE_POSTURE_S)
    value, words = 0.0, []
    for (name, worth), state in zip(_POSTURE, (is_managed, is_encrypted, is_patched), strict=True):
        if state is not None:
            value += -worth if state else worth
            words.append(name if state else f"not {name}")
    return Finding(POSTURE, value * faded, f"the device is {', '.join(words)}") if words else _NOT_REPORTED


def authentication(acr: Acr | None, *, age_s: float) -> Finding:
    """Judge how the session was opened; it speaks in full for 15 minutes and not at all after 12 hours."""
    if acr is None or acr not in _PROOF:
        return _NO_PROOF
    # Prevents: a clock that steps back keeping a sign-in fresh for ever.
    if age_s < -_CLOCK_SKEW_S:
        return Finding(AUTHENTICATION, 0.0, "the sign-in lies in the future: the clock went back", is_known=False)
    worth, words = _PROOF[acr]
    value = worth * _faded(age_s, _FRESH_PROOF_S, _STALE_PROOF_S)
    return Finding(AUTHENTICATION, -value, f"signed in with {words} {max(0.0, age_s) / 60:.0f} minutes ago")


def _faded(age_s: float, fresh_s: float, stale_s: float) -> float:
    return min(1.0, max(0.0, (stale_s - age_s) / (stale_s - fresh_s)))


def cap_reputation(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings of which those of reputation add up to at most 3; each is reduced in proportion."""
    total = sum([max(0.0, item.value) for item in findings if item.indicator.startswith(REPUTATION)])
    if total <= MOST_REPUTATION:
        return list(findings)
    share = MOST_REPUTATION / total
    return [
        Finding(item.indicator, item.value * share, item.detail, item.is_known)
        if item.indicator.startswith(REPUTATION)
        else item
        for item in findings
    ]
