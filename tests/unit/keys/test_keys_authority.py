"""The local certificate authority: whom it may name, when it renews, what it leaves on the disk."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from watchword.kernel import Entropy, FrozenClock
from watchword.keys import AuthorityError, LocalAuthority, TrustStoreError, distrust_in_nss, trust_in_nss, trust_steps

HOSTS = ["watchword.localhost", "notes.localhost"]


@pytest.fixture
def authority(tmp_path: Path, clock: FrozenClock, entropy: Entropy) -> LocalAuthority:
    return LocalAuthority(tmp_path / "ca", clock, entropy)


def leaf_of(authority: LocalAuthority) -> x509.Certificate:
    return x509.load_pem_x509_certificate((authority.root_file.parent / "edge.pem").read_bytes())


def root_of(authority: LocalAuthority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.root_file.read_bytes())


def verify(authority: LocalAuthority, leaf: x509.Certificate, host: str, clock: FrozenClock) -> None:
    """Verify as a browser would, with an independent implementation of RFC 5280."""
    store = Store([root_of(authority)])
    PolicyBuilder().store(store).time(clock.now()).build_server_verifier(x509.DNSName(host)).verify(leaf, [])


def test_every_host_is_named_and_verifies(authority: LocalAuthority, clock: FrozenClock) -> None:
    issued = authority.ensure(HOSTS)
    assert (issued.is_new, issued.is_new_root) == (True, True)
    for host in HOSTS:
        verify(authority, leaf_of(authority), host, clock)
    names = leaf_of(authority).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["notes.localhost", "watchword.localhost", "*.localhost"]


def test_nothing_changes_while_nothing_has_to(authority: LocalAuthority, clock: FrozenClock) -> None:
    authority.ensure(HOSTS)
    before = {path: path.read_bytes() for path in authority.root_file.parent.iterdir()}
    clock.advance(timedelta(days=59))
    issued = authority.ensure(reversed(HOSTS))
    assert (issued.is_new, issued.is_new_root) == (False, False)
    assert {path: path.read_bytes() for path in authority.root_file.parent.iterdir()} == before


def test_the_leaf_is_renewed_in_its_last_thirty_days_under_the_same_root(
    authority: LocalAuthority, clock: FrozenClock
) -> None:
    authority.ensure(HOSTS)
    fingerprint = authority.root_fingerprint
    clock.advance(timedelta(days=61))
    issued = authority.ensure(HOSTS)
    assert (issued.is_new, issued.is_new_root) == (True, False)
    assert authority.root_fingerprint == fingerprint
    verify(authority, leaf_of(authority), "notes.localhost", clock)


def test_a_new_host_makes_a_new_leaf_under_the_same_root(authority: LocalAuthority) -> None:
    authority.ensure(HOSTS)
    issued = authority.ensure([*HOSTS, "grafana.localhost"])
    assert (issued.is_new, issued.is_new_root) == (True, False)


def test_a_host_beyond_the_constraints_makes_a_new_root_and_says_so(
    authority: LocalAuthority, clock: FrozenClock
) -> None:
    authority.ensure(HOSTS)
    issued = authority.ensure([*HOSTS, "notes.example.com"])
    assert (issued.is_new, issued.is_new_root) == (True, True)
    verify(authority, leaf_of(authority), "notes.example.com", clock)


def test_a_configured_domain_needs_no_new_root(tmp_path: Path, clock: FrozenClock, entropy: Entropy) -> None:
    authority = LocalAuthority(tmp_path / "ca", clock, entropy, domains=["home.example"])
    authority.ensure(HOSTS)
    assert not authority.ensure([*HOSTS, "grafana.home.example"]).is_new_root
    assert authority.ensure([*HOSTS, "grafana.athome.example"]).is_new_root


def test_the_root_is_replaced_before_a_leaf_could_outlive_it(authority: LocalAuthority, clock: FrozenClock) -> None:
    authority.ensure(HOSTS)
    clock.advance(timedelta(days=3653 - 89))
    assert authority.ensure(HOSTS).is_new_root
    assert leaf_of(authority).not_valid_after_utc < root_of(authority).not_valid_after_utc


def test_a_clock_that_steps_back_costs_no_root(authority: LocalAuthority, clock: FrozenClock) -> None:
    authority.ensure(HOSTS)
    clock.step(timedelta(days=-30))
    issued = authority.ensure(HOSTS)
    assert (issued.is_new, issued.is_new_root) == (True, False)


def test_a_stolen_root_key_cannot_name_a_bank(authority: LocalAuthority, clock: FrozenClock) -> None:
    authority.ensure(HOSTS)
    stolen = authority._read_root()
    key = ec.generate_private_key(ec.SECP256R1())
    for host in ("bank.example", "localhost.bank.example", "xlocalhost"):
        forged = authority._builder(
            x509.Name([]), stolen.certificate.subject, key.public_key(), clock.now(), timedelta(days=30)
        )
        forged = forged.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        forged = forged.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(stolen.key.public_key())
        forged = forged.add_extension(identifier, critical=False)
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # only the thief signs by hand

        with pytest.raises(VerificationError):
            verify(authority, forged.sign(stolen.key, hashes.SHA256()), host, clock)


def test_the_constraints_are_critical_and_no_authority_comes_below(authority: LocalAuthority) -> None:
    authority.ensure(HOSTS)
    extensions = root_of(authority).extensions
    constraints = extensions.get_extension_for_class(x509.NameConstraints)
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert basic.critical
    assert basic.value.path_length == 0


def test_every_file_is_for_its_owner_only(authority: LocalAuthority) -> None:
    authority.ensure(HOSTS)
    assert authority.root_file.parent.stat().st_mode & 0o777 == 0o700
    for path in authority.root_file.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_key_that_others_may_read_is_not_used(authority: LocalAuthority) -> None:
    authority.ensure(HOSTS)
    (authority.root_file.parent / "authority.pem").chmod(0o640)
    with pytest.raises(AuthorityError, match="other users may read") as caught:
        authority.ensure(HOSTS)
    assert caught.value.hint is not None


def test_a_damaged_root_is_told_and_not_silently_replaced(authority: LocalAuthority) -> None:
    authority.ensure(HOSTS)
    file = authority.root_file.parent / "authority.pem"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(AuthorityError, match="cannot be read"):
        authority.ensure(HOSTS)


@pytest.mark.parametrize("name", ["edge.pem", "edge.key", "root.pem"])
@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_whatever_can_be_made_again_is_made_again(
    authority: LocalAuthority, clock: FrozenClock, name: str, damage: bytes | None
) -> None:
    authority.ensure(HOSTS)
    fingerprint = authority.root_fingerprint
    file = authority.root_file.parent / name
    file.unlink() if damage is None else file.write_bytes(damage)
    authority.ensure(HOSTS)
    assert authority.root_fingerprint == fingerprint
    verify(authority, leaf_of(authority), "notes.localhost", clock)


@pytest.mark.parametrize("host", ["", "*.localhost", "a.localhost:1", "A.localhost", "a..b", "-a", "a\nb", "x" * 254])
def test_what_is_no_host_is_not_named(authority: LocalAuthority, host: str) -> None:
    with pytest.raises(AuthorityError):
        authority.ensure([host])


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_platform_is_told_how_to_trust_the_root(platform: str) -> None:
    steps = trust_steps(Path("/data/ca/root.pem"), platform=platform)
    assert any("Firefox" in step.who for step in steps)
    assert all("/data/ca/root.pem" in step.command + step.words for step in steps)


@pytest.mark.skipif(shutil.which("certutil") is None, reason="needs certutil (Debian: libnss3-tools)")
def test_the_users_own_databases_trust_and_forget_the_root(authority: LocalAuthority, tmp_path: Path) -> None:
    authority.ensure(HOSTS)
    home = tmp_path / "home"
    for _ in range(2):
        (database,) = trust_in_nss(authority.root_file, home=home)
        listed = subprocess.run(["certutil", "-L", "-d", f"sql:{database}"], capture_output=True, text=True, check=True)
        assert listed.stdout.count("Watchword local root") == 1
        assert "C,," in listed.stdout
    distrust_in_nss(home=home)
    listed = subprocess.run(["certutil", "-L", "-d", f"sql:{database}"], capture_output=True, text=True, check=True)
    assert "Watchword" not in listed.stdout


def test_without_certutil_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TrustStoreError, match="not installed"):
        trust_in_nss(tmp_path / "root.pem", home=tmp_path)
