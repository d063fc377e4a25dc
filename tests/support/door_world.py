"""A door over a decision world: headers in, an answer out."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from fcntl import F_OFD_SETLK, F_UNLCK, fcntl
from pathlib import Path
from typing import Any

from decision_world import NOTES, DecisionWorld, Visit

from watchword.enforcement.answers import Answers, HttpAnswer, Refusal
from watchword.enforcement.assertion import AssertionMinter
from watchword.enforcement.door import Door
from watchword.enforcement.leases import LeaseBoard, LeaseDesk
from watchword.kernel import KeyId
from watchword.keys import Algorithm, Signer

PORTAL = "https://watchword.localhost:8443"


class DoorWorld:
    """One door and everything behind it."""

    def __init__(
        self,
        world: DecisionWorld,
        *,
        identity_headers: Mapping[str, str] | None = None,
        leases: LeaseDesk | None = None,
    ) -> None:
        self.world = world
        self.signer = Signer.generate(KeyId.new(world.clock.now(), world.entropy), Algorithm.ES256)
        self.minter = AssertionMinter(lambda: self.signer, PORTAL)
        self.refusals: list[Refusal] = []
        self.admitted: list[Any] = []
        self.answers = Answers(PORTAL, self._page, entropy=world.entropy)
        self.door = Door(
            world.point,
            self.answers,
            self.minter,
            identity_headers=lambda _: dict(identity_headers or {}),
            admitted=self.admitted.append,
            leases=leases,
        )

    def _page(self, refusal: Refusal) -> tuple[bytes, Mapping[str, str]]:
        self.refusals.append(refusal)
        return b"<page>", {"content-type": "text/html; charset=utf-8"}

    async def ask(
        self,
        visit: Visit | None,
        target: str = "/",
        *,
        method: str = "GET",
        host: str = f"{NOTES.hosts[0]}:8443",
        cookie: str | None = None,
        **headers: str,
    ) -> HttpAnswer:
        """Ask as a proxy would; header names are written with underscores."""
        sent = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        found = cookie if cookie is not None else cookies_of(visit)
        if found:
            sent[b"cookie"] = found.encode("latin-1")
        ip = visit.ip if visit else "203.0.113.7"
        sent |= {b"host": host.encode(), b"x-watchword-client-ip": ip.encode()}
        return await self.door.answer(method=method, host=host, target=target, client_ip=ip, headers=sent)

    def publish(self, path: Path) -> Path:
        """Write the keys as a node does."""
        path.write_text(json.dumps(self.jwks()))
        return path

    def jwks(self) -> dict[str, Any]:
        return {"keys": [dict(self.signer.verification_key.jwk())]}


def cookies_of(visit: Visit | None) -> str:
    if visit is None:
        return ""
    device = f"; __Host-ww-device={visit.device_handle}" if visit.device_handle else ""
    return f"__Host-ww-session={visit.handle}{device}"


def let_go_of(board: LeaseBoard) -> None:
    """Unlock a board, as the system does when the control plane that has it dies."""
    fcntl(board._file, F_OFD_SETLK, struct.pack("hhqqi4x", F_UNLCK, os.SEEK_SET, 0, 0, 0))


def header(answer: HttpAnswer, name: str) -> str | None:
    """Return the one value of a header."""
    found = [value for key, value in answer.headers if key == name.encode()]
    assert len(found) <= 1, f"{name} stands {len(found)} times"
    return found[0].decode() if found else None
