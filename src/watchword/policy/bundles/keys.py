"""The keys that sign bundles: how they are written, where they are kept, and who may vouch together."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from watchword.keys import SealBrokenError, Sealer, Signer, write_new_file
from watchword.policy.bundles.errors import BundleKeyError

_PUBLIC_MARK: Final = "ed25519:"
# Recognisable beginnings let secret scanners find a key that was committed or pasted by mistake.
_PRIVATE_MARK: Final = "wwbundle1_"
_SEALED_MARK: Final = "wwbundlesealed1_"
_SEAL: Final = "policy.bundle_key"
_KEY_BYTES: Final = 32
_MOST_TEXT: Final = 512
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SigningKey(Protocol):
    """Something that signs bundles: a file's key, or the node's own."""

    @property
    def public(self) -> PublicKey:
        """The public half."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of RFC 8032."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key, written `ed25519:` and 43 letters of base64url."""

    raw: bytes

    @property
    def id(self) -> str:
        """SHA-256 of the 32 bytes, in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()

    def __str__(self) -> str:
        return _PUBLIC_MARK + _b64(self.raw)

    def is_signed(self, payload: bytes, signature: bytes) -> bool:
        """Tell whether a signature is this key's over exactly this payload."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, payload)
        except (InvalidSignature, ValueError):
            return False
        return True

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read the written form.

        Raises:
            BundleKeyError: it is none.
        """
        raw = _unb64(text.strip().removeprefix(_PUBLIC_MARK))
        if not text.strip().startswith(_PUBLIC_MARK) or len(raw) != _KEY_BYTES:
            raise BundleKeyError(
                "a text is not the public key of a bundle signer",
                hint="it begins with `ed25519:` and has 43 letters after it; `watchword policies keygen` prints one",
            )
        return cls(raw)


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Who may sign, and how many of them must."""

    keys: Mapping[str, PublicKey]
    threshold: int

    @classmethod
    def of(cls, keys: Iterable[PublicKey], threshold: int) -> TrustedKeys:
        """Put keys together by their ids.

        # Prevents: one key that is listed twice vouching twice; ids follow from the keys themselves.

        Raises:
            BundleKeyError: nobody could ever reach the threshold, or nobody would have to.
        """
        known = {key.id: key for key in keys}
        if not 1 <= threshold <= len(known):
            raise BundleKeyError(
                f"{threshold} of {len(known)} different keys cannot sign a bundle",
                hint="`policy.threshold` lies between 1 and the number of keys in `policy.keys`",
            )
        return cls(known, threshold)


class FileKey:
    """A private key read from a file; printing it shows nothing."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"FileKey({self.public.id[:12]})"

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of RFC 8032."""
        return self._key.sign(payload)

    @classmethod
    def generate(cls) -> FileKey:
        """Make a fresh key; the library draws from the operating system."""
        return cls(Ed25519PrivateKey.generate())

    def write(self, path: Path, *, sealer: Sealer | None = None) -> None:
        """Write the key to a new file, mode 0600; the file appears whole or not at all.

        Args:
            path: must not exist.
            sealer: seals the key under the master key of this installation; without one it lies there in the clear.

        Raises:
            BundleKeyError: there is a file already, or none can be written.
        """
        raw = self._key.private_bytes_raw()
        text = _PRIVATE_MARK + _b64(raw)
        if sealer is not None:
            text = _SEALED_MARK + _b64(self.public.raw + sealer.seal(raw, purpose=_SEAL, context=self.public.id))
        try:
            write_new_file(path, text)
        except FileExistsError as error:
            raise BundleKeyError("there is a key already", hint=f"it is at {path}; it is never replaced") from error
        except OSError as error:
            raise BundleKeyError(
                f"the key cannot be written ({error.strerror})", hint=f"look at {path.parent}"
            ) from error

    @classmethod
    def read(cls, path: Path, *, sealer: Sealer | None = None) -> FileKey:
        """Read a key from a file that only its owner may open.

        Raises:
            BundleKeyError: absent, open to others, not a key, or sealed under another master key.
        """
        try:
            with path.open("rb") as file:
                # Prevents: any other account of the machine signing policies. Asked of the open file, not of its name.
                if os.fstat(file.fileno()).st_mode & _OPEN_TO_OTHERS:
                    raise BundleKeyError("the key file is open to others", hint=f"run: chmod 600 {path}")
                text = file.read(_MOST_TEXT).decode("ascii", "replace").strip()
        except OSError as error:
            raise BundleKeyError(
                f"the key file `{path}` cannot be read ({error.strerror})",
                hint="make one with: watchword policies keygen",
            ) from error
        if text.startswith(_SEALED_MARK):
            return cls(_private(_unsealed(_unb64(text.removeprefix(_SEALED_MARK)), sealer)))
        if not text.startswith(_PRIVATE_MARK):
            raise BundleKeyError(
                f"`{path}` does not hold a key for bundles", hint="`watchword policies keygen` makes one"
            )
        return cls(_private(_unb64(text.removeprefix(_PRIVATE_MARK))))

    @staticmethod
    def is_sealed(path: Path) -> bool:
        """Tell whether a key file needs the installation's master key; a file that cannot be read does not."""
        try:
            with path.open("rb") as file:
                return file.read(len(_SEALED_MARK)) == _SEALED_MARK.encode()
        except OSError:
            return False


class RingKey:
    """The node's own key for bundles, from its key ring."""

    __slots__ = ("_signer", "public")

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.public = PublicKey(signer.verification_key.raw())

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of RFC 8032."""
        return self._signer.sign_ed25519(payload)


def _unsealed(body: bytes, sealer: Sealer | None) -> bytes:
    if sealer is None:
        raise BundleKeyError("the key is sealed, and the key that opens it is not at hand")
    public = PublicKey(body[:_KEY_BYTES])
    try:
        return sealer.open(body[_KEY_BYTES:], purpose=_SEAL, context=public.id)
    except SealBrokenError as error:
        raise BundleKeyError(
            "the sealed key cannot be opened", hint="it was altered, or belongs to another data directory"
        ) from error


def _private(raw: bytes) -> Ed25519PrivateKey:
    if len(raw) != _KEY_BYTES:
        raise BundleKeyError("the key file does not hold a whole key")
    return Ed25519PrivateKey.from_private_bytes(raw)


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
