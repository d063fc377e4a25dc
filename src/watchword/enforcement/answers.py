"""Turn a decision into what a browser or a program understands; one place for every door.

A browser that lacks identity is sent to sign in, one that is refused gets a page in plain words; a program gets a
problem document and, where stepping up would help, a challenge.
Source: RFC 9457 (problem details), RFC 6750 section 3 and RFC 9470 section 3 (challenges).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

import orjson

from watchword.decision import Decision
from watchword.kernel import Answer, DecisionId, Entropy, Reason

Header = tuple[bytes, bytes]

STATE_COOKIE: Final = "__Host-ww-state"
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# The portal takes no longer way back (identity, `safe_return_to`), and an address has to pass every proxy between.
_LONGEST_RETURN: Final = 1024
_NO_STORE: Final = (b"cache-control", b"no-store")
_RETRY: Final = (b"retry-after", b"1")
_JSON: Final = (b"content-type", b"application/problem+json")
_STATUS: Final = {Reason.UNKNOWN_APPLICATION: 404, Reason.REQUEST_MALFORMED: 400}

_NEEDS_IDENTITY: Final = frozenset(
    {
        Reason.SESSION_MISSING,
        Reason.SESSION_INVALID,
        Reason.SESSION_EXPIRED,
        Reason.SESSION_ENDED,
        Reason.SESSION_MISBOUND,
    }
)
_OUR_FAULT: Final = frozenset(
    {
        Reason.SNAPSHOT_STALE,
        Reason.JOURNAL_UNWRITABLE,
        Reason.INTERNAL_ERROR,
        Reason.POLICY_MISSING,
        Reason.FACT_MISSING,
    }
)


@dataclass(frozen=True, slots=True)
class Asker:
    """What a door knows of whoever waits for the answer.

    Attributes:
        url: what was asked for, absolute, with its query; where to return to.
        is_browser: it navigates and would show a page.
        can_return: the request can be repeated by following a link (GET or HEAD).
        state: the value of the state cookie it sent, or nothing.
    """

    url: str
    is_browser: bool
    can_return: bool
    state: str | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A status, headers and a body, ready to send."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the page for a refused person needs to know.

    Attributes:
        way_out: where to sign in or to confirm it is them; empty when nothing like that would help.
    """

    application: str
    answer: Answer
    reasons: tuple[Reason, ...]
    policy_words: tuple[str, ...]
    reference: DecisionId
    at: datetime
    way_out: str


