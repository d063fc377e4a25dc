"""Bundles from a git repository, with the real git: what it brings, and what a hostile repository cannot do."""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path

import pytest
from bundle_server import BundleServer, authority, redirecting, serving_git
from bundle_world import FILES, OTHER, PERMIT, Node, bundle

from watchword.policy.bundles import (
    ENVELOPE_FILE,
    BundleError,
    BundleMalformedError,
    BundleUnreachableError,
    Form,
    GitCarrier,
    check_folder,
    check_ref,
    protocol_of,
    write,
)

_WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": os.environ["PATH"],
}


class Repository:
    """A repository of somebody else's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=_WHO, input=given, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode().strip()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def tree(self, *entries: tuple[str, str, bytes]) -> None:
        """Commit a tree as no work tree could hold it: mode, name, content."""
        lines = []
        for mode, name, content in entries:
            made = self.git("hash-object", "-w", "--stdin", given=content) if mode != "160000" else "1" * 40
            kind = "commit" if mode == "160000" else "blob"
            lines.append(f"{mode} {kind} {made}\t{name}\0")
        tree = self.git("mktree", "-z", given="".join(lines).encode())
        commit = self.git("commit-tree", tree, "-m", "x")
        self.git("update-ref", "refs/heads/main", commit)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "theirs")


def carrier(repository: Repository, tmp_path: Path, **options: object) -> GitCarrier:
    return GitCarrier(str(repository.path), tmp_path / "store", **options)  # type: ignore[arg-type]


async def test_a_signed_folder_in_a_repository_is_put_in_force_and_followed(
    repository: Repository, tmp_path: Path
) -> None:
    write(bundle(1), repository.path / "live", Form.DIRECTORY)
    (repository.path / "README.md").write_text("hello")
    repository.commit()
    node = Node(tmp_path, carrier(repository, tmp_path, folder="live"))
    assert await node.source.reload() is True, node.source.problem
    assert await node.source.reload() is False
    write(bundle(2, {**FILES, "tests/deep/a.yaml": b""}), repository.path / "live", Form.DIRECTORY)
    repository.commit()
    await node.source.reload()
    assert node.version == 2, node.source.problem
    repository.git("reset", "-q", "--hard", "HEAD~1")
    await node.source.reload()
    assert node.version == 2
    assert node.alarm.reasons() == ["policy.bundle_rollback"]


def test_what_did_not_change_is_not_read_again(repository: Repository, tmp_path: Path) -> None:
    (repository.path / "10-members.cedar").write_bytes(PERMIT)
    write(bundle(), repository.path, Form.DIRECTORY)
    repository.commit()
    found = carrier(repository, tmp_path)
    assert found.fetch() == bundle()
    assert found.fetch() is None
    repository.git("tag", "v1")
    assert carrier(repository, tmp_path, ref="refs/tags/v1").fetch() == bundle()


def test_no_hook_filter_or_attribute_of_a_repository_runs(repository: Repository, tmp_path: Path) -> None:
    """Everything that git could be made to run on the way, on both sides; each would leave a file."""
    trap = tmp_path / "ran"
    write(bundle(1), repository.path / "live", Form.DIRECTORY)
    repository.commit()
    found = carrier(repository, tmp_path, folder="live")
    assert found.fetch() == bundle(1)
    for hooks in (repository.path / ".git" / "hooks", tmp_path / "store" / "hooks"):
        hooks.mkdir(parents=True, exist_ok=True)
        for name in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
            (hooks / name).chmod(0o755)
    (repository.path / ".gitattributes").write_text("* filter=evil\n")
    repository.git("config", "uploadpack.packObjectsHook", f"touch {trap};")
    write(bundle(2), repository.path / "live", Form.DIRECTORY)
    repository.commit()
    repository.git("config", "filter.evil.smudge", f"touch {trap}; cat")
    trap.unlink(missing_ok=True)
    assert found.fetch() == bundle(2)
    assert not trap.exists()


def test_a_symbolic_link_in_a_repository_is_refused(repository: Repository, tmp_path: Path) -> None:
    for name in ("20-others.cedar", ENVELOPE_FILE, "rego"):
        repository.tree(("100644", "10-members.cedar", PERMIT), ("120000", name, b"/etc/passwd"))
        with pytest.raises(BundleMalformedError, match="symbolic link"):
            carrier(repository, tmp_path).fetch()


def test_a_submodule_is_refused_and_not_fetched(repository: Repository, tmp_path: Path) -> None:
    repository.tree(("100644", ENVELOPE_FILE, b"{}"), ("160000", "rego", b""))
    with pytest.raises(BundleMalformedError, match="submodule"):
        carrier(repository, tmp_path).fetch()


@pytest.mark.parametrize("name", ["caf\u00e9.cedar", "a b.cedar", "x\ny.cedar", "-x.cedar"])
def test_a_policy_file_of_a_strange_name_is_refused(repository: Repository, tmp_path: Path, name: str) -> None:
    repository.tree(("100644", ENVELOPE_FILE, bundle().envelope.to_bytes()), ("100644", name, PERMIT))
    with pytest.raises(BundleMalformedError, match="cannot be the name"):
        carrier(repository, tmp_path).fetch()


def test_a_repository_with_too_much_in_it_is_refused_before_it_is_read(repository: Repository, tmp_path: Path) -> None:
    repository.tree(("100644", ENVELOPE_FILE, b"{}"), ("100644", "a.cedar", bytes(8 * 1024 * 1024 + 1)))
    with pytest.raises(BundleMalformedError, match="too large"):
        carrier(repository, tmp_path).fetch()
    many = [("100644", f"{number}.cedar", b"") for number in range(2)]
    repository.tree(("100644", ENVELOPE_FILE, b"{}"), *many)
    blob = repository.git("hash-object", "-w", "--stdin")
    lines = "".join(f"100644 blob {blob}\t{number}.cedar\0" for number in range(2100))
    tree = repository.git("mktree", "-z", given=lines.encode())
    repository.git("update-ref", "refs/heads/main", repository.git("commit-tree", tree, "-m", "x"))
    with pytest.raises(BundleMalformedError, match="more policies than"):
        carrier(repository, tmp_path).fetch()


def test_a_repository_without_a_signed_manifest_is_refused(repository: Repository, tmp_path: Path) -> None:
    (repository.path / "10-members.cedar").write_bytes(PERMIT)
    repository.commit()
    with pytest.raises(BundleMalformedError, match=ENVELOPE_FILE):
        carrier(repository, tmp_path).fetch()


def test_a_file_that_the_manifest_does_not_name_reaches_the_verification(
    repository: Repository, tmp_path: Path
) -> None:
    write(bundle(), repository.path / "live", Form.DIRECTORY)
    (repository.path / "live" / "20-others.cedar").write_bytes(OTHER)
    repository.commit()
    found = carrier(repository, tmp_path, folder="live").fetch()
    assert found is not None
    assert sorted(found.files) == ["10-members.cedar", "20-others.cedar"]


def test_a_repository_that_is_not_there_or_lacks_the_branch_is_unreachable(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit()
    with pytest.raises(BundleUnreachableError, match="fetch"):
        carrier(repository, tmp_path, ref="other").fetch()
    with pytest.raises(BundleUnreachableError):
        GitCarrier(str(tmp_path / "nothing"), tmp_path / "store").fetch()
    with pytest.raises(BundleError):
        carrier(repository, tmp_path, folder="nothing").fetch()


def _ends(pid: int) -> bool:
    """Tell whether a process that was killed is gone, at the latest within ten seconds: that takes it a moment."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 10.0)[0])
    finally:
        os.close(process)


