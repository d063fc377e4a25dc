"""Lines of lists: a session, a decision, a factor, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from watchword.console.model import DecisionView, Ring, Watch, WatchWords, decision_view, side_of
from watchword.console.ports import Applications, FlaggedAct, Places, Verdict, Visitors, Weight
from watchword.console.words import ago, browser, sentence
from watchword.devices import DeviceFacts
from watchword.identity import AuthenticatorFacts, AuthenticatorKind, SessionFacts, UserFacts
from watchword.kernel import Acr, Answer, SessionId
from watchword.trust import told_of

_KINDS = {
    AuthenticatorKind.PASSWORD: "Password",
    AuthenticatorKind.PASSKEY: "Passkey",
    AuthenticatorKind.TOTP: "Authenticator app",
    AuthenticatorKind.RECOVERY_CODES: "Recovery codes",
}
_STRENGTHS = {
    Acr.NONE: "nothing shown",
    Acr.SINGLE_FACTOR: "one factor",
    Acr.MULTI_FACTOR: "two factors",
    Acr.PHISHING_RESISTANT: "passkey",
}
# Which watch an indicator of the trust algorithm belongs to; any other is about habit.
_SIDES = {
    "failed_attempts": "who",
    "new_device": "with",
    "unusual_location": "where",
    "impossible_travel": "where",
    "suspicious_ip": "where",
    "session_hijack": "where",
    "network": "where",
    "traits": "where",
    "reputation": "where",
    "new_country": "where",
    "new_asn": "where",
    "new_network": "where",
    "new_address": "where",
    "new_traits": "where",
    "agent": "with",
    "device": "with",
    "posture": "with",
    "new_kind": "with",
    "new_system": "with",
    "new_browser": "with",
    "new_version": "with",
    "new_agent": "with",
    "cold_start": "how",
}
# What is unknown for want of a feed, or of a question, leaves no watch blind.
_NO_MATTER = {"reputation", "resource", "action"}
# A browser gets its key when the first sign-in in it is complete, or shortly before.
_CEREMONY = timedelta(minutes=10)
# From here on something counts as against a request: a point, or as much log-odds.
_COUNTS = 1


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in a list."""

    facts: SessionFacts
    person: str
    browser: str
    place: str
    strength: str
    is_current: bool
    device: str = ""
    is_live: bool = True


