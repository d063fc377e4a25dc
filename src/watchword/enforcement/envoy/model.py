"""What the edge is told: where it listens, whom it asks, which applications it publishes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchword.enforcement.envoy.errors import EnvoyConfigurationError
from watchword.enforcement.leases import LONGEST_S
from watchword.kernel.settings import setting

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_HEADER: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_PATH_PREFIX: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,=:@/-]*")
_UNIX_PATH_MAX: Final = 107  # sun_path has 108 bytes, the last one is NUL; unix(7)
_PORT_MAX: Final = 65535
_HTTPS_PORT: Final = 443
# Identity headers that would change how the request itself is read, or that Watchword or Envoy owns.
_RESERVED_HEADERS: Final = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    }
)
_RESERVED_PREFIXES: Final = ("x-watchword-", "x-envoy-", "sec-")


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """An address to listen on or to connect to; `host` is a literal IP address for a listener."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> TcpAddress:
        """Read `host:port` or `[v6]:port`.

        Raises:
            EnvoyConfigurationError: no port, a port out of range, or an empty host.
        """
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _PORT_MAX:
            raise EnvoyConfigurationError(f"`{text}` is not an address of the form `host:port`")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where an application listens: a TCP address or a Unix socket, with HTTP/1.1 or cleartext HTTP/2.

    Exactly one of `address` and `socket` is set.
    """

    address: TcpAddress | None = None
    socket: Path | None = None
    http2: bool = False

    @classmethod
    def parse(cls, text: str) -> Upstream:
        """Read `http://host:port`, `h2c://host:port`, `unix:/path` or `h2c+unix:/path`.

        Raises:
            EnvoyConfigurationError: another scheme, a path or credentials in the address, or a socket path too long.
        """
        scheme, colon, rest = text.partition(":")
        if scheme in {"unix", "h2c+unix"} and colon:
            return cls(socket=socket_path(Path(rest)), http2=scheme != "unix")
        if scheme in {"http", "h2c"} and rest.startswith("//"):
            authority = rest[2:].removesuffix("/")
            if not re.search(r"[/?#@\s]", authority):
                named = authority if re.search(r":\d+\Z", authority) else f"{authority}:80"
                return cls(address=TcpAddress.parse(named), http2=scheme == "h2c")
        raise EnvoyConfigurationError(
            f"`{text}` is not an upstream", hint="use http://host:port, h2c://host:port or unix:/path"
        )


@dataclass(frozen=True, slots=True)
class PublishedApplication:
    """One application as the edge sees it.

    Attributes:
        hosts: lower-case host names without port; each belongs to one application only.
        streaming: path prefixes whose requests or answers may be long (feeds, uploads, downloads); they get no
            timeout but a kill handle. A prefix ends at a path segment: `/live` covers `/live/x`, never `/lively`.
        identity_headers: header names for applications that verify no signature; the authorizer sets them, and
            whatever a client sends under these names is removed.
        max_body_bytes: longest request body; on `streaming` paths only a declared length is held against it.
        response_timeout_s: an ordinary request with its answer ends after this long at the latest.
        allows_path_parameters: let `;` in paths through, for applications that need matrix parameters.
    """

    name: str
    hosts: tuple[str, ...]
    upstream: Upstream
    streaming: tuple[str, ...] = ()
    identity_headers: tuple[str, ...] = ()
    max_body_bytes: int = 10 * 1024 * 1024
    response_timeout_s: float = 30.0
    allows_path_parameters: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise EnvoyConfigurationError(f"`{self.name}` is not an application name", hint="use a-z, 0-9 and -")
        for host in self.hosts:
            check_host(host)
        for prefix in self.streaming:
            if not _PATH_PREFIX.fullmatch(prefix) or "//" in prefix or "/." in prefix:
                raise EnvoyConfigurationError(f"`{prefix}` is not a normalised path prefix")
        for header in self.identity_headers:
            _check_identity_header(header)
        if self.max_body_bytes < 1 or self.response_timeout_s <= 0:
            raise EnvoyConfigurationError(f"the limits of application `{self.name}` must be above zero")


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """Where Envoy listens and what it refuses: this room's slice of the configuration."""

    host: str = setting("Host of the portal: sign-in, account, administration.", default="watchword.localhost")
    listen: str = setting("Address of the TLS listener.", default="127.0.0.1:8443")
    proxy_protocol_listen: str = setting(
        "Address of a second TLS listener, behind load balancers that speak the PROXY protocol; empty turns it off.",
        default="",
    )
    redirect_listen: str = setting(
        "Address of a plain HTTP listener that only redirects to HTTPS; empty turns it off.", default=""
    )
    public_port: int = setting("Port that browsers use, if other than that of `listen`; 0 means the same.", default=0)
    trusted_proxies: tuple[str, ...] = setting(
        "Networks whose X-Forwarded-For and PROXY header are believed; with none, PROXY is taken from loopback only.",
        default=(),
    )
    certificate_file: str = setting("Certificate with its issuers, PEM; empty means one of the local CA.", default="")
    private_key_file: str = setting("Private key of `certificate_file`, PEM.", default="")
    concurrency: int = setting("Worker threads of Envoy; leases are for the first 32.", default=1)
    max_connections: int = setting("Connections of clients, all together.", default=10_000)
    max_heap_mb: int = setting("Megabytes of memory at which Envoy refuses work.", default=1024)
    authorizer_timeout_s: float = setting("Seconds a decision may take before the answer is 503.", default=2.0)
    streaming_idle_timeout_s: float = setting("Seconds a stream may be silent.", default=3600.0)
    lease_s: float = setting(
        "Seconds for which Envoy may repeat a low-risk allow to the very same request by itself, up to 30, as long as "
        "nothing it was read from changes; 0 asks the decision point about every request.",
        default=10.0,
    )
    hsts_s: int = setting(
        "Seconds of Strict-Transport-Security; hosts under `.localhost` never get it.", default=31_536_000
    )
    access_log: bool = setting("Write Envoy's access log, without query strings, to the log directory.", default=False)

    def __post_init__(self) -> None:
        """Refuse what Envoy would misunderstand."""
        check_host(self.host)
        for network in self.trusted_proxies:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise EnvoyConfigurationError(f"`{network}` is not a network", hint="for example 10.0.0.0/8") from error
        for address in self.listeners:
            _check_listener(address)
        if bool(self.certificate_file) != bool(self.private_key_file):
            raise EnvoyConfigurationError(
                "`edge.certificate_file` and `edge.private_key_file` come together or not at all"
            )
        if not 0 <= self.public_port <= _PORT_MAX or self.hsts_s < 0:
            raise EnvoyConfigurationError("`edge.public_port` or `edge.hsts_s` is out of range")
        # Prevents: an assertion that a lease repeats outliving its minute.
        if not 0 <= self.lease_s <= LONGEST_S:
            raise EnvoyConfigurationError(f"`edge.lease_s` must lie between 0 and {LONGEST_S:g}")
        positive = "concurrency", "max_connections", "max_heap_mb", "authorizer_timeout_s", "streaming_idle_timeout_s"
        for name in positive:
            if getattr(self, name) <= 0:
                raise EnvoyConfigurationError(f"`edge.{name}` must be above zero")

    @property
    def listen_address(self) -> TcpAddress:
        """The TLS listener."""
        return TcpAddress.parse(self.listen)

    @property
    def proxy_protocol_address(self) -> TcpAddress | None:
        """The TLS listener behind load balancers, if there is one."""
        return TcpAddress.parse(self.proxy_protocol_listen) if self.proxy_protocol_listen else None

    @property
    def redirect_address(self) -> TcpAddress | None:
        """The listener that only redirects, if there is one."""
        return TcpAddress.parse(self.redirect_listen) if self.redirect_listen else None

    @property
    def listeners(self) -> tuple[TcpAddress, ...]:
        """Every TCP address that must be free before Envoy starts."""
        every = (self.listen_address, self.proxy_protocol_address, self.redirect_address)
        return tuple(address for address in every if address is not None)

    @property
    def browser_port(self) -> int:
        """The port in the addresses that people see."""
        return self.public_port or self.listen_address.port

    def origin(self, host: str | None = None) -> str:
        """Return the origin of a host as browsers write it; by default the portal's."""
        port = self.browser_port
        return f"https://{host or self.host}" + ("" if port == _HTTPS_PORT else f":{port}")


