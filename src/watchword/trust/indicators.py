"""The indicators: each looks at one thing and says present, absent or unknown, in words for the person concerned.

Pure and cheap; what they are worth is the profile's business. Whatever cannot be judged is unknown, by name, and
never counts for or against anyone.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from watchword.trust.baseline import FASTEST_KMH, Baseline, hour_index, speed_kmh
from watchword.trust.model import Evidence, WorkingHours
from watchword.trust.worktime import local_time

HIJACK_KM = 500.0
HIJACK_S = 300.0
RECENT_MFA_S = 900.0
# Three failures in quick succession have decayed a little by the time they are read.
FAILED_ATTEMPTS_FROM = 2.5
# Two clocks of one deployment may differ by this much.
CLOCK_SKEW_S = 60.0
_FASTEST_SHOWN_KMH = 99_999.0


class Finding(NamedTuple):
    """What one indicator found; `is_present` is `None` where it could not tell."""

    indicator: str
    is_present: bool | None
    detail: str


_DEVICE_KNOWN = Finding("new_device", False, "this device is known")
_DEVICE_NEW = Finding("new_device", True, "this device was not seen with this account before")


def new_device(evidence: Evidence) -> Finding:
    """Tell whether the device is new to this user."""
    return _DEVICE_KNOWN if evidence.is_device_known is True else _DEVICE_NEW


_NO_LOCATION_HISTORY = Finding("unusual_location", None, "unknown: too little history to say which places are usual")
_NO_LOCATION = Finding("unusual_location", None, "unknown: this address tells no place")
_NETWORK_USUAL = Finding("unusual_location", False, "this network is usual for this account")
_COUNTRY_USUAL = Finding("unusual_location", False, "this country is usual for this account")


def unusual_location(evidence: Evidence, baseline: Baseline) -> Finding:
    """Tell whether the request comes from where this user usually is: a known network, else a known country."""
    if evidence.network in baseline.usual_networks:
        return _NETWORK_USUAL
    place = evidence.place
    if place.country is None:
        return _NO_LOCATION
    if place.country in baseline.usual_countries:
        return _COUNTRY_USUAL
    if not baseline.usual_countries:
        return _NO_LOCATION_HISTORY
    usual = ", ".join(sorted(baseline.usual_countries)[:5])
    return Finding("unusual_location", True, f"comes from {place.words}; usual for this account: {usual}")


_NO_TRAVEL = Finding("impossible_travel", False, "the way from the last verified place is possible")
_NO_ORIGIN = Finding("impossible_travel", None, "unknown: no earlier place to compare with")


def impossible_travel(evidence: Evidence, baseline: Baseline, now: datetime) -> Finding:
    """Tell whether being here takes more than 1000 km/h from the last verified place, or from the session's last.

    Source: the effective distance of docs/explanation/trust-algorithm.md; both radii and 50 km are given away.
    """
    found = _NO_ORIGIN
    for origin in (baseline.last_verified, evidence.session_sighting):
        travel = speed_kmh(origin, evidence.place, now) if origin is not None else None
        if origin is None or travel is None:
            continue
        if not travel[1] <= FASTEST_KMH:
            return Finding("impossible_travel", True, _journey(origin.place.words, evidence.place.words, travel))
        found = _NO_TRAVEL
    return found


def _journey(start: str, end: str, travel: tuple[float, float]) -> str:
    distance, speed = travel
    shown = f"{speed:,.0f}" if speed <= _FASTEST_SHOWN_KMH else f"over {_FASTEST_SHOWN_KMH:,.0f}"
    return f"impossible travel: at least {distance:,.0f} km from {start} to {end}, {shown} km/h"


_NO_SESSION_PLACE = Finding("session_hijack", None, "unknown: this session was not seen anywhere yet")
_ONE_PLACE = Finding("session_hijack", False, "this session is used from one place at a time")
_CONTESTED = Finding(
    "session_hijack", True, "this session was used from two places at once and was not confirmed since"
)


def session_hijack(evidence: Evidence, now: datetime) -> Finding:
    """Tell whether one session is used from two places over 500 km apart within five minutes.

    Once seen it stays, wherever the request comes from, until a second factor shows which place is real.
    """
    seen = evidence.session_sighting
    if seen is None:
        return _NO_SESSION_PLACE
    if seen.is_contested:
        return _CONTESTED
    travel = speed_kmh(seen, evidence.place, now)
    if travel is None or travel[0] <= HIJACK_KM or (now - seen.at).total_seconds() > HIJACK_S:
        return _ONE_PLACE
    return Finding(
        "session_hijack",
        True,
        f"one session used from {seen.place.words} and {evidence.place.words}, "
        f"at least {travel[0]:,.0f} km apart, within 5 minutes",
    )


_NO_HOURS_HISTORY = Finding("off_hours", None, "unknown: too little history to say which hours are usual")
_HOURS_USUAL = Finding("off_hours", False, "this hour is usual for this account")
_WORKING = Finding("off_hours", False, "within working hours")


def off_hours(evidence: Evidence, baseline: Baseline, hours: WorkingHours, now: datetime) -> Finding:
    """Tell whether it is an unusual hour where the user is: by their own habits once known, else by working hours."""
    if baseline.outcomes == 0:
        return _NO_HOURS_HISTORY
    local = local_time(now, evidence.timezone)
    if baseline.usual_hours is not None:
        if hour_index(local) in baseline.usual_hours:
            return _HOURS_USUAL
        return Finding("off_hours", True, f"{local:%H:%M} on {local:%A} is unusual for this account")
    if hours.cover(local):
        return _WORKING
    return Finding("off_hours", True, f"{local:%H:%M} on {local:%A} is outside working hours")


_FEW_FAILURES = Finding("failed_attempts", False, "no series of failed sign-ins")


def failed_attempts(evidence: Evidence) -> Finding:
    """Tell whether about three sign-ins of this account failed within the last minutes."""
    if evidence.failed_attempts < FAILED_ATTEMPTS_FROM:
        return _FEW_FAILURES
    return Finding(
        "failed_attempts", True, f"about {evidence.failed_attempts:.0f} sign-ins failed within the last minutes"
    )


_NOT_SUSPICIOUS = Finding("suspicious_ip", False, "the network is on no list of suspicious ones")
_LONGEST_REASON = 120


def suspicious_ip(evidence: Evidence) -> Finding:
    """Tell whether the network is listed as suspicious, or blocked altogether."""
    standing = evidence.standing
    if not standing.suspicious and not standing.blocked:
        return _NOT_SUSPICIOUS
    reason = standing.reason[:_LONGEST_REASON]
    return Finding("suspicious_ip", True, f"the network is listed: {reason}" if reason else "the network is listed")


_MFA_NEVER = Finding("mfa_verified", False, "no second factor in this session")
_MFA_SHOWN = Finding("mfa_verified", True, "a second factor was verified in this session")


def mfa_verified(evidence: Evidence) -> Finding:
    """Tell whether this session ever showed a second factor."""
    return _MFA_NEVER if evidence.mfa_at is None else _MFA_SHOWN


_MFA_RECENT = Finding("mfa_recent", True, "the second factor is newer than 15 minutes")
_MFA_OLD = Finding("mfa_recent", False, "the second factor is older than 15 minutes")
_MFA_NONE = Finding("mfa_recent", False, "no second factor in the last 15 minutes")
_MFA_FUTURE = Finding("mfa_recent", False, "the second factor lies in the future: the clock went back")


def mfa_recent(evidence: Evidence, now: datetime) -> Finding:
    """Tell whether the second factor is newer than 15 minutes."""
    if evidence.mfa_at is None:
        return _MFA_NONE
    age_s = (now - evidence.mfa_at).total_seconds()
    # Prevents: a clock that steps back keeping a second factor fresh for ever.
    if age_s < -CLOCK_SKEW_S:
        return _MFA_FUTURE
    return _MFA_RECENT if age_s <= RECENT_MFA_S else _MFA_OLD


_POSTURE = {
    (name, state): Finding(name, state, words)
    for name, yes, no in (
        ("managed_device", "the device is managed", "the device is not managed"),
        ("disk_encrypted", "the disk is encrypted", "the disk is not encrypted"),
        ("os_patched", "the operating system is patched", "the operating system lacks patches"),
    )
    for state, words in ((True, yes), (False, no), (None, "unknown: the device has not reported"))
}


def posture(name: str, *, state: bool | None) -> Finding:
    """Turn one posture fact into a finding: `managed_device`, `disk_encrypted` or `os_patched`."""
    return _POSTURE[name, state]
