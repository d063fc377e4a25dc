"""One unit: what dies is started again, what stops stops in order, and nothing outlives the supervisor."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from watchword import supervisor
from watchword.supervisor import Program, Supervisor

_SOURCE = Path(__file__).parents[3] / "src"
_WITHIN_S = 20.0
SECRET = "a credential of a feed"
# The supervisor itself, on a stub of a control plane and in a hurry.
_DRIVER = """
import sys
from watchword import supervisor
supervisor._BACKOFF_S = (0.0, 0.01)
supervisor._STOP_WITHIN_S = 0.5
sys.exit(supervisor.Supervisor([sys.executable, sys.argv[1]], output=sys.stdout, as_json="--json" in sys.argv).run())
"""
_PRELUDE = """
import os, signal, sys, time
from pathlib import Path
from watchword.supervisor import report
here = Path(sys.argv[0]).parent
def started(name):
    with (here / "log").open("a") as log: log.write(f"{name} started {os.getpid()}\\n")
    return sum(line.startswith(f"{name} started") for line in (here / "log").read_text().splitlines())
def stopped(name):
    def leave(*_):
        with (here / "log").open("a") as log: log.write(f"{name} stopped\\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
def up(**more):
    report(kind="up", addresses=[["Portal", "https://x"]], **more)
def wait():
    while True: signal.pause()
"""


class Unit:
    """A supervisor in a process of its own and what it says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[str] | None = None
        self._unread = ""

    def write(self, name: str, text: str) -> Path:
        path = self.directory / f"{name}.py"
        path.write_text(_PRELUDE + textwrap.dedent(text))
        return path

    def program(self, name: str, text: str) -> str:
        """Write a program and return the line with which the control plane asks for it."""
        path = self.write(name, text)
        environment = {"PYTHONPATH": str(_SOURCE)}
        return (
            f"report(kind='program', name={name!r}, argv=[sys.executable, {str(path)!r}], environment={environment})\n"
        )

    def start(self, control: str, *, as_json: bool = True) -> None:
        path = self.write("control", control)
        words = [sys.executable, "-c", _DRIVER, str(path), *(["--json"] if as_json else [])]
        environment = {"PYTHONPATH": str(_SOURCE), "PATH": os.environ["PATH"], "PARTNER_FEED": SECRET}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)

    def line(self) -> str:
        """Return the next line, empty at the end."""
        assert self.process is not None
        assert self.process.stdout is not None
        while "\n" not in self._unread:
            ready, _, _ = select.select([self.process.stdout], [], [], _WITHIN_S)
            assert ready, "the supervisor says nothing"
            read = os.read(self.process.stdout.fileno(), 65536).decode()
            if not read:
                return ""
            self._unread += read
        line, _, self._unread = self._unread.partition("\n")
        return line + "\n"

    def event(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next event of a kind."""
        while line := self.line():
            event = json.loads(line)
            if wanted(event):
                return dict(event)
        raise AssertionError("the supervisor ended")

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(_WITHIN_S)

    def log(self) -> list[str]:
        path = self.directory / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    found = Unit(tmp_path)
    yield found
    if found.process is not None:
        if found.process.poll() is None:
            found.process.kill()
        found.process.wait(_WITHIN_S)
        assert found.process.stdout is not None
        found.process.stdout.close()


def is_up(event: dict[str, Any]) -> bool:
    return bool(event["event"] == "up")


def of(name: str, state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["event"] == "part" and event["name"] == name and event["state"].startswith(state)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


DOOR = "started('door'); stopped('door'); wait()"


def test_everything_starts_and_says_so(unit: Unit) -> None:
    door = unit.program("door", DOOR)
    unit.start(f"{door}stopped('control'); report(kind='part', name='db', state='ready'); up(link='l')\nwait()")
    assert unit.event(of("db", "ready"))["detail"] == ""
    event = unit.event(is_up)
    assert event["link"] == "l"
    assert set(event["pids"]) >= {"control plane"}
    until(lambda: any(line.startswith("door started") for line in unit.log()))
    assert unit.end() == 0


def test_a_stranger_who_reads_the_memory_of_a_door_finds_no_credential_of_the_node_in_its_environment(
    unit: Unit,
) -> None:
    shows = "(here / 'door.environment').write_text(repr(dict(os.environ))); started('door'); stopped('door'); wait()"
    door = unit.program("door", shows)
    own = "(here / 'own.environment').write_text(repr(dict(os.environ)))\n"
    unit.start(f"stopped('control')\n{own}{door}started('control'); up()\nwait()")
    unit.event(is_up)
    until(lambda: any(line.startswith("door started") for line in unit.log()))
    for is_second in (False, True):
        if is_second:
            os.kill(next(int(line.split()[2]) for line in unit.log() if line.startswith("door")), signal.SIGKILL)
            until(lambda: sum(line.startswith("door started") for line in unit.log()) == 2)
        seen = (unit.directory / "door.environment").read_text()
        assert SECRET not in seen
        assert supervisor.REPORT_VARIABLE not in seen
    assert SECRET in (unit.directory / "own.environment").read_text()
    assert unit.end() == 0


def test_it_stops_the_doors_before_the_control_plane(unit: Unit) -> None:
    doors = unit.program("door", DOOR) + unit.program("other", DOOR.replace("door", "other"))
    unit.start(f"stopped('control')\n{doors}started('control'); up()\nwait()")
    unit.event(is_up)
    until(lambda: sum(" started " in line for line in unit.log()) == 3)
    assert unit.end(signal.SIGINT) == 0
    ended = [line for line in unit.log() if line.endswith("stopped")]
    assert sorted(ended[:2]) == ["door stopped", "other stopped"]
    assert ended[2:] == ["control stopped"]


def test_a_program_that_dies_is_started_again(unit: Unit) -> None:
    door = unit.program("door", "if started('door') < 4: sys.exit(3)\nstopped('door'); wait()")
    # The door dies only after everything was up: it waits for the word.
    door = door.replace("report", "up()\nreport", 1)
    unit.start(f"stopped('control'); started('control')\n{door}wait()")
    for _ in range(3):
        assert unit.event(of("door", "ended"))["state"] == "ended with code 3; starting it again"
        assert unit.event(of("door", "started again"))["pid"] > 0
    until(lambda: sum(line.startswith("door started") for line in unit.log()) == 4)
    assert unit.end() == 0
    assert sum(line.startswith("control started") for line in unit.log()) == 1


def test_a_killed_control_plane_comes_back_while_the_doors_stay(unit: Unit) -> None:
    door = unit.program("door", DOOR)
    unit.start(f"stopped('control')\n{door}started('control'); up()\nwait()")
    pid = unit.event(is_up)["pids"]["control plane"]
    until(lambda: any(line.startswith("door") for line in unit.log()))
    os.kill(pid, signal.SIGKILL)
    assert unit.event(of("control plane", "ended"))["state"] == "ended with signal SIGKILL; starting it again"
    until(lambda: sum(line.startswith("control started") for line in unit.log()) == 2)
    assert sum(line.startswith("door started") for line in unit.log()) == 1
    assert unit.end() == 0


def test_a_control_plane_that_cannot_come_back_at_once_is_tried_again(unit: Unit) -> None:
    unit.start(
        """
        n = started('control')
        if n in (2, 3):
            report(kind='failed', message='the disk is full', hint='free some space')
            sys.exit(1)
        stopped('control'); up()
        if n == 1: os.kill(os.getpid(), signal.SIGKILL)
        wait()
        """
    )
    unit.event(is_up)
    for _ in range(2):
        assert unit.event(of("control plane", "cannot start"))["detail"] == "the disk is full"
    until(lambda: sum(line.startswith("control started") for line in unit.log()) == 4)
    assert unit.process is not None
    assert unit.process.poll() is None
    assert unit.end() == 0


@pytest.mark.parametrize("as_json", [True, False])
def test_a_start_that_fails_is_one_sentence_and_leaves_nothing_running(unit: Unit, *, as_json: bool) -> None:
    door = unit.program("door", DOOR)
    unit.start(
        f"started('control')\n{door}"
        "while not any(l.startswith('door') for l in (here / 'log').read_text().splitlines()): os.sched_yield()\n"
        "report(kind='failed', message='port 1 is \\x1b[2Jtaken', hint='choose another'); sys.exit(1)",
        as_json=as_json,
    )
    assert unit.process is not None
    said, _ = unit.process.communicate(timeout=_WITHIN_S)
    assert unit.process.returncode == 1
    if as_json:
        assert {"event": "failed", "message": "port 1 is \x1b[2Jtaken", "hint": "choose another"} in [
            json.loads(line) for line in said.splitlines()
        ]
    else:
        assert said == "watchword: port 1 is \ufffd[2Jtaken\n  choose another\n"
    assert "door stopped" in unit.log() or all(gone(pid) for pid in pids(unit))


def pids(unit: Unit) -> list[int]:
    return [int(line.split()[2]) for line in unit.log() if " started " in line]


def test_a_program_that_dies_before_everything_was_ready_ends_the_start(unit: Unit) -> None:
    unit.start(unit.program("door", "sys.exit(7)") + "started('control'); stopped('control'); wait()")
    assert unit.event(of("door", "ended"))["state"] == "ended with code 7 before everything was ready"
    assert unit.process is not None
    assert unit.process.wait(_WITHIN_S) == 1
    assert all(gone(pid) for pid in pids(unit))


def test_a_program_that_is_not_there_ends_the_start_in_one_sentence(unit: Unit) -> None:
    unit.start("report(kind='program', name='envoy', argv=['/nowhere/envoy'])\nwait()")
    assert unit.event(of("envoy", "could"))["state"].startswith("could not be started (No such file")
    assert unit.process is not None
    assert unit.process.wait(_WITHIN_S) == 1


def test_what_does_not_want_to_stop_is_killed(unit: Unit) -> None:
    door = unit.program("door", "signal.signal(signal.SIGTERM, signal.SIG_IGN); started('door'); wait()")
    unit.start(f"stopped('control')\n{door}started('control'); up()\nwait()")
    unit.event(is_up)
    until(lambda: len(pids(unit)) == 2)
    assert unit.end() == 0
    assert all(gone(pid) for pid in pids(unit))
    assert unit.log()[-1] == "control stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends children with their parent")
def test_nothing_outlives_a_supervisor_that_was_killed(unit: Unit) -> None:
    door = unit.program("door", DOOR)
    unit.start(f"stopped('control')\n{door}started('control'); up()\nwait()")
    unit.event(is_up)
    until(lambda: len(pids(unit)) == 2)
    assert unit.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: all(gone(pid) for pid in pids(unit)))


def test_a_key_pressed_in_the_terminal_reaches_the_supervisor_alone(unit: Unit) -> None:
    unit.start("stopped('control'); started('control'); up()\nwait()")
    unit.event(is_up)
    assert unit.process is not None
    groups = {os.getpgid(pid) for pid in pids(unit)}
    assert os.getpgid(unit.process.pid) not in groups
    assert unit.end() == 0


def test_garbage_in_the_report_pipe_stops_nothing(unit: Unit) -> None:
    unit.start(
        """
        stopped('control')
        fd = int(os.environ['WATCHWORD_REPORT_FD'])
        for junk in (b'{"kind": "par', b'[]', b'{}', b'{"kind": "stop_all"}', b'{"kind": 7}', b'\\xff',
                     b'{"kind": "part"}', b'null'):
            os.write(fd, junk + b'\\n')
        up(); wait()
        """
    )
    unit.event(is_up)
    assert unit.end() == 0


def test_a_reader_who_goes_away_ends_it(unit: Unit) -> None:
    unit.start("stopped('control'); started('control'); up()\nwait()")
    unit.event(is_up)
    assert unit.process is not None
    assert unit.process.stdout is not None
    unit.process.stdout.close()
    os.kill(pids(unit)[0], signal.SIGKILL)
    unit.process.wait(_WITHIN_S)
    unit.process.stdout = open(os.devnull)  # noqa: PTH123, SIM115  # closed by the fixture


def test_people_see_the_addresses(unit: Unit) -> None:
    unit.start("stopped('control'); up(lines=['', 'Open this link'])\nwait()", as_json=False)
    seen = ""
    while "Ctrl-C" not in seen:
        seen += unit.line()
    assert "Watchword is up (" in seen
    assert "Portal  https://x" in seen
    assert "Open this link" in seen
    assert unit.end() == 0


# --- waiting, without waiting ---------------------------------------------------------------------------------------


def ended(code: int = 1) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-S", "-c", f"raise SystemExit({code})"])
    process.wait()
    return process


@pytest.fixture
def idle() -> Iterator[Supervisor]:
    found = Supervisor(["/nowhere"], output=io.StringIO(), as_json=True)
    found._is_up = True
    yield found
    os.close(found._reader)
    os.close(found._writer)


def test_whoever_keeps_dying_waits_longer_each_time(idle: Supervisor) -> None:
    program = idle._programs["control plane"]
    waits = []
    for _ in range(len(supervisor._BACKOFF_S) + 2):
        program.process, program.started_at = ended(), time.monotonic()
        before = time.monotonic()
        idle._reap()
        waits.append(program.start_after - before)
    wanted = [*supervisor._BACKOFF_S, *[supervisor._BACKOFF_S[-1]] * 2]
    assert waits == pytest.approx(wanted, abs=0.04)
    idle._start_what_is_due()
    assert program.process is None, "it is not due yet"


def test_whoever_ran_steadily_is_forgiven(idle: Supervisor) -> None:
    program = Program("door", ["/nowhere"], failures=5, started_at=time.monotonic() - 11)
    program.process = ended()
    idle._programs["door"] = program
    idle._reap()
    assert program.failures == 1


def test_an_envoy_that_vanished_is_tried_again_and_not_the_end(idle: Supervisor) -> None:
    idle._start_what_is_due()
    program = idle._programs["control plane"]
    assert (program.process, program.failures) == (None, 1)
    assert not idle._stopping


def test_without_a_supervisor_a_report_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(supervisor.REPORT_VARIABLE, raising=False)
    supervisor.report(kind="up")
