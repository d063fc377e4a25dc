"""How strongly, and how long ago, somebody proved to be the account's owner."""

from __future__ import annotations

from watchword.kernel import Acr
from watchword.trust.observation import Finding

INDICATOR = "authentication_strength"
_FRESH_S, _RECENT_S = 900.0, 8 * 3600.0
_SKEW_S = 60.0
# Evidence for the owner is kept small: factors can be stolen, wrung out of somebody, and used after that.
_FRESH = {Acr.PHISHING_RESISTANT: -1.0, Acr.MULTI_FACTOR: -0.5}
_RECENT = {Acr.PHISHING_RESISTANT: -0.6, Acr.MULTI_FACTOR: -0.2}
_WORDS = {Acr.PHISHING_RESISTANT: "a passkey", Acr.MULTI_FACTOR: "a second factor"}
_WEAK = Finding(INDICATOR, 0.3, "signed in with one factor alone")
_OLD = Finding(INDICATOR, 0.1, "it is long ago that a second factor was shown")
_NONE = Finding(INDICATOR, 0.0, "unknown: nobody has signed in", is_known=False)
_SHOWN = {
    (acr, is_fresh): Finding(INDICATOR, values[acr], f"{_WORDS[acr]} was shown {words}")
    for values, is_fresh, words in ((_FRESH, True, "within the last 15 minutes"), (_RECENT, False, "today"))
    for acr in values
}


def authentication_strength(acr: Acr, age_s: float) -> Finding:
    """Judge the strongest factor of a session by its kind and age; one from the future counts as long ago."""
    if acr is Acr.NONE:
        return _NONE
    if acr is Acr.SINGLE_FACTOR:
        return _WEAK
    if not -_SKEW_S <= age_s <= _RECENT_S:
        return _OLD
    return _SHOWN[acr, age_s <= _FRESH_S]
