"""What must hold before policies are signed. Each gate looks at the directory and returns what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from watchword.policy.bundles.folder import read_policy_files
from watchword.policy.engine import PolicySet
from watchword.policy.errors import PolicyLoadError, Problem


class Gate(Protocol):
    """One check, blocking, run in a thread.

    Attributes:
        name: what people call it, for the progress line and the report: `policy tests`.
    """

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def __call__(self, directory: Path) -> Sequence[Problem]:
        """Return every problem; empty when the policies may be published."""
        ...


def notes_of(gates: Iterable[Gate]) -> tuple[str, ...]:
    """Return what gates have to tell that stopped nothing, in their `notes`; most have nothing."""
    return tuple(note for gate in gates for note in getattr(gate, "notes", ()))


class RightPolicies:
    """The first gate, always there: the engine itself must take the directory, and it must hold a policy."""

    name = "policies and schema"

    def __call__(self, directory: Path) -> Sequence[Problem]:
        """Load the directory as a node would."""
        read_policy_files(directory)
        try:
            loaded = PolicySet.load(directory)
        except PolicyLoadError as error:
            return error.problems
        if len(loaded) == 0:
            # Prevents: a publication from the wrong directory, after which everything is denied everywhere.
            return (Problem("", 0, 0, "the directory holds no policy", expected="at least one file `*.cedar`"),)
        return ()
