from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from watchword.app import open_services
from watchword.audit import Journal
from watchword.cli import main
from watchword.kernel import SystemClock
from watchword.settings import load


@dataclass
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Run `watchword` in this process on a data directory of its own."""

    def __init__(self, data: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.data, self._patch, self._capture = data, patch, capture

    def __call__(self, *words: str) -> Said:
        self._patch.setattr(sys, "argv", ["watchword", "--data", str(self.data), *words])
        self._capture.readouterr()
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        said = self._capture.readouterr()
        return Said(code, said.out, said.err)

    def json(self, *words: str) -> Any:
        said = self("--output", "json", *words)
        assert said.code == 0, said.err
        return said.json

    def within(self, act: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do something with the services of the data directory."""

        async def run() -> Any:
            async with open_services(load(data=self.data, environment={})) as services:
                return await act(services)

        return asyncio.run(run())

    def journal(self, *records: dict[str, Any]) -> None:
        """Write records as a node would."""

        async def act(services: Any) -> None:
            await services.keys.ensure("journal")
            signer = services.keys.signer("journal")
            journal = Journal.open(self.data / "journal", signer=signer, clock=SystemClock())
            for record in records:
                await journal.append(record)
            await journal.close()

        self.within(act)


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which a first command has made everything."""
    data = tmp_path_factory.mktemp("cli") / "data"

    async def begin() -> None:
        async with open_services(load(data=data, environment={})):
            pass

    asyncio.run(begin())
    return data


@pytest.fixture
def cli(
    prepared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    for name in ("WATCHWORD_DATA", "WATCHWORD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    data = tmp_path / "d"
    shutil.copytree(prepared_data, data)
    return CommandLine(data, monkeypatch, capsys)
