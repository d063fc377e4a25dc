"""Say the facts in the words of the Cedar schema: entities and context."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchword.decision.case import Case
from watchword.decision.model import Application, ResourceRule
from watchword.identity import UserFacts
from watchword.kernel import V4_BITS, Acr, UserId, read_ip
from watchword.policy import Entity, EntityUid, Value, ip, set_of
from watchword.trust import Standing, WorkingHours

_NAMESPACE: Final = "Watchword::"
_CACHED_USERS: Final = 20_000

ACTIONS: Final[Mapping[str, EntityUid]] = {
    name: EntityUid(_NAMESPACE + "Action", name) for name in ("read", "write", "delete", "connect", "use")
}


class _Layered(dict[EntityUid, Entity]):
    """A user's own entities before those of the configuration, which all users share.

    `get` and `in` look at both; nothing else is asked of it. Copying the configuration for each user instead would
    cost 36 KB a user with 600 parts published.
    """

    __slots__ = ("_below",)

    def __init__(self, own: Mapping[EntityUid, Entity], below: Mapping[EntityUid, Entity]) -> None:
        super().__init__(own)
        self._below = below

    def __contains__(self, uid: object) -> bool:
        return dict.__contains__(self, uid) or uid in self._below

    def __missing__(self, uid: EntityUid) -> Entity:
        return self._below[uid]

    def get(self, uid: EntityUid, default: Any = None) -> Any:
        """Return a description from either layer."""
        found = dict.get(self, uid)
        return found if found is not None else self._below.get(uid, default)


class Vocabulary:
    """Make entities once and keep them: those of the configuration for good, those of a user until the user changes."""

    def __init__(self, applications: Sequence[Application]) -> None:
        self._static = entities_of_applications(applications)
        self._users: OrderedDict[UserId, tuple[UserFacts, EntityUid, _Layered]] = OrderedDict()

    def principal(self, user: UserFacts) -> tuple[EntityUid, Mapping[EntityUid, Entity]]:
        """Return a user's name and every entity that a decision about them may need."""
        known = self._users.get(user.id)
        if known is not None and known[0] is user:
            return known[1], known[2]
        uid, entities = user_uid(user), _Layered(entities_of_user(user), self._static)
        if len(self._users) >= _CACHED_USERS:
            self._users.popitem(last=False)
        self._users[user.id] = (user, uid, entities)
        return uid, entities


def entities_of_applications(applications: Sequence[Application]) -> dict[EntityUid, Entity]:
    """Describe what is configured: applications, their parts, their permissions."""
    found: dict[EntityUid, Entity] = {}
    for app in applications:
        application = EntityUid(_NAMESPACE + "Application", app.name)
        found[application] = Entity(application, {"sensitivity": app.resources[-1].sensitivity.value})
        for rule in app.resources:
            uid = resource_uid(app, rule)
            found[uid] = Entity(uid, {"sensitivity": rule.sensitivity.value}, (application,))
        for permission in app.permissions:
            uid = permission_uid(app, permission)
            found[uid] = Entity(uid, {}, (application,))
    return found


def entities_of_user(user: UserFacts) -> dict[EntityUid, Entity]:
    """Describe a user and the groups the user is in."""
    uid = user_uid(user)
    groups = [_group(name) for name in sorted(user.groups)]
    attributes: dict[str, str | bool] = {
        "name": user.name,
        "is_administrator": user.is_administrator,
        "is_privileged": user.is_privileged,
    }
    if user.email is not None:
        attributes["email"] = user.email
    found = {group.uid: group for group in groups}
    found[uid] = Entity(uid, attributes, tuple(found))
    return found


@lru_cache(maxsize=8192)
def _group(name: str) -> Entity:
    """Describe a group, once for all who are in it."""
    return Entity(EntityUid(_NAMESPACE + "Group", name))


def user_uid(user: UserFacts) -> EntityUid:
    """Name a user."""
    return EntityUid(_NAMESPACE + "User", user.id)


def resource_uid(app: Application, rule: ResourceRule) -> EntityUid:
    """Name a part of an application."""
    return _resource_uid(app.name, rule.name)


@lru_cache(maxsize=8192)
def _resource_uid(application: str, part: str) -> EntityUid:
    return EntityUid(_NAMESPACE + "Resource", f"{application}/{part}")


