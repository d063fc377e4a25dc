"""Why a bundle was not taken; each reason is a class, so that alerts and people can tell them apart."""

from __future__ import annotations

from typing import ClassVar

from watchword.policy.errors import PolicyError


class BundleError(PolicyError):
    """A policy bundle was refused; what was in force stays in force."""

    code: ClassVar[str] = "policy.bundle_refused"
    status: ClassVar[int] = 422


class BundleMalformedError(BundleError):
    """A bundle is not built as a bundle must be, or holds something that no bundle may hold."""

    code: ClassVar[str] = "policy.bundle_malformed"


class BundleSignatureError(BundleError):
    """A bundle does not carry enough signatures of known keys over exactly its manifest."""

    code: ClassVar[str] = "policy.bundle_signature"


class BundleFilesError(BundleError):
    """The files of a bundle are not exactly those that its signed manifest names."""

    code: ClassVar[str] = "policy.bundle_files"


class BundleRollbackError(BundleError):
    """A bundle is older than one that was in force, or is another one under the same version."""

    code: ClassVar[str] = "policy.bundle_rollback"


class BundleExpiredError(BundleError):
    """A bundle's time is over, or has not come."""

    code: ClassVar[str] = "policy.bundle_expired"


class BundleUnreachableError(BundleError):
    """The place that bundles come from does not answer, or not as it should."""

    code: ClassVar[str] = "policy.bundle_unreachable"
    status: ClassVar[int] = 503


class BundleKeyError(BundleError):
    """A key for bundles cannot be read, written or used."""

    code: ClassVar[str] = "policy.bundle_key"


class BundleKeptError(BundleError):
    """What this machine remembers of bundles cannot be read or written."""

    code: ClassVar[str] = "policy.bundle_kept"
    status: ClassVar[int] = 500
