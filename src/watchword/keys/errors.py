"""What can go wrong with keys."""

from __future__ import annotations

from watchword.kernel import WatchwordError


class KeysError(WatchwordError):
    """A key cannot be had or used."""

    code = "keys.failed"


class MasterKeyError(KeysError):
    """The master key cannot be read, is malformed, or lies open to others."""

    code = "keys.master_key"


class WrongSealingKeyError(KeysError):
    """The master key is not the one that this database was sealed with."""

    code = "keys.wrong_sealing_key"


class SealBrokenError(KeysError):
    """A sealed value was altered, moved to another place, or sealed under another key."""

    code = "keys.seal_broken"


class KeyMissingError(KeysError):
    """No key of the wanted purpose is loaded."""

    code = "keys.missing"


class WrongAlgorithmError(KeysError):
    """A key was asked to do what it was not made for."""

    code = "keys.wrong_algorithm"


class MalformedKeyError(KeysError):
    """A public key is not well formed, not on its curve, or not for signatures."""

    code = "keys.malformed_key"


class SignatureInvalidError(KeysError):
    """A signature does not verify; nothing it covers may be believed."""

    code = "keys.signature_invalid"
    status = 401
