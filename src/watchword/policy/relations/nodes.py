"""A model made ready for the walk: each relation is a node that names the parts to look into and the nodes to go on to.

What is computed on the same object is folded into the node, so a step of the walk is always a step to another object
or into an operand of `and` and `but not`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watchword.policy.relations.conditions import CompiledCondition
from watchword.policy.relations.graph import Graph, Part, PartKey
from watchword.policy.relations.model import (
    Computed,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    RelationModel,
    Restriction,
    Rewrite,
    Union,
    direct_of,
)
from watchword.policy.relations.parse import compiled_conditions
from watchword.policy.relations.tuples import unknown

NO_CONDITION: Final = ""


@dataclass(frozen=True, slots=True)
class Combined:
    """An `and`, or a `but not` of exactly two operands."""

    operands: tuple[Node, ...]
    is_exclusion: bool


class Node:
    """What a relation of a type, or an operand in one, is made of.

    Attributes:
        direct: by type of user, where a user may stand: object to subjects.
        everybody: by type of user, where `type:*` may stand.
        given: by type of user, the relations whose direct tuples count; for tuples that only a request knows.
        conditional: by type of user (`user` or `user:*`), parts under a condition, with its name.
        edges: object to objects, and the node to go on with there.
        conditional_edges: the same under a condition.
        combined: the operands to ask.
        folded: this node and those computed into it; a userset is inside each of them.
        reaches: the kinds of users that can be found from here: `user`, `group#member`; a walk for others is idle.
        is_plain: no `and` or `but not` can be reached from here.
        is_simple: nothing but unconditional tuples, of users and of usersets.
    """

    __slots__ = (
        "combined",
        "conditional",
        "conditional_edges",
        "direct",
        "edges",
        "everybody",
        "folded",
        "given",
        "is_plain",
        "is_simple",
        "reaches",
        "relation",
        "type",
    )

    def __init__(self, type_: str, relation: str) -> None:
        self.type = type_
        self.relation = relation
        self.direct: dict[str, list[Part]] = {}
        self.everybody: dict[str, list[Part]] = {}
        self.given: dict[str, list[tuple[str, str]]] = {}
        self.conditional: dict[str, list[tuple[Part, CompiledCondition]]] = {}
        self.edges: list[tuple[Part, Node]] = []
        self.conditional_edges: list[tuple[Part, Node, CompiledCondition]] = []
        self.combined: list[Combined] = []
        self.folded: set[Node] = {self}
        self.reaches: set[str] = set()
        self.is_plain = True
        self.is_simple = False

    def is_leaf_now(self) -> bool:
        """Tell whether a walk ends here: as the tuples are, nothing leads from here to another object."""
        for part, _ in self.edges:
            if part.subjects:
                return False
        return self.is_simple

    def __repr__(self) -> str:
        return f"Node({self.type}#{self.relation})"


class Compiled:
    """A model over a graph.

    Attributes:
        nodes: by type and relation.
    """

    def __init__(self, model: RelationModel, graph: Graph) -> None:
        self.model = model
        self.conditions: Mapping[str, CompiledCondition] = compiled_conditions(model)
        self._graph = graph
        self.nodes: dict[tuple[str, str], Node] = {
            (type_.name, name): Node(type_.name, name) for type_ in model.types.values() for name in type_.relations
        }
        self._all = list(self.nodes.values())
        for type_ in model.types.values():
            for relation in type_.relations.values():
                self._fill(self.nodes[type_.name, relation.name], relation.rewrite, relation.name)
        self._mark()

    def node(self, type_: str, relation: str) -> Node:
        """Return the node of a relation.

        Raises:
            RelationUnknownError: the model does not have it.
        """
        found = self.nodes.get((type_, relation))
        if found is None:
            raise unknown(self.model, type_, relation)
        return found

    def _fill(self, node: Node, rewrite: Rewrite, relation: str) -> None:
        """Add what a rewrite says to a node.

        Args:
            relation: whose tuples a direct part means.
        """
        match rewrite:
            case Direct(restrictions):
                for restriction in restrictions:
                    self._restriction(node, relation, restriction)
            case Computed(name):
                node.folded.add(self.nodes[node.type, name])
                self._fill(node, self.model.types[node.type].relations[name].rewrite, name)
            case FromTupleset(name, tupleset):
                self._from(node, name, tupleset)
            case Union(parts):
                for part in parts:
                    self._fill(node, part, relation)
            case Intersection(parts):
                operands = tuple(self._operand(node, part, relation) for part in parts)
                node.combined.append(Combined(operands, is_exclusion=False))
            case Exclusion(base, subtract):
                operands = (self._operand(node, base, relation), self._operand(node, subtract, relation))
                node.combined.append(Combined(operands, is_exclusion=True))

    def _operand(self, node: Node, rewrite: Rewrite, relation: str) -> Node:
        if isinstance(rewrite, Computed):
            return self.nodes[node.type, rewrite.relation]
        made = Node(node.type, f"({relation})")
        self._all.append(made)
        self._fill(made, rewrite, relation)
        return made

    def _restriction(self, node: Node, relation: str, each: Restriction) -> None:
        key = PartKey(each.type, "*" if each.is_wildcard else each.relation, each.condition)
        part = self._graph.part(node.type, relation, key)
        if each.relation:
            self._edge(node, part, self.nodes[each.type, each.relation], each.condition)
        elif each.condition:
            kind = f"{each.type}:*" if each.is_wildcard else each.type
            _append(node.conditional, kind, (part, self.conditions[each.condition]))
        elif each.is_wildcard:
            _append(node.everybody, each.type, part)
        else:
            _append(node.direct, each.type, part)
            _append(node.given, each.type, (node.type, relation))

    def _from(self, node: Node, name: str, tupleset: str) -> None:
        direct = direct_of(self.model.types[node.type].relations[tupleset].rewrite)
        for each in direct.restrictions if direct else ():
            target = self.nodes.get((each.type, name))
            if target is not None:
                part = self._graph.part(node.type, tupleset, PartKey(each.type, "", each.condition))
                self._edge(node, part, target, each.condition)

    def _edge(self, node: Node, part: Part, target: Node, condition: str) -> None:
        if condition:
            node.conditional_edges.append((part, target, self.conditions[condition]))
        elif not any(known is part and to is target for known, to in node.edges):
            node.edges.append((part, target))

    def _mark(self) -> None:
        """Find out once what can be reached from where, going against the edges until nothing changes."""
        above: dict[Node, list[Node]] = {}
        for node in self._all:
            operands = [operand for combined in node.combined for operand in combined.operands]
            edges = [target for _, target in node.edges] + [target for _, target, _ in node.conditional_edges]
            for target in operands + edges:
                above.setdefault(target, []).append(node)
            named = {f"{folded.type}#{folded.relation}" for folded in node.folded}
            conditional = {kind.removesuffix(":*") for kind in node.conditional}
            node.reaches = named | conditional | node.direct.keys() | node.everybody.keys()
            node.is_simple = not (node.conditional_edges or node.combined or node.conditional)
        waiting = [node for node in self._all if node.combined]
        while waiting:
            node = waiting.pop()
            if node.is_plain:
                node.is_plain = False
                waiting += above.get(node, [])
        waiting = list(self._all)
        while waiting:
            node = waiting.pop()
            for each in above.get(node, []):
                if not node.reaches <= each.reaches:
                    each.reaches |= node.reaches
                    waiting.append(each)


def _append(table: dict[str, list], key: str, value: object) -> None:  # type: ignore[type-arg]  # a list of any kind
    found = table.setdefault(key, [])
    if value not in found:
        found.append(value)
