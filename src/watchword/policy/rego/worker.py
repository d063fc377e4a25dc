"""The program that evaluates Rego: it reads frames from its standard input and answers them, one at a time.

It runs as a process of its own and imports the standard library and `regorus`, nothing of Watchword. Before each frame
it asks the kernel for an alarm that ends it, so that it dies in time even when nobody is left to kill it.
A frame is a length in four bytes, a letter, and a body. `docs/adr/0047` says why this is not done in the node itself.
"""

from __future__ import annotations

import json
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

_HEAD = struct.Struct(">I")
_UNDEFINED = '"<undefined>"'
_LONGEST_WORDS = 2000
_LONGEST_ANSWER = 1 << 20


class Engine:
    """One set of modules; `regorus` evaluates them, and stops at the first builtin that fails."""

    def __init__(self, regorus: Any) -> None:
        self._engine = regorus.Engine()
        self._engine.set_gather_prints(True)  # what `print` prints goes nowhere
        self._rules: list[str] = []

    def add(self, path: str, source: str) -> dict[str, str]:
        """Read a module as OPA 1 does; what that refuses may still be Rego as it was before."""
        try:
            self._engine.add_policy(path, source)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
            first = words(error)
        else:
            return {"dialect": "v1"}
        self._engine.set_rego_v0(True)
        try:
            self._engine.add_policy(path, source)
        except Exception as error:  # noqa: BLE001 (as above)
            # Of the two complaints, the one that came further into the file is about what its author meant.
            return {"problem": max(first, words(error), key=_how_far)}
        finally:
            self._engine.set_rego_v0(False)
        return {"dialect": "v0"}

    def seal(self) -> dict[str, Any]:
        """Analyse all modules together; return their syntax trees, or what is wrong."""
        try:
            self._engine.eval_query("1")
        except Exception as error:  # noqa: BLE001 (as above)
            return {"problem": words(error)}
        return {"trees": [tree["ast"] for tree in json.loads(self._engine.get_ast_as_json())]}

    def choose(self, rules: list[str]) -> None:
        """Fix what each question asks for."""
        self._rules = rules

    def ask(self, document: str, rules: list[str] | None = None) -> Iterator[list[Any]]:
        """Evaluate rules on an input."""
        self._engine.set_input_json(document)
        for rule in self._rules if rules is None else rules:
            yield self._value(rule)
        self._engine.take_prints()

    def _value(self, rule: str) -> list[Any]:
        try:
            found = self._engine.eval_rule_as_json(rule)
            if found == _UNDEFINED and not self._engine.eval_query(rule)["result"]:
                return ["undefined"]
        except Exception as error:  # noqa: BLE001 (as above)
            return ["failed", words(error)]
        return ["value", json.loads(found)]


def words(error: Exception) -> str:
    """Return what an error says, without the trace of the program."""
    return str(error).partition("Stack backtrace")[0].strip()[:_LONGEST_WORDS]


def _how_far(said: str) -> tuple[int, int]:
    """Return line and column of a complaint that begins with `--> file:line:column`."""
    place = said.partition("\n")[0].rsplit(":", 2)[1:]
    return (int(place[0]), int(place[1])) if len(place) == 2 and "".join(place).isdigit() else (0, 0)  # noqa: PLR2004


def answer(engine: Engine, letter: bytes, body: str) -> Any:
    """Do what a frame asks."""
    match letter:
        case b"N":
            return None
        case b"M":
            return engine.add(*json.loads(body))
        case b"S":
            return engine.seal()
        case b"R":
            return engine.choose(json.loads(body))
        case b"E":
            asked = json.loads(body)
            return list(engine.ask(json.dumps(asked["input"]), asked["rules"]))
        case _:
            return list(engine.ask(body))


def main() -> None:
    """Serve until the other side is gone."""
    site, memory_bytes, slow_s, quick_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    # Prevents: a rule that builds a value as large as the machine.
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Prevents: a rule that writes files. Nothing here does; this holds the library to it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.path.append(site)
    import regorus  # noqa: PLC0415  # found only now

    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the alarm ends the process, whatever the library is busy with
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's interrupt is for the node, which closes us
    engine = Engine(regorus)
    with socket.socket(fileno=sys.stdin.fileno()) as peer, peer.makefile("rb") as frames:
        while head := frames.read(_HEAD.size):
            body = frames.read(_HEAD.unpack(head)[0])
            letter = body[:1]
            signal.setitimer(signal.ITIMER_REAL, quick_s if letter == b"Q" else slow_s)
            if letter == b"N":
                engine = Engine(regorus)
            said = json.dumps(answer(engine, letter, body[1:].decode())).encode()
            if len(said) > _LONGEST_ANSWER and letter != b"S":
                said = b'"too long"'
            signal.setitimer(signal.ITIMER_REAL, 0)
            peer.sendall(_HEAD.pack(len(said)) + said)


if __name__ == "__main__":
    main()
