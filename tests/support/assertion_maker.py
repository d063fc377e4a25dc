"""Make assertions, good and bad, with a key of the tests."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://watchword.localhost:8443"
AUDIENCE = "notes"
KID = "key_01jd0000000000000000000000"


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Maker:
    """A signing key and the claims of an ordinary visit at one time."""

    def __init__(self, now: datetime) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.now = now

    def claims(self, **changes: Any) -> dict[str, Any]:
        at = int(self.now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "usr_01jd0000000000000000000000",
            "iat": at,
            "exp": at + 60,
            "jti": "dec_01jd0000000000000000000000",
            "sid": "ses_01jd0000000000000000000000",
            "name": "ada",
            "display_name": "Ada Lovelace",
            "email": "ada@example.com",
            "groups": ["staff"],
            "acr": "urn:watchword:acr:mfa",
            "amr": ["pwd", "otp"],
            "auth_time": at - 600,
            "mfa_time": at - 300,
            "risk": 12,
            "trust": 70,
            "device": {"id": "dev_01jd0000000000000000000000", "is_known": True, "posture": "unknown"},
            "network": {"country": "NL"},
            "permissions": ["delete", "reports"],
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def header(self, **changes: Any) -> dict[str, Any]:
        header = {"alg": "ES256", "kid": KID, "typ": "watchword-assertion+jwt"} | changes
        return {name: value for name, value in header.items() if value is not ...}

    def sign(self, signed: str) -> bytes:
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def token(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Sign claims; `...` as a value leaves the claim out."""
        head = encode(json.dumps(self.header(**(header or {}))).encode())
        signed = f"{head}.{encode(json.dumps(self.claims(**changes)).encode())}"
        return f"{signed}.{encode(self.sign(signed))}"

    def jwks(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = encode(numbers.x.to_bytes(32)), encode(numbers.y.to_bytes(32))
        key = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KID, "x": x, "y": y}
        return json.dumps({"keys": [key]}).encode()

    def publish(self, path: Path) -> Path:
        path.write_bytes(self.jwks())
        return path
