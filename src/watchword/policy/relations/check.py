"""Say whether a user has a relation to an object: a walk over the graph that ends, within a budget, with the truth.

A region of the walk follows unions: tuples, usersets, computed relations and `from`. Being related to any object that
it reaches is enough, so it visits each object once and circles are no trouble. `and` and `but not` are asked when a
region found nothing else, each operand as a region of its own.

Inside an operand, an object on the way to it counts as not related: nothing is true only because it is true. Such a
"no" is provisional, and where `but not` would make a "yes" of it, there is no answer (`RelationCycleError`). An error
is no answer either: "yes or error" is yes, "no and error" is no, everything else with an error is an error. A spent
budget ends the whole check. See docs/explanation/relations.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from sys import maxsize
from typing import Any, Final

from watchword.policy.relations.conditions import CompiledCondition
from watchword.policy.relations.errors import (
    RelationBudgetError,
    RelationConditionError,
    RelationCycleError,
    RelationError,
)
from watchword.policy.relations.graph import Part, members
from watchword.policy.relations.nodes import Combined, Node

Goal = tuple[Node, str]
_NOTHING: Final[Mapping[str, Any]] = {}
_FEW: Final = 8
_PROBES_A_STEP: Final = 16
_STEPS_A_CONDITION: Final = 10


@dataclass(frozen=True, slots=True)
class Budget:
    """What a check may cost.

    Attributes:
        steps: objects visited, all together.
        depth: steps from object to object in a row, and operands inside of operands.
        breadth: objects that one object leads to by one relation.
    """

    steps: int = 10_000
    depth: int = 50
    breadth: int = 5_000


DEFAULT_BUDGET: Final = Budget()


class Walk:
    """One question, or several about the same user: what was found out for good is kept.

    Args:
        kind: type of the user; empty for a userset.
        user_id: empty for a userset, and for everybody of the type.
        is_everybody: the question is about `type:*` itself.
        held: where the user is, by definition: a userset is inside itself.
        given: direct tuples that only the request knows: objects by type and relation.
        asked: the request's values for conditions.

    Attributes:
        steps: how many are left.
        has_read_condition: an answer hung on the values of the request; it may be another one later.
    """

    __slots__ = (
        "_asked",
        "_assumed",
        "_budget",
        "_everybody_kind",
        "_given",
        "_held",
        "_kind",
        "_known",
        "_level",
        "_lowest",
        "_sought",
        "_user_id",
        "has_read_condition",
        "steps",
    )

    def __init__(
        self,
        kind: str,
        user_id: str,
        *,
        is_everybody: bool = False,
        held: Goal | None = None,
        given: Mapping[tuple[str, str], Collection[str]] | None = None,
        asked: Mapping[str, Any] = _NOTHING,
        budget: Budget = DEFAULT_BUDGET,
    ) -> None:
        self._kind = "" if is_everybody else kind
        self._everybody_kind = kind
        self._user_id = user_id
        self._held = held
        self._sought = f"{held[0].type}#{held[0].relation}" if held else kind
        self._given = given
        self._asked = asked
        self._budget = budget
        self.steps = budget.steps
        self.has_read_condition = False
        self._known: dict[Goal, bool] = {}
        self._assumed: dict[Goal, int] = {}
        self._level = 0
        self._lowest = maxsize

    def check(self, node: Node, object_id: str) -> bool:
        """Say whether the user has the relation.

        Raises:
            RelationError: there is no answer; whoever asks denies.
        """
        # What an earlier question was broken off at must not count here.
        self._assumed.clear()
        self._level, self._lowest = 0, maxsize
        return self._region((node, object_id), 0)

    # ---- unions --------------------------------------------------------------------------------------------------

    def _region(self, start: Goal, depth: int) -> bool:
        """Follow unions from one object, breadth first; then ask what is combined."""
        if start in self._known:
            return self._known[start]
        if start in self._assumed:
            self._lowest = min(self._lowest, self._assumed[start])
            return False
        outer, self._lowest = self._lowest, maxsize
        came_from: dict[Goal, Goal | None] = {start: None}
        combined: list[tuple[Goal, int]] = []
        is_related, failure = self._explore(start, came_from, combined, depth)
        if not is_related and combined:
            if failure is None:
                # Whatever is plain was looked at whole, and led nowhere.
                self._known.update((goal, False) for goal in came_from if goal[0].is_plain)
            is_related, failure = self._ask_combined(came_from, combined, failure)
        # A "no" that rests on an assumption about an object further out is no longer so when that is left.
        is_final = is_related or self._lowest >= self._level
        self._lowest = outer if is_final else min(outer, self._lowest)
        if is_related:
            self._known[start] = True
            return True
        if failure is not None:
            raise failure
        if is_final:
            self._known.update(dict.fromkeys(came_from, False))
        return False

    def _explore(  # noqa: C901, PLR0911, PLR0912 (the one hot loop, kept whole)
        self, start: Goal, came_from: dict[Goal, Goal | None], combined: list[tuple[Goal, int]], depth: int
    ) -> tuple[bool, RelationError | None]:
        kind, user_id, held, given, sought = self._kind, self._user_id, self._held, self._given, self._sought
        failure: RelationError | None = None
        frontier = [start]
        while frontier:
            # Prevents: a graph built to keep a check busy; what is not looked at is not "no".
            self.steps -= len(frontier)
            if self.steps < 0:
                raise RelationBudgetError("the check takes more steps than it may")
            if depth > self._budget.depth:
                raise RelationBudgetError("the check goes deeper than it may")
            depth += 1
            following: list[Goal] = []
            for goal in frontier:
                node, object_id = goal
                for part in node.direct.get(kind, ()):
                    found = part.subjects.get(object_id)
                    if found is not None and (found == user_id if found.__class__ is str else user_id in found):
                        return True, None
                if held is not None and object_id == held[1] and held[0] in node.folded:
                    return True, None
                if given is not None:
                    for table in node.given.get(kind, ()):
                        if object_id in given.get(table, ()):
                            return True, None
                if node.everybody and self._is_everybody(node, object_id):
                    return True, None
                for part, target in node.edges:
                    found = part.subjects.get(object_id)
                    if found is None or sought not in target.reaches:
                        continue
                    if found.__class__ is not str:
                        ends = held is None and target.is_leaf_now()
                        if not ends or target.edges:
                            self._refuse_breadth(len(found))
                        if ends:
                            if self._is_in_one(target, found):  # type: ignore[arg-type]  # several are a set
                                return True, None
                            continue
                    for one in (found,) if found.__class__ is str else found:
                        step = (target, one)
                        if step not in came_from:
                            came_from[step] = goal
                            following.append(step)
                if node.conditional or node.conditional_edges:
                    is_related, failed = self._conditional(goal, came_from, following)
                    if is_related:
                        return True, None
                    failure = failed or failure
                if node.combined:
                    combined.append((goal, depth))
            if self._known or self._assumed:
                is_related, following = self._unsettled(following, came_from)
                if is_related:
                    return True, None
            frontier = following
        return False, failure

    def _unsettled(self, steps: list[Goal], came_from: dict[Goal, Goal | None]) -> tuple[bool, list[Goal]]:
        """Leave out what was found out before; tell whether one of it is a "yes"."""
        left = []
        for step in steps:
            known = self._known.get(step)
            if known:
                return True, []
            level = self._assumed.get(step)
            if level is not None:
                self._lowest = min(self._lowest, level)
            if known is None and level is None:
                left.append(step)
            else:
                del came_from[step]
        return False, left

    def _is_everybody(self, node: Node, object_id: str) -> bool:
        return any(object_id in part.subjects for part in node.everybody.get(self._everybody_kind, ()))

    def _is_in_one(self, target: Node, objects: set[str]) -> bool:
        """Tell whether the user stands directly at one of several objects, from the side that has fewer."""
        if len(objects) <= _FEW:  # as if each was visited
            self.steps -= len(objects)
            if self.steps < 0:
                raise RelationBudgetError("the check takes more steps than it may")
        mine: list[Collection[str] | None]
        mine = [part.objects.get(self._user_id) for part in target.direct.get(self._kind, ())]
        if target.everybody:
            mine += [part.objects.get("*") for part in target.everybody.get(self._everybody_kind, ())]
        if self._given is not None:
            mine += [self._given.get(table) for table in target.given.get(self._kind, ())]
        for found in mine:
            if found is None:
                continue
            several = (found,) if found.__class__ is str else found
            self.steps -= min(len(several), len(objects)) // _PROBES_A_STEP
            if not objects.isdisjoint(several):
                return True
        return False

    def _refuse_breadth(self, many: int) -> None:
        if many > self._budget.breadth:
            raise RelationBudgetError("the check leads to more objects than it may")

    # ---- conditions ----------------------------------------------------------------------------------------------

    def _conditional(
        self, goal: Goal, came_from: dict[Goal, Goal | None], following: list[Goal]
    ) -> tuple[bool, RelationError | None]:
        """Look at tuples under a condition; one that fails is remembered while the others are looked at."""
        node, object_id = goal
        failure: RelationError | None = None
        for part, condition, user_id in self._conditional_users(node):
            if user_id in members(part.subjects.get(object_id)):
                holds, failed = self._holds(part, condition, object_id, user_id)
                if holds:
                    return True, None
                failure = failed or failure
        for part, target, condition in node.conditional_edges:
            found = members(part.subjects.get(object_id)) if self._sought in target.reaches else ()
            self._refuse_breadth(len(found))
            for step in [(target, one) for one in found if (target, one) not in came_from]:
                holds, failed = self._holds(part, condition, object_id, step[1])
                if holds:
                    came_from[step] = goal
                    following.append(step)
                failure = failed or failure
        return False, failure

    def _conditional_users(self, node: Node) -> Iterator[tuple[Part, CompiledCondition, str]]:
        for part, condition in node.conditional.get(self._kind, ()):
            yield part, condition, self._user_id
        for part, condition in node.conditional.get(f"{self._everybody_kind}:*", ()):
            yield part, condition, "*"

    def _holds(
        self, part: Part, condition: CompiledCondition, object_id: str, subject_id: str
    ) -> tuple[bool, RelationError | None]:
        self.steps -= _STEPS_A_CONDITION
        if self.steps < 0:
            raise RelationBudgetError("the check takes more steps than it may")
        self.has_read_condition = True
        try:
            return condition.holds(part.context(object_id, subject_id), self._asked), None
        except RelationConditionError as error:
            return False, error

    # ---- and, but not --------------------------------------------------------------------------------------------

    def _ask_combined(
        self,
        came_from: dict[Goal, Goal | None],
        combined: list[tuple[Goal, int]],
        failure: RelationError | None,
    ) -> tuple[bool, RelationError | None]:
        for goal, depth in combined:
            way = list(_way_to(goal, came_from))
            self._assumed.update(dict.fromkeys(way, self._level))
            self._level += 1
            try:
                is_related, failed = self._is_any_combined(goal, depth)
            finally:
                # Prevents: an assumption that outlives its operand, so that a "yes" found later counts as "no".
                self._level -= 1
                for step in way:
                    del self._assumed[step]
            if is_related:
                return True, None
            failure = failed or failure
        return False, failure

    def _is_any_combined(self, goal: Goal, depth: int) -> tuple[bool, RelationError | None]:
        failure: RelationError | None = None
        for each in goal[0].combined:
            try:
                if self._is_combined(each, goal[1], depth):
                    return True, None
            except RelationBudgetError:
                raise
            except RelationError as error:
                failure = error
        return False, failure

    def _is_combined(self, combined: Combined, object_id: str, depth: int) -> bool:
        if combined.is_exclusion:
            return self._is_excluded_from(combined, object_id, depth)
        failure: RelationError | None = None
        for operand in combined.operands:
            try:
                if not self._region((operand, object_id), depth):
                    return False
            except RelationBudgetError:
                raise
            except RelationError as error:
                failure = error
        if failure is not None:
            raise failure
        return True

    def _is_excluded_from(self, combined: Combined, object_id: str, depth: int) -> bool:
        """Answer `base but not subtract`. Prevents: a "no" that is provisional, or an error, turning into a "yes"."""
        base, subtract = combined.operands
        failure: RelationError | None = None
        try:
            if not self._region((base, object_id), depth):
                return False
        except RelationBudgetError:
            raise
        except RelationError as error:
            failure = error
        outer, self._lowest = self._lowest, maxsize
        is_subtracted = self._region((subtract, object_id), depth)
        is_provisional, self._lowest = self._lowest != maxsize, min(outer, self._lowest)
        if is_subtracted:
            return False
        if is_provisional:
            raise RelationCycleError("what is excluded depends on the answer itself")
        if failure is not None:
            raise failure
        return True


def _way_to(goal: Goal, came_from: Mapping[Goal, Goal | None]) -> Iterator[Goal]:
    step: Goal | None = goal
    while step is not None:
        yield step
        step = came_from[step]