@dataclass(frozen=True, slots=True)
class PublishedApi:
    """An API for programs, on a TLS listener of its own: no sign-in, no application, callers prove themselves to it.

    Attributes:
        socket: where it answers on this machine.
        max_body_bytes: longest request body.
        response_timeout_s: a call with its answer ends after this long at the latest.
    """

    name: str
    address: TcpAddress
    socket: Path
    max_body_bytes: int
    response_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise EnvoyConfigurationError(f"`{self.name}` is not the name of an API", hint="use a-z, 0-9 and -")
        _check_listener(self.address)
        socket_path(self.socket)


@dataclass(frozen=True, slots=True)
class EdgeFiles:
    """Where things lie on this machine.

    Attributes:
        run_directory: holds the Unix sockets and what Envoy reads; only its owner may enter it.
        certificate_file: the leaf and its issuers as PEM; `private_key_file` belongs to it.
        log_directory: holds `envoy.log` and, if wanted, `access.log`.
    """

    run_directory: Path
    certificate_file: Path
    private_key_file: Path
    log_directory: Path

    def __post_init__(self) -> None:
        """Refuse paths that the operating system cannot bind."""
        sockets = (self.authz_socket, self.web_socket, self.guard_socket, self.bodies_socket, self.admin_socket)
        for socket in sockets:
            socket_path(socket)

    @property
    def authz_socket(self) -> Path:
        """Where the authorizer answers ext_authz."""
        return self.run_directory / "authz.sock"

    @property
    def web_socket(self) -> Path:
        """Where the portal's pages come from."""
        return self.run_directory / "web.sock"

    @property
    def guard_socket(self) -> Path:
        """Where the kill handles are held."""
        return self.run_directory / "guard.sock"

    @property
    def bodies_socket(self) -> Path:
        """Where answers are reduced."""
        return self.run_directory / "bodies.sock"

    @property
    def lease_board(self) -> Path:
        """The memory that says which leases hold."""
        return self.run_directory / "leases"

    @property
    def admin_socket(self) -> Path:
        """Envoy's own administration; never a TCP port."""
        return self.run_directory / "envoy-admin.sock"

    @property
    def bootstrap_file(self) -> Path:
        """What Envoy is started with."""
        return self.run_directory / "envoy.json"

    @property
    def certificate_secret_file(self) -> Path:
        """What tells Envoy where the certificate is; replacing it makes Envoy load the new one."""
        return self.run_directory / "envoy-certificate.json"

    @property
    def log_file(self) -> Path:
        """Envoy's own log."""
        return self.log_directory / "envoy.log"

    @property
    def access_log(self) -> Path:
        """One JSON line a request, if wanted."""
        return self.log_directory / "access.log"


