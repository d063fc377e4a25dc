"""The sample application `notes`, published like any other."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

from watchword.app.errors import NodeError
from watchword.decision import Application, ResourceRule
from watchword.kernel import Sensitivity

NAME = "notes"
HOST = "notes.localhost"
_POLL_S = 0.02
# Where Python finds itself and its modules, how it writes letters and times.
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "TZ")


class SampleStartError(NodeError):
    """The sample application did not begin to listen."""

    code = "app.sample_start"


def sample_application(run: Path) -> Application:
    """Describe it as a configuration would."""
    return Application(
        name=NAME,
        title="Notes",
        hosts=(HOST,),
        upstream=f"unix:{run / 'notes.sock'}",
        resources=(
            ResourceRule("admin", "/admin", Sensitivity.CONFIDENTIAL),
            ResourceRule("default", "/", Sensitivity.INTERNAL),
        ),
        streaming=("/events", "/upload", "/ws"),
        permissions=("delete", "reports", "admin"),
    )


def sample_command(run: Path, issuer: str) -> list[str]:
    """Return the command that starts it."""
    return [
        *(sys.executable, "-m", "watchword.sample"),
        *("--socket", str(run / "notes.sock")),
        *("--jwks", str(run / "jwks.json")),
        *("--issuer", issuer),
    ]


def sample_environment() -> dict[str, str]:
    """Return all that it gets to know; like any other application it is told no secret of the node."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


async def wait_for_sample(run: Path, *, timeout_s: float) -> None:
    """Return when the sample application accepts connections.

    Raises:
        SampleStartError: it does not within `timeout_s` seconds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not _listens(run / "notes.sock"):  # noqa: ASYNC110  # another process has no event to wait for
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise SampleStartError(
            f"the sample application did not listen within {timeout_s:g} s", hint="start without it: --no-sample"
        ) from None


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # the standard library's own signature
        return probe.connect_ex(str(path)) == 0
