"""A certificate authority for one machine, which can speak for its own hosts and for nothing else.

Browsers are asked to trust its root, so the root is made as harmless as a root can be: critical name constraints allow
`localhost`, the loopback addresses and the configured hosts only, it signs server certificates only, and no authority
below it. Whoever steals its key can impersonate this machine's applications on this machine, not a bank.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from watchword.kernel import Clock, Entropy
from watchword.keys.errors import KeysError

_ROOT_LIFETIME: Final = timedelta(days=3653)  # replacing it means that people act, so ten years
_LEAF_LIFETIME: Final = timedelta(days=90)  # replacing it costs nobody anything
_RENEW_BEFORE: Final = timedelta(days=30)
_BACKDATED: Final = timedelta(hours=1)  # a client's clock may be slow
_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_LOCAL: Final = "localhost"
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_SERIAL_BYTES: Final = 19  # 152 bits: positive and within 20 octets. Source: RFC 5280 section 4.1.2.2
_OTHERS_MAY: Final = stat.S_IRWXG | stat.S_IRWXO


class AuthorityError(KeysError):
    """The local certificate authority cannot be read, is damaged, or was asked for a host it may not name."""

    code: ClassVar[str] = "keys.authority"


@dataclass(frozen=True, slots=True)
class Issued:
    """What a call of `LocalAuthority.ensure` left in place.

    Attributes:
        certificate_file: the leaf, then the root, PEM; `private_key_file` belongs to it.
        is_new: the leaf was made anew; whoever serves it must load it again.
        is_new_root: the root was made anew; whoever trusted the old one must trust this one.
    """

    certificate_file: Path
    private_key_file: Path
    expires_at: datetime
    is_new: bool
    is_new_root: bool


@dataclass(frozen=True, slots=True)
class _Root:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


class LocalAuthority:
    """Keep a root and one leaf certificate in a directory that only its owner may enter.

    Args:
        directory: made if missing, mode 0700.
        domains: further domains, besides `localhost`, whose hosts may be named later without a new root.
    """

    def __init__(self, directory: Path, clock: Clock, entropy: Entropy, *, domains: Sequence[str] = ()) -> None:
        self._directory = directory
        self._clock = clock
        self._entropy = entropy
        self._domains = tuple(domains)
        for domain in domains:
            _check_host(domain)

    @property
    def root_file(self) -> Path:
        """The root certificate, PEM: what browsers are asked to trust."""
        return self._directory / "root.pem"

    @property
    def root_fingerprint(self) -> str:
        """SHA-256 of the root in colon-separated hex, as browsers show it."""
        return self._load(self.root_file).fingerprint(hashes.SHA256()).hex(":").upper()

    def ensure(self, hosts: Iterable[str]) -> Issued:
        """See that a certificate for exactly these hosts is in place and not about to expire.

        A leaf is made anew in its last 30 days, when the hosts change, or when the root changes. The root is made anew
        in its last 90 days, or when its name constraints do not cover a host.

        Raises:
            AuthorityError: a host is malformed, or a file is damaged, unreadable or open to other users.
        """
        wanted = sorted(set(hosts))
        for host in wanted:
            _check_host(host)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        root, is_new_root = self._root(wanted)
        leaf = None if is_new_root else self._standing_leaf(wanted, root.certificate)
        is_new = leaf is None
        if leaf is None:
            leaf = self._issue(wanted, root)
        return Issued(self._leaf_file, self._leaf_key_file, leaf.not_valid_after_utc, is_new, is_new_root)

    @property
    def _authority_file(self) -> Path:
        """The root's key and certificate in one file, so that no crash leaves one without the other."""
        return self._directory / "authority.pem"

    @property
    def _leaf_file(self) -> Path:
        return self._directory / "edge.pem"

    @property
    def _leaf_key_file(self) -> Path:
        return self._directory / "edge.key"

    def _root(self, hosts: Sequence[str]) -> tuple[_Root, bool]:
        if self._authority_file.exists():
            root = self._read_root()
            lives = root.certificate.not_valid_after_utc > self._clock.now() + _LEAF_LIFETIME
            if lives and all(_may_name(root.certificate, host) for host in hosts):
                self._publish(root)
                return root, False
        root = self._make_root(ec.generate_private_key(ec.SECP256R1()), hosts)
        _write(self._authority_file, _pem(root.key) + root.pem)
        self._publish(root)
        return root, True

    def _read_root(self) -> _Root:
        root = _Root(_read_key(self._authority_file), self._load(self._authority_file))
        if root.key.public_key() != root.certificate.public_key():
            raise AuthorityError(
                f"key and certificate in `{self._authority_file}` do not belong together",
                hint="delete the file to get a new authority, and trust it anew",
            )
        return root

    def _publish(self, root: _Root) -> None:
        """Write the public half for browsers, where it is not there already."""
        if not self.root_file.exists() or self.root_file.read_bytes() != root.pem:
            _write(self.root_file, root.pem)

    def _make_root(self, key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]) -> _Root:
        names = sorted({_LOCAL, *self._domains})
        names += [host for host in hosts if not any(_is_within(host, name) for name in names)]
        permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in _LOOPBACK]
        now = self._clock.now()
        # A distinguishable name, because several installations may be trusted by one browser.
        name = _name(f"Watchword local root {self._entropy.token_bytes(4).hex()}")
        certificate = (
            self._builder(name, name, key.public_key(), now, _ROOT_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            # Prevents: a stolen root key that speaks for hosts beyond this installation.
            .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return _Root(key, certificate)

    def _standing_leaf(self, hosts: Sequence[str], root: x509.Certificate) -> x509.Certificate | None:
        """Return the leaf if it can stay; one that is damaged is replaced, because nothing hangs on it."""
        try:
            leaf = self._load(self._leaf_file)
            leaf.verify_directly_issued_by(root)
            key = _read_key(self._leaf_key_file)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (AuthorityError, InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
            return None
        if key.public_key() != leaf.public_key() or names != _alternative_names(hosts):
            return None
        now = self._clock.now()
        return leaf if leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc - _RENEW_BEFORE else None

    def _issue(self, hosts: Sequence[str], root: _Root) -> x509.Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
        leaf = (
            self._builder(
                _name("Watchword edge"), root.certificate.subject, key.public_key(), self._clock.now(), _LEAF_LIFETIME
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_alternative_names(hosts), critical=False)
            .add_extension(identifier, critical=False)
            .sign(root.key, hashes.SHA256())
        )
        _write(self._leaf_key_file, _pem(key))
        chain = leaf.public_bytes(serialization.Encoding.PEM) + root.pem
        _write(self._leaf_file, chain)
        return leaf

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        serial = int.from_bytes(self._entropy.token_bytes(_SERIAL_BYTES)) | 1
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + lifetime)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _load(self, path: Path) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityError(
                f"the certificate `{path}` cannot be read", hint="delete it and its key to get a new one"
            ) from error


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    """Name each host: browsers refuse `*.localhost` as a wildcard over a whole top-level domain."""
    names = list(hosts)
    if any(host.endswith(f".{_LOCAL}") for host in hosts):
        names.append(f"*.{_LOCAL}")
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def _may_name(root: x509.Certificate, host: str) -> bool:
    try:
        constraints = root.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    permitted = constraints.permitted_subtrees or []
    return any(isinstance(name, x509.DNSName) and _is_within(host, name.value) for name in permitted)


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _check_host(host: str) -> None:
    if not _HOST.fullmatch(host):
        raise AuthorityError(f"`{host}` is not a host name", hint="lower case, without port or wildcard")


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Watchword"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        # Prevents: going on with a key that other users of the machine could have read.
        if path.stat().st_mode & _OTHERS_MAY:
            raise AuthorityError(f"other users may read the key `{path}`", hint=f"chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise AuthorityError(f"the key `{path}` cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"the key `{path}` is not an elliptic-curve key")
    return key


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step; it is readable by its owner only from its first byte on."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
