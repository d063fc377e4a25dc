"""The AuthZEN API over policies in a directory: one line a call, in process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decision_world import NOTES

from watchword.audit.model import encode
from watchword.decision import Application
from watchword.enforcement.authzen import (
    Authzen,
    AuthzenApp,
    AuthzenSettings,
    Callers,
    CallerSettings,
    EntitiesFile,
    Knowledge,
    Pages,
    Sources,
    Told,
    hash_of,
    new_key,
)
from watchword.identity import UserFacts
from watchword.kernel import FrozenClock, UserId
from watchword.keys import MasterKey, Sealer
from watchword.policy import PolicySet
from watchword.policy.relations import Graph, RelationView

ORIGIN = "https://pdp.example.com"


class MemoryJournal:
    """Keeps records as the journal would have them; refuses with whatever error it is given."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.error: Exception | None = None

    async def append(self, record: dict[str, Any]) -> int:
        if self.error is not None:
            raise self.error
        self.records.append(json.loads(encode(record)))
        return len(self.records)


class Crowd:
    """The users of a node, one line each."""

    def __init__(self, clock: FrozenClock, entropy: Any) -> None:
        self._clock, self._entropy = clock, entropy
        self.all: dict[UserId, UserFacts] = {}
        self.version = 0
        self.snapshot = 0
        self.age = 0.0

    def age_s(self) -> float:
        return self.age

    def users(self) -> Iterable[UserFacts]:
        return self.all.values()

    def add(self, name: str, *, groups: Sequence[str] = (), **about: Any) -> UserFacts:
        user = UserFacts(
            **{
                "id": UserId.new(self._clock.now(), self._entropy),
                "name": name,
                "display_name": name.title(),
                "email": None,
                "timezone": "UTC",
                "groups": frozenset(groups),
                "is_administrator": "administrators" in groups,
                "is_disabled": False,
                "is_privileged": False,
            }
            | about
        )
        self.all[user.id] = user
        self.version += 1
        return user


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class AuthzenWorld:
    """One API, its callers `shop` (hears reasons) and `quiet` (hears none)."""

    def __init__(
        self,
        clock: FrozenClock,
        entropy: Any,
        policies: Path | PolicySet,
        *,
        entities: Path | None = None,
        namespaces: Sequence[str] = (),
        applications: Sequence[Application] = (NOTES,),
        candidates: Any = None,
        graph: Graph | None = None,
        **settings: Any,
    ) -> None:
        self.clock, self.entropy = clock, entropy
        self.policies = policies if isinstance(policies, PolicySet) else PolicySet.load(policies)
        self.people = Crowd(clock, entropy)
        self.journal = MemoryJournal()
        self.filed = EntitiesFile(entities)
        self.filed.load()
        self.keys = {name: new_key(entropy).reveal() for name in ("shop", "quiet")}
        callers = tuple(
            CallerSettings(
                name, (hash_of(key).hex(),), tuple(namespaces), reasons=Told.NOTHING if name == "quiet" else Told.ALL
            )
            for name, key in self.keys.items()
        )
        self.settings = AuthzenSettings(enabled=True, callers=callers, **settings)
        self.service = Authzen(
            Sources(
                policies=lambda: self.policies,
                people=self.people,
                knowledge=Knowledge(self.people, applications),
                filed=self.filed,
                snapshot_max_age_s=2.0,
                candidates=candidates,
                relations=lambda model: RelationView(model, graph or Graph()) if model else None,
            ),
            self.settings,
            journal=self.journal,
            pages=Pages(Sealer(MasterKey(b"m" * 32))),
            clock=clock,
            entropy=entropy,
        )
        self.app = AuthzenApp(self.service, Callers(callers), self.settings, ORIGIN)

    async def post(self, path: str, body: Any, *, caller: str | None = "shop", **headers: str) -> Reply:
        """Send a question; a `bytes` body goes as it is. Header names are written with underscores."""
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if caller is not None:
            sent.setdefault("authorization", f"Bearer {self.keys[caller]}")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await call(self.app, "POST", path, raw, sent)

    async def decides(self, question: Mapping[str, Any], *, caller: str = "shop") -> Any:
        """Ask one question and return the answer's JSON."""
        reply = await self.post("/access/v1/evaluation", question, caller=caller)
        assert reply.status == 200, reply.body
        return reply.json

    async def finds(self, sought: str, question: Mapping[str, Any]) -> Any:
        """Ask for one page of a search and return the answer's JSON."""
        reply = await self.post(f"/access/v1/search/{sought}", question)
        assert reply.status == 200, reply.body
        return reply.json


async def call(app: Any, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Send one request to an ASGI application."""
    sent: list[Mapping[str, Any]] = []
    pieces = [body[at : at + 4096] for at in range(0, len(body), 4096)] or [b""]

    async def receive() -> Mapping[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "query_string": b""}
    await app(scope, receive, send)
    found = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


def question(subject: Any = "user/alice", action: Any = "read", resource: Any = "record/record-1", **more: Any) -> Any:
    """Write a question in a line: `type/id`, a name, `type/id`; whatever is no text goes as it is."""
    return {"subject": _party(subject), "action": _action(action), "resource": _party(resource)} | more


def _party(words: Any) -> Any:
    return dict(zip(("type", "id"), words.split("/", 1), strict=True)) if isinstance(words, str) else words


def _action(words: Any) -> Any:
    return {"name": words} if isinstance(words, str) else words
