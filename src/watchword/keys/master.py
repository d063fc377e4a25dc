"""The master key: 32 bytes from which every other secret at rest hangs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from pathlib import Path
from typing import Self

from watchword.kernel import Entropy, Secret, SystemEntropy
from watchword.keys.errors import MasterKeyError
from watchword.keys.files import write_new_file

_LENGTH = 32
# A recognisable beginning lets secret scanners find a key that was committed or pasted by mistake.
_MARK = "wwmaster1_"
_MIN_PASSPHRASE = 15
_MIN_SALT = 16
# Source: OWASP Password Storage Cheat Sheet, scrypt, first line: N = 2^17 (128 MiB), r = 8, p = 1.
_SCRYPT = {"n": 2**17, "r": 8, "p": 1, "maxmem": 2**28}
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IRWXO


class MasterKey:
    """Hold the master key; printing it shows nothing.

    Its written form is `wwmaster1_` and 43 letters of base64url.
    """

    __slots__ = ("_secret",)

    def __init__(self, value: bytes) -> None:
        if len(value) != _LENGTH:
            raise MasterKeyError(f"a master key has {_LENGTH} bytes")
        self._secret = Secret(value)

    def __repr__(self) -> str:
        return "MasterKey(***)"

    def reveal(self) -> bytes:
        """Return the 32 bytes; only `Sealer` has a reason to."""
        return self._secret.reveal()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the key from a file that only its owner (and at most a reading group) may open.

        Raises:
            MasterKeyError: absent, unreadable, open to others, or not a key.
        """
        try:
            with path.open("rb") as file:
                # Prevents: any other account of the machine reading the key. Asked of the open file, not of its name.
                if os.fstat(file.fileno()).st_mode & _OPEN_TO_OTHERS:
                    raise MasterKeyError("the master key file is open to others", hint=f"run: chmod 600 {path}")
                text = file.read(256)
        except OSError as error:
            raise MasterKeyError(
                f"the master key file cannot be read ({error.strerror})",
                hint=f"check that {path} exists and is yours; without it nothing that was sealed can be opened",
            ) from error
        return cls._parse(text.decode("ascii", "replace"), "file")

    @classmethod
    def from_environment(cls, name: str) -> Self:
        """Read the key from an environment variable.

        Raises:
            MasterKeyError: not set, or not a key.
        """
        text = os.environ.get(name)
        if not text:
            raise MasterKeyError(f"the environment variable `{name}` is not set", hint="it must hold the master key")
        return cls._parse(text, "environment variable")

    @classmethod
    def from_prompt(cls, passphrase: Secret[str], salt: bytes) -> Self:
        """Stretch a passphrase with scrypt; takes about half a second and 128 MiB.

        Args:
            passphrase: at least 15 characters.
            salt: at least 16 bytes, stored beside the database; not secret, and the same every time.

        Raises:
            MasterKeyError: the passphrase or the salt is too short.
        """
        words = passphrase.reveal()
        if len(words) < _MIN_PASSPHRASE:
            raise MasterKeyError(f"the passphrase needs at least {_MIN_PASSPHRASE} characters")
        if len(salt) < _MIN_SALT:
            raise MasterKeyError(f"the salt needs at least {_MIN_SALT} bytes")
        return cls(hashlib.scrypt(words.encode(), salt=salt, dklen=_LENGTH, **_SCRYPT))

    @classmethod
    def create_file(cls, path: Path, entropy: Entropy | None = None) -> Self:
        """Make a fresh key and write it, mode 0600; the file appears whole or not at all.

        Raises:
            MasterKeyError: the file exists already, or cannot be written.
        """
        key = cls((entropy or SystemEntropy()).token_bytes(_LENGTH))
        try:
            write_new_file(path, key._written())
        except FileExistsError as error:
            raise MasterKeyError(
                "a master key exists already", hint=f"it is at {path}; it is never replaced"
            ) from error
        except OSError as error:
            raise MasterKeyError(
                f"the master key cannot be written ({error.strerror})", hint=f"check the directory {path.parent}"
            ) from error
        return key

    def _written(self) -> str:
        return _MARK + base64.urlsafe_b64encode(self.reveal()).rstrip(b"=").decode()

    @classmethod
    def _parse(cls, text: str, where: str) -> Self:
        body = text.strip().removeprefix(_MARK)
        try:
            value = base64.b64decode(body + "=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            value = b""
        if not text.strip().startswith(_MARK) or len(value) != _LENGTH:
            raise MasterKeyError(
                f"the {where} does not hold a master key", hint=f"it begins with {_MARK} and has 43 letters after it"
            )
        return cls(value)
