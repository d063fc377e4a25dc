"""The page that a person sees when a door says no: one document that needs nothing else, under the strictest policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from watchword.console import words
from watchword.console.model import Refusal, ring_of_reasons
from watchword.kernel import Answer, Reason

_HEADLINES = {
    Answer.STEP_UP: "Confirm that it is you",
    Answer.APPROVAL: "Somebody must approve this",
    Answer.DENY: "You cannot open this now",
}
_STATES = {Answer.STEP_UP: "One more step", Answer.APPROVAL: "Not approved", Answer.DENY: "Refused"}
_SIGN_IN = frozenset(
    {
        Reason.SESSION_MISSING,
        Reason.SESSION_INVALID,
        Reason.SESSION_EXPIRED,
        Reason.SESSION_ENDED,
        Reason.SESSION_MISBOUND,
    }
)


def _css() -> str:
    return resources.files("watchword.console").joinpath("templates/refusal.css").read_text(encoding="utf-8").strip()


def _headers() -> Mapping[str, str]:
    digest = base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
    return MappingProxyType(
        {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; "
            "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }
    )


REFUSAL_HEADERS: Mapping[str, str] = _headers()


def render_refusal(refusal: Refusal) -> bytes:
    """Render the page; send it with `REFUSAL_HEADERS`, which hold the hash of its only style.

    Never raises on what a client sent: the refusal holds nothing of it. An address that is not absolute https is left
    out rather than shown.
    """
    lead = refusal.reasons[0].words if refusal.reasons else "Nothing lets you use this."
    own = tuple(dict.fromkeys(text for text in refusal.policy_words if text))
    others = tuple(dict.fromkeys((*own[1:], *(reason.words for reason in refusal.reasons[1:]))))
    return (
        _template()
        .render(
            refusal=refusal,
            css=Markup(_css_text()),  # noqa: S704  # our own file, the same bytes whose hash is in the header
            headline=_headline(refusal),
            ring=ring_of_reasons(refusal.answer, refusal.reasons),
            aside="Who you are, with what, from where, and how usual it is: "
            "asked at every door, and again when anything changes.",
            state=_STATES.get(refusal.answer, "Refused"),
            lead=own[0] if own else lead,
            others=others,
            remedies=tuple(dict.fromkeys(reason.remedy for reason in refusal.reasons if reason.remedy)),
            actions=_actions(refusal),
        )
        .encode()
    )


@cache
def _css_text() -> str:
    return _css()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("watchword.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        iso=words.iso,
        moment=words.moment,
        clock=words.clock,
        span=words.span,
        answer_words=words.answer_words,
    )
    return environment.get_template("refusal.html")


def _headline(refusal: Refusal) -> str:
    if refusal.answer is Answer.DENY and refusal.reasons and refusal.reasons[0] in _SIGN_IN:
        return "Sign in to go on"
    return _HEADLINES.get(refusal.answer, _HEADLINES[Answer.DENY])


def _actions(refusal: Refusal) -> tuple[tuple[str, str], ...]:
    portal = f"{refusal.portal_url}/decisions/{refusal.reference}" if refusal.portal_url else None
    offered = (
        (refusal.step_up_url, "Confirm that it is you"),
        (refusal.sign_in_url, "Sign in"),
        (portal, "See why in detail"),
    )
    return tuple((url, label) for url, label in offered if url and _is_https(url))


def _is_https(url: str) -> bool:
    # Prevents: a `javascript:` or relative address becoming a link, should a caller ever pass one on.
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.netloc)
