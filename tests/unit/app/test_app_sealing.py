"""Another sealing key: whatever was sealed opens under it, and a stop at any moment loses nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from watchword.app import open_services, replace_sealing_key
from watchword.app.data import AlreadyRunningError, hold
from watchword.identity import AuthenticatorKind, Client
from watchword.identity.sign_in import TOTP_PURPOSE
from watchword.identity.store import authenticators_of_kind
from watchword.kernel import ConfigurationError
from watchword.keys import MasterKey, Sealer, WrongSealingKeyError
from watchword.policy.bundles import BundleKeyError, FileKey
from watchword.settings import load
from watchword.storage import UnitOfWork

HERE = Client("203.0.113.7", "Test")


async def within(data: Path, act: Callable[[Any], Any]) -> Any:
    async with open_services(load(data=data, environment=dict(os.environ))) as services:
        return await act(services)


async def seeds(services: Any) -> list[bytes]:
    """Return the secrets of the authenticator apps."""
    async with services.database.read() as connection:
        found = await authenticators_of_kind(connection, AuthenticatorKind.TOTP)
    return [
        services.sealer.open(one.material, purpose=TOTP_PURPOSE, context=f"{one.user_id}|{one.facts.id}")
        for one in found
    ]


async def picture(services: Any) -> Any:
    """Return everything that hangs on the sealing key and must stay as it is."""
    lasting = [services.sealer.derive(purpose) for purpose in ("devices.handle", "identity.recovery")]
    return services.keys.signer("journal").der(), await seeds(services), lasting


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with signing keys and one authenticator app, which waits for its first code."""
    data = tmp_path_factory.mktemp("sealing") / "data"

    async def fill(services: Any) -> None:
        await services.keys.ensure("journal")
        user = await services.identity.accounts.create_user("ada", actor="test")
        token = (await services.identity.accounts.invite(user.id, actor="test")).token.reveal()
        _, handle = await services.identity.sign_in.start(HERE, invitation=token)
        await services.identity.welcome.password(handle.reveal(), "unrelated words stay easy to keep", HERE)
        done = await services.identity.sign_in.complete(handle.reveal(), HERE, device_id=None, host="x")
        await services.identity.accounts.enrol_totp(done.session, HERE)

    asyncio.run(within(data, fill))
    return data


