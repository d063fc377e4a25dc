"""Attack: a machine that is not as it should be. Each ends in one clear sentence, and nothing is left half-started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from siege import SiegeNode, processes_of, try_to_start, until

from watchword.demo.client import Browser
from watchword.demo.node import free_port
from watchword.keys import MasterKey

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
MakeNode = Callable[..., SiegeNode]


@pytest.fixture(scope="module")
def seed() -> Iterator[SiegeNode]:
    """A node that ran once and was stopped; its data directory is copied, never used."""
    node = SiegeNode()
    node.start()
    node.stop()
    yield node
    node.close()


@pytest.fixture
def used(seed: SiegeNode, make_node: MakeNode) -> SiegeNode:
    """A node of the test's own that ran before."""
    node = make_node()
    shutil.copytree(seed.data, node.data, ignore=shutil.ignore_patterns("*.sock"))
    node.data.chmod(0o700)
    return node


def _is_refused(node: SiegeNode, *words: str) -> str:
    """Start, and see one sentence (with a remedy under it at most), a failing exit code, and nothing left."""
    code, said = try_to_start(node)
    lines = [line for line in said.splitlines() if line.strip()]
    about = [line for line in lines if line.startswith("watchword: ")]
    assert code in {1, 2}, said
    assert len(about) == 1, said
    assert "Traceback" not in said
    # Before it, only parts that were ready may be named; after it, one line of remedy.
    assert len(lines) - lines.index(about[0]) <= 2, said
    for word in words:
        assert word in said, said
    until(lambda: not processes_of(node))
    assert not _is_listening(node.port)
    return said


def test_a_taken_port(make_node: MakeNode) -> None:
    node = make_node()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", node.port))
        taken.listen()
        code, said = try_to_start(node)
    assert code == 1
    assert f"another program listens on `127.0.0.1:{node.port}`" in said
    assert "Traceback" not in said
    assert not processes_of(node)


def test_a_port_that_is_taken_for_the_second_listener_starts_nothing_on_the_first(make_node: MakeNode) -> None:
    node = make_node()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", node.proxy_port))
        taken.listen()
        _is_refused(node, f"another program listens on `127.0.0.1:{node.proxy_port}`")


def test_an_address_of_another_machine(make_node: MakeNode) -> None:
    _is_refused(make_node(extra={"WATCHWORD_EDGE__LISTEN": "198.51.100.9:8443"}), "cannot listen on")


def test_a_data_directory_that_cannot_be_made(make_node: MakeNode) -> None:
    _is_refused(make_node(data=Path("/proc/watchword/data")), "cannot be written", "--data")


def test_a_data_directory_that_cannot_be_written(make_node: MakeNode, tmp_path: Path) -> None:
    node = make_node(data=tmp_path / "data")
    node.data.mkdir(mode=0o700)
    if os.getuid() == 0:
        with _mounted(node.data, "ro,size=1m"):
            _is_refused(node, "cannot be written")
        return
    node.data.chmod(0o500)
    _is_refused(node, "cannot be written")


def test_a_data_path_that_is_a_file(make_node: MakeNode) -> None:
    node = make_node()
    node.data.write_text("not a directory")
    _is_refused(node, "is not a directory")
    assert node.data.read_text() == "not a directory"


def test_a_data_path_below_a_file(make_node: MakeNode) -> None:
    node = make_node()
    node.environment["WATCHWORD_DATA"] = f"{node.own}/stdout/data"
    node.data = node.own / "stdout" / "data"
    node.output.write_text("")
    _is_refused(node, "data")


def test_a_data_directory_that_others_may_write_to(make_node: MakeNode) -> None:
    node = make_node()
    node.data.mkdir()
    node.data.chmod(0o777)
    _is_refused(node, "others may write to", "chmod")


def test_a_database_that_is_none(used: SiegeNode) -> None:
    (used.data / "watchword.db").write_bytes(b"this was a database once" * 400)
    _is_refused(used, "database")


