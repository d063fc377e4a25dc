"""Hold the process that evaluates Rego: ask it with a deadline, end it when that passes, start it anew."""

from __future__ import annotations

import importlib.util
import json
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from watchword.policy.rego.model import Limits, Module, Outcome

_HEAD: Final = struct.Struct(">I")
_WORKER: Final = Path(__file__).with_name("worker.py")
_LONGEST_REPLY: Final = 64 * 1024 * 1024
_KILL_LATER_S: Final = 0.02


class StoppedError(Exception):
    """The process gave no answer; the words say why, the code says what kind of why."""

    def __init__(self, words: str, code: str = "rego_budget_spent") -> None:
        self.code = code
        super().__init__(words)


class Worker:
    """One process and the socket to it."""

    def __init__(self, site: str, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # The alarm inside comes a little after our own deadline: it is for the case that nobody is left to act.
            arguments = [site, str(limits.memory_bytes), str(limits.load_s + 1), str(limits.budget_s + _KILL_LATER_S)]
            # Prevents: a policy's process that inherits secrets from the environment of the node.
            self._process = subprocess.Popen(  # noqa: S603 (our own program, by its path)
                [sys.executable, "-I", "-S", str(_WORKER), *arguments],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                close_fds=True,
            )
        self._socket = ours
        self._end = weakref.finalize(self, _end, self._process, ours)

    @property
    def is_alive(self) -> bool:
        """Tell whether it was not ended."""
        return self._end.alive

    def call(self, letter: str, body: str, within_s: float) -> Any:
        """Put one frame and return what is said to it.

        Raises:
            StoppedError: nothing in time, or the process died; it is ended then.
        """
        until = time.monotonic() + within_s
        said = letter.encode() + body.encode()
        try:
            self._socket.settimeout(within_s)
            self._socket.sendall(_HEAD.pack(len(said)) + said)
            (length,) = _HEAD.unpack(self._read(_HEAD.size, until))
            return json.loads(self._read(min(length, _LONGEST_REPLY), until))
        except TimeoutError:
            self.close()
            raise StoppedError(f"it took more than {within_s * 1000:.0f} ms") from None
        except (OSError, ValueError):
            self.close()
            raise StoppedError("the Rego process died, as it does when it runs out of memory") from None

    def _read(self, length: int, until: float) -> bytes:
        found = bytearray()
        while len(found) < length:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            piece = self._socket.recv(min(length - len(found), 1 << 16))
            if not piece:
                raise ConnectionResetError
            found += piece
        return bytes(found)

    def close(self) -> None:
        """End the process and wait for it."""
        self._end()


def _end(process: subprocess.Popen[bytes], ours: socket.socket) -> None:
    ours.close()
    process.kill()
    process.wait()


class Evaluation:
    """Modules that were found right, in a process that is replaced whenever a policy brings it to its end.

    Args:
        worker: one that is only just started, or done with something else.
        rules: what every question asks for, as `data.package.rule`.
    """

    def __init__(
        self, worker: Worker, modules: Sequence[Module], rules: Sequence[str], *, site: str, limits: Limits
    ) -> None:
        self._modules, self._rules, self._site, self._limits = tuple(modules), tuple(rules), site, limits
        self._turn = threading.Lock()
        self._worker: Worker | None = worker
        self._is_starting = False
        self._is_closed = False
        prepare(worker, self._modules, self._rules, limits)

    def ask(self, document: str) -> list[Outcome]:
        """Evaluate every rule on an input, within the budget.

        Raises:
            StoppedError: the budget was spent, or the process is only just starting anew.
        """
        return self._outcomes("Q", document, self._limits.budget_s)

    def ask_for(self, rules: Sequence[str], document: str) -> list[Outcome]:
        """Evaluate other rules on an input, for people who want to know why; slower limits hold."""
        body = json.dumps({"rules": list(rules), "input": json.loads(document)})
        return self._outcomes("E", body, self._limits.load_s)

    def close(self) -> None:
        """End the process; nothing is answered any more."""
        with self._turn:
            self._is_closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _outcomes(self, letter: str, body: str, within_s: float) -> list[Outcome]:
        with self._turn:
            worker = self._worker
            if worker is None:
                raise StoppedError("the Rego process is only just starting again", "rego_unavailable")
            try:
                said = worker.call(letter, body, within_s)
            except StoppedError:
                self._worker = None
                self._replace()
                raise
        if not isinstance(said, list):
            raise StoppedError("the value of a rule is too long")
        return [Outcome(*each) for each in said]

    def _replace(self) -> None:
        """Start another process without keeping anybody waiting. Prevents: a decision that waits for a start."""
        if not self._is_starting and not self._is_closed:
            self._is_starting = True
            threading.Thread(target=_restart, args=(weakref.ref(self),), name="rego-restart", daemon=True).start()

    def start_again(self) -> None:
        """Give the modules to a new process, and take it."""
        worker: Worker | None = None
        try:
            worker = Worker(self._site, self._limits)
            prepare(worker, self._modules, self._rules, self._limits)
        except (StoppedError, OSError):  # no process can be had now; the next question tries again
            worker = None
        with self._turn:
            self._is_starting = False
            if not self._is_closed:
                self._worker = worker
            elif worker is not None:
                worker.close()


def prepare(worker: Worker, modules: Sequence[Module], rules: Sequence[str], limits: Limits) -> None:
    """Give a process the modules as they run, in place of whatever it had, and what each question asks for.

    Raises:
        StoppedError: it did not take them.
    """
    worker.call("N", "", limits.load_s)
    for module in modules:
        if "problem" in worker.call("M", json.dumps([module.path, module.runs]), limits.load_s):
            raise StoppedError(f"`{module.path}` cannot be prepared", "rego_unavailable")
    if "problem" in worker.call("S", "", limits.load_s):
        raise StoppedError("the files cannot be put together as they run", "rego_unavailable")
    worker.call("R", json.dumps(list(rules)), limits.load_s)


def _restart(reference: weakref.ref[Evaluation]) -> None:
    evaluation = reference()
    if evaluation is not None:
        evaluation.start_again()


def site_of_regorus() -> str | None:
    """Return the directory that the optional library lies in; nothing where it is not installed."""
    found = importlib.util.find_spec("regorus")
    return str(Path(found.origin).parent.parent) if found is not None and found.origin else None
