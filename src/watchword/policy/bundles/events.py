"""What this room tells the world of bundles."""

from __future__ import annotations

from watchword.kernel import EventType

BUNDLE_PUBLISHED = EventType(
    "policy.bundle.published",
    "A policy bundle was built and signed on this machine.",
    public="version digest keys rolled_back_to",
)
BUNDLE_ACCEPTED = EventType(
    "policy.bundle.accepted",
    "A policy bundle was verified and put in force.",
    public="version digest keys expires_at former_version",
)
BUNDLE_REFUSED = EventType(
    "policy.bundle.refused",
    "A policy bundle was refused; what was in force stays in force.",
    public="reason detail version",
)
BUNDLE_EXPIRED = EventType(
    "policy.bundle.expired",
    "The policy bundle in force reached its end.",
    public="version expires_at denies",
)
BUNDLE_EXPIRING = EventType(
    "policy.bundle.expiring",
    "Less than a quarter of the time of the policy bundle in force is left.",
    public="version expires_at",
)
BUNDLE_UNREACHABLE = EventType(
    "policy.bundle.unreachable",
    "The place that policy bundles come from did not answer several times in a row.",
    public="detail version",
)