def test_a_database_that_was_damaged_in_the_middle(used: SiegeNode) -> None:
    path = used.data / "watchword.db"
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    path.write_bytes(content)
    _is_refused(used, "database")


def test_a_database_that_was_cut_short(used: SiegeNode) -> None:
    path = used.data / "watchword.db"
    path.write_bytes(path.read_bytes()[:10_000])
    _is_refused(used, "database")


def test_a_wrong_sealing_key(used: SiegeNode) -> None:
    key = used.data / "keys" / "master.key"
    key.unlink()
    MasterKey.create_file(key)
    _is_refused(used, "master key is not the one")


def test_a_missing_sealing_key_is_not_replaced(used: SiegeNode) -> None:
    key = used.data / "keys" / "master.key"
    key.unlink()
    _is_refused(used, "key")
    assert not key.exists()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 44])
def test_a_malformed_sealing_key(used: SiegeNode, content: bytes) -> None:
    (used.data / "keys" / "master.key").write_bytes(content)
    said = _is_refused(used, "key")
    assert "short" not in said.replace("too short", "")


def test_a_sealing_key_that_others_may_read(used: SiegeNode) -> None:
    (used.data / "keys" / "master.key").chmod(0o644)
    _is_refused(used, "key", "chmod")


def test_a_sealing_key_that_the_environment_lacks(make_node: MakeNode) -> None:
    _is_refused(make_node(extra={"WATCHWORD_KEYS__SOURCE": "environment"}), "WATCHWORD_MASTER_KEY")


def test_a_journal_that_was_changed(used: SiegeNode) -> None:
    segment = next((used.data / "journal").glob("*.jsonl*"), None) or next(
        path for path in (used.data / "journal").iterdir() if path.stat().st_size > 1000
    )
    text = segment.read_bytes()
    segment.write_bytes(
        text.replace(b'"actor":"system"', b'"actor":"nobody"').replace(b"journal.opened", b"journal.0pened")
    )
    _is_refused(used, "journal")


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("import platform; platform.libc_ver = lambda *a, **k: ('glibc', '2.28')", "glibc 2.31 or later"),
        ("import platform; platform.libc_ver = lambda *a, **k: ('', '')", "another C library"),
        ("import sys; sys.modules['envoy'] = None", "Envoy is not installed"),
    ],
)
def test_a_machine_that_envoy_does_not_run_on(make_node: MakeNode, patch: str, words: str) -> None:
    node = make_node()
    (node.own / "sitecustomize.py").write_text(patch)
    node.environment["PYTHONPATH"] = os.pathsep.join([str(node.own), *filter(None, [os.environ.get("PYTHONPATH")])])
    _is_refused(node, words)


@pytest.mark.parametrize("case", ["missing", "no PEM", "another key", "encrypted key"])
def test_a_certificate_that_cannot_be_used(used: SiegeNode, case: str) -> None:
    # Envoy itself starts without it and says that it is ready.
    own = used.own
    certificate, key = own / "cert.pem", own / "key.pem"
    if case != "missing":
        _write_pair(certificate, key, passphrase=b"secret" if case == "encrypted key" else None)
    if case == "no PEM":
        certificate.write_text("this is not PEM")
    elif case == "another key":
        _write_pair(own / "other.pem", key)
    used.environment |= {
        "WATCHWORD_EDGE__CERTIFICATE_FILE": str(certificate),
        "WATCHWORD_EDGE__PRIVATE_KEY_FILE": str(key),
    }
    _is_refused(used, "certificate")


