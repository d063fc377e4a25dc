"""The gate of a publication that proves what `invariants.yaml` promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from watchword.policy.analysis.errors import AnalysisUnavailableError
from watchword.policy.analysis.invariants import INVARIANTS_FILE, read_invariants
from watchword.policy.analysis.model import Finding, FindingKind, Invariant, Limits, Report
from watchword.policy.engine import PolicySet
from watchword.policy.errors import PolicyLoadError, Problem

# A person waits for it; what a proof needs more for is told, and `watchword policies analyse` takes longer.
_LIMITS: Final = Limits(query_s=2.0, total_s=60.0)
_MOST_FACTS: Final = 40


class InvariantGate:
    """What must hold before policies are signed: no promise is broken.

    Args:
        needs_proof: a promise that is neither proved nor broken stops the publication as well, and so does a machine
            without the solver; else they are only told.
        others_decide: as `analyse` takes it.

    Attributes:
        notes: what people should know that stopped nothing; of the last call.
    """

    name = "proofs of invariants"

    def __init__(self, *, needs_proof: bool = False, others_decide: bool = False, limits: Limits = _LIMITS) -> None:
        self._needs_proof = needs_proof
        self._others_decide = others_decide
        self._limits = limits
        self.notes: tuple[str, ...] = ()

    def __call__(self, directory: Path) -> Sequence[Problem]:
        """Return a counter-example for each broken promise, and whatever else stops a publication here."""
        from watchword.policy.analysis import analyse  # noqa: PLC0415  # the door imports this file

        self.notes = ()
        try:
            bundle = PolicySet.load(directory).bundle
            invariants = read_invariants(directory, bundle)
        except PolicyLoadError as error:
            return error.problems
        if not invariants:
            return ()
        try:
            report = analyse(
                bundle, invariants, limits=self._limits, others_decide=self._others_decide, promises_only=True
            )
        except AnalysisUnavailableError as error:
            return self._unsettled(list(_unproved(invariants, error)))
        broken = [_broken(finding) for finding in report.findings if finding.kind is FindingKind.VIOLATED]
        unsettled = self._unsettled(list(_open(report)))
        proved = [name for name, verdict in report.invariants.items() if verdict == "holds"]
        if proved:
            self.notes = (f"{len(proved)} of {len(invariants)} invariants proved: {', '.join(proved)}", *self.notes)
        return (*broken, *unsettled)

    def _unsettled(self, problems: list[Problem]) -> tuple[Problem, ...]:
        """Stop for what was not settled, or tell it."""
        if self._needs_proof:
            return tuple(problems)
        self.notes = tuple(map(str, problems))
        return ()


def _unproved(invariants: Sequence[Invariant], error: AnalysisUnavailableError) -> Iterator[Problem]:
    # Prevents: a machine without the solver that publishes as if everything had been proved.
    count = len(invariants)
    promises = "the invariant was" if count == 1 else f"the {count} invariants were"
    said = f"{promises} not looked at, so nothing is proved: {error.message}"
    yield Problem(INVARIANTS_FILE, 0, 0, said, expected=error.hint or "")


def _open(report: Report) -> Iterator[Problem]:
    for one in report.unknown:
        yield Problem(one.place.path, one.place.line, one.place.column, f"{one.message}; it is not proved")
    for finding in report.findings:
        if finding.kind is FindingKind.VACUOUS:
            yield Problem(finding.place.path, finding.place.line, finding.place.column, finding.message)


def _broken(finding: Finding) -> Problem:
    """Say how a promise is broken, with everything that the policies look at in the request that breaks it."""
    example = finding.example
    facts = list(example.facts.items())[:_MOST_FACTS] if example is not None else []
    said = f"{finding.message}; for example with {', '.join(f'{name} = {value}' for name, value in facts)}"
    return Problem(finding.place.path, finding.place.line, finding.place.column, said if facts else finding.message)
