"""Mint the signed identity assertion that an application behind us receives.

Source: the header `X-Watchword-Assertion` as described in docs/reference/assertion.md; RFC 7515 compact
serialisation, RFC 7518 section 3.4 (ES256).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import orjson

from watchword.decision import Decision
from watchword.enforcement.bodies import obligations_claim
from watchword.kernel import DecisionId, KeyId

LIFETIME_S: Final = 60
_SHARED_FOR: Final = timedelta(seconds=10)
_MOST_SHARED: Final = 4096
TYPE: Final = "watchword-assertion+jwt"


class Signer(Protocol):
    """A private key that signs without showing itself."""

    @property
    def kid(self) -> KeyId:
        """The key's identifier, published in the JWKS."""
        ...

    def sign_es256(self, payload: bytes) -> bytes:
        """Return the raw signature, r and s, 64 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class _Shared:
    """An assertion that the repetitions of one decision share."""

    kid: KeyId
    at: datetime
    assertion: str


class AssertionMinter:
    """Sign what the decision found out, for one application, for 60 seconds.

    `jti` names the decision that it was signed for. Requests that repeat a decision share one for ten seconds, because
    it would say the same of each; which request is which, the header `X-Watchword-Decision` tells.

    Args:
        signer: gives the current key; asked each time, so rotation needs no restart.
        issuer: the portal's origin.
        fulfils: tells of an application whether it reduces its own answers; any other one's are reduced on the way.
    """

    def __init__(
        self, signer: Callable[[], Signer], issuer: str, *, fulfils: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._signer = signer
        self._fulfils = fulfils
        self._issuer = issuer
        self._headers: dict[KeyId, bytes] = {}
        self._shared: OrderedDict[DecisionId, _Shared] = OrderedDict()

    def mint(self, decision: Decision) -> str:
        """Return the compact JWS for an allowed decision.

        Raises:
            ValueError: the decision has no permit of its own, or knows no user. An assertion exists only for a permit.
        """
        permit = decision.permit
        if permit is None or decision.user is None or decision.session is None:
            raise ValueError("an assertion needs a permit and a user")
        # Prevents: the permit of one decision speaking for another.
        if (permit.decision_id, permit.application) != (decision.id, decision.application):
            raise ValueError("the permit belongs to another decision")
        signer = self._signer()
        if decision.repeats is None:
            return self._sign(decision, signer)
        shared = self._shared.get(decision.repeats)
        if shared is None or shared.kid != signer.kid or not timedelta() <= decision.at - shared.at < _SHARED_FOR:
            self._shared.pop(decision.repeats, None)  # so that the newest stands last
            if len(self._shared) >= _MOST_SHARED:
                self._shared.popitem(last=False)
            shared = self._shared[decision.repeats] = _Shared(signer.kid, decision.at, self._sign(decision, signer))
        return shared.assertion

    def _sign(self, decision: Decision, signer: Signer) -> str:
        header = self._headers.get(signer.kid)
        if header is None:
            header = _encode(orjson.dumps({"alg": "ES256", "kid": signer.kid, "typ": TYPE}))
            self._headers = {signer.kid: header}
        signed = header + b"." + _encode(orjson.dumps(self._claims(decision)))
        return (signed + b"." + _encode(signer.sign_es256(signed))).decode()

    def _claims(self, decision: Decision) -> dict[str, Any]:
        user, session, device, assessment = decision.user, decision.session, decision.device, decision.assessment
        assert user is not None
        assert session is not None
        issued_at = int(decision.at.timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": decision.application,
            "sub": str(user.id),
            "iat": issued_at,
            "exp": issued_at + LIFETIME_S,
            "jti": str(decision.id),
            "sid": str(session.id),
            "name": user.name,
            "display_name": user.display_name,
            "groups": sorted(user.groups),
            "acr": session.acr.value,
            "amr": session.amr,
            "auth_time": int(session.authenticated_at.timestamp()),
            "risk": assessment.risk if assessment else None,
            "trust": assessment.trust if assessment else None,
            "device": {"id": str(device.id) if device else None, "is_known": device is not None, "posture": "unknown"},
            "network": {"country": decision.country},
            "permissions": decision.permissions,
        }
        if device is not None:
            claims["device"]["posture"] = decision.posture
        if user.email:
            claims["email"] = user.email
        if session.mfa_at:
            claims["mfa_time"] = int(session.mfa_at.timestamp())
        if decision.obligations:
            claims["obligations"] = obligations_claim(
                decision.obligations, is_edge=not self._fulfils(decision.application or "")
            )
        return claims


def _encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
