"""A set of policies in force, and the one question it answers."""

from __future__ import annotations

from pathlib import Path

from watchword.policy.evaluator import Evaluator
from watchword.policy.explain import Explanation, explain
from watchword.policy.load import DEFAULT_SCHEMA, Bundle, load_bundle
from watchword.policy.model import Effect, PolicyAnswer, PolicyRequest
from watchword.policy.reads import context_reads


class PolicySet:
    """Policies that were found right, ready to answer. Immutable; a change makes a new set."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.version = bundle.version
        self._engine = Evaluator(bundle)
        read = context_reads(policy.est for policy in bundle.policies)
        self._reads_path = not read.isdisjoint({(), ("http",), ("http", "path")})

    @classmethod
    def load(cls, directory: Path, *, schema: Path | None = DEFAULT_SCHEMA) -> PolicySet:
        """Read and check a directory.

        Raises:
            PolicyLoadError: with every problem found.
        """
        return cls(load_bundle(directory, schema=schema))

    def __len__(self) -> int:
        """How many policies may settle an answer; unlinked templates do not count."""
        return len(self.bundle.policies)

    @property
    def reads_path(self) -> bool:
        """Whether an answer may depend on `context.http.path`, beyond the resource that the path means."""
        return self._reads_path

    def evaluate(self, request: PolicyRequest) -> PolicyAnswer:
        """Say what the policies say to a request; synchronous, no input or output."""
        if not self.bundle.policies:
            # Prevents: an empty set that lets everybody pass, as in authentik's empty policy lists.
            return PolicyAnswer(Effect.ERROR, (), ("policy_missing: no policy is in force",), self.version)
        try:
            return self._engine.evaluate(request)
        except Exception as error:  # noqa: BLE001 (whatever fails while deciding denies)
            return PolicyAnswer(Effect.ERROR, (), (f"policy_error: {type(error).__name__}",), self.version)

    def explain(self, request: PolicyRequest) -> Explanation:
        """Say why the policies say it: candidates clause by clause, and what came nearest. Slow, for people."""
        if not self.bundle.policies:
            return Explanation(self.evaluate(request), (), ())
        return explain(self.bundle, self._engine, request)