def permission_uid(app: Application, permission: str) -> EntityUid:
    """Name a permission of an application."""
    return EntityUid(_NAMESPACE + "Permission", f"{app.name}/{permission}")


def context_of(case: Case, standing: Standing, working_hours: WorkingHours) -> dict[str, Value]:
    """Say what was found in the words of the schema; what is not known is left out, never guessed.

    Args:
        case: a request whose session, place and assessment are known.
        standing: of its network.
        working_hours: of the profile that the application chose.
    """
    request, session, place, assessment, device = case.request, case.session, case.place, case.assessment, case.device
    assert session is not None
    assert place is not None
    assert assessment is not None
    assert case.user is not None
    return {
        "http": {"method": request.method, "host": request.host, "path": request.path},
        "risk": _risk(assessment.risk, int(case.level or 0)),
        "trust": _trust(assessment.trust),
        # Rounded up: a factor is never taken for younger than it is.
        "mfa": _mfa(int(case.mfa_age_min) + 1 if case.mfa_age_min is not None else None),
        "session": _session(
            max(0, int((case.now - session.authenticated_at).total_seconds() // 60)), session.acr, session.amr
        ),
        "device": _device(
            case.posture,
            max(0, (case.now - device.first_seen_at).days) if device is not None else None,
            device.is_managed if device is not None else None,
        ),
        "network": _network(request.client_ip, standing.allowed, standing.suspicious, place.country, place.asn),
        "time": _time_in(case.user.timezone, int(case.now.timestamp() // 60), working_hours),
    }


# ---- parts of the context ------------------------------------------------------------------------------------------
# There are few different ones, so that many decisions share each. Nobody changes them, as `PolicyRequest` demands.


@lru_cache(maxsize=512)
def _risk(score: int, level: int) -> dict[str, Value]:
    return {"score": score, "level": level}


@lru_cache(maxsize=128)
def _trust(score: int) -> dict[str, Value]:
    return {"score": score}


@lru_cache(maxsize=128)
def _mfa(age_min: int | None) -> dict[str, Value]:
    return {"is_verified": False} if age_min is None else {"is_verified": True, "age_min": age_min}


@lru_cache(maxsize=1024)
def _session(age_min: int, acr: Acr, amr: tuple[str, ...]) -> dict[str, Value]:
    return {"age_min": age_min, "acr": acr.strength, "amr": set_of(amr)}


@lru_cache(maxsize=4096, typed=True)
def _device(posture: str, age_days: int | None, is_managed: bool | None) -> dict[str, Value]:  # noqa: FBT001  # keys of a cache
    device: dict[str, Value] = {"is_known": age_days is not None, "posture": posture}
    if age_days is not None:
        device["age_days"] = age_days
    if is_managed is not None:
        device["is_managed"] = is_managed
    return device


@lru_cache(maxsize=16_384, typed=True)
def _network(
    address: str,
    is_allowed: bool,  # noqa: FBT001  # as above
    is_suspicious: bool,  # noqa: FBT001  # as above
    country: str | None,
    asn: int | None,
) -> dict[str, Value]:
    network: dict[str, Value] = {
        "ip": _cedar_ip(address),
        "is_allowed": is_allowed,
        "is_suspicious": is_suspicious,
    }
    if country is not None:
        network["country"] = country
    if asn is not None:
        network["asn"] = asn
    return network


@lru_cache(maxsize=1024)
def _time_in(timezone: str, minute: int, working_hours: WorkingHours) -> dict[str, Value]:
    """Read the clock where somebody is, once a minute for all who are there.

    Args:
        minute: since 1970; zones stand whole minutes apart.
    """
    local = datetime.fromtimestamp(minute * 60, _zone(timezone))
    return {
        "hour": local.hour,
        "minute": local.minute,
        "weekday": local.isoweekday(),
        "is_working_hours": working_hours.cover(local),
    }


def _cedar_ip(address: str) -> Value:
    bits, number, _ = read_ip(address)
    # Prevents: `::ffff:a.b.c.d` walking around a policy about `a.b.c.0/24`; Cedar takes the two for different ones.
    return ip(address if bits != V4_BITS or ":" not in address else str(IPv4Address(number)))


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
