from __future__ import annotations

import base64
from pathlib import Path

import pytest

from watchword.kernel import Secret
from watchword.keys import MasterKey, MasterKeyError


def test_a_created_file_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = MasterKey.create_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert MasterKey.from_file(path).reveal() == key.reveal()
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


def test_two_created_keys_differ(tmp_path: Path) -> None:
    assert MasterKey.create_file(tmp_path / "a").reveal() != MasterKey.create_file(tmp_path / "b").reveal()


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = MasterKey.create_file(path)
    with pytest.raises(MasterKeyError, match="exists already"):
        MasterKey.create_file(path)
    assert MasterKey.from_file(path).reveal() == key.reveal()
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o644, 0o601])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    MasterKey.create_file(path)
    path.chmod(mode)
    with pytest.raises(MasterKeyError, match="open to others"):
        MasterKey.from_file(path)


def test_an_absent_key_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match="cannot be read"):
        MasterKey.from_file(tmp_path / "nothing")


@pytest.mark.parametrize(
    "text",
    ["", "wwmaster1_", "wwmaster1_short", "A" * 43, "wwmaster1_" + "A" * 44, "wwmaster1_" + "A" * 42 + "!", "\xff\xfe"],
)
def test_a_file_without_a_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(MasterKeyError, match="does not hold a master key") as caught:
        MasterKey.from_file(path)
    assert "short" not in str(caught.value)


def test_the_environment_holds_the_same_written_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WW_KEY", "wwmaster1_" + base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("="))
    assert MasterKey.from_environment("WW_KEY").reveal() == bytes(range(32))
    monkeypatch.delenv("WW_KEY")
    with pytest.raises(MasterKeyError, match="`WW_KEY` is not set"):
        MasterKey.from_environment("WW_KEY")


def test_a_passphrase_and_its_salt_give_one_key() -> None:
    words = Secret("correct horse battery staple")
    key = MasterKey.from_prompt(words, b"salt" * 4)
    assert key.reveal() == MasterKey.from_prompt(words, b"salt" * 4).reveal()
    assert key.reveal() != MasterKey.from_prompt(words, b"SALT" * 4).reveal()


def test_a_weak_passphrase_or_salt_is_refused() -> None:
    with pytest.raises(MasterKeyError, match="15 characters"):
        MasterKey.from_prompt(Secret("short"), b"salt" * 4)
    with pytest.raises(MasterKeyError, match="16 bytes"):
        MasterKey.from_prompt(Secret("correct horse battery staple"), b"salt")


def test_printing_a_master_key_shows_nothing() -> None:
    assert repr(MasterKey(b"k" * 32)) == "MasterKey(***)"
    with pytest.raises(MasterKeyError):
        MasterKey(b"k" * 31)
