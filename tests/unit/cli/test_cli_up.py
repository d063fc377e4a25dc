"""`watchword up` asks for a passphrase where the configuration wants one, and leaves the rest to the control plane."""

from __future__ import annotations

import getpass
import os
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
