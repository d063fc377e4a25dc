"""Paths into JSON documents: `customers[*].ssn`, `**.ssn`, `owner?.address.street`, `["odd name"].value`.

A path is a chain of steps. A name goes to a member of an object, `*` to every member, `[*]` to every element of a list,
`**` to any depth, none included. A `?` behind a name says that the document may lack it. `.` alone is the document.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

_MOST_STEPS: Final = 16
_MOST_DEEP: Final = 2
_LONGEST: Final = 200
_BARE: Final = re.compile(r"[\w$@:-]+")
_STEP: Final = re.compile(
    r"""(?P<dot>\.?)(?:
        (?P<deep>\*\*)
      | (?P<any>\*)
      | (?P<bare>[\w$@:-]+)
      | (?P<each>\[\*\])
      | \[(?P<quoted>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")\]
    )(?P<optional>\??)""",
    re.VERBOSE,
)


class StepKind(Enum):
    """Where a step goes."""

    NAME = "name"
    MEMBERS = "members"
    ELEMENTS = "elements"
    DEEP = "deep"


class Step(NamedTuple):
    """One step of a path; `name` is empty but for a name."""

    kind: StepKind
    name: str = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True, order=True)
class FieldPath:
    """A path into JSON documents; made by `parse_path` alone.

    Attributes:
        text: the one way to write it, so that equal paths are equal.
        steps: empty for the document as a whole; `**` is never last.
    """

    text: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def check_list(self) -> None:
        """Refuse a path that rules for lists cannot use, so that no list is reached by two paths and rules always meet.

        Raises:
            ValueError: in words that can be shown.
        """
        kinds = {step.kind for step in self.steps}
        if not kinds <= {StepKind.NAME, StepKind.ELEMENTS} or any(step.is_optional for step in self.steps):
            raise ValueError("the path of a list has names and `[*]` only")


_WHOLE: Final = FieldPath(".", ())


def parse_list_path(written: str) -> FieldPath:
    """Read the path of a list, which may be the document itself.

    Raises:
        ValueError: as `parse_path`.
    """
    return _WHOLE if written == _WHOLE.text else parse_path(written)


def parse_path(written: str) -> FieldPath:
    """Read a path into a document.

    Raises:
        ValueError: not a path, or one beyond the bounds; in words that can be shown.
    """
    if len(written) > _LONGEST:
        raise ValueError(f"a path has at most {_LONGEST} characters")
    steps: list[Step] = []
    at = 0
    while at < len(written):
        found = _STEP.match(written, at)
        if found is None or not _is_joined(found, is_first=not steps):
            raise ValueError(f"the path breaks at character {at + 1}")
        steps.append(_step(found))
        at = found.end()
    if not steps:
        raise ValueError("the path is empty")
    _check(steps)
    return FieldPath(_text(steps), tuple(steps))


def _is_joined(found: re.Match[str], *, is_first: bool) -> bool:
    """Tell whether a dot stands where one belongs: between names, and nowhere else."""
    is_bracketed = found["each"] is not None or found["quoted"] is not None
    return not found["dot"] if is_first or is_bracketed else bool(found["dot"])


def _step(found: re.Match[str]) -> Step:
    is_optional = bool(found["optional"])
    if found["deep"]:
        return Step(StepKind.DEEP, "", is_optional)
    if found["any"]:
        return Step(StepKind.MEMBERS, "", is_optional)
    if found["each"]:
        return Step(StepKind.ELEMENTS, "", is_optional)
    name = found["bare"] if found["bare"] is not None else json.loads(found["quoted"])
    return Step(StepKind.NAME, name, is_optional)


def _check(steps: list[Step]) -> None:
    deep = [place for place, step in enumerate(steps) if step.kind is StepKind.DEEP]
    if any(step.is_optional and step.kind is not StepKind.NAME for step in steps):
        raise ValueError("only a name can be missing; `?` stands behind names")
    if deep and deep[-1] == len(steps) - 1:
        raise ValueError("a path cannot end in `**`; name what is hidden")
    if any(after - before == 1 for before, after in pairwise(deep)):
        raise ValueError("`**` twice in a row says no more than once")
    # Prevents: a path that makes the filter try every split of a deep document.
    if len(deep) > _MOST_DEEP or len(steps) > _MOST_STEPS:
        raise ValueError(f"a path has at most {_MOST_STEPS} steps, {_MOST_DEEP} of them `**`")


def _text(steps: list[Step]) -> str:
    words = ""
    for step in steps:
        dot = "." if words else ""
        match step.kind:
            case StepKind.DEEP:
                words += f"{dot}**"
            case StepKind.MEMBERS:
                words += f"{dot}*"
            case StepKind.ELEMENTS:
                words += "[*]"
            case StepKind.NAME:
                words += f"{dot}{step.name}" if _BARE.fullmatch(step.name) else f"[{json.dumps(step.name)}]"
        words += "?" if step.is_optional else ""
    return words
