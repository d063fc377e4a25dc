"""Every example of `docs/how-to/write-policies.md` loads, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from watchword.policy import Effect, Entity, EntityUid, PolicyLoadError, PolicyRequest, PolicySet, ip

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "write-policies.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    directory = tmp_path_factory.mktemp("page")
    for number, text in enumerate(blocks("cedar")):
        (directory / f"{number}.cedar").write_text(text)
    (directory / "links.json").write_text(*blocks("json"))
    return PolicySet.load(directory)


def effect(page: PolicySet, group: str, action: str, target: str, **changes: Any) -> tuple[Effect, list[str]]:
    application = EntityUid("Watchword::Application", target.partition("/")[0])
    kind = "Permission" if action == "use" else "Resource"
    resource = EntityUid(f"Watchword::{kind}", target)
    user = EntityUid("Watchword::User", "usr_1")
    context: dict[str, Any] = {
        "http": {"method": "GET", "host": "wiki.localhost", "path": "/"},
        "risk": {"score": 0, "level": 0},
        "trust": {"score": 70},
        "mfa": {"is_verified": True, "age_min": 3},
        "session": {"age_min": 4, "acr": 2, "amr": frozenset({"pwd"})},
        "device": {"is_known": True, "posture": "unknown", "is_managed": True},
        "network": {"ip": ip("198.51.100.7"), "country": "CH", "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        "rel": frozenset(),
    }
    for path, value in changes.items():
        record, _, name = path.partition("__")
        context[record] = {**context[record], name: value}
    if action == "use":
        context["permission"] = target.partition("/")[2]
    entities = [
        Entity(
            user,
            {"name": "kim", "is_administrator": False, "is_privileged": False},
            (EntityUid("Watchword::Group", group),),
        ),
        Entity(application, {"sensitivity": "internal"}),
        Entity(resource, {} if action == "use" else {"sensitivity": "internal"}, (application,)),
    ]
    request = PolicyRequest(
        user, EntityUid("Watchword::Action", action), resource, context, {entity.uid: entity for entity in entities}
    )
    answer = page.evaluate(request)
    return answer.effect, [policy.id for policy in answer.determining]


@pytest.mark.parametrize(
    ("group", "action", "target", "changes", "wanted"),
    [
        ("staff", "write", "wiki/pages", {}, (Effect.PERMIT, ["staff-may-use-wiki"])),
        ("staff", "read", "blog/pages", {}, (Effect.SILENT, [])),
        ("guests", "read", "wiki/pages", {}, (Effect.PERMIT, ["guests-may-read-wiki"])),
        ("guests", "write", "wiki/pages", {}, (Effect.SILENT, [])),
        ("staff", "read", "wiki/settings", {}, (Effect.FORBID, ["wiki-settings-are-for-editors"])),
        ("staff", "delete", "wiki/pages", {"mfa__age_min": 4}, (Effect.PERMIT, ["staff-may-use-wiki"])),
        (
            "staff",
            "delete",
            "wiki/pages",
            {"mfa__age_min": 5},
            (Effect.FORBID, ["wiki-deletion-wants-a-second-factor"]),
        ),
        (
            "contractors",
            "read",
            "wiki/pages",
            {"network__country": "FR"},
            (Effect.FORBID, ["contractors-work-in-working-hours-from-known-places"]),
        ),
        ("contractors", "read", "wiki/pages", {}, (Effect.SILENT, [])),
        (
            "auditors",
            "read",
            "payroll/lists",
            {"device__is_managed": False},
            (Effect.FORBID, ["payroll-wants-managed-devices-and-low-risk"]),
        ),
        ("auditors", "read", "payroll/lists", {}, (Effect.PERMIT, ["auditors-may-read-payroll"])),
        ("anybody", "read", "printer/queue", {}, (Effect.SILENT, [])),
        (
            "anybody",
            "read",
            "printer/queue",
            {"network__ip": ip("192.0.2.9")},
            (Effect.PERMIT, ["the-office-network-may-reach-the-printer"]),
        ),
        ("editors", "use", "notes/notes.delete", {}, (Effect.PERMIT, ["editors-may-delete-notes"])),
        ("editors", "delete", "notes/pages", {}, (Effect.SILENT, [])),
        ("editors", "use", "notes/notes.share", {}, (Effect.SILENT, [])),
    ],
)
def test_an_example_of_the_page_does_what_the_page_says(
    page: PolicySet, group: str, action: str, target: str, changes: dict[str, Any], wanted: tuple[Effect, list[str]]
) -> None:
    assert effect(page, group, action, target, **changes) == wanted


def test_the_page_shows_a_problem_as_it_is_told(tmp_path: Path) -> None:
    first = 'permit (principal in Watchword::Group::"staff", action, resource);\n'
    (tmp_path / "wiki.cedar").write_text(f"{first}permit (principal, action resource);\n")
    with pytest.raises(PolicyLoadError) as raised:
        PolicySet.load(tmp_path)
    assert str(raised.value.problems[0]) == blocks("text")[0].strip()
