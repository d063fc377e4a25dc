"""Policies in Rego from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rego_world import HEAD, MEMBERS, write


def test_the_list_names_each_package_that_has_a_say(cli: Any) -> None:
    directory: Path = cli.data / "policies"
    directory.mkdir(parents=True)
    write(directory, MEMBERS, a=HEAD + 'deny contains "no" if input.a', lib="package lib\nx := 1")
    listed = cli.json("policies", "list")
    assert listed[-1] == {"policy": "rego:x.authz", "effect": "allow and deny", "file": "rego/a.rego", "line": 3}
    assert [each["policy"] for each in listed] == ["a.cedar#1", "rego:x.authz"]


def test_the_check_counts_packages_and_places_what_is_wrong(cli: Any, tmp_path: Path) -> None:
    directory = tmp_path / "checked"
    directory.mkdir()
    write(directory, MEMBERS, a=HEAD)
    assert cli.json("policies", "check", str(directory))["policies"] == 2
    write(directory, a=HEAD + "allow if { x == y }")
    said = cli("policies", "check", str(directory))
    assert said.code == 4
    assert "rego/a.rego:4:12: use of undefined variable `x` is unsafe" in said.out
