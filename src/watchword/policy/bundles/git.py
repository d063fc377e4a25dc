"""Fetch a bundle from a git repository without ever checking anything out.

The repository is fetched into a bare one of our own, and files are read as objects: no hook runs, no filter, no
submodule, no link, nothing is written where somebody else chose the name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from watchword.policy.bundles.envelope import MOST_ENVELOPE_BYTES, Envelope
from watchword.policy.bundles.errors import BundleMalformedError, BundleUnreachableError
from watchword.policy.bundles.folder import ENVELOPE_FILE
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.paths import (
    MOST_BUNDLE_BYTES,
    MOST_FILE_BYTES,
    MOST_FILES,
    check_paths,
    is_policy_file,
    shown,
)
from watchword.policy.bundles.process import run_limited

_FETCH_S: Final = 120.0
_READ_S: Final = 30.0
_MOST_PACKS: Final = 30  # nothing is collected, so now and then everything is fetched anew
_MOST_LISTING: Final = 8 * 1024 * 1024
_INCOMING: Final = "refs/watchword/incoming"
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", re.ASCII)
_FOLDER = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_SCP_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9._~/-]+", re.ASCII)
_PLAIN_FILES: Final = frozenset({"100644", "100755"})
_FORBIDDEN: Final[Mapping[str, str]] = {"120000": "a symbolic link", "160000": "a submodule"}
# Never asks, never learns a new host, forwards nothing, and ends by itself when the other side falls silent.
_SSH: Final = (
    "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oClearAllForwardings=yes "
    "-oConnectTimeout=10 -oServerAliveInterval=5 -oServerAliveCountMax=3"
)
_SETTINGS: Final[Mapping[str, str]] = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "core.attributesFile": "/dev/null",
    "core.bigFileThreshold": "16m",
    "core.packedGitLimit": "128m",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "20",
    "http.sslVerify": "true",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.version": "2",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
}


def protocol_of(location: str) -> str:
    """Return the one protocol that an address of a repository may be fetched by: https, ssh or file.

    Raises:
        ValueError: another protocol, a password in the address, or something that git would take for an option.
    """
    # Prevents: `--upload-pack=...` as an address, and `ext::sh -c ...`, which runs a command.
    if location.startswith("-") or "::" in location or not location.isprintable():
        raise ValueError("the address of a repository is https://, ssh:// or an absolute path")
    if location.startswith("/"):
        return "file"
    if _SCP_FORM.fullmatch(location):
        return "ssh"
    parts = urlsplit(location)
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise ValueError("the address of a repository must not hold a password or token")
    # Prevents: a user or host that ssh would take for an option.
    is_plain = not any(part.startswith("-") for part in parts.netloc.split("@"))
    if parts.scheme in {"https", "ssh"} and parts.hostname and is_plain:
        return parts.scheme
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return "file"
    raise ValueError("the address of a repository is https://, ssh:// or an absolute path")


def check_ref(ref: str) -> str:
    """Return the full name of a branch or tag; a short name is a branch.

    Raises:
        ValueError: git would read something else into it.
    """
    if not _REF.fullmatch(ref) or ".." in ref or "//" in ref or ref.endswith(("/", ".", ".lock")):
        raise ValueError("`policy.ref` is the name of a branch, or refs/tags/NAME")
    return ref if ref.startswith("refs/") else f"refs/heads/{ref}"


def check_folder(folder: str) -> str:
    """Return a folder inside a repository; empty for its top.

    Raises:
        ValueError: it is not one.
    """
    if not _FOLDER.fullmatch(folder):
        raise ValueError("`policy.path` is a folder inside the repository, without a slash at either end")
    return folder


class GitCarrier:
    """A signed folder in a git repository.

    Args:
        location: checked with `protocol_of`.
        store: a folder of our own for the bare repository; made when missing, made anew when broken.
        ref: the branch or tag.
        folder: where in the tree the signed folder lies; empty for the top.
        ca_file: certificates to trust instead of the system's.
    """

    def __init__(
        self,
        location: str,
        store: Path,
        *,
        ref: str = "main",
        folder: str = "",
        ca_file: Path | None = None,
        fetch_s: float = _FETCH_S,
    ) -> None:
        self._protocol = protocol_of(location)
        self._location = location
        self._store = store
        self._ref = check_ref(ref)
        self._folder = check_folder(folder)
        self._ca_file = ca_file
        self._fetch_s = fetch_s
        self._commit = ""

    def __repr__(self) -> str:
        return f"GitCarrier({self._ref})"

    def fetch(self) -> Parcel | None:
        """Fetch the ref; nothing if it names the commit of the last time."""
        self._prepare()
        refspec = f"+{self._ref}:{_INCOMING}"
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--prune")
        try:
            self._run(["fetch", *options, "--", self._location, refspec], timeout_s=self._fetch_s)
        except BundleUnreachableError:
            # Prevents: a server that fills the disk with packs that are cut short, again and again.
            if any(self._packs("tmp_*")):
                shutil.rmtree(self._store, ignore_errors=True)
            raise
        commit = self._run(["rev-parse", "--verify", "--end-of-options", f"{_INCOMING}^{{commit}}"]).decode().strip()
        if not _COMMIT.fullmatch(commit):
            raise BundleMalformedError("git names a commit in an unknown way")
        if commit == self._commit:
            return None
        self._commit = ""
        parcel = self._read(commit)
        self._commit = commit
        return parcel

    def _prepare(self) -> None:
        if (self._store / "HEAD").is_file() and len(self._packs("*.pack")) <= _MOST_PACKS:
            return
        shutil.rmtree(self._store, ignore_errors=True)
        self._store.mkdir(mode=0o700, parents=True)
        self._run(["init", "--quiet", "--bare", "--template=", "--", str(self._store)])

    def _packs(self, pattern: str) -> list[Path]:
        return list((self._store / "objects" / "pack").glob(pattern))

    def _read(self, commit: str) -> Parcel:
        wanted = self._listed(commit)
        if ENVELOPE_FILE not in wanted:
            raise BundleMalformedError(
                f"there is no `{ENVELOPE_FILE}` at commit {commit[:12]}",
                hint="sign the folder and commit that file: watchword policies publish --form directory",
            )
        contents = self._contents(wanted)
        envelope = Envelope.from_bytes(contents.pop(ENVELOPE_FILE))
        check_paths(contents)
        return Parcel(envelope, contents)

    def _listed(self, commit: str) -> dict[str, tuple[str, int]]:
        """Return object and size of every file that belongs to a bundle, by its path below the folder."""
        tree = f"{commit}:{self._folder}" if self._folder else commit
        listing = self._run(["ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", tree], most=_MOST_LISTING)
        found: dict[str, tuple[str, int]] = {}
        for line in listing.split(b"\0")[:-1]:
            about, _, name = line.partition(b"\t")
            mode, _, number, size = about.decode("ascii").split()
            path = name.decode("utf-8", "replace")
            is_ours = is_policy_file(path) or path == ENVELOPE_FILE
            # A link or submodule that stands for a whole folder of policies counts as well.
            if mode in _FORBIDDEN and (is_ours or path in {"rego", "tests"} or path.startswith(("rego/", "tests/"))):
                raise BundleMalformedError(f"`{shown(path)}` in the repository is {_FORBIDDEN[mode]}")
            if is_ours and mode in _PLAIN_FILES:
                found[path] = number, int(size)
        sizes = [size for _, size in found.values()]
        if len(found) > MOST_FILES + 1 or sum(sizes) > MOST_BUNDLE_BYTES + MOST_ENVELOPE_BYTES:
            raise BundleMalformedError("the repository holds more policies than a bundle may", hint="see `policy.path`")
        if any(size > MOST_FILE_BYTES for size in sizes):
            raise BundleMalformedError("a policy file in the repository is too large", hint="at most 8 MiB")
        return found

    def _contents(self, wanted: Mapping[str, tuple[str, int]]) -> dict[str, bytes]:
        asked = "".join(f"{number}\n" for number, _ in wanted.values()).encode()
        most = sum(size for _, size in wanted.values()) + len(wanted) * 200
        answer = self._run(["cat-file", "--batch"], given=asked, most=most)
        contents: dict[str, bytes] = {}
        at = 0
        for path, (number, size) in wanted.items():
            head = f"{number} blob {size}\n".encode()
            if not answer.startswith(head, at):
                raise BundleMalformedError(f"git does not hand out `{shown(path)}`")
            at += len(head)
            contents[path] = answer[at : at + size]
            at += size + 1
        return contents

    def _run(
        self, arguments: Sequence[str], *, given: bytes = b"", timeout_s: float = _READ_S, most: int = 64 * 1024
    ) -> bytes:
        """Run git on the repository of our own and return what it printed, at most so many bytes."""
        settings = dict(_SETTINGS) | ({"http.sslCAInfo": str(self._ca_file)} if self._ca_file else {})
        configured = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = ["git", *configured, f"--git-dir={self._store}", *arguments]
        try:
            ended = run_limited(
                command,
                environment=self._environment(),
                folder=self._store,
                given=given,
                timeout_s=timeout_s,
                most=most,
            )
        except OSError as error:
            raise BundleUnreachableError(f"git cannot be started ({error.strerror})") from error
        if ended.code is None:
            raise BundleUnreachableError(f"`git {arguments[0]}` took longer than {timeout_s:.0f} s")
        if ended.is_too_long:
            raise BundleMalformedError("the repository holds more than any bundle does", hint="see `policy.path`")
        if ended.code != 0:
            raise BundleUnreachableError(
                f"`git {arguments[0]}` failed", hint=f"git says: {ended.words}" if ended.words else None
            )
        return ended.output

    def _environment(self) -> dict[str, str]:
        """Return everything that git gets to know; the environment of the node is not passed on."""
        passed = {name: os.environ[name] for name in ("PATH", "SSH_AUTH_SOCK") if name in os.environ}
        return passed | {
            "GIT_ALLOW_PROTOCOL": self._protocol,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ASKPASS": "/bin/false",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": _SSH,
            "GIT_TERMINAL_PROMPT": "0",
            # Where older versions of git look for a configuration, and find none; ssh knows its own way home.
            "HOME": str(self._store),
            "LC_ALL": "C",
        }