@dataclass(frozen=True, slots=True)
class FlaggedRow:
    """An act in doubt in a list.

    Attributes:
        what: what was asked for.
        outcome: why it was let in all the same; empty if it was not.
        obstacle: why it cannot be called the owner's from here, in a sentence; empty if it can.
        is_current: it happened in the very session that looks.
    """

    act: FlaggedAct
    what: str
    place: str
    browser: str
    outcome: str
    obstacle: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision in a list."""

    view: DecisionView
    title: str
    person: str


@dataclass(frozen=True, slots=True)
class FactorRow:
    """An authenticator in a list."""

    facts: AuthenticatorFacts
    title: str
    note: str
    is_removable: bool
    renew: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """An application that may be opened."""

    title: str
    host: str
    url: str
    answer: str
    words: str


def session_row(
    facts: SessionFacts,
    *,
    person: str,
    places: Places,
    current: SessionFacts | None = None,
    now: datetime | None = None,
) -> SessionRow:
    """Make a line of a session; without a time it is taken for live."""
    return SessionRow(
        facts=facts,
        person=person,
        browser=browser(facts.user_agent),
        place=sentence(places.describe(facts.ip)),
        strength=_STRENGTHS[facts.acr],
        is_current=current is not None and current.id == facts.id,
        device=_recognised(facts),
        is_live=now is None or facts.is_live(now),
    )


def _recognised(facts: SessionFacts) -> str:
    """Say whether the browser was known when the session began; a sign-in gives every new one a key of its own."""
    if facts.device_id is None:
        return ""
    is_new = facts.authenticated_at - facts.device_id.created_at < _CEREMONY
    return "a browser that was new then" if is_new else "recognised browser"


def flagged_row(
    act: FlaggedAct, *, places: Places, titles: Mapping[str, str], current: SessionId | None = None
) -> FlaggedRow:
    """Make a line of an act in doubt."""
    return FlaggedRow(
        act=act,
        what=f"Opening {titles.get(act.application, act.application)}" if act.application else "Signing in",
        place=sentence(places.describe(act.ip)) or "Unknown place",
        browser=browser(act.user_agent),
        outcome="Because a second factor had been shown." if act.answer is Answer.ALLOW else "",
        obstacle=sentence(act.obstacle),
        is_current=act.session is not None and act.session == current,
    )


def decision_rows(
    records: Iterable[Mapping[str, Any]], *, visitors: Visitors, applications: Applications
) -> Iterator[DecisionRow]:
    """Make lines of journal records, as they are asked for; one that is no decision is left out."""
    titles = {app.name: app.title for app in applications.published()}
    for record in records:
        try:
            view = decision_view(record)
        except (ValueError, TypeError, KeyError):
            continue
        user = visitors.user(view.user_id) if view.user_id else None
        yield DecisionRow(view, title_of(view, titles), person_of(view, user))


def title_of(view: DecisionView, titles: Mapping[str, str]) -> str:
    """Say what was asked for in one line."""
    where = titles.get(view.application or "", view.application or view.host or "unknown address")
    # Reading is what most requests do, and what people mean by opening a page; only the rest is worth a word.
    verb = "" if view.method in {"GET", "HEAD"} else f"{view.method} "
    times = f" \N{MULTIPLICATION SIGN}{view.leased:,}" if view.leased else ""
    return f"{where} {verb}{view.path}{times}" if view.path else where


def person_of(view: DecisionView, user: UserFacts | None) -> str:
    """Say who asked."""
    if user is not None:
        return user.display_name or user.name
    return str(view.user_id) if view.user_id else "nobody signed in"


def factor_row(facts: AuthenticatorFacts) -> FactorRow:
    """Make a line of an authenticator."""
    kind = _KINDS[facts.kind]
    title = f"{kind}: {facts.label}" if facts.label and facts.label != kind else kind
    notes = []
    if facts.kind is AuthenticatorKind.PASSKEY:
        notes.append("synced between devices" if facts.is_synced else "on one device")
    if facts.remaining is not None:
        notes.append(f"{facts.remaining} left")
    is_codes = facts.kind is AuthenticatorKind.RECOVERY_CODES
    return FactorRow(
        facts=facts,
        title=title,
        note=", ".join(notes),
        is_removable=True,
        renew="/account/recovery-codes" if is_codes else "",
    )


def ring_of_session(
    session: SessionFacts, verdict: Verdict | None, *, device: DeviceFacts | None, place: str, now: datetime
) -> Ring:
    """Read a live session into the four watches: what adds risk wants attention, what could not be told is unknown."""
    weights = verdict.contributions if verdict else ()
    added = {
        _side(each.indicator): told_of(each.indicator, each.points, each.detail)
        for each in weights
        if each.points >= _COUNTS
    }
    untold = {_side(weight.indicator): weight.detail for weight in weights if _is_blind(weight)}
    mfa = f"shown {ago(session.mfa_at, now)}" if session.mfa_at else "no second factor yet"
    with_words = f"first seen {ago(device.first_seen_at, now)}" if device else "not recognised"

    def watch(side: str, title: str, words: str, *, is_known: bool) -> WatchWords:
        state = Watch.GOOD if is_known and side not in untold else Watch.UNKNOWN
        state = Watch.ATTENTION if side in added else state
        return WatchWords(title, state, words, sentence(added.get(side) or untold.get(side, "")))

    who = watch("who", "Who", f"{_STRENGTHS[session.acr].capitalize()}, {mfa}", is_known=True)
    if session.mfa_at is None:
        who = replace(who, state=Watch.ATTENTION)
    habit = (
        "Something is unusual" if "how" in added else "Too little known yet" if "how" in untold else "Nothing unusual"
    )
    return Ring(
        (
            who,
            watch("with", "With what", f"{browser(session.user_agent)}, {with_words}", is_known=device is not None),
            watch("where", "Where", sentence(place) or session.ip, is_known=verdict is not None),
            watch("how", "How usual", habit if verdict else "Not weighed", is_known=verdict is not None),
        )
    )


def ring_of_decision(view: DecisionView, *, place: str) -> Ring:
    """Read a decision into the four watches: the side that refused is refused, one that added risk wants attention."""
    weighed = {_side(weight.indicator) for weight in view.contributions if weight.points >= _COUNTS}
    refused = _refused_sides(view, weighed)
    known = {
        "who": view.user_id is not None,
        "with": view.device_id is not None,
        "where": bool(view.ip),
        "how": view.risk is not None,
    }
    untold = {_side(weight.indicator) for weight in view.contributions if _is_blind(weight)}
    words = {"who": "Identity", "with": browser(view.user_agent), "where": place or view.ip, "how": "Behaviour"}

    def watch(side: str, title: str) -> WatchWords:
        state = Watch.GOOD if known[side] and side not in untold else Watch.UNKNOWN
        if side in weighed:
            state = Watch.ATTENTION
        if side in refused:
            state = Watch.REFUSED if view.answer is Answer.DENY else Watch.ATTENTION
        return WatchWords(title, state, words[side])

    return Ring((watch("who", "Who"), watch("with", "With what"), watch("where", "Where"), watch("how", "How usual")))


def _refused_sides(view: DecisionView, weighed: set[str]) -> set[str]:
    """Tell which watches the answer turned on; for risk, those that added to it."""
    if view.answer is Answer.ALLOW or not view.reasons:
        return set()
    side = side_of(view.reasons[0])
    return weighed or {"how"} if side == "how" else {side} - {""}


def _is_blind(weight: Weight) -> bool:
    return weight.points == 0 and weight.indicator not in _NO_MATTER


def _side(indicator: str) -> str:
    return _SIDES.get(indicator, "how")
