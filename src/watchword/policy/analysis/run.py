"""One analysis of one bundle, from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from watchword.policy.analysis.model import Invariant, Limits, Report
from watchword.policy.analysis.places import Places
from watchword.policy.analysis.policies import PolicyChecks
from watchword.policy.analysis.promises import InvariantChecks
from watchword.policy.analysis.solve import Prover
from watchword.policy.analysis.subject import Subject
from watchword.policy.load import Bundle

Progress = Callable[[int, int], None]


def run(
    bundle: Bundle,
    invariants: Sequence[Invariant],
    *,
    limits: Limits,
    others_decide: bool,
    promises_only: bool = False,
    progress: Progress | None,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Check every invariant, then every policy. `watchword.policy.analysis.analyse` says the rest."""
    subject = Subject(bundle, [invariant.policy for invariant in invariants])
    prover = Prover(limits, clock=clock)
    promises, policies = InvariantChecks(subject, prover, others_decide), PolicyChecks(subject, prover, Places())
    looked_at = () if promises_only else bundle.policies
    total = len(invariants) + len(looked_at)
    tell = progress or (lambda _done, _total: None)
    for done, invariant in enumerate(invariants):
        tell(done, total)
        promises.check(invariant)
    for done, policy in enumerate(looked_at, len(invariants)):
        tell(done, total)
        policies.check(policy)
    tell(total, total)
    return Report(
        (*promises.findings, *policies.findings),
        (*promises.unknown, *policies.unknown),
        promises.verdicts,
        len(looked_at),
        prover.asked,
    )
