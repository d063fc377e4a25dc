"""Look at everything a node needs, one finding each, and say what would mend it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watchword.app.data import prepare
from watchword.app.feeds import feeds_at_rest
from watchword.app.policies import last_in_force
from watchword.app.services import authority_of, open_services
from watchword.audit import verify
from watchword.enforcement.envoy import check_addresses, find_envoy
from watchword.kernel import SystemClock, WatchwordError
from watchword.keys import KeyRing
from watchword.policy import PolicyLoadError, PolicySet
from watchword.settings import Settings
from watchword.trust import ContextSource
from watchword.trust.feeds import open_traits

_LOW_DISK_BYTES = 1 << 30
_STALE_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        remedy: what to do; empty when all is well.
    """

    check: str
    is_well: bool
    detail: str
    remedy: str = ""


async def examine(settings: Settings, status: Mapping[str, Any] | None) -> list[Finding]:
    """Run every check; `status` is what the running node says of itself, or nothing when none runs."""
    findings = [_attempt("data directory", lambda: prepare(settings.data), str(settings.data)), _disk(settings)]
    findings.append(_attempt("envoy", find_envoy, "found"))
    findings += await _state(settings)
    findings.append(_places(settings, status or {}))
    findings += _feeds(settings, status)
    findings.append(_certificates(settings))
    if status is None:
        findings.append(Finding("node", is_well=True, detail="not running"))
        findings.append(_attempt("addresses", lambda: check_addresses(settings.edge.listeners), "free"))
    else:
        findings += _node(status)
    return findings


def _attempt(check: str, act: Any, detail: str) -> Finding:
    try:
        found = act()
    except WatchwordError as error:
        return Finding(check, is_well=False, detail=error.message, remedy=error.hint or "")
    return Finding(check, is_well=True, detail=str(found) if found is not None else detail)


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data).free
    words = f"{free / (1 << 30):.1f} GiB free"
    if free < _LOW_DISK_BYTES:
        return Finding("disk", is_well=False, detail=words, remedy="free some space: a full disk denies every request")
    return Finding("disk", is_well=True, detail=words)


async def _state(settings: Settings) -> list[Finding]:
    """Open the database under the sealing key, and walk through the journal."""
    try:
        async with open_services(settings) as services:
            users = await services.identity.reader.users()
            report = verify(settings.journal_directory, services.keys.all_ever("journal"))
            policies = _policies(settings, services.keys)
    except WatchwordError as error:
        failed = Finding("database", is_well=False, detail=error.message, remedy=error.hint or "")
        return [failed, _policies(settings, None)]
    findings = [Finding("database", is_well=True, detail=f"{len(users)} users")]
    if not any(user.is_administrator and not user.is_disabled for user in users):
        findings.append(
            Finding(
                "administrator",
                is_well=False,
                detail="nobody can administer",
                remedy="start the node: it prints a link for the first administrator",
            )
        )
    if report.finding is None:
        findings.append(Finding("journal", is_well=True, detail=f"{report.records} records, whole"))
    else:
        remedy = "keep a copy of the journal directory and find out who changed it"
        findings.append(Finding("journal", is_well=False, detail=report.finding.words, remedy=remedy))
    return [*findings, policies]


def _policies(settings: Settings, keys: KeyRing | None) -> Finding:
    if settings.policy.is_signed:
        return _bundle(settings, keys)
    try:
        loaded = PolicySet.load(settings.policy_directory)
    except PolicyLoadError as error:
        return Finding("policies", is_well=False, detail=str(error.problems[0]), remedy="run: watchword policies check")
    if len(loaded) == 0:
        return Finding(
            "policies",
            is_well=False,
            detail="none, so everything is denied",
            remedy=f"write one in {settings.policy_directory}",
        )
    words = f"{len(loaded)} policies from a directory that nobody signed: who may write there decides who gets in"
    return Finding("policies", is_well=True, detail=words)


