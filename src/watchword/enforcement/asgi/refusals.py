"""How this door says no: problem documents, challenges, a page for people, and closed WebSockets.

Sources: RFC 9457; RFC 6750 section 3; RFC 9470 section 3; the ASGI specification's "WebSocket Denial Response".
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from watchword.enforcement.asgi.context import Scope, Send
from watchword.kernel import Acr, DecisionId

_POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1
_STYLE: Final = (
    ":root{color-scheme:light dark;--paper:#eff3f1;--ink:#10211c;--soft:#40544d;--line:#cbd7d2;--go:#08614f;--on:#fff}"
    "@media(prefers-color-scheme:dark)"
    "{:root{--paper:#0a1310;--ink:#e4efea;--soft:#a0b6ad;--line:#253831;--go:#62cdb4;--on:#06231c}}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);"
    "font:400 1rem/1.55 Inter,system-ui,sans-serif}"
    "main{box-sizing:border-box;width:100%;max-width:36rem;padding:1.5rem}"
    "h1{font-size:1.875rem;line-height:1.15;letter-spacing:-.025em;margin:0 0 1rem;text-wrap:balance}p{margin:0 0 1rem}"
    "a{display:inline-block;margin-top:.5rem;padding:.75rem 1.375rem;border-radius:3px;font-weight:600;"
    "text-decoration:none;background:var(--go);color:var(--on)}a:focus-visible{outline:2px solid;outline-offset:2px}"
    ".reference{margin-top:2rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem;"
    "overflow-wrap:anywhere}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CSP: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer that is no.

    Attributes:
        code: the end of the problem type's URN.
        challenge: the WWW-Authenticate header, if stepping up or signing in would help.
        reference: the decision that let the request come this far.
    """

    status: int
    code: str
    words: str
    remedy: str = ""
    challenge: str = ""
    is_step_up: bool = False
    reference: DecisionId | None = None

    def render(self, scope: Scope, issuer: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Return headers and body for whoever asks: a page if they accept HTML, a problem document otherwise."""
        body, kind = (
            (self._page(scope, issuer), b"text/html; charset=utf-8")
            if _accepts_html(scope)
            else (self._problem(), b"application/problem+json")
        )
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", _CSP.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        if self.challenge:
            headers.append((b"www-authenticate", self.challenge.encode()))
        return headers, body

    def _problem(self) -> bytes:
        document: dict[str, Any] = {
            "type": f"urn:watchword:assertion:{self.code}",
            "title": self.words,
            "status": self.status,
            "detail": self.remedy,
        }
        if self.reference is not None:
            document["reference"] = self.reference
        return json.dumps(document).encode()

    def _page(self, scope: Scope, issuer: str) -> bytes:
        link = ""
        if self.is_step_up:
            target = f"{issuer}/step-up?return_to={quote(_way_back(scope), safe='')}"
            link = f'<p><a href="{html.escape(target)}">Confirm that it is you</a></p>'
        reference = f'<p class="reference">Reference: {html.escape(self.reference)}</p>' if self.reference else ""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><title>Not now</title>'
            f"<style>{_STYLE}</style></head><body><main>"
            f"<h1>{html.escape(self.words)}</h1><p>{html.escape(self.remedy)}</p>{link}{reference}</main></body></html>"
        ).encode()


def unverified() -> Refusal:
    """Refuse a request whose assertion is missing or wrong; which of both, and why, is not said."""
    return Refusal(
        401,
        "missing_or_invalid",
        "This application is reached through Watchword only.",
        "Use the application's public address and sign in there.",
        challenge='Bearer realm="watchword"',
    )


def unavailable() -> Refusal:
    """Refuse because nothing can be verified."""
    return Refusal(503, "keys_unavailable", "Who you are cannot be verified right now.", "Try again in a moment.")


def obligation_unknown(reference: DecisionId) -> Refusal:
    """Refuse what the application may only answer in a way it does not know."""
    words = "This application cannot do what the policy asks of it."
    return Refusal(403, "obligation_unknown", words, "Tell an administrator the reference below.", reference=reference)


def permission_missing(missing: Sequence[str], reference: DecisionId) -> Refusal:
    """Refuse for want of permissions."""
    return Refusal(
        403,
        "permission_missing",
        "You do not have the permission this needs.",
        f"Ask an administrator for: {', '.join(missing)}.",
        challenge=f'Bearer realm="watchword", error="insufficient_scope", scope="{" ".join(missing)}"',
        reference=reference,
    )


def step_up(acr: Acr, max_age_s: int | None, reference: DecisionId) -> Refusal:
    """Ask for a stronger or fresher proof.

    Source: RFC 9470 section 3.
    """
    challenge = (
        'Bearer realm="watchword", error="insufficient_user_authentication", '
        f'error_description="a stronger or fresher proof is needed", acr_values="{acr.value}"'
    )
    if max_age_s is not None:
        challenge += f', max_age="{max_age_s}"'
    return Refusal(
        401,
        "step_up",
        "This needs a fresh proof that it is you.",
        "Confirm that it is you, then try again.",
        challenge=challenge,
        is_step_up=True,
        reference=reference,
    )


def trust_too_low(reference: DecisionId) -> Refusal:
    """Refuse for want of trust."""
    return Refusal(
        403,
        "trust_too_low",
        "This asks for more trust than this request has.",
        "Confirm with a second factor, or use a managed device.",
        is_step_up=True,
        reference=reference,
    )


async def send_refusal(refusal: Refusal, scope: Scope, send: Send, *, issuer: str) -> None:
    """Say no over HTTP, or close a WebSocket that was not accepted yet."""
    headers, body = refusal.render(scope, issuer)
    if scope["type"] == "http":
        kind = "http.response"
    elif "websocket.http.response" in scope.get("extensions", {}):
        kind = "websocket.http.response"
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.code})
        return
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def _accepts_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope.get("headers", ()))


def _way_back(scope: Scope) -> str:
    """Return the address as the browser wrote it; the portal checks it before it sends anybody back.

    A form that was sent cannot be sent again by a link: there the way back is the start of the application.
    """
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    if scope.get("method", "GET") not in {"GET", "HEAD"}:
        return f"https://{host}/"
    path = quote(scope.get("root_path", "") + scope["path"], safe="/:@!$&'()*+,=~-._")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"https://{host}{path}" + (f"?{query}" if query else "")
