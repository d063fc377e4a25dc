"""Where this node's policies come from: a directory that people edit, or signed bundles; put together from settings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from watchword.app.services import Services
from watchword.kernel import SystemClock
from watchword.keys import KeyRing
from watchword.policy import DEFAULT_DIRECTORY, PolicySource
from watchword.policy.analysis import InvariantGate
from watchword.policy.bundles import (
    ArtifactReference,
    BundleSource,
    Carrier,
    Credentials,
    Gate,
    GitCarrier,
    Kept,
    OutboxAlarm,
    PathCarrier,
    PublicKey,
    RegistryCarrier,
    RightPolicies,
    Rules,
    TrustedKeys,
    UrlCarrier,
    VerifiedBundle,
    verify,
)
from watchword.policy.trials import TrialGate
from watchword.settings import NODE_KEY, PolicyOrigin, Settings, WhenExpired

PURPOSE: Final = "bundle"
_POLL_HERE_S: Final = 0.2
_POLL_ELSEWHERE_S: Final = 30.0

AnyPolicySource = PolicySource | BundleSource


def plant_default_policies(directory: Path) -> bool:
    """Copy the default policies into a directory that does not exist yet; tell whether it did.

    A directory that exists is left alone, even when it is empty: an operator who deleted every policy meant it, and
    without policies everything is denied.
    """
    if directory.exists():
        return False
    fresh = directory.with_name(directory.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(DEFAULT_DIRECTORY / "policies", fresh)
    fresh.rename(directory)
    return True


def policy_source(services: Services) -> AnyPolicySource:
    """Return what keeps the policies of this node in force."""
    settings = services.settings
    policy = settings.policy
    if not policy.is_signed:
        return PolicySource(settings.policy_directory, poll_s=policy.poll_s or _POLL_HERE_S)
    is_here = policy.source in {PolicyOrigin.DIRECTORY, PolicyOrigin.ARCHIVE}
    return BundleSource(
        carrier(settings),
        kept(settings),
        Rules(
            policy.name,
            lambda: trusted_keys(settings, services.keys),
            denies_when_expired=policy.when_expired is WhenExpired.DENY,
        ),
        services.clock,
        alarm=OutboxAlarm(services.database, services.clock, services.entropy),
        poll_s=policy.poll_s or (_POLL_HERE_S if is_here else _POLL_ELSEWHERE_S),
    )


def carrier(settings: Settings) -> Carrier:
    """Return what fetches bundles from where the configuration says."""
    policy = settings.policy
    ca_file = Path(policy.ca_file) if policy.ca_file else None
    if policy.source is PolicyOrigin.URL:
        return UrlCarrier(policy.location, ca_file=ca_file)
    if policy.source is PolicyOrigin.GIT:
        store = kept(settings).folder / "git"
        return GitCarrier(policy.location, store, ref=policy.ref, folder=policy.path, ca_file=ca_file)
    if policy.source is PolicyOrigin.REGISTRY:
        return RegistryCarrier(
            ArtifactReference.parse(policy.location),
            credentials=Credentials(Path(policy.credentials_file) if policy.credentials_file else None),
            auth_host=policy.auth_host,
            ca_file=ca_file,
        )
    return PathCarrier(settings.bundle_path)


def kept(settings: Settings) -> Kept:
    """Return what this data directory remembers of bundles."""
    return Kept(settings.data / "bundles", settings.policy.name)


def trusted_keys(settings: Settings, keys: KeyRing) -> TrustedKeys:
    """Return who may sign bundles for this node now.

    Raises:
        BundleKeyError: fewer keys than the threshold are there, as before the node's own was made.
    """
    known = [PublicKey.parse(key) for key in settings.policy.keys if key != NODE_KEY]
    if NODE_KEY in settings.policy.keys:
        known += [PublicKey(key.raw()) for key in keys.published(PURPOSE).values()]
    return TrustedKeys.of(known, settings.policy.threshold)


def in_force_directory(settings: Settings) -> Path:
    """Return where the policies lie that are in force when the node runs; may be missing."""
    if not settings.policy.is_signed:
        return settings.policy_directory
    return kept(settings).current() or settings.data / "bundles"


def last_in_force(settings: Settings, keys: KeyRing) -> VerifiedBundle | None:
    """Return the bundle that was last in force here, verified anew; nothing if there was none.

    Raises:
        BundleError: it would not be put in force again.
    """
    store = kept(settings)
    memory = store.memory()
    if store.current() is None:
        return None
    return verify(
        store.read(memory.version),
        trusted=trusted_keys(settings, keys),
        memory=memory,
        name=settings.policy.name,
        now=SystemClock().now(),
    )


def publish_gates(settings: Settings, *, needs_proof: bool = False) -> Sequence[Gate]:
    """Return what must hold before policies are signed, in this order.

    Args:
        needs_proof: somebody asked for proofs this time, whatever the configuration says.
    """
    policy = settings.policy
    return (
        RightPolicies(),
        TrialGate({"clauses": policy.min_coverage, "branches": policy.min_branch_coverage}),
        InvariantGate(needs_proof=needs_proof or policy.needs_proof, others_decide=bool(settings.opa.url)),
    )


def bundle_status(source: AnyPolicySource) -> dict[str, Any] | None:
    """Tell which bundle is in force; nothing where policies are not signed."""
    if isinstance(source, PolicySource):
        return None
    manifest = source.manifest
    if manifest is None:
        return {"version": 0, "digest": "", "expires_at": None}
    return {"version": manifest.version, "digest": manifest.digest, "expires_at": manifest.expires.isoformat()}
