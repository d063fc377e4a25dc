from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from watchword.cli import audit_tail
from watchword.cli.outlet import Outlet, PositionFile
from watchword.kernel import ConfigurationError

EVENT = {
    "type": "identity.user.created",
    "actor": "system",
    "subject": "usr_1",
    "data": {"groups": "staff", "nothing": None},
    "personal": {"name": "ada\x1b[2J\x9b"},
}


def written(cli: Any) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((cli.data / "journal").glob("*.jsonl")))


def test_programs_get_every_record_as_it_stands_and_people_a_line_without_what_is_personal(cli: Any) -> None:
    cli.journal(EVENT, EVENT)
    assert cli("-o", "json", "audit", "tail").out.encode() == written(cli)
    said = cli("audit", "tail")
    assert [line.split()[0] for line in said.out.splitlines()] == ["1", "2", "3"]
    assert said.out.splitlines()[1].endswith("identity.user.created          system > usr_1  groups=staff")
    assert said.out.splitlines()[0].endswith("journal.opened                   torn_bytes=0")
    assert "ada" not in said.out
    assert said.err == "behind these: --after 3\n"


def test_a_position_that_leads_elsewhere_or_keeps_nothing_is_refused(cli: Any, tmp_path: Path) -> None:
    """Attack: a link in a directory of everybody, to a file that the operator's rights would make."""
    cli.journal(EVENT)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    for path, why in ((tmp_path / "link", "is a link"), (tmp_path / "pipe", "keeps"), (Path("/dev/null"), "keeps")):
        said = cli("audit", "tail", "--position", str(path))
        assert (said.code, said.out) == (2, "")
        assert f"`{path}` {why}" in said.err
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(("before", "between"), [("", ""), ('{"seq":1}\n', ""), ('{"seq":1}\n{"se', "\n")])
def test_what_comes_again_is_not_glued_to_the_half_that_a_full_disk_left(
    tmp_path: Path, before: str, between: str
) -> None:
    """Attack: the disk filled up, so that the record of what comes then can be read by no program."""
    shipped = tmp_path / "shipped"
    shipped.write_text(before)
    with shipped.open("a") as stream:
        outlet = Outlet(stream)
        for _ in range(2):
            assert outlet.write(b'{"seq":2}\n') == outlet.taken()
    assert shipped.read_text() == before + between + '{"seq":2}\n' * 2


def test_a_record_with_a_list_in_it_does_not_end_the_tail(cli: Any) -> None:
    """A bundle that was accepted says which keys signed it; from there on people got an error and nothing else."""
    cli.journal({"type": "policy.bundle.accepted", "actor": "system", "data": {"keys": ["a", "b"], "more": {"k": 1}}})
    assert cli("audit", "tail").out.splitlines()[-1].endswith("keys=['a', 'b'] more={'k': 1}")


