"""Own policy bundles: building, signing, carrying, verifying and keeping them, and following a source of them.

Publishes `BundleSource`, `publish`, `verify`, carriers and keys. Refuses whatever is not signed, is older, is over, or
holds anything but what its manifest names.
"""

from watchword.policy.bundles.alarm import Alarm, Notice, OutboxAlarm
from watchword.policy.bundles.carriers import Carrier, PathCarrier
from watchword.policy.bundles.difference import Change, Difference, FileChange, PolicyChange, compare
from watchword.policy.bundles.envelope import Envelope, Signature
from watchword.policy.bundles.errors import (
    BundleError,
    BundleExpiredError,
    BundleFilesError,
    BundleKeptError,
    BundleKeyError,
    BundleMalformedError,
    BundleRollbackError,
    BundleSignatureError,
    BundleUnreachableError,
)
from watchword.policy.bundles.events import (
    BUNDLE_ACCEPTED,
    BUNDLE_EXPIRED,
    BUNDLE_EXPIRING,
    BUNDLE_PUBLISHED,
    BUNDLE_REFUSED,
    BUNDLE_UNREACHABLE,
)
from watchword.policy.bundles.folder import ENVELOPE_FILE, read_parcel, read_policy_files, write_folder
from watchword.policy.bundles.gates import Gate, RightPolicies, notes_of
from watchword.policy.bundles.git import GitCarrier, check_folder, check_ref, protocol_of
from watchword.policy.bundles.kept import Kept
from watchword.policy.bundles.keys import FileKey, PublicKey, RingKey, SigningKey, TrustedKeys
from watchword.policy.bundles.manifest import FileEntry, Manifest, is_bundle_name
from watchword.policy.bundles.parcel import Parcel, VerifiedBundle
from watchword.policy.bundles.publication import Form, Release, build, checked, form_of, offered_version, sign, write
from watchword.policy.bundles.reference import ArtifactReference
from watchword.policy.bundles.registry import RegistryCarrier
from watchword.policy.bundles.registry_auth import AUTH_VARIABLE, Credentials
from watchword.policy.bundles.source import BundleSource, Rules
from watchword.policy.bundles.verification import Memory, check_files, signers, verify
from watchword.policy.bundles.web import UrlCarrier

__all__ = [
    "AUTH_VARIABLE",
    "BUNDLE_ACCEPTED",
    "BUNDLE_EXPIRED",
    "BUNDLE_EXPIRING",
    "BUNDLE_PUBLISHED",
    "BUNDLE_REFUSED",
    "BUNDLE_UNREACHABLE",
    "ENVELOPE_FILE",
    "Alarm",
    "ArtifactReference",
    "BundleError",
    "BundleExpiredError",
    "BundleFilesError",
    "BundleKeptError",
    "BundleKeyError",
    "BundleMalformedError",
    "BundleRollbackError",
    "BundleSignatureError",
    "BundleSource",
    "BundleUnreachableError",
    "Carrier",
    "Change",
    "Credentials",
    "Difference",
    "Envelope",
    "FileChange",
    "FileEntry",
    "FileKey",
    "Form",
    "Gate",
    "GitCarrier",
    "Kept",
    "Manifest",
    "Memory",
    "Notice",
    "OutboxAlarm",
    "Parcel",
    "PathCarrier",
    "PolicyChange",
    "PublicKey",
    "RegistryCarrier",
    "Release",
    "RightPolicies",
    "RingKey",
    "Rules",
    "Signature",
    "SigningKey",
    "TrustedKeys",
    "UrlCarrier",
    "VerifiedBundle",
    "build",
    "check_files",
    "check_folder",
    "check_ref",
    "checked",
    "compare",
    "form_of",
    "is_bundle_name",
    "notes_of",
    "offered_version",
    "protocol_of",
    "read_parcel",
    "read_policy_files",
    "sign",
    "signers",
    "verify",
    "write",
    "write_folder",
]