@pytest.fixture
def data(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
        monkeypatch.delenv(name)
    shutil.copytree(whole, tmp_path / "d")
    return tmp_path / "d"


async def replaced(data: Path, **options: Any) -> Any:
    return await within(data, lambda services: replace_sealing_key(services, actor="test", **options))


async def test_what_was_sealed_opens_under_the_next_key_and_the_former_one_is_kept(data: Path) -> None:
    before, file = await within(data, picture), data / "keys" / "master.key"
    text = file.read_text()
    done = await replaced(data)
    assert done.values == 1 + 1 + 4 + 1  # canary, signing key, lasting derived keys, authenticator app
    assert file.read_text() != text == done.former.read_text()
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    assert await within(data, picture) == before
    again = await replaced(data)
    assert again.former not in {done.former, file}
    assert await within(data, picture) == before
    for former in (done.former, again.former):
        shutil.copy(former, file)
        with pytest.raises(WrongSealingKeyError):
            await within(data, picture)


async def test_a_node_that_runs_is_not_pulled_its_key_from_under(data: Path) -> None:
    before = sorted(path.name for path in (data / "keys").iterdir())
    with hold(data), pytest.raises(AlreadyRunningError):
        await replaced(data)
    assert sorted(path.name for path in (data / "keys").iterdir()) == before


class _Stop(BaseException):
    """The machine stops."""


async def test_a_stop_at_any_moment_loses_nothing_and_the_next_start_or_attempt_does_the_rest(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, ended = await within(data, picture), set()
    kept = tmp_path / "kept"
    shutil.copytree(data, kept)
    acts: list[str] = []
    for number in range(1, 60):
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        acts.clear()

        def stopping(name: str, real: Callable[..., Any], stop: int = number) -> Callable[..., Any]:
            def act(*words: Any, **options: Any) -> Any:
                acts.append(name)
                if len(acts) == stop:
                    raise _Stop
                return real(*words, **options)

            return act

        async with open_services(load(data=data, environment={})) as services:
            with monkeypatch.context() as patch:
                for name in ("fsync", "link"):
                    patch.setattr(os, name, stopping(name, getattr(os, name)))
                for name in ("replace", "unlink"):
                    patch.setattr(Path, name, stopping(name, getattr(Path, name)))
                patch.setattr(Sealer, "seal", stopping("seal", Sealer.seal))
                patch.setattr(UnitOfWork, "flush", stopping("flush", UnitOfWork.flush))
                with suppress(_Stop):
                    await replace_sealing_key(services, actor="test")
        is_begun = (data / "keys" / "master.key.next").exists()
        assert await within(data, picture) == before, (number, acts)
        is_left = (data / "keys" / "master.key.next").exists()
        if is_left and (is_begun, is_left) not in ended:
            await replaced(data)
            assert await within(data, picture) == before
            assert not (data / "keys" / "master.key.next").exists()
        ended.add((is_begun, is_left))
        if len(acts) < number:
            break
    assert number > 8
    # Before anything, between key and commit, between commit and file, done.
    assert ended == {(False, False), (True, True), (True, False)}


def test_a_command_that_is_killed_between_database_and_file_is_finished_by_the_next(data: Path) -> None:
    before = asyncio.run(within(data, picture))
    killed = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "real = Path.replace\n"
        "def replace(self, target):\n"
        "    if self.name == 'master.key.next': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, target)\n"
        "Path.replace = replace\n"
        "from watchword.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", killed, "--data", str(data), "keys", "reseal"]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == -signal.SIGKILL
    next_key = (data / "keys" / "master.key.next").read_text()
    assert asyncio.run(within(data, picture)) == before
    assert (data / "keys" / "master.key").read_text() == next_key


async def test_another_key_beside_that_does_not_fit_is_not_taken(data: Path) -> None:
    file = data / "keys" / "master.key"
    text = file.read_text()
    file.unlink()
    MasterKey.create_file(file)
    MasterKey.create_file(file.with_name("master.key.next"))
    with pytest.raises(WrongSealingKeyError):
        await within(data, picture)
    file.write_text(text)
    await within(data, picture)


async def test_a_key_from_the_environment_is_replaced_by_the_next_one(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, present = await within(data, picture), (data / "keys" / "master.key").read_text().strip()
    (data / "keys" / "master.key").unlink()
    monkeypatch.setenv("WATCHWORD_KEYS__SOURCE", "environment")
    monkeypatch.setenv("WATCHWORD_MASTER_KEY", present)
    for wrong in ("", present):
        monkeypatch.setenv("WATCHWORD_MASTER_KEY_NEXT", wrong)
        with pytest.raises((ConfigurationError, Exception), match=r"is not set|is the present one"):
            await replaced(data)
    following = MasterKey.create_file(data / "following")
    del following
    monkeypatch.setenv("WATCHWORD_MASTER_KEY_NEXT", (data / "following").read_text().strip())
    assert (await replaced(data)).former is None
    with pytest.raises(WrongSealingKeyError):
        await within(data, picture)
    monkeypatch.setenv("WATCHWORD_MASTER_KEY", (data / "following").read_text().strip())
    assert await within(data, picture) == before


async def test_sealed_keys_for_bundles_go_with_it_where_they_are_named(data: Path, tmp_path: Path) -> None:
    key, named, other, clear = FileKey.generate(), tmp_path / "named", tmp_path / "other", tmp_path / "clear"

    async def write(services: Any) -> None:
        for path in (named, other):
            key.write(path, sealer=services.sealer)

    await within(data, write)
    key.write(clear)
    with pytest.raises(ConfigurationError, match="not sealed"):
        await replaced(data, key_files=[clear])
    await replaced(data, key_files=[named, named])

    async def read(services: Any) -> None:
        assert FileKey.read(named, sealer=services.sealer).public == key.public
        with pytest.raises(BundleKeyError):
            FileKey.read(other, sealer=services.sealer)

    await within(data, read)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["clear", "named", "other"]


async def test_a_stop_before_the_key_for_bundles_is_in_place_does_not_have_the_next_attempt_throw_it_away(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, named = FileKey.generate(), tmp_path / "named"

    async def write(services: Any) -> None:
        key.write(named, sealer=services.sealer)

    await within(data, write)
    genuine = Path.replace

    def stop(path: Path, target: Path) -> Path:
        if path.name == "named.next":
            raise _Stop
        return genuine(path, target)

    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(Path, "replace", stop)
        await replaced(data, key_files=[named])
    await replaced(data, key_files=[named])

    async def read(services: Any) -> None:
        assert FileKey.read(named, sealer=services.sealer).public == key.public

    await within(data, read)
    assert not named.with_name("named.next").exists()
