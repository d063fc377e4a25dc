"""`watchword up` asks for a passphrase where the configuration wants one, and leaves the rest to the control plane."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from watchword.cli.main import app

PROMPT = '[keys]\nsource = "prompt"\n'


class _Replaced(Exception):  # noqa: N818  # not an error: what `execv` does to a process
    """The process is another program now."""


@pytest.mark.parametrize(
    ("text", "environment", "asks"),
    [
        (PROMPT, {}, True),
        (PROMPT, {"WATCHWORD_PASSPHRASE": "known"}, False),
        (PROMPT, {"WATCHWORD_KEYS__SOURCE": "file"}, False),
        ("", {"WATCHWORD_KEYS__SOURCE": "prompt"}, True),
        ("", {}, False),
        ('keys = "prompt"\n', {}, False),
        ("[keys\n", {}, False),
    ],
)
def test_a_passphrase_is_asked_for_where_the_key_comes_from_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    environment: Mapping[str, str],
    asks: bool,  # noqa: FBT001  # a column of the table
) -> None:
    (tmp_path / "watchword.toml").write_text(text)
    asked: list[str] = []
    started: list[list[str]] = []

    def execv(_path: str, argv: list[str]) -> Any:
        started.append(argv)
        raise _Replaced

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(getpass, "getpass", lambda words: asked.append(words) or "secret")
    monkeypatch.setenv("WATCHWORD_PASSPHRASE", "")  # so that whatever is set below is undone
    monkeypatch.delenv("WATCHWORD_PASSPHRASE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["--data", str(tmp_path), "up"])
    assert isinstance(done.exception, _Replaced)
    assert bool(asked) is asks
    assert started[0][1:3] == ["-m", "watchword.supervisor"]
    assert (os.environ.get("WATCHWORD_PASSPHRASE") == "secret") is asks


def test_without_a_terminal_nobody_is_asked_and_nothing_is_echoed(tmp_path: Path) -> None:
    (tmp_path / "watchword.toml").write_text(PROMPT)
    done = subprocess.run(
        [sys.executable, "-m", "watchword", "--data", str(tmp_path), "up"],
        input="hunter2\n",
        capture_output=True,
        text=True,
        start_new_session=True,  # no terminal that could be opened behind our back
        env={name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")},
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("watchword: there is no terminal")
    assert len(done.stderr.splitlines()) == 2