def check_applications(edge: EdgeSettings, applications: Sequence[PublishedApplication]) -> None:
    """Refuse applications that would shadow one another or the portal.

    Raises:
        EnvoyConfigurationError: a name or host is used twice, or an application takes the portal's host.
    """
    names: set[str] = set()
    owner = {edge.host: "the portal"}
    for application in applications:
        if application.name in names:
            raise EnvoyConfigurationError(f"two applications are named `{application.name}`")
        names.add(application.name)
        for host in application.hosts:
            if host in owner:
                raise EnvoyConfigurationError(f"host `{host}` of `{application.name}` belongs to {owner[host]} already")
            owner[host] = f"`{application.name}`"


def check_host(host: str) -> None:
    """Refuse anything but a lower-case host name without port, wildcard or trailing dot."""
    if not _HOST.fullmatch(host):
        raise EnvoyConfigurationError(f"`{host}` is not a host name", hint="lower case, without port or wildcard")


def socket_path(path: Path) -> Path:
    """Return the path if the operating system can bind it.

    Raises:
        EnvoyConfigurationError: relative, or longer than a Unix socket's name may be.
    """
    if not path.is_absolute():
        raise EnvoyConfigurationError(f"socket path `{path}` is not absolute")
    if len(str(path).encode()) > _UNIX_PATH_MAX:
        raise EnvoyConfigurationError(
            f"socket path `{path}` is longer than {_UNIX_PATH_MAX} bytes", hint="choose a shorter run directory"
        )
    return path


def _check_listener(address: TcpAddress) -> None:
    try:
        ipaddress.ip_address(address.host)
    except ValueError as error:
        raise EnvoyConfigurationError(f"a listener needs an IP address, not `{address.host}`") from error


def _check_identity_header(header: str) -> None:
    # Prevents: an operator's typing error that lets the authorizer rewrite how the request itself is read.
    if not _HEADER.fullmatch(header) or header in _RESERVED_HEADERS or header.startswith(_RESERVED_PREFIXES):
        raise EnvoyConfigurationError(
            f"`{header}` cannot be an identity header", hint="use a lower-case name such as `remote-user`"
        )
