"""The sample application `notes`, published like any other."""

from __future__ import annotations

import sys
from pathlib import Path

from watchword.decision import Application, ResourceRule
from watchword.kernel import Sensitivity

NAME = "notes"
HOST = "notes.localhost"


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
