"""Public keys: how they verify, how they are written for those outside."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TypeGuard

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from watchword.keys.errors import MalformedKeyError, SignatureInvalidError
from watchword.keys.model import Algorithm

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_COORDINATE = 32
_SIGNATURE = 64
_ECDSA = ec.ECDSA(SHA256())


class VerificationKey:
    """A public key that verifies; its answer is silence or an exception."""

    __slots__ = ("_key", "algorithm", "kid")

    def __init__(self, kid: str, key: PublicKey) -> None:
        self.kid = kid
        self.algorithm = Algorithm.ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else Algorithm.ES256
        self._key = key

    def __repr__(self) -> str:
        return f"VerificationKey({self.kid}, {self.algorithm})"

    def verify(self, payload: bytes, signature: bytes) -> None:
        """Return if the raw 64-byte signature is this key's over exactly this payload.

        Raises:
            SignatureInvalidError: it is not.
        """
        if len(signature) != _SIGNATURE:
            raise SignatureInvalidError(f"a signature of `{self.kid}` has the wrong length")
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, payload)
            else:
                r, s = int.from_bytes(signature[:_COORDINATE]), int.from_bytes(signature[_COORDINATE:])
                self._key.verify(encode_dss_signature(r, s), payload, _ECDSA)
        except InvalidSignature as error:
            raise SignatureInvalidError(f"a signature does not verify with key `{self.kid}`") from error

    def raw(self) -> bytes:
        """Return the 32 bytes of an Ed25519 key, or the uncompressed point of an ES256 key."""
        if isinstance(self._key, ed25519.Ed25519PublicKey):
            return self._key.public_bytes_raw()
        return self._key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def der(self) -> bytes:
        """Return the SubjectPublicKeyInfo in DER."""
        return self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def jwk(self) -> dict[str, str]:
        """Return the public JWK (RFC 7517; RFC 8037 for Ed25519)."""
        raw = self.raw()
        if self.algorithm is Algorithm.ED25519:
            shape = {"kty": "OKP", "crv": "Ed25519", "x": _b64(raw)}
        else:
            shape = {"kty": "EC", "crv": "P-256", "x": _b64(raw[1:33]), "y": _b64(raw[33:])}
        return {"kid": self.kid, "use": "sig", "alg": str(self.algorithm), **shape}

    @classmethod
    def from_der(cls, kid: str, der: bytes) -> VerificationKey:
        """Read a SubjectPublicKeyInfo that we wrote.

        Raises:
            MalformedKeyError: not P-256 and not Ed25519.
        """
        key = load_der_public_key(der)
        if not isinstance(key, ed25519.Ed25519PublicKey) and not is_p256(key):
            raise MalformedKeyError(f"key `{kid}` is of a kind that we do not use")
        return cls(kid, key)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> VerificationKey:
        """Read a public JWK from outside, strictly.

        Raises:
            MalformedKeyError: another type, curve, algorithm or use, or not a point of the curve.
        """
        algorithm = {("EC", "P-256"): Algorithm.ES256, ("OKP", "Ed25519"): Algorithm.ED25519}.get(
            (str(jwk.get("kty")), str(jwk.get("crv")))
        )
        if algorithm is None:
            raise MalformedKeyError("a JWK is of a kind that we do not use", hint="EC with P-256, or OKP with Ed25519")
        # Prevents: one key serving two algorithms, or an encryption key verifying signatures (RFC 8725 section 3.1).
        if jwk.get("alg", str(algorithm)) != str(algorithm) or jwk.get("use", "sig") != "sig":
            raise MalformedKeyError("a JWK is not for signatures of its kind")
        operations = jwk.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            raise MalformedKeyError("a JWK may not be used to verify")
        coordinates = [_unb64(jwk.get(name)) for name in ("x", "y")[: 2 if algorithm is Algorithm.ES256 else 1]]
        try:
            if algorithm is Algorithm.ED25519:
                return cls(str(jwk.get("kid", "")), ed25519.Ed25519PublicKey.from_public_bytes(coordinates[0]))
            # Prevents: invalid-curve attacks; the library refuses a point that is not on the curve.
            point = b"\x04" + b"".join(coordinates)
            return cls(str(jwk.get("kid", "")), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
        except ValueError as error:
            raise MalformedKeyError("a JWK is not a point of its curve") from error


def is_p256(key: object) -> TypeGuard[ec.EllipticCurvePublicKey]:
    """Tell whether a public key is on the one curve that ES256 uses."""
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _unb64(value: object) -> bytes:
    try:
        decoded = base64.b64decode(str(value) + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedKeyError("a JWK's coordinate is not base64url") from error
    if len(decoded) != _COORDINATE:
        raise MalformedKeyError("a JWK's coordinate has the wrong length")
    return decoded
