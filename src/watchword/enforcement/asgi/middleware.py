"""The middleware: nobody enters the application without an assertion that Watchword made for it, just now."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from watchword.enforcement.asgi.bodies import answer_reduced
from watchword.enforcement.asgi.context import Application, Receive, Scope, Send, Visit, visit
from watchword.enforcement.asgi.errors import InvalidAssertionError, KeysUnavailableError
from watchword.enforcement.asgi.jws import PublicKeys
from watchword.enforcement.asgi.key_source import KeySource, key_source
from watchword.enforcement.asgi.model import VerifiedAssertion
from watchword.enforcement.asgi.refusals import Refusal, obligation_unknown, send_refusal, unavailable, unverified
from watchword.enforcement.asgi.verification import LEEWAY, UnknownKeyError, verify_assertion
from watchword.enforcement.bodies import MOST_BODY_BYTES, Exchange, Means, ValueKeys, Visitor, Witness
from watchword.kernel import Clock, SystemClock

ASSERTION_HEADER: Final = "x-watchword-assertion"
_HEADER: Final = ASSERTION_HEADER.encode()
_REMEMBERED: Final = 2048
_log: Final = logging.getLogger("watchword.asgi")


class WatchwordMiddleware:
    """Verify the assertion of every HTTP request and WebSocket; put who is here into the scope and the context.

    The assertion is in `scope["watchword"]` and from `current()`. The header itself is taken out, so that the
    application cannot log or forward it by accident. Lifespan events pass.

    Args:
        audience: the application's name in Watchword's configuration.
        issuer: the portal's origin, such as `https://watchword.localhost:8443`.
        jwks: path of the JWKS file, an https address, or a source of your own.
        cafile: PEM roots to trust when `jwks` is an address.
        obligations: names of the obligations that this application fulfils by itself; rules for JSON answers are
            applied here and need no name. Any other obligation refuses the request.
        obligation_key: makes hashes, tokens and marks; several, newest first, after a change of keys. Without one, a
            rule that needs it refuses the request.
        witness: where records and notices go; without it, a rule that asks for one refuses the request.
        max_body_bytes: of the longest body that is read; a longer one is withheld.
    """

    def __init__(  # noqa: PLR0913  # each is a choice of whoever mounts it, by name
        self,
        app: Application,
        *,
        audience: str,
        issuer: str,
        jwks: str | os.PathLike[str] | KeySource,
        cafile: Path | None = None,
        obligations: Collection[str] = (),
        obligation_key: bytes | Sequence[bytes] | None = None,
        witness: Witness | None = None,
        max_body_bytes: int = MOST_BODY_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self._app = app
        self._audience = audience
        self._issuer = issuer
        self._source = key_source(jwks, cafile=cafile)
        self._fulfilled = frozenset(obligations)
        self._max_body_bytes = max_body_bytes
        self._clock = clock or SystemClock()
        self._means = Means(_value_keys(obligation_key), witness, self._clock)
        self._verified: OrderedDict[bytes, VerifiedAssertion] = OrderedDict()
        self._verified_with: PublicKeys | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            raise RuntimeError(f"this door does not know connections of type `{scope['type']}`")
        verdict = await self._judge(scope)
        if isinstance(verdict, Refusal):
            await send_refusal(verdict, scope, send, issuer=self._issuer)
            return
        inner = dict(scope)
        inner["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() != _HEADER]
        inner["watchword"] = verdict
        here = Visit(verdict, inner, send, self._issuer, self._clock)
        token = visit.set(here)
        try:
            await self._serve(here, receive)
        finally:
            visit.reset(token)

    async def _serve(self, here: Visit, receive: Receive) -> None:
        rules = here.assertion.body_rules
        if rules is None:
            await self._app(here.scope, receive, here.send)
            return
        visitor = Visitor(here.assertion.decision_id, self._audience, here.assertion.subject)
        exchange = Exchange(rules, visitor, self._means)
        await answer_reduced(self._app, here, receive, exchange=exchange, most=self._max_body_bytes)

    async def _judge(self, scope: Scope) -> VerifiedAssertion | Refusal:
        try:
            assertion = await self._verify(_only_value(scope["headers"]))
        except KeysUnavailableError as error:
            _log.error("%s", error.message)
            return unavailable()
        except InvalidAssertionError as error:
            _log.warning("assertion refused: %s", error.message)
            return unverified()
        if not self._can_fulfil(assertion, scope):
            # Prevents: data shown in full because nobody told the application to hide it.
            _log.error("obligations that cannot be fulfilled here: %s", ", ".join(sorted(assertion.obligations)))
            return obligation_unknown(assertion.decision_id)
        return assertion

    def _can_fulfil(self, assertion: VerifiedAssertion, scope: Scope) -> bool:
        if not assertion.own_obligations <= self._fulfilled:
            return False
        rules = assertion.body_rules
        # A WebSocket has no body that could be reduced.
        return rules is None or (scope["type"] == "http" and self._means.suffice(rules))

    async def _verify(self, token: str) -> VerifiedAssertion:
        """Verify a token, or recognise it as verified under the same keys and still valid."""
        keys = await self._source.keys(now_s=self._clock.monotonic())
        if keys is not self._verified_with:
            self._verified.clear()  # Prevents: a token that outlives the withdrawal of its key.
            self._verified_with = keys
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and self._is_current(known):
            return known
        assertion = await self._verify_anew(token, keys)
        self._verified[digest] = assertion
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return assertion

    async def _verify_anew(self, token: str, keys: PublicKeys) -> VerifiedAssertion:
        try:
            return self._verify_with(token, keys)
        except UnknownKeyError:
            fresh = await self._source.keys(now_s=self._clock.monotonic(), is_fresh_wanted=True)
            if fresh is keys:
                raise
            return self._verify_with(token, fresh)

    def _verify_with(self, token: str, keys: PublicKeys) -> VerifiedAssertion:
        return verify_assertion(token, keys, issuer=self._issuer, audience=self._audience, now=self._clock.now())

    def _is_current(self, assertion: VerifiedAssertion) -> bool:
        now = self._clock.now()
        return assertion.issued_at <= now + LEEWAY and assertion.expires_at > now - LEEWAY


def _value_keys(given: bytes | Sequence[bytes] | None) -> ValueKeys | None:
    if given is None:
        return None
    return ValueKeys(given) if isinstance(given, bytes) else ValueKeys(*given)


def _only_value(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the one assertion.

    Raises:
        InvalidAssertionError: none, or more than one. Prevents: two parties that each read another one of two headers.
    """
    values = [value for name, value in headers if name.lower() == _HEADER]
    if len(values) != 1:
        raise InvalidAssertionError("there is not exactly one assertion")
    try:
        return values[0].decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidAssertionError("the assertion is not ASCII") from error
