"""What keeps a policy directory from being published: wrong tests, failing tests, and too little coverage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from watchword.policy.engine import PolicySet
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.load import DEFAULT_SCHEMA
from watchword.policy.trials.coverage import Coverage, Covering, lacking
from watchword.policy.trials.running import Outcome, run_trials
from watchword.policy.trials.tables import TESTS_FOLDER, read_suite

_MOST_NAMED: Final = 20


class TrialGate:
    """What must hold before policies are signed: their tests pass, and reach enough.

    Args:
        min_coverage: as `gate` takes it.
    """

    name = "policy tests"

    def __init__(self, min_coverage: Mapping[str, int] | None = None) -> None:
        self._min_coverage = min_coverage

    def __call__(self, directory: Path) -> Sequence[Problem]:
        """Return every problem; empty when the policies may be published."""
        return gate(directory, min_coverage=self._min_coverage)


def gate(
    directory: Path, *, min_coverage: Mapping[str, int] | None = None, schema: Path | None = DEFAULT_SCHEMA
) -> tuple[Problem, ...]:
    """Run the tests of a policy directory; return what is wrong, nothing when it may be published.

    Args:
        min_coverage: the least share of `clauses` and `branches` in percent; what the tests' files ask for counts
            where it is greater.
    """
    try:
        policies = PolicySet.load(directory, schema=schema)
        suite = read_suite(directory, policies.bundle)
    except PolicyLoadError as error:
        return error.problems
    covering = Covering(policies.bundle)
    problems: list[Problem] = []
    for outcome in run_trials(policies, suite.trials):
        problems += failures(outcome)
        covering.ask(outcome.trial.request)
    return (*problems, *shortfalls(covering.coverage(), joined(suite.minimum, min_coverage or {})))


def joined(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the stricter of two minimums."""
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in ("clauses", "branches")}


def failures(outcome: Outcome) -> Iterator[Problem]:
    """Say what a trial shows to be wrong, at the row that expected something else."""
    place = outcome.trial.place
    for words in outcome.differences:
        yield Problem(place.path, place.line, place.column, f"the test `{outcome.trial.name}` failed: {words}")


def shortfalls(coverage: Coverage, minimum: Mapping[str, int]) -> Iterator[Problem]:
    """Say which share is too small, and name the policies that tests did not reach."""
    shares = {"clauses": coverage.clauses, "branches": coverage.branches}
    short = {name: share for name, share in shares.items() if share < minimum.get(name, 0)}
    for name, share in short.items():
        said = f"tests cover {percent(share)} of the {name}"
        yield Problem(TESTS_FOLDER, 0, 0, said, expected=f"at least {minimum[name]}%")
    for one in lacking(coverage)[:_MOST_NAMED] if short else ():
        policy, (seen, of) = one.policy, one.counted_branches
        said = f"tests saw {seen} of {of} branches of `{policy.id}`"
        yield Problem(policy.path, policy.line, 1 if policy.line else 0, said, policy=policy.id)


def percent(share: float) -> str:
    """Write a share; what is not everything is never rounded up to it."""
    return f"{int(share * 10) / 10:g}%"