def test_a_git_that_hangs_is_ended_in_time_with_everything_it_started(tmp_path: Path) -> None:
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nsleep 600 &\necho $! > " + str(tmp_path / "child") + "\nwait\n")
    (slow / "git").chmod(0o755)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "HEAD").write_text("")
    found = GitCarrier("/nowhere", tmp_path / "store", fetch_s=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
        with pytest.raises(BundleUnreachableError, match="took longer"):
            found.fetch()
    assert _ends(int((tmp_path / "child").read_text()))


def test_the_nodes_environment_does_not_reach_git(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bundle(), repository.path / "live", Form.DIRECTORY)
    repository.commit()
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "touch /nowhere")
    monkeypatch.setenv("WATCHWORD_MASTER_KEY", "secret")
    found = carrier(repository, tmp_path, folder="live")
    assert found.fetch() == bundle()
    environment = found._environment()
    assert environment["GIT_ALLOW_PROTOCOL"] == "file"
    assert not any("secret" in value or "nowhere" in value for value in environment.values())


def test_a_repository_is_fetched_over_https_from_a_server_that_is_verified(
    repository: Repository, tmp_path: Path
) -> None:
    write(bundle(), repository.path / "live", Form.DIRECTORY)
    repository.commit()
    with BundleServer(serving_git(tmp_path), context=authority(tmp_path)) as server:
        url = server.url("/theirs/.git")
        found = GitCarrier(url, tmp_path / "store", folder="live", ca_file=tmp_path / "ca.pem")
        assert found.fetch() == bundle()
        assert found.fetch() is None
        asked = len(server.asked)
        with pytest.raises(BundleUnreachableError, match="fetch"):
            GitCarrier(url, tmp_path / "other", folder="live").fetch()
        assert len(server.asked) == asked


