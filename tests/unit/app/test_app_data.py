"""The data directory, the sealing key and the first policies: made once, for this user, never replaced silently."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.app.data import AlreadyRunningError, DataDirectoryError, control_socket, hold, prepare, run_directory
from watchword.app.policies import plant_default_policies
from watchword.app.sealing import PASSPHRASE_VARIABLE, master_key
from watchword.app.services import open_services
from watchword.kernel import ConfigurationError, WatchwordError
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.settings import Settings, load


def settings(data: Path, text: str = "") -> Settings:
    if text:
        data.mkdir(exist_ok=True)
        (data / "watchword.toml").write_text(text)
    return load(data=data, environment={})


# --- the directory --------------------------------------------------------------------------------------------------


def test_a_data_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "a" / "b"
    prepare(data)
    prepare(data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(DataDirectoryError, match="others may write") as caught:
        prepare(tmp_path)
    assert "chmod" in (caught.value.hint or "")
    tmp_path.chmod(0o700)


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataDirectoryError):
            prepare(data)


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Root may write everywhere but where the kernel itself is the directory.
    refused = tmp_path if os.geteuid() else Path("/proc/self/fdinfo")
    with pytest.raises(DataDirectoryError, match="cannot be written"):
        prepare(refused)
    tmp_path.chmod(0o700)


def test_one_node_at_a_time_holds_a_directory(tmp_path: Path) -> None:
    with hold(tmp_path):
        with pytest.raises(AlreadyRunningError, match="another Watchword runs"):
            hold(tmp_path)
        code = f"from pathlib import Path\nfrom watchword.app.data import hold\nhold(Path({str(tmp_path)!r}))"
        source = str(Path(__file__).parents[3] / "src")
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, text=True, check=False
        )
        assert "AlreadyRunningError" in done.stderr
    hold(tmp_path).close()


# --- sockets --------------------------------------------------------------------------------------------------------


def test_sockets_live_in_the_data_directory_where_their_names_fit(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("d")
    assert run_directory(data) == data / "run"
    assert stat.S_IMODE((data / "run").stat().st_mode) == 0o700
    assert control_socket(data) == data / "run" / "control.sock"


def test_a_long_path_puts_them_elsewhere_always_at_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "x"
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    data = tmp_path / ("d" * 120)
    data.mkdir()
    run = run_directory(data)
    assert run.parent == base
    assert run_directory(data) == run
    assert run_directory(tmp_path / ("e" * 120)) != run


@pytest.mark.parametrize("trap", ["symlink", "open", "file"])
def test_a_run_directory_that_somebody_else_prepared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    base = tmp_path / "x"
    base.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    data = tmp_path / ("d" * 120)
    run = run_directory(data)
    run.rmdir()
    if trap == "symlink":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        run.symlink_to(tmp_path / "elsewhere")
    elif trap == "open":
        run.mkdir()
        run.chmod(0o777)
    else:
        run.write_text("")
    with pytest.raises(DataDirectoryError):
        run_directory(data)


# --- the sealing key ------------------------------------------------------------------------------------------------


def test_a_new_installation_gets_a_key_and_keeps_it(tmp_path: Path) -> None:
    found = settings(tmp_path / "d")
    (tmp_path / "d").mkdir(mode=0o700)
    master_key(found)
    path = tmp_path / "d" / "keys" / "master.key"
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    master_key(found)
    assert path.read_bytes() == before


def test_a_lost_key_is_never_replaced(tmp_path: Path) -> None:
    found = settings(tmp_path)
    asyncio.run(_open(found))
    (tmp_path / "keys" / "master.key").unlink()
    with pytest.raises(WatchwordError):
        asyncio.run(_open(found))
    assert not (tmp_path / "keys" / "master.key").exists()


def test_another_key_does_not_open_what_the_first_one_sealed(tmp_path: Path) -> None:
    found = settings(tmp_path)
    asyncio.run(_open(found))
    path = tmp_path / "keys" / "master.key"
    path.unlink()
    (tmp_path / "watchword.db").rename(tmp_path / "aside.db")
    master_key(found)
    (tmp_path / "aside.db").rename(tmp_path / "watchword.db")
    with pytest.raises(WatchwordError) as caught:
        asyncio.run(_open(found))
    assert caught.value.code == "keys.wrong_sealing_key"


async def _open(found: Settings) -> None:
    async with open_services(found):
        pass


def test_a_passphrase_leads_to_the_same_key_with_the_same_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(tmp_path, '[keys]\nsource = "prompt"\n')
    with pytest.raises(ConfigurationError, match="passphrase"):
        master_key(found)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse battery staple")
    master_key(found)
    salt = (tmp_path / "keys" / "salt").read_bytes()
    master_key(found)
    assert (tmp_path / "keys" / "salt").read_bytes() == salt
    assert len(salt) == 16


# --- policies -------------------------------------------------------------------------------------------------------


def test_default_policies_are_planted_once_and_are_then_the_operators(tmp_path: Path) -> None:
    directory = tmp_path / "policies"
    assert plant_default_policies(directory)
    assert PolicySet.load(directory).version == PolicySet.load(DEFAULT_DIRECTORY / "policies").version
    shutil.rmtree(directory)
    directory.mkdir()
    assert not plant_default_policies(directory)
    assert list(directory.iterdir()) == []
    assert len(PolicySet.load(directory)) == 0


def test_half_a_planting_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "policies.new").mkdir()
    (tmp_path / "policies.new" / "half.cedar").write_text("permit (")
    assert plant_default_policies(tmp_path / "policies")
    assert not (tmp_path / "policies" / "half.cedar").exists()