def _bundle(settings: Settings, keys: KeyRing | None) -> Finding:
    """Verify the bundle that was last in force, as the node does when it starts."""
    remedy = "publish a bundle: watchword policies publish DIRECTORY --key FILE"
    if keys is None:
        return Finding("policies", is_well=False, detail="the database is needed to verify them", remedy="see above")
    try:
        found = last_in_force(settings, keys)
    except WatchwordError as error:
        return Finding("policies", is_well=False, detail=error.message, remedy=error.hint or remedy)
    if found is None:
        detail = "no bundle was in force yet, so everything is denied"
        return Finding("policies", is_well=False, detail=detail, remedy=remedy)
    left = found.manifest.expires - SystemClock().now()
    detail = (
        f"bundle version {found.manifest.version}, signed by {len(found.signers)} of {len(settings.policy.keys)} keys, "
        f"expires {found.manifest.expires:%Y-%m-%d %H:%M} UTC"
    )
    is_late = left * 4 < found.manifest.expires - found.manifest.created
    return Finding("policies", is_well=not is_late, detail=detail, remedy=remedy if is_late else "")


def _places(settings: Settings, status: Mapping[str, Any]) -> Finding:
    """Open what tells where an address is; which look-ups failed since, only the running node knows."""
    try:
        source = ContextSource.open(settings.trust)
        traits = open_traits(settings.trust.traits_files)
    except WatchwordError as error:
        return Finding("places", is_well=False, detail=error.message, remedy=error.hint or "")
    problems = tuple(dict.fromkeys((*source.problems, *status.get("place_problems", ()))))
    if problems:
        remedy = "rename a fresh copy over the file and start the node again; until then such places are unknown"
        return Finding("places", is_well=False, detail="; ".join(problems), remedy=remedy)
    return Finding("places", is_well=True, detail=", ".join((*source.sources, *(each.source for each in traits))))


def _feeds(settings: Settings, status: Mapping[str, Any] | None) -> list[Finding]:
    """Tell of every feed: as the running node has it, else as it was left on this machine."""
    rows = status.get("feeds", ()) if status is not None else feeds_at_rest(settings)
    return [
        Finding(
            f"feed {row['feed']}",
            is_well=not row["problem"],
            detail=row["problem"] or f"{row['state']}, {row['entries']} entries",
            remedy=(row["hint"] or "look at it: watchword risk feeds show NAME").replace("NAME", row["feed"])
            if row["problem"]
            else "",
        )
        for row in rows
    ]


def _certificates(settings: Settings) -> Finding:
    if settings.edge.certificate_file:
        return Finding("certificate", is_well=True, detail=settings.edge.certificate_file)
    authority = authority_of(settings)
    if not authority.root_file.exists():
        return Finding("certificate", is_well=True, detail="the local authority is made at the first start")
    return Finding("certificate", is_well=True, detail=f"local authority, SHA-256 {authority.root_fingerprint[:23]}...")


def _node(status: Mapping[str, Any]) -> list[Finding]:
    age = status["snapshot_age_s"]
    stale = age > _STALE_S
    findings = [
        Finding(
            "node",
            is_well=not stale,
            detail=f"running, facts {age:.2f} s old, {status['sessions']} sessions",
            remedy="it cannot follow the database, so it denies; look at the database check above" if stale else "",
        )
    ]
    for name, key in (
        ("node: journal", "journal_problem"),
        ("node: policies", "policy_problem"),
        ("node: decisions", "decision_problem"),
    ):
        problem = status.get(key)
        findings.append(
            Finding(name, is_well=problem is None, detail=problem or "well", remedy="see above" if problem else "")
        )
    return [*findings, _learning(status)]


def _learning(status: Mapping[str, Any]) -> Finding:
    """Tell for which profiles the node learns, and whether what was learned beside it can be used."""
    problem = status.get("score_problem") or status.get("peer_groups_problem")
    if problem:
        remedy = "go back: watchword risk rollback" if status.get("score_problem") else "run: watchword risk batch FILE"
        return Finding("node: learning", is_well=False, detail=problem, remedy=remedy)
    learns = ", ".join(status.get("learns", ())) or "no profile: none in use compares with what was learned"
    peers = f"; peer groups {status['peer_groups']}" if status.get("peer_groups") else ""
    return Finding("node: learning", is_well=True, detail=f"for {learns}{peers}")
