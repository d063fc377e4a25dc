"""What the pages say of files, tests, commands and one another is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.policy import PolicySet
from watchword.settings import load

_ROOT = Path(__file__).parents[2]
_PAGES = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])
_EXAMPLES = _ROOT / "docs" / "how-to" / "examples"
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:src|tests|docs|bench|tools|requirements|\.ci)/[^`\s]*|\.ci/run)`")
_INCLUDED = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)\n```", re.DOTALL)
_HELP = re.compile(r"<!-- help: watchword ([^>]*?) -->\n```\n(.*?)\n```", re.DOTALL)
_SENTENCE_WITHIN = re.compile(r"[a-z)`][.?!] +[A-Z]")
_APPLICATION = '[[applications]]\nname = "wiki"\nhosts = ["wiki.localhost"]\nupstream = "http://127.0.0.1:8000"\n'


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def _prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def _anchors(path: Path) -> set[str]:
    """Return the anchors that a forge makes of headings: lower case, without punctuation, spaces as hyphens."""
    headings = re.findall(r"^#+ (.*)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_every_file_and_test_that_a_page_names_exists(page: Path) -> None:
    missing = []
    for name in _PATH.findall(_prose(page)):
        path, _, test = name.partition("::")
        found = _ROOT / path
        exists = any(_ROOT.glob(path)) if "*" in path else found.exists()
        if not exists or (test and f"def {test}(" not in found.read_text(encoding="utf-8")):
            missing.append(name)
    assert missing == []


def test_one_request_names_enough_files_to_be_a_map() -> None:
    named = set(_PATH.findall(_prose(_ROOT / "docs" / "explanation" / "one-request.md")))
    assert len(named) > 30


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_pages_are_written_one_sentence_a_line(page: Path) -> None:
    if page.name == "CHANGELOG.md" or "docs/reference" in _name(page):
        return  # lists and generated tables
    # A point of a list may hold a short second sentence.
    lines = [line for line in _prose(page).splitlines() if not re.match(r"[|!#<]|- |  |\d+\. ", line)]
    assert [line for line in lines if len(_SENTENCE_WITHIN.findall(line)) > 1] == []


@pytest.mark.parametrize(("name", "text"), _INCLUDED.findall((_ROOT / "README.md").read_text(encoding="utf-8")))
def test_what_the_readme_shows_is_the_file_that_was_tried(name: str, text: str) -> None:
    assert text == (_ROOT / name).read_text(encoding="utf-8").rstrip()


def test_the_readme_shows_the_help_that_the_command_prints() -> None:
    shown = _HELP.findall((_ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown
    for words, text in shown:
        done = subprocess.run(
            [sys.executable, "-m", "watchword", *words.split()],
            env={**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert text.split("\n") == [line.rstrip() for line in done.stdout.rstrip().split("\n")]


def test_the_readmes_two_commands_are_the_ones_that_ci_runs() -> None:
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Two commands\n.*?```sh\n(.*?)\n```", readme, re.DOTALL)
    assert block is not None
    commands = block[1].splitlines()
    assert commands == ["./dev demo", "./dev test"]
    ci = (_ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [f'step "{command}" {command}' in ci for command in [*commands, "./dev check"]] == [True] * 3


def test_the_examples_are_a_configuration_and_policies_that_load(tmp_path: Path) -> None:
    settings = load(_EXAMPLES / "watchword.toml", data=tmp_path, environment={})
    assert [(app.name, app.hosts) for app in settings.applications] == [("wiki", ("wiki.localhost",))]
    policies = tmp_path / "policies"
    policies.mkdir()
    for source in (_EXAMPLES / "30-wiki.cedar", *(_ROOT / "src/watchword/policy/default/policies").glob("*.cedar")):
        (policies / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    assert len(PolicySet.load(policies)) > 4


@pytest.mark.parametrize("page", sorted((_ROOT / "docs" / "how-to").glob("*.md")), ids=_name)
def test_settings_in_how_to_pages_are_settings_that_exist(page: Path, tmp_path: Path) -> None:
    blocks: list[str] = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for number, block in enumerate(blocks):
        is_part_of_an_application = not re.search(r"^\[(?!applications\.)", block, re.MULTILINE)
        path = tmp_path / f"{number}.toml"
        path.write_text((_APPLICATION if is_part_of_an_application else "") + block, encoding="utf-8")
        assert load(path, data=tmp_path, environment={})


def test_every_decision_on_the_architecture_stands_in_the_index() -> None:
    directory = _ROOT / "docs" / "adr"
    index = (directory / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in sorted(directory.glob("0*.md")) if f"]({page.name})" not in index] == []


def test_pictures_are_small() -> None:
    pictures = list((_ROOT / "docs" / "images").iterdir())
    assert pictures
    assert all(picture.stat().st_size < 150_000 for picture in pictures)


def test_locks_hold_hashes_and_no_addresses() -> None:
    for lock in (_ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
