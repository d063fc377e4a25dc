"""Decide whether a bundle may be put in force: one procedure, no input or output.

The order follows The Update Framework's client: signatures before anything that was signed is read, then freshness,
then the version, then the contents. Source: TUF specification 1.0.34, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from watchword.policy.bundles.errors import (
    BundleExpiredError,
    BundleFilesError,
    BundleMalformedError,
    BundleRollbackError,
    BundleSignatureError,
)
from watchword.policy.bundles.keys import TrustedKeys
from watchword.policy.bundles.manifest import FileEntry, Manifest
from watchword.policy.bundles.parcel import Parcel, VerifiedBundle
from watchword.policy.bundles.paths import shown

# A publisher's clock may run ahead of ours by so much.
_CLOCK_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Memory:
    """What must not be forgotten of the bundles that were in force.

    Attributes:
        version: the highest that ever was; 0 for none.
        digest: of its manifest.
        is_expired: its end was seen once; a clock that is set back does not revive it.
    """

    version: int = 0
    digest: str = ""
    is_expired: bool = False


def verify(parcel: Parcel, *, trusted: TrustedKeys, memory: Memory, name: str, now: datetime) -> VerifiedBundle:
    """Return the bundle if every step holds.

    Args:
        name: of the bundles that are taken here.
        now: timezone-aware; the only clock that is read.

    Raises:
        BundleSignatureError: fewer known keys than the threshold signed exactly these bytes.
        BundleMalformedError: the manifest is not one, or belongs to another installation.
        BundleExpiredError: its time is over, or has not come.
        BundleRollbackError: a higher version was in force, or another bundle of the same version.
        BundleFilesError: the files are not exactly those that were signed.
    """
    # 1. Signatures, each known key once, over exactly the bytes that are read afterwards.
    signed = signers(parcel, trusted)
    _require_threshold(signed, trusted)
    # 2. The manifest, in its one canonical form.
    manifest = Manifest.from_bytes(parcel.envelope.payload)
    # 3. Only keys that the manifest itself names count.
    signed = tuple(key_id for key_id in signed if key_id in manifest.key_ids)
    _require_threshold(signed, trusted)
    # 4. Prevents: a bundle for another installation, signed by the same people, being shown to this one.
    if manifest.name != name:
        raise BundleMalformedError(f"the bundle is for `{manifest.name}`, not for `{name}`")
    # 5. Prevents (freeze): an old state being kept alive by withholding every newer bundle.
    check_time(manifest, memory, now)
    # 6. Prevents (rollback): a bundle that was right once bringing back what was since taken away.
    _check_version(manifest, memory)
    # 7. Prevents (mix and match): files of one bundle under the manifest of another.
    check_files(parcel, manifest)
    return VerifiedBundle(parcel, manifest, signed)


def signers(parcel: Parcel, trusted: TrustedKeys) -> tuple[str, ...]:
    """Return the ids of the known keys that signed, each once."""
    signed = parcel.envelope.signed_bytes
    found = {
        signature.key_id
        for signature in parcel.envelope.signatures
        if (key := trusted.keys.get(signature.key_id)) is not None and key.is_signed(signed, signature.value)
    }
    return tuple(sorted(found))


def check_time(manifest: Manifest, memory: Memory, now: datetime) -> None:
    """Return if a manifest may be in force now.

    Raises:
        BundleExpiredError: it may not.
    """
    is_remembered = memory.is_expired and memory.digest == manifest.digest
    if manifest.expires <= now or is_remembered:
        raise BundleExpiredError(
            f"version {manifest.version} of the policies expired at {manifest.expires:%Y-%m-%d %H:%M} UTC",
            hint="publish a new version",
        )
    if manifest.created > now + _CLOCK_SKEW:
        raise BundleExpiredError(
            f"version {manifest.version} of the policies comes from the future, {manifest.created:%Y-%m-%d %H:%M} UTC",
            hint="compare the clocks of the publisher and of this machine",
        )


def _require_threshold(signed: tuple[str, ...], trusted: TrustedKeys) -> None:
    if len(signed) < trusted.threshold:
        raise BundleSignatureError(
            f"{len(signed)} of {trusted.threshold} needed signatures by known keys are right",
            hint="it was altered, or signed by keys that `policy.keys` does not name; "
            "another key holder adds a signature with: watchword policies sign",
        )


def _check_version(manifest: Manifest, memory: Memory) -> None:
    if manifest.version < memory.version:
        raise BundleRollbackError(
            f"version {manifest.version} of the policies is older than version {memory.version}, which was in force",
            hint="to go back, publish the older contents anew: watchword policies rollback",
        )
    if manifest.version == memory.version and manifest.digest != memory.digest:
        raise BundleRollbackError(
            f"another bundle than the one that was in force calls itself version {manifest.version}",
            hint="publish with a new version; every version is published once",
        )


def check_files(parcel: Parcel, manifest: Manifest) -> None:
    """Return if the files are exactly those that a manifest names.

    Raises:
        BundleFilesError: one is missing, too many, or another.
    """
    named = {entry.path: entry for entry in manifest.files}
    if missing := sorted(named.keys() - parcel.files.keys()):
        raise BundleFilesError(f"`{shown(missing[0])}` is in the manifest and not in the bundle")
    if extra := sorted(parcel.files.keys() - named.keys()):
        raise BundleFilesError(f"`{shown(extra[0])}` is in the bundle and not in the manifest")
    for path, content in parcel.files.items():
        if FileEntry.of(path, content) != named[path]:
            raise BundleFilesError(f"`{shown(path)}` is not the file that was signed")
