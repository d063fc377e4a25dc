"""The control plane of one node: open everything in order, serve, close everything in the opposite order."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from watchword import __version__
from watchword.app import adapters
from watchword.app.authzen import origin, published_apis
from watchword.app.control import ControlApp, Question
from watchword.app.data import hold, prepare, run_directory
from watchword.app.deciding import Deciding
from watchword.app.feeds import in_short
from watchword.app.sample import HOST as SAMPLE_HOST
from watchword.app.sample import sample_application, sample_command, sample_environment, wait_for_sample
from watchword.app.services import Services, authority_of, obligation_keys, open_services
from watchword.app.serving import Listener, on_address, on_unix_socket
from watchword.audit import Journal
from watchword.console import ConsoleSettings, create_console
from watchword.decision import Application
from watchword.enforcement.answers import Answers
from watchword.enforcement.assertion import AssertionMinter
from watchword.enforcement.door import Door
from watchword.enforcement.envoy import (
    ENVOY_ENVIRONMENT,
    BodyService,
    EdgeFiles,
    PublishedApplication,
    StreamGuard,
    TcpAddress,
    Upstream,
    check_addresses,
    wait_ready,
    write_certificate_secret,
)
from watchword.enforcement.envoy import prepare as prepare_envoy
from watchword.enforcement.ext_authz import ExtAuthz
from watchword.enforcement.forward_auth import ForwardAuth
from watchword.enforcement.leases import LeaseBoard, LeaseBoardError, LeaseDesk
from watchword.kernel import Event, WatchwordError
from watchword.settings import Settings
from watchword.supervisor import AGAIN_VARIABLE, report

_ENVOY_READY_S: Final = 15.0
_SAMPLE_READY_S: Final = 15.0
_HOUSEKEEPING_S: Final = 60.0
_FORBIDDEN: Final = 403
_PURPOSES: Final = ("assertion", "journal")


class Node:
    """One control plane.

    Args:
        settings: the whole configuration, checked.
        with_sample: publish the sample application beside the configured ones.

    Attributes:
        broken: set when work in the background ended by a failure; the process is to end, so that it is started anew.
    """

    def __init__(self, settings: Settings, *, with_sample: bool) -> None:
        self._settings = settings
        self._with_sample = with_sample
        self._stack = AsyncExitStack()
        self.broken = asyncio.Event()
        self._run = Path()

    async def start(self) -> None:
        """Open everything; when this returns the node decides, serves and has said so.

        Raises:
            WatchwordError: something cannot be used; nothing is left half started.
        """
        settings = self._settings
        prepare(settings.data)
        self._stack.enter_context(hold(settings.data))
        self._run = run_directory(settings.data)
        # Of a control plane that comes back, Envoy itself holds the addresses.
        if AGAIN_VARIABLE not in os.environ:
            check_addresses([*settings.edge.listeners, *(api.address for api in published_apis(settings, self._run))])
        applications = self._published()
        services = await self._stack.enter_async_context(open_services(settings))
        _ready("database", "sqlite" if services.database.is_sqlite else "postgresql")
        files = await self._open_keys(services, applications)
        self._start_programs(applications, files)
        decides = await self._open_decision(services, applications)
        await self._open_doors(services, applications, decides, files)
        await wait_ready(files, timeout_s=_ENVOY_READY_S)
        _ready("envoy", str(settings.edge.listen_address))
        if self._with_sample:
            await wait_for_sample(self._run, timeout_s=_SAMPLE_READY_S)
            _ready("notes", settings.edge.origin(SAMPLE_HOST))
        self._keep(self._housekeeping(services, applications, files, decides))
        await self._announce(services, applications)

    async def stop(self) -> None:
        """Close everything, newest first."""
        await self._stack.aclose()

    def _published(self) -> tuple[Application, ...]:
        configured = self._settings.applications
        if not self._with_sample or any(app.name == "notes" for app in configured):
            return configured
        return (*configured, replace(sample_application(self._run), profile=self._settings.trust.profile))

    async def _open_keys(self, services: Services, applications: Sequence[Application]) -> EdgeFiles:
        for purpose in _PURPOSES:
            await services.keys.ensure(purpose)
        self._write_jwks(services)
        return self._certificates(applications)[0]

    def _certificates(self, applications: Sequence[Application]) -> tuple[EdgeFiles, bool]:
        """See that the edge has a certificate; tell whether it is a new one."""
        edge = self._settings.edge
        log = self._settings.data / "log"
        if edge.certificate_file:
            return EdgeFiles(self._run, Path(edge.certificate_file), Path(edge.private_key_file), log), False
        hosts = [edge.host, *(host for app in applications for host in app.hosts)]
        issued = authority_of(self._settings).ensure(hosts)
        return EdgeFiles(self._run, issued.certificate_file, issued.private_key_file, log), issued.is_new

    def _write_jwks(self, services: Services) -> None:
        """Publish the keys for applications on this machine; replaced whole, so that no reader sees half."""
        path = self._run / "jwks.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(services.keys.jwks("assertion")))
        fresh.replace(path)

    def _start_programs(self, applications: Sequence[Application], files: EdgeFiles) -> None:
        """Let the supervisor start Envoy and the sample now; Envoy denies until this process answers."""
        published = [_edge_view(app) for app in applications]
        apis = published_apis(self._settings, self._run)
        envoy = prepare_envoy(self._settings.edge, published, files, apis)
        report(kind="program", name="envoy", argv=envoy, environment=dict(ENVOY_ENVIRONMENT))
        if self._with_sample:
            notes = sample_command(self._run, self._settings.edge.origin())
            report(kind="program", name="notes", argv=notes, environment=sample_environment())

    async def _open_decision(self, services: Services, applications: Sequence[Application]) -> Deciding:
        journal = await asyncio.to_thread(
            Journal.open,
            self._settings.journal_directory,
            signer=services.keys.signer("journal"),
            clock=services.clock,
            keys=services.keys.all_ever("journal"),
        )
        self._stack.push_async_callback(journal.close)
        _ready("journal", f"{journal.seq} records")
        decides = Deciding(services, applications, journal)
        self._stack.push_async_callback(decides.close)
        await decides.open()

        async def follow_keys(events: Sequence[Event]) -> None:
            if any(event.type.startswith("keys.key.") for event in events):
                journal.use_signer(services.keys.signer("journal"))
                self._write_jwks(services)

        decides.subscribe(follow_keys)
        for work in decides.background():
            self._keep(work)
        policies = (f"{len(decides.policies.current)} in force", decides.policies.problem)
        _ready("policies", "; ".join(filter(None, policies)))
        if decides.feeds:
            _ready("feeds", in_short(decides.feeds))
        return decides

    async def _open_doors(
        self, services: Services, applications: Sequence[Application], decides: Deciding, files: EdgeFiles
    ) -> None:
        console = create_console(
            decides.console_services(), _console_settings(self._settings), entropy=services.entropy
        )
        portal = self._settings.edge.origin()
        page = adapters.refusal_page(portal, {app.name: app.title for app in applications})
        fulfilling = {app.name for app in applications if app.fulfils_obligations}
        minter = AssertionMinter(lambda: services.keys.signer("assertion"), portal, fulfils=fulfilling.__contains__)
        wanted = {app.name: dict(app.identity_headers) for app in applications}

        def door(
            unavailable: int, reduces: Callable[[str], bool] | None = None, leases: LeaseDesk | None = None
        ) -> Door:
            return Door(
                decides.point,
                Answers(portal, page, entropy=services.entropy, unavailable=unavailable),
                minter,
                identity_headers=wanted.__getitem__,
                admitted=decides.streams.admitted,
                reduces=reduces,
                leases=leases,
            )

        # Envoy replaces a 5xx of its authorizer by a bare page of its own, so towards Envoy "unavailable" is a 403.
        authorizer = door(_FORBIDDEN, lambda name: name not in fulfilling, self._open_leases(decides, files))
        await self._listen(ExtAuthz(authorizer, on_unix_socket(files.authz_socket)))
        await self._listen(Listener(console, on_unix_socket(files.web_socket)))
        told = {"/status": decides.status, "/candidate": decides.candidate_figures}
        asked: dict[str, Question] = {"/suppose": decides.supposing(), "/related": decides.relating()}
        await self._listen(Listener(ControlApp(told, asked), on_unix_socket(self._run / "control.sock")))
        guard = StreamGuard(services.clock, decides.streams.admits)
        decides.streams.guarded_by(guard)
        await guard.start(files.guard_socket)
        self._stack.push_async_callback(guard.close)
        bodies = BodyService(
            obligation_keys(self._settings, services.sealer),
            witness=decides.witness(),
            clock=services.clock,
            most_bytes=self._settings.obligations.max_body_kib * 1024,
            held_bytes=self._settings.obligations.max_held_mib * 1024 * 1024,
        )
        await bodies.start(files.bodies_socket)
        self._stack.push_async_callback(bodies.close)
        for api in published_apis(self._settings, self._run):
            authzen = decides.authzen()
            self._keep(authzen.background())
            await self._listen(Listener(authzen.app, on_unix_socket(api.socket)))
            _ready("authzen", origin(self._settings))
        forward = self._settings.forward_auth
        if forward.listen:
            address = TcpAddress.parse(forward.listen)
            check_addresses([address])
            trusted = [ipaddress.ip_network(network) for network in forward.trusted_proxies]
            believed = {name for app in applications for name in app.identity_headers}
            front = ForwardAuth(door(503), console, trusted, identity_headers=believed)
            await self._listen(Listener(front, on_address(address.host, address.port)))
            _ready("forward auth", forward.listen)
        _ready("decision point", f"{len(applications)} applications")

    def _open_leases(self, decides: Deciding, files: EdgeFiles) -> LeaseDesk | None:
        """Let the edge repeat allows by itself, if that is wanted and its memory can be had."""
        if not self._settings.edge.lease_s:
            return None
        try:
            board = LeaseBoard.open(files.lease_board)
        except LeaseBoardError as error:
            _ready("leases", f"off: {error.message}")
            return None
        desk = decides.leases(board)
        self._stack.push_async_callback(desk.close)
        self._keep(desk.run())
        return desk

    async def _listen(self, listener: Listener | ExtAuthz) -> None:
        await listener.start()
        self._stack.push_async_callback(listener.stop)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the background until the node stops; if it fails, the node is broken."""
        task = asyncio.create_task(work, name=getattr(work, "__name__", "work").strip("_"))
        task.add_done_callback(self._note_end)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not self.broken.is_set():
            report(kind="part", name=task.get_name(), state="failed", detail=type(failure).__name__)
            self.broken.set()

    async def _housekeeping(
        self, services: Services, applications: Sequence[Application], files: EdgeFiles, decides: Deciding
    ) -> None:
        """Rotate keys and renew the certificate when they are due; let go of events that nobody will ask for."""
        every = timedelta(days=self._settings.keys.rotate_days)
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            try:
                for purpose in _PURPOSES:
                    if services.clock.now() - services.keys.signer(purpose).kid.created_at > every:
                        await services.keys.rotate(purpose)
                await services.keys.retire_due()
                self._write_jwks(services)
                if self._certificates(applications)[1]:
                    write_certificate_secret(files)
                await decides.trim()
            except (WatchwordError, OSError) as error:
                # Keys and certificates are renewed long before they end, so the next round is soon enough.
                report(kind="part", name="housekeeping", state="failed, to be tried again", detail=str(error))

    async def _announce(self, services: Services, applications: Sequence[Application]) -> None:
        edge = self._settings.edge
        addresses = [("Portal", edge.origin())]
        addresses += [(app.title, edge.origin(app.hosts[0])) for app in applications]
        lines: list[str] = []
        link = ""
        invitation = await services.identity.accounts.first_administrator()
        if invitation is not None:
            link = f"{edge.origin()}/invite/{invitation.token.reveal()}"
            lines += [
                "",
                "There is no administrator yet. Open this link once, within 24 hours, to become it:",
                f"  {link}",
            ]
        if not edge.certificate_file:
            lines += [
                "",
                "Browsers do not know this machine's certificate authority yet: `watchword ca trust` tells them.",
            ]
        report(
            kind="up",
            addresses=addresses,
            lines=lines,
            link=link,
            version=__version__,
            data=str(self._settings.data),
            authority=str(self._settings.data / "ca" / "root.pem"),
        )


def _edge_view(app: Application) -> PublishedApplication:
    return PublishedApplication(
        name=app.name,
        hosts=app.hosts,
        upstream=Upstream.parse(app.upstream),
        streaming=app.streaming,
        identity_headers=tuple(name.lower() for name in app.identity_headers),
    )


def _console_settings(settings: Settings) -> ConsoleSettings:
    return ConsoleSettings(portal_origin=settings.edge.origin())


def _ready(name: str, detail: str) -> None:
    report(kind="part", name=name, state="ready", detail=detail)
