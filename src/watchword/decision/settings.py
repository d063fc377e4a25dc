"""This room's slice of the configuration: sessions, step-up, and the applications that are published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from watchword.decision.model import Application, ResourceRule
from watchword.decision.paths import read_path
from watchword.kernel import Answer, ConfigurationError, Sensitivity
from watchword.kernel.settings import setting
from watchword.trust import ADDITIVE, PROFILES

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_CLAIMS = frozenset({"sub", "name", "display_name", "email", "groups"})
_FULFILLING = frozenset({"edge", "application"})
_MAX_TRUST = 100
_HIGH_RISK = 50


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """How long trust lasts."""

    session_max_min: int = setting("Minutes a session lives at no risk, 15 to 60.", default=60)
    session_min_min: int = setting("Minutes a session lives at the edge of high risk, 15 to 60.", default=15)
    step_up_max_age_min: int = setting("Minutes for which a second factor answers a medium risk.", default=15)
    snapshot_max_age_s: float = setting("Seconds after which facts that could not be refreshed deny.", default=2.0)

    def __post_init__(self) -> None:
        """Hold the bounds of the mission: 15 to 60 minutes."""
        if not 15 <= self.session_min_min <= self.session_max_min <= 60:  # noqa: PLR2004  # the mission's bounds
            raise ValueError("`session_min_min` and `session_max_min` must lie between 15 and 60, in this order")
        if not 1 <= self.step_up_max_age_min <= 60:  # noqa: PLR2004  # no session is older
            raise ValueError("`step_up_max_age_min` must lie between 1 and 60")
        # Prevents: `inf` or `nan`, with which a snapshot would never be too old.
        if not 0 < self.snapshot_max_age_s <= 60:  # noqa: PLR2004  # a minute of blindness is more than enough
            raise ValueError("`snapshot_max_age_s` must be above 0 and at most 60")

    def session_lasts(self, risk: int) -> timedelta:
        """Return how long a session lives at a risk: longest at none, least from the edge of high on."""
        share = min(risk, _HIGH_RISK) / _HIGH_RISK
        return _minutes(self.session_max_min - (self.session_max_min - self.session_min_min) * share)


@lru_cache(maxsize=256)
def _minutes(many: float) -> timedelta:
    return timedelta(minutes=many)


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """A named part of an application."""

    name: str = setting("Name for policies, which see `APPLICATION/NAME`.")
    path: str = setting("Path prefix, matched by whole segments.")
    sensitivity: Sensitivity | None = setting("Sensitivity, if other than the application's.", default=None)
    min_trust: int = setting("Least trust score, for the profile `trust-score`.", default=0)


@dataclass(frozen=True, slots=True)
class ApplicationSettings:
    """One application behind Watchword."""

    name: str = setting("Short name for policies and addresses: lower-case letters, digits, hyphens.")
    hosts: tuple[str, ...] = setting("Host names under which it is reached.")
    upstream: str = setting("Where it listens: `http://host:port` or `unix:/path/to.sock`.")
    title: str = setting("Name for people; by default the short name.", default="")
    sensitivity: Sensitivity = setting("Moves the thresholds of risk.", default=Sensitivity.INTERNAL)
    resources: tuple[ResourceSettings, ...] = setting("Parts that policies can name.", default=())
    open_paths: tuple[str, ...] = setting("Path prefixes that need no identity.", default=())
    streaming: tuple[str, ...] = setting("Path prefixes with long answers or uploads.", default=())
    high_risk: Answer = setting("Answer to a high risk: `deny` or `approval`.", default=Answer.DENY)
    profile: str = setting(
        "How trust is computed: `additive`, `trust-score`, `statistical` or `freeman`; else as `trust.profile` says.",
        default="",
    )
    min_trust: int = setting("Least trust score, for the profile `trust-score`.", default=0)
    permissions: tuple[str, ...] = setting("Permissions the application asks about, decided by policy.", default=())
    identity_headers: Mapping[str, str] = setting(
        "Plain headers for applications that verify no signature: header to sub, name, display_name, email or groups.",
        factory=dict,
    )
    obligations: str = setting(
        "Who reduces answers that policies allow in part only: `edge`, or `application` if it carries the middleware.",
        default="edge",
    )


def applications(listed: Sequence[ApplicationSettings], *, profile: str = ADDITIVE) -> tuple[Application, ...]:
    """Check the listed applications and make them.

    Args:
        profile: of those that name none.

    Raises:
        ConfigurationError: a malformed or doubled name, host, path, header or claim.
    """
    made = tuple(_application(entry, entry.profile or profile) for entry in listed)
    for what, names in (
        ("name", [app.name for app in made]),
        ("host", [host for app in made for host in app.hosts]),
    ):
        double = next((name for name in names if names.count(name) > 1), None)
        if double:
            raise ConfigurationError(f"two applications have the {what} `{double}`")
    return made


def _application(entry: ApplicationSettings, profile: str) -> Application:
    where = f"applications.{entry.name}"
    _need(
        _NAME.fullmatch(entry.name), f"`{entry.name}` is no application name", "use lower-case letters, digits, hyphens"
    )
    _need(entry.hosts, f"`{where}.hosts` is empty", "name at least one host")
    for host in entry.hosts:
        _need(
            _HOST.fullmatch(host), f"`{where}.hosts`: `{host}` is no host name", "lower case, without scheme and port"
        )
    _need(
        re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+|unix:/.+", entry.upstream),
        f"`{where}.upstream` is no upstream",
        "write http://host:port or unix:/path",
    )
    _need(profile in PROFILES, f"`{where}.profile` is unknown", f"use {' or '.join(sorted(PROFILES))}")
    _need(entry.high_risk in {Answer.DENY, Answer.APPROVAL}, f"`{where}.high_risk` must be deny or approval", None)
    _need(
        entry.obligations in _FULFILLING,
        f"`{where}.obligations` is unknown",
        f"use {' or '.join(sorted(_FULFILLING))}",
    )
    for header, claim in entry.identity_headers.items():
        _need(_HEADER.fullmatch(header), f"`{where}.identity_headers`: `{header}` is no header name", None)
        _need(
            claim in _CLAIMS,
            f"`{where}.identity_headers`: unknown claim `{claim}`",
            f"known: {', '.join(sorted(_CLAIMS))}",
        )
    parts = [
        ResourceRule(
            part.name, _path(part.path, where), part.sensitivity or entry.sensitivity, _trust(part.min_trust, where)
        )
        for part in entry.resources
    ]
    for part in parts:
        _need(_NAME.fullmatch(part.name), f"`{where}.resources`: `{part.name}` is no resource name", None)
        _need(part.name != "default", f"`{where}.resources`: `default` is the name of everything else", None)
    # Prevents: a policy that forbids one of two parts and is read for the other.
    for what, values in (("name", [part.name for part in parts]), ("path", [part.path for part in parts])):
        double = next((value for value in values if values.count(value) > 1), None)
        _need(double is None, f"`{where}.resources`: two have the {what} `{double}`", None)
    parts.sort(key=lambda part: len(part.path), reverse=True)
    return Application(
        name=entry.name,
        title=entry.title or entry.name,
        hosts=entry.hosts,
        upstream=entry.upstream,
        resources=(*parts, ResourceRule("default", "/", entry.sensitivity, _trust(entry.min_trust, where))),
        open_paths=tuple(ResourceRule("open", _path(path, where), Sensitivity.PUBLIC) for path in entry.open_paths),
        streaming=tuple(_path(path, where) for path in entry.streaming),
        high_risk=entry.high_risk,
        profile=profile,
        permissions=entry.permissions,
        identity_headers=entry.identity_headers,
        fulfils_obligations=entry.obligations == "application",
    )


def _path(path: str, where: str) -> str:
    _need(
        path.isprintable() and "%" not in path and "*" not in path and read_path(path.replace(" ", "%20")) is not None,
        f"`{where}`: `{path}` is no path prefix",
        "start with / and write it as the application sees it, decoded, without wildcards",
    )
    return path.rstrip("/") or "/"


def _trust(value: int, where: str) -> int:
    _need(0 <= value <= _MAX_TRUST, f"`{where}.min_trust` must lie between 0 and 100", None)
    return value


def _need(holds: object, problem: str, hint: str | None) -> None:
    if not holds:
        raise ConfigurationError(problem, hint=hint)
