"""Own the analysis of policies: what can never match, is covered, contradicts, or breaks an invariant.

Publishes `analyse`, `read_invariants` and reports. Refuses to call anything safe that was not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from watchword.policy.analysis.errors import AnalysisUnavailableError
from watchword.policy.analysis.gate import InvariantGate
from watchword.policy.analysis.invariants import INVARIANTS_FILE, read_invariants
from watchword.policy.analysis.model import (
    Example,
    Finding,
    FindingKind,
    Invariant,
    Limits,
    Place,
    Report,
    Unknown,
    Verdict,
)
from watchword.policy.load import Bundle

__all__ = [
    "INVARIANTS_FILE",
    "AnalysisUnavailableError",
    "Example",
    "Finding",
    "FindingKind",
    "Invariant",
    "InvariantGate",
    "Limits",
    "Place",
    "Report",
    "Unknown",
    "Verdict",
    "analyse",
    "read_invariants",
]


def analyse(
    bundle: Bundle,
    invariants: Sequence[Invariant] = (),
    *,
    limits: Limits | None = None,
    others_decide: bool = False,
    promises_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Analyse policies over every request that fits the schema. Synchronous and slow: seconds, not microseconds.

    Args:
        others_decide: something besides these policies has a say, as a policy server does; no promise then holds for
            certain. Policies in Rego in the bundle count without being named here.
        promises_only: look at the invariants, not at each policy by itself.
        progress: told how many policies and invariants are done, and how many there are.

    Raises:
        AnalysisUnavailableError: the solver is not installed; it is an optional extra.
    """
    try:
        from watchword.policy.analysis.run import run  # noqa: PLC0415  # the solver is optional, and slow to import
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "z3":
            raise AnalysisUnavailableError from None
        raise
    return run(
        bundle,
        invariants,
        limits=limits or Limits(),
        others_decide=others_decide,
        promises_only=promises_only,
        progress=progress,
    )
