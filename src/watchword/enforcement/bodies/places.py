"""Where many paths stand at once: an automaton that walks a document with all of them together.

It grows only as far as documents lead, and by the names that paths hold: names that a document brings along share one
place, so nobody can make it grow by sending many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from watchword.kernel import FieldPath, FieldRule, Step, StepKind, join

_UNKNOWN: Final = object()


class State(NamedTuple):
    """A path on its way: the steps still to go, what to do at its end, whether `**` came before."""

    steps: tuple[Step, ...]
    rule: FieldRule | None
    is_below_deep: bool


class Place:
    """One or more paths, each so many steps on its way.

    Attributes:
        ends: one of them ends here.
        rule: what those that end here do, joined; nothing when they do nothing.
    """

    __slots__ = ("_elements", "_known", "_members", "_names", "_others", "_states", "ends", "rule", "shape")

    def __init__(self, states: tuple[State, ...], known: dict[frozenset[State], Place]) -> None:
        self._known = known
        self._states = _expanded(states)
        self.ends = any(not state.steps for state in self._states)
        self.rule: FieldRule | None = None
        for state in self._states:
            if not state.steps and state.rule is not None:
                self.rule = state.rule if self.rule is None else join(self.rule, state.rule)
        self.shape = Shape.of(self._states)
        self._names = frozenset(state.steps[0].name for state in self._states if _is(state, StepKind.NAME))
        self._members: dict[str, Place | None] = {}
        self._others: object = _UNKNOWN
        self._elements: object = _UNKNOWN

    def member(self, name: str) -> Place | None:
        """Go to a member of an object; nothing when no path leads there."""
        if name in self._names:
            if name not in self._members:
                self._members[name] = self._next(StepKind.MEMBERS, name)
            return self._members[name]
        if self._others is _UNKNOWN:
            self._others = self._next(StepKind.MEMBERS, None)
        assert self._others is None or isinstance(self._others, Place)
        return self._others

    def element(self) -> Place | None:
        """Go to an element of a list; nothing when no path leads there."""
        if self._elements is _UNKNOWN:
            self._elements = self._next(StepKind.ELEMENTS, None)
        assert self._elements is None or isinstance(self._elements, Place)
        return self._elements

    def _next(self, wanted: StepKind, name: str | None) -> Place | None:
        found: list[State] = []
        for state in self._states:
            if not state.steps:
                continue
            step = state.steps[0]
            if step.kind is StepKind.DEEP:
                found.append(state)
            elif step.kind is wanted or (step.kind is StepKind.NAME and name is not None and step.name == name):
                found.append(State(state.steps[1:], state.rule, state.is_below_deep))
        if not found:
            return None
        key = frozenset(found)
        if key not in self._known:
            self._known[key] = Place(tuple(dict.fromkeys(found)), self._known)
        return self._known[key]


class Shape(NamedTuple):
    """What the paths here need the document to be. Paths behind `**` need nothing: they look everywhere."""

    is_object: bool
    is_list: bool
    names: frozenset[str]

    @classmethod
    def of(cls, states: Iterable[State]) -> Shape:
        """Collect what the paths need: a name must be there unless it is the last or may be missing."""
        asking = [state for state in states if state.steps and not state.is_below_deep]
        first = [(state.steps[0], len(state.steps) == 1) for state in asking]
        return cls(
            any(step.kind in {StepKind.NAME, StepKind.MEMBERS} for step, _ in first),
            any(step.kind is StepKind.ELEMENTS for step, _ in first),
            frozenset(
                step.name
                for step, is_last in first
                if step.kind is StepKind.NAME and not is_last and not step.is_optional
            ),
        )

    def admits(self, value: object) -> bool:
        """Tell whether a value is so. Null is nothing, and has nothing to hide below it."""
        if value is None:
            return True
        if self.is_object and not isinstance(value, dict):
            return False
        if self.is_list and not isinstance(value, list):
            return False
        return not self.names or (isinstance(value, dict) and self.names <= value.keys())


def start(paths: Iterable[tuple[FieldPath, FieldRule | None]]) -> Place:
    """Stand at the top of a document with all paths."""
    return Place(tuple(State(path.steps, rule, is_below_deep=False) for path, rule in paths), {})


def _expanded(states: tuple[State, ...]) -> tuple[State, ...]:
    """Let `**` match nothing, too."""
    more = (State(state.steps[1:], state.rule, is_below_deep=True) for state in states if _is(state, StepKind.DEEP))
    return tuple(dict.fromkeys((*states, *more)))


def _is(state: State, kind: StepKind) -> bool:
    return bool(state.steps) and state.steps[0].kind is kind
