"""The tests that `docs/how-to/test-policies.md` shows pass against the shipped policies."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.policy.trials import Verdict, read_suite, run_trials

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "test-policies.md").read_text()


def test_the_page_shows_tests_that_pass(tmp_path: Path) -> None:
    directory = tmp_path / "policies"
    shutil.copytree(DEFAULT_DIRECTORY / "policies", directory, ignore=shutil.ignore_patterns("tests"))
    (directory / "tests").mkdir()
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)):
        (directory / "tests" / f"{number}.yaml").write_text(text)
    policies = PolicySet.load(directory)
    suite = read_suite(directory, policies.bundle)
    assert [one.differences for one in run_trials(policies, suite.trials) if one.differences] == []
    assert len(suite.trials) == 6
    assert suite.minimum == {"clauses": 100, "branches": 100}


def test_the_page_names_every_decision_that_can_be_expected() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == {one.value for one in Verdict}
