"""Run one program with limits on time, memory and output; what it started ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOST_FILE_BLOCKS: Final = 256 * 1024 * 2  # of 512 bytes: 256 MiB
_MOST_MEMORY_KIB: Final = 2 * 1024 * 1024
_MOST_CPU_S: Final = 60
_MOST_WORDS: Final = 400
# `sh` sets the limits and becomes the program; what comes from outside is only ever an argument of it. A system that
# cannot limit memory so (macOS) limits the rest.
_LIMITED: Final = (
    f"ulimit -f {_MOST_FILE_BLOCKS}; ulimit -t {_MOST_CPU_S}; ulimit -c 0; "
    f'ulimit -v {_MOST_MEMORY_KIB} 2>/dev/null; exec "$@"'
)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended.

    Attributes:
        code: its exit code, negative for a signal, as `subprocess` has it; nothing when its time was over.
        output: what it printed; empty when that was more than allowed.
        words: the beginning of what it complained of, printable and in one line.
    """

    code: int | None
    output: bytes
    words: str
    is_too_long: bool = False


def run_limited(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    given: bytes = b"",
    timeout_s: float,
    most: int,
) -> Finished:
    """Run a program to its end, blocking.

    Args:
        command: the program and its arguments; no shell reads them.
        environment: all that it gets to know.
        folder: where it runs.
        given: its standard input.
        most: how many bytes of output are taken.

    Raises:
        OSError: it cannot be started.
    """
    # Files instead of pipes: nothing can block, and the limit on files holds for the output as well.
    with (
        tempfile.TemporaryFile() as inward,
        tempfile.TemporaryFile() as outward,
        tempfile.TemporaryFile() as complaints,
    ):
        inward.write(given)
        inward.seek(0)
        process = subprocess.Popen(  # noqa: S603  # no argument reaches a shell's parser
            ["/bin/sh", "-c", _LIMITED, "sh", *command],
            stdin=inward,
            stdout=outward,
            stderr=complaints,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        complaints.seek(0)
        words = " ".join(complaints.read(_MOST_WORDS).decode("utf-8", "replace").split())
        words = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
        is_too_long = outward.seek(0, os.SEEK_END) > most
        outward.seek(0)
        return Finished(code, b"" if is_too_long else outward.read(most), words, is_too_long)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and whatever it left running: ssh, the helpers of git."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
