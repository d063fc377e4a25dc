"""A set of policies in force, and the one question it answers."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

from watchword.policy.evaluator import Evaluator
from watchword.policy.explain import Explanation, explain
from watchword.policy.joining import is_settled, join, traces
from watchword.policy.load import DEFAULT_SCHEMA, Bundle, load_bundle, rehearsed
from watchword.policy.model import Effect, PolicyAnswer, PolicyRequest
from watchword.policy.reads import context_reads
from watchword.policy.rego import RemoteOpa, document_of
from watchword.policy.relations import RelationModel


class PolicySet:
    """Policies that were found right, ready to answer. Immutable; a change makes a new set."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.version = bundle.version
        self._engine = Evaluator(bundle)
        self._remote: RemoteOpa | None = None
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
        """How many policies may settle an answer; unlinked templates do not count, a package of Rego counts as one."""
        rego = self.bundle.rego
        return len(self.bundle.policies) + (len(rego.packages) if rego is not None else 0)

    @property
    def relations(self) -> RelationModel | None:
        """The model of relations that stands beside the policies; nothing where there is none."""
        return self.bundle.relations

    @property
    def is_repeatable(self) -> bool:
        """Whether the same request gets the same answer as long as this set is in force. Rego may read the clock."""
        return self.bundle.rego is None and self._remote is None

    def joined_with(self, remote: RemoteOpa) -> PolicySet:
        """Return these policies with a policy server that has to agree. It never permits where the directory is empty.

        # Prevents: a directory that vanishes, its forbids with it, while a server elsewhere goes on permitting.
        """
        joined = copy(self)
        joined._remote = remote  # noqa: SLF001 (our own twin, which nobody else has seen yet)
        return joined

    @property
    def reads_path(self) -> bool:
        """Whether an answer may depend on `context.http.path`, beyond the resource that the path means."""
        return self._reads_path

    def rehearsed(self) -> PolicySet | None:
        """Return a set in which the policies that only report decide as well; nothing where there is nothing to try.

        Beside Rego there is nothing either: half of the answer would be missing.
        """
        bundle = rehearsed(self.bundle) if self.bundle.rego is None else None
        return PolicySet(bundle) if bundle is not None else None

    def evaluate(self, request: PolicyRequest) -> PolicyAnswer:
        """Say what the policies say to a request; synchronous, no input or output, but for Rego's own process."""
        rego = self.bundle.rego
        if not self.bundle.policies and rego is None:
            # Prevents: an empty set that lets everybody pass, as in authentik's empty policy lists.
            return PolicyAnswer(Effect.ERROR, (), ("policy_missing: no policy is in force",), self.version)
        try:
            answer = self._engine.evaluate(request)
            if (rego is None and self._remote is None) or is_settled(answer):
                return answer
            document = document_of(request)
            return join(answer, [said for source in (rego, self._remote) if source for said in source.say(document)])
        except Exception as error:  # noqa: BLE001 (whatever fails while deciding denies)
            return PolicyAnswer(Effect.ERROR, (), (f"policy_error: {type(error).__name__}",), self.version)

    def explain(self, request: PolicyRequest) -> Explanation:
        """Say why the policies say it: candidates clause by clause, and what came nearest. Slow, for people."""
        answer, rego = self.evaluate(request), self.bundle.rego
        if answer.code == "policy_missing":
            return Explanation(answer, (), ())
        found = replace(explain(self.bundle, self._engine, request), answer=answer)
        if rego is not None or self._remote is not None:
            # Nobody looked for what would change the mind of Rego, so that no way past it is proved.
            ways = () if answer.effect is Effect.PERMIT else found.ways
            found = replace(found, ways=tuple(replace(way, is_certain=False) for way in ways))
        if rego is None:
            return found
        document = document_of(request)
        said = traces(rego, rego.say(document), document)
        # Whatever permits, nobody is near to being permitted any more.
        nearest = () if answer.effect is Effect.PERMIT else found.nearest
        return replace(found, candidates=(*found.candidates, *said), nearest=nearest)
