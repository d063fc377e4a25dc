"""How a person makes browsers trust the local root, and the doing of it for the user's own NSS databases."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from watchword.keys.errors import KeysError

_NICKNAME: Final = "Watchword local root"
_SERVERS_ONLY: Final = "C,,"
_WITHIN_S: Final = 30


class TrustStoreError(KeysError):
    """A browser's trust store cannot be changed."""

    code: ClassVar[str] = "keys.trust_store"


@dataclass(frozen=True, slots=True)
class TrustStep:
    """One thing to do.

    Attributes:
        who: the browsers that it concerns.
        command: to be typed in a shell; nothing where only clicking helps.
    """

    who: str
    words: str
    command: str = ""


def trust_steps(root_file: Path, *, platform: str = sys.platform) -> tuple[TrustStep, ...]:
    """Tell how to trust the root on a platform, as `sys.platform` names it."""
    firefox = TrustStep(
        "Firefox",
        f"Settings, Privacy & Security, View Certificates, Authorities, Import: choose {root_file} and tick "
        "`Trust this CA to identify websites`.",
    )
    if platform == "darwin":
        keychain = "~/Library/Keychains/login.keychain-db"
        command = f"security add-trusted-cert -r trustRoot -p ssl -k {keychain} '{root_file}'"
        return TrustStep("Safari, Chrome, Edge", "Add it to your login keychain.", command), firefox
    if platform == "win32":
        command = f'certutil -user -addstore Root "{root_file}"'
        return TrustStep("Edge, Chrome", "Add it to your own root store.", command), firefox
    nss = f"certutil -d sql:$HOME/.pki/nssdb -A -t '{_SERVERS_ONLY}' -n '{_NICKNAME}' -i '{root_file}'"
    system = f"sudo cp '{root_file}' /usr/local/share/ca-certificates/watchword.crt && sudo update-ca-certificates"
    return (
        TrustStep("Chromium, Chrome, Edge", "Add it to your NSS database (package libnss3-tools).", nss),
        firefox,
        TrustStep("curl, wget, Python", "Add it to the system's store (Debian, Ubuntu).", system),
    )


def nss_databases(home: Path) -> Iterator[Path]:
    """Yield the user's NSS databases: Chromium's, and each Firefox profile's."""
    yield home / ".pki" / "nssdb"
    for pattern in (".mozilla/firefox/*/cert9.db", "snap/firefox/common/.mozilla/firefox/*/cert9.db"):
        for database in sorted(home.glob(pattern)):
            yield database.parent


def trust_in_nss(root_file: Path, *, home: Path) -> tuple[Path, ...]:
    """Trust the root for web servers in the user's NSS databases; return those that now do.

    Raises:
        TrustStoreError: `certutil` is missing or refuses.
    """
    certutil = _certutil()
    databases = tuple(nss_databases(home))
    for database in databases:
        if not (database / "cert9.db").exists():
            database.mkdir(parents=True, exist_ok=True, mode=0o700)
            _run(certutil, database, "-N", "--empty-password")
        _forget(certutil, database)
        _run(certutil, database, "-A", "-t", _SERVERS_ONLY, "-n", _NICKNAME, "-i", str(root_file))
    return databases


def distrust_in_nss(*, home: Path) -> None:
    """Remove the root from the user's NSS databases.

    Raises:
        TrustStoreError: `certutil` is missing.
    """
    certutil = _certutil()
    for database in nss_databases(home):
        if (database / "cert9.db").exists():
            _forget(certutil, database)


def _certutil() -> str:
    found = shutil.which("certutil")
    if found is None or sys.platform == "win32":
        raise TrustStoreError(
            "`certutil` of NSS is not installed", hint="Debian, Ubuntu: apt-get install libnss3-tools"
        )
    return found


def _forget(certutil: str, database: Path) -> None:
    """Remove every root of ours; a database may hold several of one nickname."""
    while _call(certutil, database, "-D", "-n", _NICKNAME).returncode == 0:
        pass


def _run(certutil: str, database: Path, *arguments: str) -> None:
    done = _call(certutil, database, *arguments)
    if done.returncode != 0:
        raise TrustStoreError(f"certutil refuses to change `{database}`: {done.stderr.strip()}")


def _call(certutil: str, database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [certutil, "-d", f"sql:{database}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_WITHIN_S)  # noqa: S603  # no shell
