"""Directories of Rego, and the request that is put to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from watchword.policy import Entity, EntityUid, PolicyRequest, ip, set_of

_EXAMPLE = Path(__file__).parent / "rego"
EXAMPLE = (_EXAMPLE / "policy.rego").read_text()
EXAMPLE_INPUT: dict[str, Any] = json.loads((_EXAMPLE / "input.json").read_text())
HEAD = "package x.authz\nimport rego.v1\ndefault allow := false\n"
MEMBERS = 'permit (principal in Watchword::Group::"members", action, resource);\n'
BANNED = 'forbid (principal in Watchword::Group::"banned", action, resource);\n'

USER = EntityUid("Watchword::User", "usr_1")
NOTES = EntityUid("Watchword::Application", "notes")
PAGE = EntityUid("Watchword::Resource", "notes/pages")
READ = EntityUid("Watchword::Action", "read")


def write(directory: Path, cedar: str = "", **rego: str) -> Path:
    """Write a policy directory: Cedar, and one file of Rego for each keyword."""
    (directory / "rego").mkdir(exist_ok=True)
    if cedar:
        (directory / "a.cedar").write_text(cedar)
    for name, source in rego.items():
        (directory / "rego" / f"{name}.rego").write_text(source)
    return directory


def request(*groups: str, path: str = "/") -> PolicyRequest:
    """Return a request of Watchword's own kind by a user of some groups."""
    above = tuple(EntityUid("Watchword::Group", name) for name in groups)
    entities = [
        Entity(USER, {"name": "kim", "is_administrator": False, "is_privileged": False}, above),
        *map(Entity, above),
        Entity(NOTES, {"sensitivity": "internal"}),
        Entity(PAGE, {"sensitivity": "internal"}, (NOTES,)),
    ]
    context: dict[str, Any] = {
        "http": {"method": "GET", "host": "notes.localhost", "path": path},
        "risk": {"score": 7, "level": 0},
        "trust": {"score": 60},
        "mfa": {"is_verified": True, "age_min": 3},
        "session": {"age_min": 4, "acr": 2, "amr": set_of(["pwd", "otp"])},
        "device": {"is_known": True, "age_days": 30, "posture": "unknown"},
        "network": {"ip": ip("192.0.2.7"), "country": "CH", "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        "rel": frozenset(),
    }
    return PolicyRequest(USER, READ, PAGE, context, {entity.uid: entity for entity in entities})