def test_a_second_node_on_the_same_data_is_refused_and_the_first_goes_on(make_node: MakeNode) -> None:
    first = make_node()
    first.start()
    second = make_node(data=first.data)
    code, said = try_to_start(second)
    assert code == 1
    assert "another Watchword runs on" in said
    assert "Traceback" not in said
    browser = Browser(first.proxy_port, first.authority, "198.51.100.7")
    assert browser.get(f"{first.portal}/healthz").status == 200
    assert first.pid in processes_of(first)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[edge]\nlisten_on = '127.0.0.1:1'\n", ("unknown setting `edge.listen_on`",)),
        ("[edge]\nhost = 8443\n", ("edge.host", "a text")),
        ("[egde]\n", ("unknown setting `egde`", "did you mean `edge`?")),
        ("[edge\nlisten =", ("is not valid TOML",)),
        ("\x00", ("is not valid TOML",)),
        ("[decision]\nsession_max_min = 600\n", ("between 15 and 60",)),
        ("[[applications]]\nname = 'A B'\nhosts = ['a.localhost']\nupstream = 'http://127.0.0.1:1'\n", ("name",)),
        ("[[applications]]\nname = 'a'\nhosts = ['a.localhost']\nupstream = 'ftp://x'\n", ("upstream",)),
        ("[[applications]]\nname = 'a'\nhosts = ['watchword.localhost']\nupstream = 'http://127.0.0.1:1'\n", ("host",)),
        ("[[applications]]\nname = 'a'\nhosts = ['notes.localhost']\nupstream = 'http://127.0.0.1:1'\n", ("host",)),
        ("[trust.thresholds.secret]\nstep_up = 1\ndeny = 2\n", ("secret",)),
        ("[trust]\ncity_file = '/nowhere.mmdb'\n", ("nowhere.mmdb",)),
        ("[[trust.networks]]\npath = '/nowhere.txt'\nkind = 'block'\n", ("nowhere.txt",)),
        ("[storage]\nurl = 'mysql://x/y'\n", ("database",)),
        ("[storage]\nurl = 'postgresql://127.0.0.1:1/none'\n", ("database",)),
        ("[keys]\nsource = 'air'\n", ("keys.source",)),
        ("[forward_auth]\nlisten = 'nonsense'\n", ("nonsense",)),
        ("[forward_auth]\nlisten = '127.0.0.1:{free}'\ntrusted_proxies = ['everybody']\n", ("everybody",)),
    ],
)
def test_a_configuration_that_cannot_be_meant(make_node: MakeNode, config: str, words: tuple[str, ...]) -> None:
    _is_refused(make_node(config=config.replace("{free}", str(free_port()))), *words)


def test_a_setting_in_the_environment_that_nobody_knows(make_node: MakeNode) -> None:
    _is_refused(make_node(extra={"WATCHWORD_EDGE__LISTNE": "x"}), "did you mean `WATCHWORD_EDGE__LISTEN`?")


def test_a_configuration_file_that_does_not_exist(make_node: MakeNode) -> None:
    _is_refused(make_node(extra={"WATCHWORD_CONFIG": "/nowhere.toml"}), "does not exist")


@pytest.mark.parametrize(
    "broken", ["permit (principal, action, resource", "permit (principal, action, Nothing::x);", None]
)
def test_policies_that_are_wrong_at_start_deny_everything_and_say_so(used: SiegeNode, broken: str | None) -> None:
    policies = used.data / "policies"
    if broken is None:
        shutil.rmtree(policies)
        policies.mkdir()
    else:
        (policies / "60-broken.cedar").write_text(broken)
    used.start()
    told = next(event for event in used.events if event.get("name") == "policies")
    status = used.status()
    assert status is not None
    if broken is None:
        assert told["detail"] == "0 in force"
    else:
        assert "60-broken.cedar" in told["detail"]
        assert "60-broken.cedar" in status["policy_problem"]
    assert status["policies"] == 0
    browser = Browser(used.proxy_port, used.authority, "198.51.100.7")
    assert browser.get(f"{used.notes}/", accept="application/json").status in {401, 403}
    assert browser.get(f"{used.portal}/healthz").status == 503


def _write_pair(certificate: Path, key: Path, *, passphrase: bytes | None = None) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "watchword.localhost")])
    begin = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=1)).sign(private, SHA256())
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    kind = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind))


@contextmanager
def _mounted(place: Path, options: str) -> Iterator[None]:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("mounting a small tmpfs needs root (CAP_SYS_ADMIN)")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