def test_a_terminal_gets_no_control_character_out_of_a_record(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.journal(EVENT)
    genuine = Outlet.__init__
    monkeypatch.setattr(
        Outlet, "__init__", lambda self, stream: (genuine(self, stream), setattr(self, "is_terminal", True))[0]
    )
    said = cli("-o", "json", "audit", "tail", "-n", "1")
    assert json.loads(said.out)["personal"] == EVENT["personal"]
    assert said.out.isascii()


def test_with_a_position_nothing_comes_twice_and_nothing_is_left_out(cli: Any, tmp_path: Path) -> None:
    words = ("-o", "json", "audit", "tail", "--position", str(tmp_path / "p"))
    got = b""
    for _ in range(3):
        cli.journal(EVENT, EVENT)  # opened, written to and closed, as by a node
        got += cli(*words).out.encode()
        assert cli(*words).out == ""
    assert got == written(cli)
    assert (tmp_path / "p").stat().st_mode & 0o077 == 0


def test_one_can_begin_with_the_newest_or_from_a_time_or_behind_a_number(cli: Any, tmp_path: Path) -> None:
    cli.journal(*({"type": "x", "at": f"2026-11-{day:02}T00:00:00Z"} for day in range(1, 29)))

    def numbers(*words: str) -> list[int]:
        return [json.loads(line)["seq"] for line in cli("-o", "json", "audit", "tail", *words).out.splitlines()]

    assert numbers("-n", "3") == [27, 28, 29]
    assert numbers("-n", "300") == numbers("--after", "0") == list(range(1, 30))
    assert numbers("--after", "27") == [28, 29]
    assert numbers("--since", "2026-11-25", "--position", str(tmp_path / "p")) == [26, 27, 28, 29]
    # What the file says goes before where to begin the first time.
    cli.journal()
    assert numbers("--since", "2026-11-25", "--position", str(tmp_path / "p")) == [30]


UNUSABLE = [
    (4, ("--after", "9"), "does not reach to record 9"),
    (4, ("--after", "1:" + "0" * 64), "record 1 is not the one"),
    (4, ("--position", "garbage"), "holds no position"),
    (2, ("--position", "none/p"), "cannot be opened"),
    (2, ("--after", "x"), "no position"),
    (2, ("--after", "1", "-n", "3"), "one of them alone"),
    (2, ("--since", "tomorrow"), "is no time"),
]


def test_what_cannot_be_gone_on_from_is_said(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.journal()
    monkeypatch.chdir(tmp_path)
    Path("garbage").write_text("5:no\n")
    for code, words, said in UNUSABLE:
        ended = cli("audit", "tail", *words)
        assert (ended.code, said in ended.err) == (code, True), ended
    assert Path("garbage").read_text() == "5:no\n"


def test_a_position_is_for_one_process_at_a_time(tmp_path: Path) -> None:
    first = PositionFile.open(tmp_path / "p")
    with pytest.raises(ConfigurationError, match="another process"):
        PositionFile.open(tmp_path / "p")
    first.close()
    PositionFile.open(tmp_path / "p").close()


def test_what_still_lies_in_the_pipe_is_not_counted_as_taken() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)
        assert (outlet.write(b"12345"), outlet.taken()) == (5, 0)
        assert (outlet.write(b"678"), os.read(reading, 6), outlet.taken()) == (8, b"123456", 6)
        assert (os.read(reading, 9), outlet.taken()) == (b"78", 8)
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            outlet.taken()


def test_who_is_asked_to_stop_leaves_with_what_was_taken_noted(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.journal(EVENT)
    number = signal.SIGTERM
    monkeypatch.setattr(audit_tail._Stop, "wait", lambda *_: os.kill(os.getpid(), number))
    said = cli("-o", "json", "audit", "tail", "-f", "--position", str(tmp_path / "p"))
    assert (said.code, len(said.out.splitlines()), said.err) == (0, 2, "")
    assert (tmp_path / "p").read_text().startswith(f"{2:020}:")
    number = signal.SIGINT
    assert cli("audit", "tail", "-f").code == 130


def test_a_follower_that_is_killed_goes_on_where_the_reader_was(cli: Any, tmp_path: Path) -> None:
    cli.journal(EVENT)
    position = tmp_path / "p"
    words = ["-o", "json", "audit", "tail", "--position", str(position)]
    command = [sys.executable, "-m", "watchword", "--data", str(cli.data), *words, "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        got = [process.stdout.readline() for _ in range(2)]
        cli.journal(EVENT, EVENT)
        got += [process.stdout.readline() for _ in range(3)]
        while not position.read_text().startswith(f"{5:020}:"):
            assert process.poll() is None
        process.kill()
    cli.journal(EVENT)
    assert b"".join(got) + cli(*words).out.encode() == written(cli)


def test_a_full_disk_at_the_other_end_is_one_sentence_and_the_position_stays(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.journal(EVENT)
    words = ("-o", "json", "audit", "tail", "--position", str(tmp_path / "p"))

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Outlet, "write", refuse)
        said = cli(*words)
    assert (said.code, json.loads(said.err)["message"]) == (
        1,
        "the output cannot be read or written (No space left on device)",
    )
    assert (tmp_path / "p").read_text() == ""
    assert cli(*words).out.encode() == written(cli)