class Answers:
    """Render refusals for one portal.

    Args:
        portal: origin of the portal, without a slash at the end.
        page: renders the page for people, with the headers it needs.
        unavailable: the status for a refusal that is our own fault. Envoy replaces a 5xx of its authorizer by a bare
            page of its own, so towards Envoy it is 403.
    """

    def __init__(
        self,
        portal: str,
        page: Callable[[Refusal], tuple[bytes, Mapping[str, str]]],
        *,
        entropy: Entropy,
        unavailable: int = 503,
    ) -> None:
        self._portal = portal
        self._page = page
        self._entropy = entropy
        self._unavailable = unavailable

    def refuse(self, decision: Decision, asker: Asker) -> HttpAnswer:
        """Render any answer but allow."""
        reason = decision.reasons[0]
        needs_identity = reason in _NEEDS_IDENTITY
        if asker.is_browser and asker.can_return and (needs_identity or decision.answer is Answer.STEP_UP):
            return self._send_away(decision, asker, "sign-in" if needs_identity else "step-up")
        if asker.is_browser:
            return self._show(decision, asker, needs_identity=needs_identity)
        return self._problem(decision, needs_identity=needs_identity)

    def _send_away(self, decision: Decision, asker: Asker, page: str) -> HttpAnswer:
        """Send a browser to the portal and remember, on this host, that it was this browser.

        # Prevents: login CSRF. The callback accepts a code only together with this cookie, whose hash the code carries.
        """
        # Prevents: a value in the cookie that is no state of ours being written back into a header.
        state = asker.state if asker.state and _STATE.fullmatch(asker.state) else self._fresh_state()
        location = f"{self._portal}/{page}?return_to={quote(_way_back(asker.url), safe='')}&state={hash_state(state)}"
        if page == "step-up":
            location += f"&reference={decision.id}"
        location += _anew(decision)
        cookie = f"{STATE_COOKIE}={state}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"
        return HttpAnswer(302, ((b"location", location.encode()), (b"set-cookie", cookie.encode()), _NO_STORE))

    def _fresh_state(self) -> str:
        return base64.urlsafe_b64encode(self._entropy.token_bytes(32)).rstrip(b"=").decode()

    def _show(self, decision: Decision, asker: Asker, *, needs_identity: bool) -> HttpAnswer:
        way_out = ""
        if needs_identity or decision.answer is Answer.STEP_UP:
            page = "sign-in" if needs_identity else "step-up"
            back = _way_back(asker.url) if asker.can_return else _origin(asker.url)
            way_out = f"{self._portal}/{page}?return_to={quote(back, safe='')}{_anew(decision)}"
        body, page_headers = self._page(
            Refusal(
                application=decision.application or "",
                answer=decision.answer,
                reasons=decision.reasons,
                policy_words=tuple(words for _, words in decision.policies if words),
                reference=decision.id,
                at=decision.at,
                way_out=way_out,
            )
        )
        headers = [(name.encode(), value.encode()) for name, value in page_headers.items()]
        return self._send(decision, headers, body, needs_identity=needs_identity)

    def _problem(self, decision: Decision, *, needs_identity: bool) -> HttpAnswer:
        reason = decision.reasons[0]
        document = {
            "type": f"urn:watchword:reason:{reason.code}",
            "title": reason.words,
            "status": self._status(decision, needs_identity=needs_identity),
            "detail": reason.remedy,
            "reasons": [each.code for each in decision.reasons],
            "reference": decision.id,
        }
        headers = [_JSON, _NO_STORE]
        if decision.answer is Answer.STEP_UP and decision.step_up:
            headers.append((b"www-authenticate", challenge(decision).encode()))
        elif needs_identity:
            headers.append((b"www-authenticate", b'Bearer realm="watchword"'))
            document["sign_in"] = f"{self._portal}/sign-in"
        return self._send(decision, headers, orjson.dumps(document), needs_identity=needs_identity)

    def _send(self, decision: Decision, headers: list[Header], body: bytes, *, needs_identity: bool) -> HttpAnswer:
        if decision.reasons[0] in _OUR_FAULT:
            headers.append(_RETRY)
        return HttpAnswer(self._status(decision, needs_identity=needs_identity), tuple(headers), body)

    def _status(self, decision: Decision, *, needs_identity: bool) -> int:
        reason = decision.reasons[0]
        if needs_identity or decision.answer is Answer.STEP_UP:
            return 401
        if reason in _OUR_FAULT:
            return self._unavailable
        return _STATUS.get(reason, 403)


def _anew(decision: Decision) -> str:
    """Ask the portal for a sign-in of its own, although the session may be live there.

    # Prevents: a session that is too old for its risk being sent from door to portal and back without end.
    """
    return "&anew=1" if decision.reasons[0] is Reason.SESSION_EXPIRED else ""


def challenge(decision: Decision) -> str:
    """Return the step-up challenge for a program.

    Source: RFC 9470 section 3.
    """
    assert decision.step_up is not None
    return (
        'Bearer realm="watchword", error="insufficient_user_authentication", '
        'error_description="a fresh second factor is needed", '
        f'acr_values="{decision.step_up.acr.value}", max_age="{decision.step_up.max_age_s}"'
    )


def hash_state(state: str) -> str:
    """Return the form of a state that may stand in an address: it proves the cookie and does not give it away."""
    return base64.urlsafe_b64encode(hashlib.sha256(state.encode()).digest()).rstrip(b"=").decode()


def read_cookies(header: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """Pick cookies by name; `wanted` maps cookie name to the key it gets in the answer.

    A name that stands twice is left out: whoever planted the second one gains nothing.
    Source: RFC 6265 section 5.4.
    """
    found: dict[str, str] = {}
    doubled: set[str] = set()
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        key = wanted.get(name)
        if key is not None:
            if key in found:
                doubled.add(key)
            found[key] = value
    for key in doubled:
        del found[key]
    return found


def _way_back(url: str) -> str:
    """Return to the page, or to the start of its site where the address is too long to be carried along."""
    return url if len(url) <= _LONGEST_RETURN else _origin(url)


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/"
