"""Ask the solver, within bounds. What it does not settle in time is unknown, and unknown is never taken for safe."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import z3

from watchword.policy.analysis.model import Limits
from watchword.policy.analysis.symbols import Touched, World

_MOST_STEPS = 4_000


class Said(Enum):
    """What the solver says to a question."""

    POSSIBLE = "possible"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer: a model where it is possible, the assumptions that were needed where it is impossible."""

    said: Said
    model: Any = None
    core: tuple[str, ...] = ()


class Prover:
    """Asks one question after the other until its time is used up."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._deadline = clock() + limits.total_s
        self.asked = 0

    @property
    def is_out_of_time(self) -> bool:
        """Whether every further question is answered "unknown" unasked."""
        return self._clock() >= self._deadline

    def ask(
        self, world: World, terms: Iterable[Any], touched: Touched, assumptions: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Ask whether some request makes all terms true, every assumption too."""
        left_s = min(self._limits.query_s, self._deadline - self._clock())
        if left_s <= 0:
            return Outcome(Said.UNKNOWN)
        self.asked += 1
        try:
            return self._ask(
                [*terms, *touched.facts.values(), *hierarchy(world, touched)], touched, assumptions, left_s
            )
        except z3.Z3Exception:  # out of memory, or interrupted: nothing was settled
            return Outcome(Said.UNKNOWN)

    def _ask(self, terms: list[Any], touched: Touched, assumptions: Mapping[str, Any] | None, left_s: float) -> Outcome:
        solver = z3.Solver()
        solver.set("timeout", max(1, int(left_s * 1000)))
        solver.set("max_memory", self._limits.memory_mb)
        solver.add(*terms)
        flags = []
        for number, (name, assumption) in enumerate((assumptions or {}).items()):
            flag = z3.Bool(f"assumed:{number}")
            solver.add(z3.Implies(flag, assumption))
            flags.append((flag, name))
        wishes = [] if flags else list(touched.wishes.values())
        if wishes and solver.check(*wishes) == z3.sat:
            return Outcome(Said.POSSIBLE, solver.model())
        said = solver.check(*(flag for flag, _ in flags))
        if said == z3.sat:
            return Outcome(Said.POSSIBLE, solver.model())
        if said != z3.unsat:
            return Outcome(Said.UNKNOWN)
        needed = {flag.decl().name() for flag in solver.unsat_core()}
        return Outcome(Said.IMPOSSIBLE, None, tuple(name for flag, name in flags if flag.decl().name() in needed))


def hierarchy(world: World, touched: Touched) -> list[Any]:
    """State what is true of every hierarchy, for the entities that the questions name.

    Leaving a statement out only adds requests, so the number of them may be bounded.
    """
    questions = list(touched.below.values())
    said = []
    for type_name, term, above_type, above in questions:
        is_below = world.is_below(type_name, term, above_type, above)
        said.append(z3.Implies(is_below, world.described(type_name, term)))
        # The decision point refuses a side with an ancestor that may hold something and is not described; it looks at
        # ancestors only where there may be some above the parents.
        is_side = str(term).startswith(("principal|", "resource|")) and world.nests(type_name)
        if is_side and world.must_be_described(above_type):
            said.append(z3.Implies(is_below, world.described(above_type, above)))
    pairs = itertools.product(questions, questions)
    for first, second in itertools.islice(pairs, _MOST_STEPS):
        if first[2] == second[0] and first is not second:
            both = z3.And(world.is_below(*first), first[3] == second[1], world.is_below(*second))
            said.append(z3.Implies(both, world.is_below(first[0], first[1], second[2], second[3])))
    return said
