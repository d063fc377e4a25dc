"""Relations as they are asked about: in words, over a model and the tuples in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from watchword.policy.relations.check import DEFAULT_BUDGET, Budget, Goal, Walk
from watchword.policy.relations.errors import RelationError
from watchword.policy.relations.graph import Graph
from watchword.policy.relations.model import RelationModel
from watchword.policy.relations.nodes import Compiled, Node
from watchword.policy.relations.tuples import Subject, read_object, read_subject, unknown

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Question:
    """Is `user` related so to `object`? All in words: `user:anne`, `viewer`, `document:budget`.

    Attributes:
        context: values for conditions.
    """

    user: str
    relation: str
    object: str
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


class RelationView:
    """A model over a graph. Answers are about this moment; the graph may change between two of them.

    Attributes:
        version: of the tuples; see `Graph.version`.
    """

    def __init__(self, model: RelationModel, graph: Graph, *, budget: Budget = DEFAULT_BUDGET) -> None:
        self.model = model
        self.graph = graph
        self.compiled = Compiled(model, graph)
        self.budget = budget

    @property
    def version(self) -> int:
        """Which tuples answer."""
        return self.graph.version

    def check(
        self,
        user: str,
        relation: str,
        object_: str,
        *,
        context: Mapping[str, Any] = _NOTHING,
        given: Mapping[tuple[str, str], Collection[str]] | None = None,
    ) -> bool:
        """Say whether a user is related so to an object.

        Args:
            user: a user, a userset, or everybody (`user:*`).
            context: values for conditions.
            given: direct tuples of this user that are known from elsewhere: identifiers by type and relation.

        Raises:
            RelationError: there is no answer; whoever asks denies.
        """
        node, object_id = self.goal(relation, object_)
        return self.walk(read_subject(user), context=context, given=given).check(node, object_id)

    def check_batch(self, questions: Sequence[Question]) -> list[bool | RelationError]:
        """Answer many questions; one without an answer has its error in its place."""
        answers: list[bool | RelationError] = []
        for each in questions:
            try:
                answers.append(self.check(each.user, each.relation, each.object, context=each.context))
            except RelationError as error:
                answers.append(error)
        return answers

    def goal(self, relation: str, object_: str) -> tuple[Node, str]:
        """Return where a walk begins.

        Raises:
            RelationError: the object is malformed, or the model does not know its type or the relation.
        """
        found = read_object(object_)
        return self.compiled.node(found.type, relation), found.id

    def walk(
        self,
        user: Subject,
        *,
        context: Mapping[str, Any] = _NOTHING,
        given: Mapping[tuple[str, str], Collection[str]] | None = None,
        budget: Budget | None = None,
    ) -> Walk:
        """Begin to ask about a user.

        Raises:
            RelationUnknownError: the model does not know the user's type or relation.
        """
        if user.type not in self.model.types:
            raise unknown(self.model, user.type)
        budget = budget or self.budget
        if user.relation:
            held: Goal = (self.compiled.node(user.type, user.relation), user.id)
            return Walk("", "", held=held, given=None, asked=context, budget=budget)
        if user.is_wildcard:
            return Walk(user.type, "", is_everybody=True, asked=context, budget=budget)
        return Walk(user.type, user.id, given=given, asked=context, budget=budget)
