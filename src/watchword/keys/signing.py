"""Private keys: how they sign, how they are written before they are sealed."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from watchword.kernel import KeyId
from watchword.keys.errors import MalformedKeyError, WrongAlgorithmError
from watchword.keys.model import Algorithm
from watchword.keys.verification import VerificationKey, is_p256

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_COORDINATE = 32
_ECDSA = ec.ECDSA(SHA256())


class Signer:
    """A private key that signs for one purpose."""

    __slots__ = ("_key", "kid", "verification_key")

    def __init__(self, kid: KeyId, key: PrivateKey) -> None:
        self.kid = kid
        self.verification_key = VerificationKey(kid, key.public_key())
        self._key = key

    def __repr__(self) -> str:
        return f"Signer({self.kid}, {self.algorithm})"

    @property
    def algorithm(self) -> Algorithm:
        """How it signs."""
        return self.verification_key.algorithm

    def sign_es256(self, payload: bytes) -> bytes:
        """Return r and s, 32 bytes each, as JWS wants them (RFC 7518 section 3.4).

        Raises:
            WrongAlgorithmError: the key is not for ES256.
        """
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise WrongAlgorithmError(f"key `{self.kid}` does not sign with ES256")
        r, s = decode_dss_signature(self._key.sign(payload, _ECDSA))
        return r.to_bytes(_COORDINATE) + s.to_bytes(_COORDINATE)

    def sign_ed25519(self, payload: bytes) -> bytes:
        """Return the 64 bytes of RFC 8032.

        Raises:
            WrongAlgorithmError: the key is not for Ed25519.
        """
        if not isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise WrongAlgorithmError(f"key `{self.kid}` does not sign with Ed25519")
        return self._key.sign(payload)

    def der(self) -> bytes:
        """Return the private key in PKCS #8 DER; to be sealed at once."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def from_der(cls, kid: KeyId, der: bytes) -> Signer:
        """Read what `der` wrote.

        Raises:
            MalformedKeyError: not P-256 and not Ed25519.
        """
        key = load_der_private_key(der, None)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(kid, key)
        if isinstance(key, ec.EllipticCurvePrivateKey) and is_p256(key.public_key()):
            return cls(kid, key)
        raise MalformedKeyError(f"key `{kid}` is of a kind that we do not use")

    @classmethod
    def generate(cls, kid: KeyId, algorithm: Algorithm) -> Signer:
        """Make a fresh key; the library draws from the operating system, never from the injected entropy."""
        if algorithm is Algorithm.ED25519:
            return cls(kid, ed25519.Ed25519PrivateKey.generate())
        return cls(kid, ec.generate_private_key(ec.SECP256R1()))
