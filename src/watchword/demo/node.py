"""A whole node of one's own: a fresh data directory, free ports, and a clean end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchword.audit import find_decision, last
from watchword.kernel import DecisionId

_START_WITHIN_S = 60.0
_STOP_WITHIN_S = 15.0
_LOWEST_PORT, _PORTS = 20_000, 12_000


class NodeFailedError(Exception):
    """The node did not start; the words are its own."""


class DemoNode:
    """`watchword up` in a child process.

    Args:
        data: the data directory; by default a temporary one that is deleted at the end.
        extra: further environment, for example settings.
    """

    def __init__(self, *, data: Path | None = None, extra: Mapping[str, str] | None = None) -> None:
        # Short, because the sockets live below it.
        self._own = Path(tempfile.mkdtemp(prefix="ww-")) if data is None else None
        self.data = data or (self._own or Path()) / "data"
        self.port, self.proxy_port = free_port(), free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")} | {
            "WATCHWORD_DATA": str(self.data),
            "WATCHWORD_EDGE__LISTEN": f"127.0.0.1:{self.port}",
            "WATCHWORD_EDGE__PROXY_PROTOCOL_LISTEN": f"127.0.0.1:{self.proxy_port}",
            **(extra or {}),
        }
        self._process: subprocess.Popen[str] | None = None
        self.up: dict[str, Any] = {}

    @property
    def portal(self) -> str:
        """The portal's origin."""
        return f"https://watchword.localhost:{self.port}"

    @property
    def notes(self) -> str:
        """The sample application's origin."""
        return f"https://notes.localhost:{self.port}"

    @property
    def authority(self) -> Path:
        """The root certificate to trust."""
        return self.data / "ca" / "root.pem"

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and return when the node says that it is up.

        Raises:
            NodeFailedError: it ended instead.
        """
        self._process = subprocess.Popen(  # our own program
            [sys.executable, "-m", "watchword", "--output", "json", "up"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "up":
                self.up = event
                return
            if event["event"] == "failed":
                said = event["message"]
        raise NodeFailedError(said or f"the node ended with code {self._process.wait()}")

    def stop(self) -> int:
        """Stop as Ctrl-C does; return the exit code."""
        code = 0
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            code = self._process.wait(_STOP_WITHIN_S)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
        return code

    def command(self, *words: str) -> Any:
        """Run a `watchword` command on this node and return what it printed, read as JSON."""
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-m", "watchword", "--output", "json", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_WITHIN_S,
        )
        if done.returncode != 0:
            raise NodeFailedError(f"`watchword {' '.join(words)}` failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def last_decision(self) -> dict[str, Any]:
        """Return the newest decision in the journal, whole, read from the file as an auditor would."""
        newest = last(self.data / "journal", 1, where=lambda record: record.type == "decision")
        return dict(find_decision(self.data / "journal", DecisionId(newest[0].fields["id"])).fields)

    def close(self) -> None:
        """Stop, and delete the temporary directory."""
        try:
            self.stop()
        finally:
            if self._own is not None:
                shutil.rmtree(self._own, ignore_errors=True)


def free_port() -> int:
    """Return a port of this machine that nobody uses.

    Below those that the system gives to outgoing connections, one of which could take it before it is listened on.
    """
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
