"""`watchword policies analyse`: what it prints, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("z3", reason="the solver is an optional extra")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "policies"
    found.mkdir()
    (found / "a.cedar").write_text(
        '@id("members") permit (principal in Watchword::Group::"members", action, resource)\n'
        "  when { context.mfa.is_verified };\n"
    )
    return found


def test_policies_that_are_right_end_with_zero(cli: Any, directory: Path) -> None:
    said = cli("policies", "analyse", str(directory))
    assert said.code == 0
    assert said.out == "1 policies and 0 invariants: 0 findings, 0 unknown\n"


def test_a_finding_ends_with_four_and_names_its_place(cli: Any, directory: Path) -> None:
    (directory / "b.cedar").write_text(
        '\n@id("odd") permit (principal, action, resource) when { context.risk.level < context.risk.level };\n'
    )
    said = cli("policies", "analyse", str(directory))
    assert said.code == 4
    assert said.out.startswith("b.cedar:2:56: permit `odd` can never match")
    said = cli("--output", "json", "policies", "analyse", str(directory))
    assert said.code == 4
    (finding,) = said.json["findings"]
    assert {name: finding[name] for name in ("kind", "subject", "file", "line", "column")} == {
        "kind": "never-matches",
        "subject": "odd",
        "file": "b.cedar",
        "line": 2,
        "column": 56,
    }


def test_a_broken_promise_shows_the_request(cli: Any, directory: Path) -> None:
    (directory / "invariants.yaml").write_text(
        "invariants:\n  - id: low-risk-only\n    never: context.risk.level == 2\n  - id: mfa\n"
        "    never: '!context.mfa.is_verified'\n"
    )
    said = cli("policies", "analyse", str(directory))
    assert said.code == 4
    assert "    context.risk.level: 2\n" in said.out
    assert 'Watchword::Group::"members"' in said.out
    assert "invariant mfa: holds\n" in said.out
    said = cli("--output", "json", "policies", "analyse", str(directory))
    assert said.json["invariants"] == {"low-risk-only": "violated", "mfa": "holds"}
    assert said.json["findings"][0]["example"]["effect"] == "permit"


def test_a_promise_that_is_not_settled_in_time_ends_with_four(cli: Any, directory: Path) -> None:
    (directory / "invariants.yaml").write_text("invariants:\n  - id: mfa\n    never: '!context.mfa.is_verified'\n")
    said = cli("policies", "analyse", str(directory), "--total-seconds", "0.01", "--query-seconds", "0.01")
    assert said.code == 4 or "mfa: holds" in said.out


def test_a_malformed_promise_is_told_with_its_place(cli: Any, directory: Path) -> None:
    (directory / "invariants.yaml").write_text("invariants:\n  - id: mfa\n    never: 'context.mfa.is_verfied'\n")
    said = cli("policies", "analyse", str(directory))
    assert said.code == 4
    assert said.out.startswith("invariants.yaml:3:12: ")


def test_a_check_reads_promises_and_tests_as_well(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")
    (tmp_path / "invariants.yaml").write_text("invariants:\n  - id: a\n    never: context.risk.lvl == 1\n")
    (tmp_path / "tests" / "a.yaml").write_text("tests:\n  - {principal: kim}\n")
    said = cli("policies", "check", str(tmp_path))
    assert said.code == 4
    assert said.out.startswith("invariants.yaml:3:12: ")
    assert "tests/a.yaml:2:5: the key `action` is missing" in said.out


@pytest.mark.parametrize("command", ["check", "test", "coverage", "analyse"])
def test_a_directory_that_is_not_there_is_never_right(cli: Any, tmp_path: Path, command: str) -> None:
    said = cli("policies", command, str(tmp_path / "nothing"))
    assert (said.code, "there is no directory" in said.err) == (3, True)
