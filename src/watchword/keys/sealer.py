"""Seal small secrets at rest: authenticated, and bound to the place they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from watchword.kernel import Entropy, SystemEntropy
from watchword.keys.errors import SealBrokenError
from watchword.keys.master import MasterKey

_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32


class Sealer:
    """Seal and open with AES-256-GCM under one subkey a purpose, and derive keys for HMACs.

    Envelope: version byte 1, 12 bytes of nonce, ciphertext, 16 bytes of tag. Nonces are random, so one purpose may
    seal 2**32 values before the master key should be changed (NIST SP 800-38D section 8.3).

    Args:
        master: whose subkeys are used.
        entropy: where nonces come from; a repeated nonce breaks the seal, so only tests pass their own.
    """

    def __init__(self, master: MasterKey, entropy: Entropy | None = None) -> None:
        self._master = master
        self._entropy = entropy or SystemEntropy()
        self._carried: dict[str, bytes] = {}
        self._cipher = lru_cache(maxsize=64)(self._make_cipher)

    def __repr__(self) -> str:
        return "Sealer(***)"

    def seal(self, plaintext: bytes, *, purpose: str, context: str) -> bytes:
        """Encrypt and authenticate.

        Args:
            plaintext: the secret.
            purpose: the kind of secret, a constant of the room: `identity.totp`. Selects the subkey.
            context: where it belongs, for example the identifier of its row; must be given again to open it.
        """
        nonce = self._entropy.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher(purpose).encrypt(nonce, plaintext, _VERSION + context.encode())

    def open(self, sealed: bytes, *, purpose: str, context: str) -> bytes:
        """Authenticate and decrypt.

        Raises:
            SealBrokenError: altered, sealed for another purpose or context, or under another master key.
        """
        if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise SealBrokenError(f"a sealed value for `{purpose}` is not an envelope that we know")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            # Prevents: moving a sealed secret to another row or another use; both are part of what is authenticated.
            return self._cipher(purpose).decrypt(nonce, ciphertext, _VERSION + context.encode())
        except InvalidTag as error:
            raise SealBrokenError(
                f"a sealed value for `{purpose}` cannot be opened",
                hint="it was altered, or sealed under another master key",
            ) from error

    def carry(self, derived: Mapping[str, bytes]) -> None:
        """Use these subkeys for HMACs, which were derived from a master key before this one."""
        self._carried = dict(derived)

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte subkey for HMACs of this purpose; never a key that seals."""
        return self._carried.get(purpose) or self._subkey(f"watchword/derive/v1/{purpose}")

    def _make_cipher(self, purpose: str) -> AESGCM:
        return AESGCM(self._subkey(f"watchword/seal/v1/{purpose}"))

    def _subkey(self, info: str) -> bytes:
        # No salt: the master key is uniformly random or already stretched (RFC 5869 section 3.1).
        return HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=info.encode()).derive(self._master.reveal())
