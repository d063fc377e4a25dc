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
from typing import Any, TextIO

REPORT_VARIABLE = "WATCHWORD_REPORT_FD"
EXIT_FAILED = 1
_PR_SET_PDEATHSIG = 1
_STOP_WITHIN_S = 8.0
_BACKOFF_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
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
    """A child and how often it was started."""

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
            "control plane": Program("control plane", control_plane, {REPORT_VARIABLE: str(self._writer)})
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
                program.process = subprocess.Popen(  # noqa: S603  # our own programs, no shell
                    program.argv,
                    env=os.environ | program.environment,
                    pass_fds=(self._writer,) if REPORT_VARIABLE in program.environment else (),
                    stdin=subprocess.DEVNULL,
                    preexec_fn=_child,  # noqa: PLW1509  # one thread only; must run in the child
                )
                self._note(
                    program.name, "started" if not program.failures else "started again", pid=program.process.pid
                )

    def _reap(self) -> None:
        for program in self._programs.values():
            if program.process is None or program.process.poll() is None:
                continue
            code, program.process = program.process.returncode, None
            if self._stopping:
                continue
            if not self._is_up:
                self._failed = self._stopping = True
                self._note(program.name, f"ended with {_describe(code)} before everything was ready")
                return
            steady = time.monotonic() - program.started_at > _STEADY_S
            program.failures = 1 if steady else program.failures + 1
            wait = _BACKOFF_S[min(program.failures, len(_BACKOFF_S)) - 1]
            program.start_after = time.monotonic() + wait
            self._note(program.name, f"ended with {_describe(code)}; starting it again")

    def _read_reports(self) -> None:
        try:
            self._buffer += os.read(self._reader, 65536)
        except BlockingIOError:
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            message = json.loads(line)
            handler: Callable[[dict[str, Any]], None] = getattr(self, f"_on_{message.pop('kind')}")
            handler(message)

    def _on_part(self, message: dict[str, Any]) -> None:
        self._note(message["name"], message["state"], detail=message.get("detail", ""))

    def _on_program(self, message: dict[str, Any]) -> None:
        known = self._programs.get(message["name"])
        if known is None:
            self._programs[message["name"]] = Program(message["name"], message["argv"], message.get("environment", {}))
        else:
            known.argv = message["argv"]

    def _on_failed(self, message: dict[str, Any]) -> None:
        """The control plane cannot start: one sentence, and a remedy if there is one."""
        self._failed = self._stopping = True
        if self._as_json:
            self._print(json.dumps({"event": "failed"} | message))
            return
        self._print(f"watchword: {message['message']}")
        if message.get("hint"):
            self._print(f"  {message['hint']}")

    def _on_up(self, message: dict[str, Any]) -> None:
        if self._is_up:
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
        try:
            print(line, file=self._output, flush=True)
        except OSError:
            self._stopping = True

    def _stop_all(self) -> None:
        """Stop in the order that serves nobody half: the door first, then what stands behind it."""
        order = sorted(self._programs.values(), key=lambda program: program.name == "control plane")
        deadline = time.monotonic() + _STOP_WITHIN_S
        for program in order:
            process = program.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._is_up and not self._as_json:
            self._print("  stopped")


def _child() -> None:
    # A new process group: Ctrl-C in the terminal reaches the supervisor alone, which stops the others in order.
    os.setpgid(0, 0)
    die_with_parent()


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
