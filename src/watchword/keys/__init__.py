"""Own the keys: the master key, sealing at rest, signing keys with rotation, their publication as JWKS.

Publishes `MasterKey`, `Sealer`, `KeyRing` and what they hand out. Refuses to start under a master key that is not the
one a database was sealed with, and to use a key for anything but its purpose.
"""

from watchword.keys.authority import AuthorityError, Issued, LocalAuthority
from watchword.keys.errors import (
    KeyMissingError,
    KeysError,
    MalformedKeyError,
    MasterKeyError,
    SealBrokenError,
    SignatureInvalidError,
    WrongAlgorithmError,
    WrongSealingKeyError,
)
from watchword.keys.events import KEY_CREATED, KEY_RETIRED, KEY_ROTATED, SEALING_KEY_REPLACED
from watchword.keys.files import sync_directory, write_new_file
from watchword.keys.jws import JwsSigner, VerifiedJws, verify_jws
from watchword.keys.master import MasterKey
from watchword.keys.model import Algorithm
from watchword.keys.resealing import reseal
from watchword.keys.sealer import Sealer
from watchword.keys.service import KeyRing
from watchword.keys.signing import Signer
from watchword.keys.trust_stores import TrustStep, TrustStoreError, distrust_in_nss, trust_in_nss, trust_steps
from watchword.keys.verification import VerificationKey

__all__ = [
    "KEY_CREATED",
    "KEY_RETIRED",
    "KEY_ROTATED",
    "SEALING_KEY_REPLACED",
    "Algorithm",
    "AuthorityError",
    "Issued",
    "JwsSigner",
    "KeyMissingError",
    "KeyRing",
    "KeysError",
    "LocalAuthority",
    "MalformedKeyError",
    "MasterKey",
    "MasterKeyError",
    "SealBrokenError",
    "Sealer",
    "SignatureInvalidError",
    "Signer",
    "TrustStep",
    "TrustStoreError",
    "VerificationKey",
    "VerifiedJws",
    "WrongAlgorithmError",
    "WrongSealingKeyError",
    "distrust_in_nss",
    "reseal",
    "sync_directory",
    "trust_in_nss",
    "trust_steps",
    "verify_jws",
    "write_new_file",
]
