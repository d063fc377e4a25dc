"""The control plane of one node: open everything in order, serve, close everything in the opposite order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from watchword.app.adapters import (
    ApplicationsAdapter,
    AuditAdapter,
    DecisionsAdapter,
    HealthAdapter,
    PlacesAdapter,
    PolicyAdapter,
    RiskAdapter,
    refusal_page,
)
from watchword.app.control import ControlApp
from watchword.app.data import hold, prepare, run_directory
from watchword.app.policies import plant_default_policies
from watchword.app.sample import sample_application, sample_command
from watchword.app.services import Services, open_services
from watchword.app.serving import Listener, on_address, on_unix_socket
from watchword.audit import Journal
from watchword.bus import Bus
from watchword.console import ConsoleSettings, create_console
from watchword.decision import Application, Decision, DecisionPoint, FactBase, Procedure, Sources
from watchword.enforcement.answers import Answers
from watchword.enforcement.assertion import AssertionMinter
from watchword.enforcement.door import Door
from watchword.enforcement.envoy import EdgeFiles, PublishedApplication, StreamGuard, Upstream
from watchword.enforcement.envoy.process import check_addresses, prepare as prepare_envoy, wait_ready
from watchword.enforcement.ext_authz import ExtAuthz
from watchword.enforcement.forward_auth import ForwardAuth
from watchword.enforcement.streams import Streams
from watchword.identity import ADMINISTRATORS
from watchword.kernel import DecisionId, Event, SystemClock
from watchword.keys import LocalAuthority
from watchword.policy import PolicySource
from watchword.settings import Settings
from watchword.storage import OutboxRelay
from watchword.supervisor import die_with_parent, report
from watchword.trust import ContextSource, TrustState, profiles

_ENVOY_READY_S: Final = 15.0
_HOUSEKEEPING_S: Final = 60.0


class Node:
    """One control plane.

    Args:
        settings: the whole configuration, checked.
        with_sample: publish the sample application beside the configured ones.
    """

    def __init__(self, settings: Settings, *, with_sample: bool) -> None:
        self._settings = settings
        self._with_sample = with_sample
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open everything; when this returns the node decides, serves and has said so.

        Raises:
            WatchwordError: something cannot be used; nothing is left half started.
        """
        settings = self._settings
        prepare(settings.data)
        self._stack.enter_context(hold(settings.data))
        run = run_directory(settings.data)
        check_addresses(settings.edge.listeners)
        applications = self._applications(run)
        services = await self._stack.enter_async_context(open_services(settings))
        report(
            kind="part",
            name="database",
            state="ready",
            detail="sqlite" if services.database.is_sqlite else "postgresql",
        )
        await self._open_keys(services, run)
        self._start_programs(applications, run)
        await self._open_decision(services, applications)
        await self._open_doors(services, applications, run)
        await wait_ready(self._files, timeout_s=_ENVOY_READY_S)
        report(kind="part", name="envoy", state="ready", detail=str(settings.edge.listen_address))
        await self._announce(services, applications)

    async def stop(self) -> None:
        """Close everything, newest first."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._stack.aclose()

    def _applications(self, run: Path) -> tuple[Application, ...]:
        configured = self._settings.applications
        if not self._with_sample or any(app.name == "notes" for app in configured):
            return configured
        return (*configured, sample_application(run))

    async def _open_keys(self, services: Services, run: Path) -> None:
        for purpose in ("assertion", "journal"):
            await services.keys.ensure(purpose)
        self._write_jwks(services, run)
        edge = self._settings.edge
        if edge.certificate_file:
            certificate, key = Path(edge.certificate_file), Path(edge.private_key_file)
            self._authority_file: Path | None = None
        else:
            ...
        self._files = EdgeFiles(run, certificate, key, self._settings.data / "log")

    def _write_jwks(self, services: Services, run: Path) -> None:
        """Publish the keys for applications on this machine; replaced whole, so that a reader never sees half."""
        path = run / "jwks.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(services.keys.jwks("assertion")))
        fresh.replace(path)

    def _start_programs(self, applications: Sequence[Application], run: Path) -> None:
        """Let the supervisor start Envoy and the sample now; Envoy denies until this process answers."""
        argv = prepare_envoy(self._settings.edge, [_published(app) for app in applications], self._files)
        report(kind="program", name="envoy", argv=argv)
        if self._with_sample:
            report(kind="program", name="notes", argv=sample_command(run, self._settings.edge.origin()))


def _published(app: Application) -> PublishedApplication:
    return PublishedApplication(
        name=app.name,
        hosts=app.hosts,
        upstream=Upstream.parse(app.upstream),
        streaming=app.streaming,
        identity_headers=tuple(name.lower() for name in app.identity_headers),
    )
