from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from watchword.policy import Entity, EntityUid, PolicyRequest
from watchword.policy.replay import Question, Recorder

if TYPE_CHECKING:
    from conftest import CommandLine

SCHEMA = """
namespace Shop {
  entity User; entity Shelf;
  action buy appliesTo { principal: User, resource: Shelf, context: { fresh: Bool } };
}
"""
PERMIT = '@id("all") permit (principal, action, resource);'
FRESH = PERMIT + '@id("fresh") forbid (principal, action == Shop::Action::"buy", resource) unless { context.fresh };'


def draft(directory: Path, text: str, expected: str = "") -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "shop.cedarschema").write_text(SCHEMA)
    (directory / "shop.cedar").write_text(text)
    if expected:
        (directory / "expected-flips.yaml").write_text(expected)
    return directory


def decision(number: int, *, fresh: bool, age: timedelta = timedelta(0)) -> dict[str, Any]:
    user, shelf = EntityUid("Shop::User", f"usr_{number % 3}"), EntityUid("Shop::Shelf", "tea")
    described = {user: Entity(user), shelf: Entity(shelf)}
    asked = PolicyRequest(user, EntityUid("Shop::Action", "buy"), shelf, {"fresh": fresh}, described)
    return {
        "type": "decision",
        "id": f"dec_{number}",
        "at": (datetime.now(UTC) - age).isoformat(),
        "answer": "allow",
        "reasons": ["policy_permits"],
        "application": "shop",
        "resource": "tea",
        "action": "write",
        "user": user.id,
        "policies": [["all", ""]],
        "policy_version": "0" * 64,
        "personal": {"asked": Question(asked).record(Recorder())},
    }


@pytest.fixture
def shop(cli: CommandLine, tmp_path: Path) -> Path:
    """A journal of ten decisions, four of them with nothing fresh, two of those a week old."""
    old = [decision(number, fresh=False, age=timedelta(days=7)) for number in range(2)]
    cli.journal(*old, *(decision(number, fresh=number % 4 != 0) for number in range(2, 10)))
    return draft(tmp_path / "draft", FRESH)


def test_a_draft_is_run_over_the_journal(cli: CommandLine, shop: Path) -> None:
    found = cli.json("policies", "replay", str(shop))
    assert (found["decisions"], found["compared"], found["loses"], found["gains"]) == (10, 10, 4, 0)
    assert [(group["name"], group["loses"]) for group in found["by_policy"]] == [("all", 4), ("fresh", 4)]
    assert found["by_target"][0]["name"] == "shop/tea"
    assert found["examples"][0]["id"] == "dec_8"
    assert cli.json("policies", "replay", str(shop), "--since", "6d")["decisions"] == 8
    assert cli.json("policies", "replay", str(shop), "--limit", "3")["decisions"] == 3
    said = cli("policies", "replay", str(shop))
    assert said.code == 0
    assert "4 come out differently" in said.out
    assert "0 would gain, 4 would lose" in said.out
    assert "dec_8  allow -> deny  write shop/tea by usr_2" in said.out


def test_a_draft_can_be_compared_with_other_policies(cli: CommandLine, shop: Path, tmp_path: Path) -> None:
    other = draft(tmp_path / "other", FRESH + " // the same")
    assert cli.json("policies", "replay", str(shop), "--against", str(other))["flips"] == 0
    wider = draft(tmp_path / "wider", PERMIT)
    assert cli.json("policies", "replay", str(wider), "--against", str(other))["gains"] == 4


def test_unexpected_flips_end_with_a_code_of_their_own(cli: CommandLine, shop: Path) -> None:
    said = cli("policies", "replay", str(shop), "--gate")
    assert said.code == 4
    assert "unexpected: usr_2 loses on shop/tea by all, fresh" in said.out
    for options in (("--expect-lose", "4"), ("--expect-lose", "9", "--expect-gain", "0")):
        assert cli("policies", "replay", str(shop), *options).code == 0
    assert cli("policies", "replay", str(shop), "--expect-lose", "3").code == 4
    assert cli("policies", "replay", str(shop), "--expect-gain", "9").code == 4
    draft(shop, FRESH, "flips:\n  - change: loses\n    policy: fresh\n    at_most: 4\n")
    assert cli("policies", "replay", str(shop), "--gate").code == 0
    draft(shop, FRESH, "flips:\n  - change: loses\n    polcy: fresh\n")
    said = cli("policies", "replay", str(shop), "--gate")
    assert said.code == 1
    assert "expected-flips.yaml:3:5" in said.err
    assert "policy" in said.err


def test_the_report_is_one_file_that_only_its_owner_reads(cli: CommandLine, shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("x" * 100_000)
    path.chmod(0o644)
    assert cli("policies", "replay", str(shop), "--html", str(path)).code == 0
    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    assert "<svg" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_wrong_is_said_with_what_to_do(cli: CommandLine, shop: Path, tmp_path: Path) -> None:
    assert cli("policies", "replay", str(tmp_path / "nowhere")).code == 3
    said = cli("policies", "replay", str(shop), "--since", "yesterday")
    assert said.code == 2
    assert "7d" in said.err
    draft(shop, "permit (principle, action, resource);")
    said = cli("policies", "replay", str(shop))
    assert said.code == 1
    assert "shop.cedar:1" in said.err
    said = cli("policies", "replay", "--live")
    assert said.code == 3
    assert "watchword up" in said.err


def test_an_empty_journal_has_nothing_to_say(cli: CommandLine, tmp_path: Path) -> None:
    directory = draft(tmp_path / "draft", PERMIT)
    assert "no decision was looked at" in cli("policies", "replay", str(directory)).out
    assert cli.json("policies", "replay", str(directory))["decisions"] == 0


def test_terminal_controls_in_what_is_shown_are_made_harmless(cli: CommandLine, tmp_path: Path) -> None:
    record = decision(1, fresh=False) | {"id": "dec_\x1b[31m", "resource": "a\nb"}
    cli.journal(json.loads(json.dumps(record)))
    said = cli("policies", "replay", str(draft(tmp_path / "draft", FRESH)))
    assert "\x1b" not in said.out
    assert "a b" in said.out


def test_unexpected_flips_stop_a_publication(cli: CommandLine, shop: Path, tmp_path: Path) -> None:
    key = str(tmp_path / "key")
    public = cli.json("policies", "keygen", key)["public"]
    (cli.data / "watchword.toml").write_text(f'[policy]\nsource = "archive"\nkeys = ["{public}"]\n')
    publish = ("policies", "publish", str(shop), "--key", key)
    stopped = cli(*publish)
    assert stopped.code == 4
    assert "unexpected: usr_2 loses on shop/tea by all, fresh" in stopped.out
    assert not (cli.data / "policies.tar").exists()
    assert cli(*publish, "--expect-lose", "3").code == 4
    assert cli(*publish, "--expect-lose", "4").code == 0
    assert (cli.data / "policies.tar").exists()
    draft(shop, FRESH, "flips:\n  - change: loses\n    policy: fresh\n    at_least: 4\n")
    assert cli(*publish).code == 0


def test_the_list_says_which_policies_only_report(cli: CommandLine) -> None:
    draft(cli.data / "policies", PERMIT + '@id("w") @mode("report_only") forbid (principal, action, resource);')
    rows = {row["policy"]: row["effect"] for row in cli.json("policies", "list")}
    assert rows == {"all": "permit", "w": "forbid, reports only"}
