"""A passkey in software that can be told to cheat."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_UP, _UV, _BE, _BS, _AT = 0x01, 0x04, 0x08, 0x10, 0x40


def b64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftwareAuthenticator:
    """One credential on one device.

    Attributes:
        counts: whether the counter moves; synced passkeys leave it at zero.
        is_synced: sets the backup flags.
    """

    origin: str = "https://watchword.localhost:8443"
    rp_id: str = "watchword.localhost"
    counts: bool = True
    is_synced: bool = False
    counter: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: bytes = b""

    def create(self, options: dict[str, Any], **cheat: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.create`."""
        self.user_handle = unb64(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options["challenge"], cheat)
        data = self._authenticator_data(cheat, attested=True)
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        return self._envelope(
            {"clientDataJSON": b64(client_data), "attestationObject": b64(cbor2.dumps(statement))}, cheat
        )

    def get(self, options: dict[str, Any], **cheat: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.get`.

        Args:
            options: from the server.
            cheat: `origin`, `rp_id`, `challenge`, `user_verified`, `user_present`, `counter`, `type`, `cross_origin`,
                `key`, `user_handle`, `credential_id`, `is_synced`.
        """
        client_data = self._client_data("webauthn.get", options["challenge"], cheat)
        data = self._authenticator_data(cheat)
        key = cheat.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(signature),
        }
        if (user_handle := cheat.get("user_handle", self.user_handle)) is not None:
            response["userHandle"] = b64(user_handle)
        return self._envelope(response, cheat)

    def _envelope(self, response: dict[str, str], cheat: dict[str, Any]) -> dict[str, Any]:
        credential_id = b64(cheat.get("credential_id", self.credential_id))
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _client_data(self, kind: str, challenge: str, cheat: dict[str, Any]) -> bytes:
        fields = {
            "type": cheat.get("type", kind),
            "challenge": cheat.get("challenge", challenge),
            "origin": cheat.get("origin", self.origin),
            "crossOrigin": cheat.get("cross_origin", False),
        }
        return json.dumps(fields).encode()

    def _authenticator_data(self, cheat: dict[str, Any], *, attested: bool = False) -> bytes:
        flags = _UP if cheat.get("user_present", True) else 0
        flags |= _UV if cheat.get("user_verified", True) else 0
        flags |= (_BE | _BS) if cheat.get("is_synced", self.is_synced) else 0
        flags |= _AT if attested else 0
        if self.counts:
            self.counter += 1
        counter = cheat.get("counter", self.counter)
        data = hashlib.sha256(cheat.get("rp_id", self.rp_id).encode()).digest()
        data += bytes([flags]) + int(counter).to_bytes(4)
        if attested:
            public = self.key.public_key().public_numbers()
            cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32), -3: public.y.to_bytes(32)})
            data += bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + cose
        return data
