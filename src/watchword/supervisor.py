"""Start, watch and stop the processes of one node as one unit; standard library only, so that it stays small.

`watchword up` executes `python -m watchword.supervisor`. It starts the control plane, which reports over a pipe what
is ready and which further programs belong to the node (Envoy, the sample application). A program that dies is started
again; when the supervisor stops or is killed, everything stops.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TextIO

REPORT_VARIABLE = "WATCHWORD_REPORT_FD"
# Set for a control plane that takes the place of one that died: the other programs run already.
AGAIN_VARIABLE = "WATCHWORD_AGAIN"
EXIT_FAILED = 1
_PR_SET_PDEATHSIG = 1
# For the doors together, and then for the control plane by itself, which must never be hurried by a door that hangs.
_STOP_WITHIN_S = 5.0
# Short to the end: whoever finds a request that kills a program must not buy a long outage with it.
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_STEADY_S = 10.0


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends; elsewhere the closed report pipe tells it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def report(**message: Any) -> None:
    """Tell the supervisor something from within a child; nothing happens without a supervisor."""
    number = os.environ.get(REPORT_VARIABLE)
    if number:
        os.write(int(number), json.dumps(message).encode() + b"\n")


@dataclass
class Program:
    """A child and how often it was started.

    Attributes:
        environment: all that it gets to know.
    """

    name: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    start_after: float = 0.0


class Supervisor:
    """Run the control plane and whatever it asks for until a signal comes or starting fails."""

    def __init__(self, control_plane: list[str], *, output: TextIO, as_json: bool) -> None:
        self._output = output
        self._as_json = as_json
        self._reader, self._writer = os.pipe()
        os.set_inheritable(self._writer, True)  # the standard library's own signature
        os.set_blocking(self._reader, False)  # as above
        self._buffer = b""
        self._programs = {
            "control plane": Program("control plane", control_plane, os.environ | {REPORT_VARIABLE: str(self._writer)})
        }
        self._stopping = False
        self._is_up = False
        self._failed = False
        self._begun = time.monotonic()

    def run(self) -> int:
        """Supervise until told to stop; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        selector = selectors.DefaultSelector()
        selector.register(self._reader, selectors.EVENT_READ)
        try:
            while not self._stopping:
                self._start_what_is_due()
                selector.select(timeout=0.05)
                self._read_reports()
                self._reap()
        finally:
            self._stop_all()
        return EXIT_FAILED if self._failed else 0

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for program in self._programs.values():
            if program.process is None and now >= program.start_after:
                program.started_at = now
                try:
                    program.process = subprocess.Popen(  # noqa: S603  # our own programs, no shell
                        program.argv,
                        # Prevents: keys and credentials in our environment showing in the one of a program that meets
                        # the network; only the control plane gets ours.
                        env=program.environment,
                        pass_fds=(self._writer,) if REPORT_VARIABLE in program.environment else (),
                        stdin=subprocess.DEVNULL,
                        preexec_fn=partial(_child, os.getpid()),  # noqa: PLW1509  # one thread only; must run in the child
                    )
                except OSError as error:
                    self._lost(program, f"could not be started ({error.strerror})")
                    continue
                self._note(
                    program.name, "started" if not program.failures else "started again", pid=program.process.pid
                )

    def _reap(self) -> None:
        for program in self._programs.values():
            if program.process is None or program.process.poll() is None:
                continue
            code, program.process = program.process.returncode, None
            self._lost(program, f"ended with {_describe(code)}")

    def _lost(self, program: Program, how: str) -> None:
        """Start a program again after a while; before everything was up, its end is the end of the start."""
        if self._stopping:
            return
        if not self._is_up:
            self._failed = self._stopping = True
            self._note(program.name, f"{how} before everything was ready")
            return
        steady = time.monotonic() - program.started_at > _STEADY_S
        program.failures = 1 if steady else program.failures + 1
        program.environment[AGAIN_VARIABLE] = "1"
        program.start_after = time.monotonic() + _BACKOFF_S[min(program.failures, len(_BACKOFF_S)) - 1]
        self._note(program.name, f"{how}; starting it again")

    def _read_reports(self) -> None:
        try:
            self._buffer += os.read(self._reader, 65536)
        except BlockingIOError:
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "part": self._on_part,
            "program": self._on_program,
            "failed": self._on_failed,
            "up": self._on_up,
        }
        for line in lines:
            try:
                message = json.loads(line)
                handlers[message.pop("kind")](message)
            except (ValueError, KeyError, TypeError, AttributeError):
                # Half a line of a control plane that was killed while it reported; its successor reports anew.
                continue

    def _on_part(self, message: dict[str, Any]) -> None:
        self._note(message["name"], message["state"], detail=message.get("detail", ""))

    def _on_program(self, message: dict[str, Any]) -> None:
        environment = message.get("environment", {})
        known = self._programs.get(message["name"])
        if known is None:
            self._programs[message["name"]] = Program(message["name"], message["argv"], environment)
        else:
            known.argv, known.environment = message["argv"], environment

    def _on_failed(self, message: dict[str, Any]) -> None:
        """The control plane cannot start: one sentence, and a remedy if there is one.

        Once the node was up this ends nothing: Envoy goes on denying, and starting is tried again until it succeeds.
        """
        if self._is_up:
            self._note("control plane", "cannot start", detail=message["message"])
            return
        self._failed = self._stopping = True
        if self._as_json:
            self._print(json.dumps({"event": "failed"} | message))
            return
        self._print(f"watchword: {message['message']}")
        if message.get("hint"):
            self._print(f"  {message['hint']}")

    def _on_up(self, message: dict[str, Any]) -> None:
        # It came back whole: the next death is a first one again.
        self._programs["control plane"].failures = 0
        if self._is_up:
            if message.get("link"):
                self._note("invitation", "renewed", detail=message["link"])
            return
        self._is_up = True
        seconds = time.monotonic() - self._begun
        if self._as_json:
            pids = {name: program.process.pid for name, program in self._programs.items() if program.process}
            self._print(json.dumps({"event": "up", "start_s": round(seconds, 3), "pids": pids} | message))
            return
        self._print(f"\n  Watchword is up ({seconds:.1f} s)\n")
        width = max(len(label) for label, _ in message["addresses"])
        for label, address in message["addresses"]:
            self._print(f"  {label:<{width}}  {address}")
        for line in message.get("lines", []):
            self._print(f"  {line}" if line else "")
        self._print("\n  Ctrl-C stops everything.")

    def _note(self, name: str, state: str, *, detail: str = "", pid: int | None = None) -> None:
        if self._as_json:
            self._print(json.dumps({"event": "part", "name": name, "state": state, "detail": detail, "pid": pid}))
        elif pid is None or self._is_up:
            self._print(f"  {name:<16} {state}{'  ' + detail if detail else ''}")

    def _print(self, line: str) -> None:
        # Prevents: words out of a file or a database moving the cursor of whoever looks on.
        shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in line)
        try:
            print(shown, file=self._output, flush=True)
        except (OSError, ValueError):
            self._stopping = True

    def _stop_all(self) -> None:
        """Stop in the order that serves nobody half: the doors first, then what stands behind them."""
        control = self._programs["control plane"]
        self._stop_together([program for program in self._programs.values() if program is not control])
        self._stop_together([control])
        if self._is_up and not self._as_json:
            self._print("  stopped")

    def _stop_together(self, programs: list[Program]) -> None:
        running = [program.process for program in programs if program.process and program.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_WITHIN_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _child(supervisor: int) -> None:
    # A new process group: Ctrl-C in the terminal reaches the supervisor alone, which stops the others in order.
    os.setpgid(0, 0)
    die_with_parent()
    # Prevents: a program that outlives a supervisor which was killed between the fork and the line above.
    if os.getppid() != supervisor:
        os._exit(EXIT_FAILED)


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"


def main(arguments: list[str]) -> int:
    """Run with the control plane's arguments; `--json` makes every line one JSON object."""
    as_json = "--json" in arguments
    rest = [argument for argument in arguments if argument != "--json"]
    control_plane = [sys.executable, "-m", "watchword.app", *rest]
    return Supervisor(control_plane, output=sys.stdout, as_json=as_json).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
