"""How this door says no: problem documents, challenges, a page for people, and closed WebSockets.

Sources: RFC 9457; RFC 6750 section 3; RFC 9470 section 3; the ASGI specification's "WebSocket Denial Response".
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from watchword.enforcement.asgi.context import Scope, Send
from watchword.kernel import Acr, DecisionId

_POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1
_CSP: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


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
            target = f"{issuer}/step-up?return_to={quote(_url(scope), safe='')}"
            link = f'<p><a href="{html.escape(target)}">Confirm that it is you</a></p>'
        reference = f"<p>Reference: {html.escape(self.reference)}</p>" if self.reference else ""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
            '<meta name="viewport" content="width=device-width"><title>Not now</title></head><body><main>'
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


def _url(scope: Scope) -> str:
    """Return the address as the browser wrote it; the portal checks it before it sends anybody back."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    path = quote(scope.get("root_path", "") + scope["path"], safe="/:@!$&'()*+,=~-._")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"https://{host}{path}" + (f"?{query}" if query else "")
