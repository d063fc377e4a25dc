"""A bundle as it arrived, and as it is once everything about it was verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watchword.policy.bundles.envelope import Envelope
from watchword.policy.bundles.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Parcel:
    """Everything that came, nothing of it believed yet.

    Attributes:
        envelope: the manifest's bytes with their signatures.
        files: by path; every policy file that came, whether the manifest names it or not.
    """

    envelope: Envelope
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle that `verify` found right; made nowhere else.

    Attributes:
        signers: the ids of the known keys whose signatures counted, in order.
    """

    parcel: Parcel
    manifest: Manifest
    signers: tuple[str, ...]
