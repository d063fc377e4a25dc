"""Keep the policies of a directory in force while people edit it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from watchword.policy.engine import PolicySet
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.load import DEFAULT_SCHEMA, EMPTY, LINKS_FILE
from watchword.policy.obligations import OBLIGATIONS_FILE
from watchword.policy.rego import PATTERNS as REGO_FILES
from watchword.policy.relations import MODEL_FILES

_POLL_S = 0.2

Print = tuple[tuple[str, int, int, int], ...]


class PolicySource:
    """Watch a directory; hold the last set that was right.

    A new set is parsed, checked and compiled in a thread and put in force by one assignment, so no request waits and
    none sees half a set. A wrong set changes nothing but `problem`. A directory that vanishes is an empty set, and
    an empty set denies.

    Attributes:
        current: what is in force; before the first good load, a set without policies.
        problems: what is wrong with the files as they stand; empty when they are in force.
    """

    def __init__(self, directory: Path, *, schema: Path | None = DEFAULT_SCHEMA, poll_s: float = _POLL_S) -> None:
        self._directory = directory
        self._schema = schema
        self._poll_s = poll_s
        self._print: Print | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self.current = PolicySet(EMPTY)
        self.problems: tuple[Problem, ...] = ()

    @property
    def directory(self) -> Path:
        """Where the files lie, as they stand now."""
        return self._directory

    @property
    def is_well(self) -> bool:
        """Whether there is a policy in force, and all that people wrote is."""
        return not self.problems and len(self.current) > 0

    @property
    def problem(self) -> str | None:
        """Everything that is wrong with the files, a line each, for people; nothing when they are in force."""
        return "\n".join(map(str, self.problems)) or None

    async def start(self) -> None:
        """Load once, then follow changes until `stop`. A wrong directory does not raise: it denies and says why."""
        await self.reload()
        self._task = asyncio.create_task(self._watch(), name="policy-source")

    async def stop(self) -> None:
        """End the watching; what is in force stays."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def reload(self) -> bool:
        """Read the directory now; tell whether another set is in force afterwards."""
        async with self._turn:
            # The print is taken before the reading: a change in between is seen at the next look.
            self._print = await asyncio.to_thread(self._look)
            before = self.current.version
            try:
                loaded = await asyncio.to_thread(PolicySet.load, self._directory, schema=self._schema)
            except PolicyLoadError as error:
                self.problems = error.problems
                return False
            except Exception as error:  # noqa: BLE001 (whatever a file does to the parser, the old set stays)
                self.problems = (Problem("", 0, 0, f"the policies cannot be loaded: {type(error).__name__}"),)
                return False
            self.current, self.problems = loaded, ()
            return loaded.version != before

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                if await asyncio.to_thread(self._look) != self._print:
                    await self.reload()
            except OSError as error:  # a disk that fails for a while must not end the watching
                self.problems = (Problem("", 0, 0, f"the policies cannot be looked at: {error.strerror}"),)
                self._print = None

    def _look(self) -> Print:
        """Take names, inodes, sizes and times of every file that counts; a few microseconds a file."""
        patterns = ("*.cedar", "*.cedarschema", LINKS_FILE, OBLIGATIONS_FILE, *MODEL_FILES, *REGO_FILES)
        seen = []
        for path in (found for pattern in patterns for found in self._directory.glob(pattern)):
            with suppress(OSError):  # gone between listing and looking: the next look tells
                stat = path.stat()
                seen.append((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(sorted(seen))
