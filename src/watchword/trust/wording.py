"""Words for what a score is made of, for people who never met a logarithm: indicators, factors, and what is usual."""

from __future__ import annotations

from math import exp
from typing import Final

from watchword.trust.countries import country_name, is_country

_INDICATORS: Final = {
    "suspicious_ip": "Suspicious network",
    "session_hijack": "Session in two places",
    "token_replay": "Session used by another program",
    "context_change": "Session somewhere else",
    "off_hours": "Unusual hour",
    "off_hours_activity": "Active at an hour of rest",
    "failed_attempts": "Failed sign-ins",
    "mfa_verified": "Second factor shown",
    "mfa_recent": "Second factor is fresh",
    "mfa_fatigue": "Worn down by prompts",
    "mfa_prompts": "Flood of prompts",
    "sprayed_network": "Spray from this network",
    "os_patched": "System is patched",
    "disk_encrypted": "Disk is encrypted",
    "managed_device": "Device is managed",
    "evidence_unreadable": "Evidence could not be read",
    "prior": "Before anything was seen",
    "account": "How often the account is used",
    "address": "Address and operator",
    "network": "Network and place",
    "familiar_network": "Network that others use",
    "agent": "Browser and system",
    "device": "Device",
    "resource": "What was asked for",
    "action": "What was done",
    "traits": "Kind of network",
    "hour": "Hour of the day",
    "weekday": "Day of the week",
    "rhythm": "Rhythm of day and week",
    "new_asn": "New network operator",
    "new_act": "New kind of act",
    "new_kind": "New kind of device",
    "new_traits": "New kind of network",
    "new_version": "New version of the browser",
    "new_agent": "New details of the browser",
    "not_vouched": "Signs of the owner set aside",
    "posture": "State of the device",
    "posture_change": "Device lost protection",
    "authentication": "How the session was opened",
    "reputation": "Reputation of the address",
    "peer_rarity": "Rare among peers",
    "insider": "Strays from the peers' work",
    "volume": "Amount that was read",
    "slow_exfiltration": "A little too much each day",
    "bulk_read": "Many things in an hour",
    "unreadable": "Could not be read",
    "overlong": "Longer than any honest client's",
    "cold_start": "Too little history",
    "history_away": "History not at hand",
}
_PRIOR: Final = "what holds before anything is seen: takeovers are rare"
_AS_USUAL, _UNUSUAL = "as usual for this account", "unusual for this account"
_SMALL, _PLAIN = 10.0, 1e9
_NEXT_TO_NOTHING: Final = 0.001


def indicator_words(name: str) -> str:
    """Turn the name of an indicator into words."""
    words = _INDICATORS.get(name) or name.replace("_", " ").replace(".", ": ")
    return words[:1].upper() + words[1:]


def told_of(indicator: str, value: float, detail: str) -> str:
    """Say why an indicator counts as it does: in words where it said it in codes, and where it left it unsaid."""
    if detail:
        return _in_words(detail)
    if not value:
        return ""
    if indicator == "prior":
        return _PRIOR
    return _AS_USUAL if value < 0 else _UNUSUAL


def _in_words(detail: str) -> str:
    head, _, code = detail.rpartition(": ")
    if head and is_country(code):
        return f"{head}: {country_name(code)}"
    return detail


def factor_words(log_odds: float) -> str:
    """Write log-odds as what they do to the odds of somebody else: times 10 makes them ten times as likely."""
    factor = exp(min(abs(log_odds), 50.0))
    sign = "\N{MULTIPLICATION SIGN}" if log_odds >= 0 else "\N{DIVISION SIGN}"
    if factor < _SMALL:
        return f"{sign}{factor:.1f}"
    if factor >= _PLAIN:
        return f"{sign}a billion"
    digits = len(str(int(factor))) - 2
    return f"{sign}{int(round(factor, -digits)):,}"


def share_words(share: float) -> str:
    """Write a probability; what is all but nothing or all but everything is not rounded to it."""
    if share < _NEXT_TO_NOTHING:
        return "under 0.1%"
    return "over 99.9%" if share > 1.0 - _NEXT_TO_NOTHING else f"{share:.1%}"
