"""Policies that change while they are in force."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from watchword.policy import PolicyLoadError, PolicySet, PolicySource

ONE = 'permit (principal in Watchword::Group::"members", action, resource);\n'
TWO = ONE + ONE
WRONG = "permit (principal, actoin, resource);\n"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 (the watcher has no event to wait for; a limit ends a hopeless wait)
            await asyncio.sleep(0)


def write(directory: Path, text: str) -> None:
    (directory / "a.cedar").write_text(text)


def test_a_changed_file_is_in_force_without_being_asked(tmp_path: Path) -> None:
    async def scenario() -> None:
        write(tmp_path, ONE)
        source = PolicySource(tmp_path, poll_s=0.001)
        await source.start()
        assert len(source.current) == 1
        write(tmp_path, TWO)
        await until(lambda: len(source.current) == 2)
        (tmp_path / "b.cedar").write_text(ONE)
        await until(lambda: len(source.current) == 3)
        (tmp_path / "a.cedar").unlink()
        await until(lambda: len(source.current) == 1)
        await source.stop()

    asyncio.run(scenario())


def test_a_wrong_set_leaves_the_last_good_one_in_force_and_says_what_is_wrong(tmp_path: Path) -> None:
    async def scenario() -> None:
        write(tmp_path, ONE)
        source = PolicySource(tmp_path)
        await source.reload()
        good = source.current
        write(tmp_path, ONE + WRONG)
        assert await source.reload() is False
        assert source.current is good
        assert source.problem is not None
        assert source.problem.startswith("a.cedar:2:20")
        write(tmp_path, TWO)
        assert await source.reload() is True
        assert source.problem is None

    asyncio.run(scenario())


def test_a_source_that_never_loaded_denies(tmp_path: Path) -> None:
    async def scenario() -> None:
        write(tmp_path, WRONG)
        source = PolicySource(tmp_path)
        await source.reload()
        assert len(source.current) == 0
        assert source.problem is not None

    asyncio.run(scenario())


def test_loading_does_not_run_in_the_event_loops_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    load = PolicySet.load

    def noted(directory: Path, **options: Path | None) -> PolicySet:
        threads.append(threading.get_ident())
        return load(directory, **options)

    monkeypatch.setattr(PolicySet, "load", noted)
    write(tmp_path, ONE)
    asyncio.run(PolicySource(tmp_path).reload())
    assert threads
    assert threading.get_ident() not in threads


def test_a_disk_that_fails_for_a_while_does_not_end_the_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        write(tmp_path, ONE)
        source = PolicySource(tmp_path, poll_s=0.001)
        await source.start()

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(PolicySource, "_look", fail)
            await until(lambda: source.problem == "the policies cannot be looked at: Input/output error")
            assert len(source.current) == 1
        write(tmp_path, TWO)
        await until(lambda: len(source.current) == 2)
        assert source.problem is None
        await source.stop()

    asyncio.run(scenario())


def test_two_reloads_at_once_do_not_overtake_each_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        write(tmp_path, ONE)
        source = PolicySource(tmp_path)
        first = asyncio.create_task(source.reload())
        write(tmp_path, TWO)
        await asyncio.gather(first, source.reload())
        assert len(source.current) == 2

    asyncio.run(scenario())


def test_whatever_the_loader_does_the_old_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        write(tmp_path, ONE)
        source = PolicySource(tmp_path)
        await source.reload()

        def fail(*_: object, **__: object) -> PolicySet:
            raise RecursionError

        monkeypatch.setattr(PolicySet, "load", fail)
        write(tmp_path, TWO)
        assert await source.reload() is False
        assert len(source.current) == 1
        assert source.problem == "the policies cannot be loaded: RecursionError"

    asyncio.run(scenario())


def test_a_load_error_reads_as_one_line_with_a_remedy(tmp_path: Path) -> None:
    write(tmp_path, WRONG + WRONG)
    with pytest.raises(PolicyLoadError) as raised:
        PolicySet.load(tmp_path)
    assert str(raised.value).startswith("a.cedar:1:20: ")
    assert "1 more" in str(raised.value)
    assert raised.value.hint
