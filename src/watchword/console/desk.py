"""Everything the pages stand on, in one value that `app.py` fills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from watchword.console.assets import Assets
from watchword.console.pages import Pages
from watchword.console.policy_ports import AuthzenStatus, RelationDesk
from watchword.console.ports import (
    Applications,
    AuditStatus,
    Decisions,
    Feedback,
    Habits,
    Health,
    Places,
    PolicyStatus,
    PublishedApplication,
    PublishedKeys,
    Risk,
    Verdicts,
    Visitors,
)
from watchword.console.settings import ConsoleSettings
from watchword.devices import DeviceReader, Devices
from watchword.identity import Identity
from watchword.kernel import Clock


@dataclass(frozen=True, slots=True)
class Services:
    """What `app.py` brings.

    Attributes:
        csrf_key: 32 bytes, `sealer.derive("console.csrf")`.
        settled: returns when every observer of this process has seen what was committed before the call, so that the
            next page, and the next request at any door, already know of it.
        feedback: who learns from what people say of their sign-ins; without it a sign-in that was not theirs only ends.
        verdicts: what administrators say of decisions; without it they cannot.
        habits: what is usual for people; without it no page tells.
        relations: who is related to what; without it there is nobody to ask.
        authzen: the API for enforcement points that are not ours; without it, it is off.
    """

    clock: Clock
    csrf_key: bytes
    identity: Identity
    devices: Devices
    device_reader: DeviceReader
    visitors: Visitors
    risk: Risk
    applications: Applications
    decisions: Decisions
    policies: PolicyStatus
    audit: AuditStatus
    places: Places
    keys: PublishedKeys
    health: Health
    settled: Callable[[], Awaitable[None]]
    feedback: Feedback | None = None
    verdicts: Verdicts | None = None
    habits: Habits | None = None
    relations: RelationDesk | None = None
    authzen: AuthzenStatus | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """The services, the settings and the means to make pages.

    Attributes:
        explaining: held while the policies are asked again with every clause watched, which may take seconds of a
            processor where there are thousands.
    """

    services: Services
    settings: ConsoleSettings
    assets: Assets
    pages: Pages
    explaining: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    @property
    def portal_host(self) -> str:
        """The host of the portal without its port, as handles are bound to it."""
        return urlsplit(self.settings.portal_origin).hostname or ""

    def origins(self) -> tuple[str, ...]:
        """Every origin that a sign-in may lead back to: the portal and the published applications."""
        published = [origin for app in self.services.applications.published() for origin in app.origins]
        return (self.settings.portal_origin, *published)

    def application_at(self, authority: str) -> tuple[PublishedApplication, str] | None:
        """Return the application that has this `host[:port]`, and the origin it has it under."""
        for app in self.services.applications.published():
            for origin in app.origins:
                if urlsplit(origin).netloc == authority:
                    return app, origin
        return None
