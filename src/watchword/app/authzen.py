"""The AuthZEN API of a node, put together: its listener at the edge, its facts, its door."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from watchword.app.services import Services
from watchword.audit import Journal
from watchword.decision import Application, FactBase
from watchword.enforcement.authzen import (
    SLACK,
    Authzen,
    AuthzenApp,
    Callers,
    EntitiesFile,
    Knowledge,
    Pages,
    Sources,
)
from watchword.enforcement.envoy import PublishedApi, TcpAddress
from watchword.identity import UserFacts
from watchword.kernel import Event
from watchword.policy import PolicySet
from watchword.policy.rego import RemoteOpa
from watchword.policy.relations import RelationModel, RelationView
from watchword.settings import Settings

_SOCKET: Final = "authzen.sock"
_HTTPS_PORT: Final = 443


class AuthzenPart:
    """The API of one node.

    Attributes:
        app: what answers on the socket.
        service: what it asks.
        filed: the file of entities; its `problem` belongs in the node's status.
    """

    def __init__(
        self,
        services: Services,
        applications: Sequence[Application],
        facts: FactBase,
        policies: Callable[[], PolicySet],
        journal: Journal,
        relations: Callable[[RelationModel | None], RelationView | None],
        remote: RemoteOpa | None = None,
    ) -> None:
        settings = services.settings.authzen
        self._people = _People(facts)
        self.filed = EntitiesFile(entities_path(services.settings))
        self.filed.load()
        self.service = service = Authzen(
            Sources(
                policies=policies,
                people=self._people,
                knowledge=Knowledge(self._people, applications),
                filed=self.filed,
                snapshot_max_age_s=services.settings.decision.snapshot_max_age_s,
                relations=relations,
            ),
            settings,
            journal=journal,
            pages=Pages(services.sealer),
            clock=services.clock,
            entropy=services.entropy,
            remote=remote,
        )
        self.app = AuthzenApp(service, Callers(settings.callers), settings, origin(services.settings))

    async def observe(self, events: Sequence[Event]) -> None:
        """Follow committed events, after the facts did."""
        await self._people.observe(events)

    def background(self) -> Coroutine[Any, Any, None]:
        """Return the work that must go on while the node runs."""
        return self.filed.run()


class _People:
    """The fact base, with a version that counts users alone: sessions come and go far more often."""

    def __init__(self, facts: FactBase) -> None:
        self._facts = facts
        self.version = 0

    @property
    def snapshot(self) -> int:
        """The version of the whole picture."""
        return self._facts.version

    def age_s(self) -> float:
        """Return how old the picture may be."""
        return self._facts.age_s()

    def users(self) -> Iterable[UserFacts]:
        """Return every user."""
        return self._facts.users()

    async def observe(self, events: Sequence[Event]) -> None:
        if any(event.type.startswith(("identity.user.", "identity.group.")) for event in events):
            self.version += 1


def origin(settings: Settings) -> str:
    """Return where callers reach the API."""
    authzen = settings.authzen
    port = authzen.public_port or TcpAddress.parse(authzen.listen).port
    return f"https://{settings.edge.host}" + ("" if port == _HTTPS_PORT else f":{port}")


def published_apis(settings: Settings, run: Path) -> tuple[PublishedApi, ...]:
    """Tell the edge where the API listens, if it is on."""
    authzen = settings.authzen
    if not authzen.enabled:
        return ()
    longest = authzen.max_body_kb * 1024 + SLACK
    return (PublishedApi("authzen", TcpAddress.parse(authzen.listen), run / _SOCKET, longest),)


def entities_path(settings: Settings) -> Path | None:
    """Return the file of entities; a relative path lies in the data directory."""
    name = settings.authzen.entities_file
    return settings.data / name if name else None