@pytest.mark.parametrize("kind", ["http", "https", "ext"])
def test_a_git_server_that_redirects_is_not_followed(tmp_path: Path, kind: str) -> None:
    with BundleServer(serving_git(tmp_path)) as plain:
        target = {"http": plain.url("/theirs/.git"), "https": "/again", "ext": "ext::touch /nowhere"}[kind]
        with BundleServer(redirecting(target), context=authority(tmp_path)) as server:
            found = GitCarrier(server.url("/theirs/.git"), tmp_path / "store", ca_file=tmp_path / "ca.pem")
            with pytest.raises(BundleUnreachableError, match="fetch"):
                found.fetch()
            assert len(server.asked) == 1
        assert plain.asked == []


@pytest.mark.parametrize(
    "location",
    [
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch /tmp/x",
        "-u",
        "http://example.org/x.git",
        "git://example.org/x.git",
        "ftp://example.org/x",
        "https://user:password@example.org/x.git",
        "https://token@example.org/x.git",
        "ssh://-oProxyCommand=touch/x",
        "ssh://git@-oProxyCommand=touch/x",
        "ssh://-oProxyCommand=touch@example.org/x",
        "git@-oProxyCommand:x",
        "fd::17",
        "relative/path",
        "file://elsewhere/x",
        "https:///x",
        "/x\n/y",
        "",
    ],
)
def test_an_address_that_git_would_run_or_send_in_the_clear_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="repository"):
        protocol_of(location)


@pytest.mark.parametrize(
    ("location", "protocol"),
    [
        ("https://example.org/x.git", "https"),
        ("ssh://git@example.org:22/x.git", "ssh"),
        ("git@example.org:team/x.git", "ssh"),
        ("/srv/git/x.git", "file"),
        ("file:///srv/git/x.git", "file"),
    ],
)
def test_each_address_allows_exactly_one_protocol(location: str, protocol: str) -> None:
    assert protocol_of(location) == protocol


@pytest.mark.parametrize(
    "ref", ["-x", "--upload-pack=x", "a..b", "a b", "a:b", "+a", "^a", "a~1", "", "a.lock", "a//b", "@{u}"]
)
def test_a_ref_that_git_would_read_as_something_else_is_refused(ref: str) -> None:
    with pytest.raises(ValueError, match="branch"):
        check_ref(ref)


def test_a_short_ref_is_a_branch() -> None:
    assert (check_ref("main"), check_ref("refs/tags/v1")) == ("refs/heads/main", "refs/tags/v1")


@pytest.mark.parametrize("folder", ["../x", "/x", "x/", "-x", ".git", "a//b", "a:b", "a\0b"])
def test_a_folder_that_leads_elsewhere_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        check_folder(folder)
