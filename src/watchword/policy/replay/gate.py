"""Hold a draft to what was said of it before: a flip that nobody expected stops a publication.

`expected-flips.yaml` beside the policies:

    draft: 3f2a91c07b1d        # optional; the version that this is about, as `policies check` prints it
    flips:
      - change: loses          # gains, loses, obligations, permissions or step_up
        policy: no-share       # each optional: one policy, one subject, one target
        target: notes/*        # a star at the end stands for anything
        at_most: 20
        at_least: 1
        because: sharing was never meant for guests
    unknown: 0                 # how many decisions may remain untold
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from watchword.policy.documents import Node, read_document
from watchword.policy.engine import PolicySet
from watchword.policy.errors import Problem
from watchword.policy.replay.model import Change, Recorded
from watchword.policy.replay.rehearsal import Rehearsal
from watchword.policy.replay.report import Cell, Report

EXPECTATIONS_FILE: Final = "expected-flips.yaml"
_MOST: Final = 10**9
_MOST_PROBLEMS: Final = 20
_LEAST_VERSION: Final = 8


@dataclass(frozen=True, slots=True)
class Expectation:
    """Flips that somebody expects.

    Attributes:
        policy, subject, target: whose; empty for anybody's. A star at the end of the target stands for anything.
        place: where it is written, for problems; nothing for one from the command line.
    """

    change: Change
    policy: str = ""
    subject: str = ""
    target: str = ""
    at_least: int = 0
    at_most: int = _MOST
    place: Problem | None = None

    def covers(self, change: Change, cell: Cell) -> bool:
        """Tell whether flips of one kind are among those that are meant."""
        return (
            change is self.change
            and self.policy in {"", *cell.policies}
            and self.subject in {"", cell.subject}
            and _matches(self.target, cell.target)
        )

    def __str__(self) -> str:
        named = {"policy": self.policy, "subject": self.subject, "target": self.target}
        about = "".join(f", {name} `{value}`" for name, value in named.items() if value)
        return f"{self.change.value}{about}"


@dataclass(frozen=True, slots=True)
class Expectations:
    """All that is expected of a draft; by default that nothing changes and that everything can be told.

    Attributes:
        draft: the beginning of the version that they are about; empty for any.
        unknown: how many decisions may remain untold.
        least: how many decisions must have been compared for the comparison to say anything.
    """

    flips: tuple[Expectation, ...] = ()
    draft: str = ""
    unknown: int = 0
    least: int = 0


def read_expectations(path: Path) -> Expectations:
    """Read `expected-flips.yaml`.

    Raises:
        PolicyLoadError: it is malformed; with line and column.
    """
    found = read_document(path).mapping({"draft", "flips", "unknown"})
    draft = found["draft"].text() if "draft" in found else ""
    # Prevents: a version so short that it is everybody's, or a number that YAML made of it.
    if draft and (len(draft) < _LEAST_VERSION or not set(draft) <= set("0123456789abcdef")):
        raise found["draft"].refuse("no version", expected=f"{_LEAST_VERSION} or more digits of a version, in quotes")
    flips = tuple(_expectation(node) for node in found["flips"].items()) if "flips" in found else ()
    unknown = found["unknown"].integer(least=0, most=_MOST) if "unknown" in found else 0
    return Expectations(flips, draft, unknown)


def expectations_for(
    directory: Path, *, file: Path | None = None, gain: int | None = None, lose: int | None = None
) -> Expectations:
    """Return what is expected of a draft: by its file, if there is one, and by numbers that somebody gave.

    Args:
        file: another file than the one beside the policies.
        gain: so many decisions may gain, whoever's; nothing for as many as the file says.
        lose: so many may lose.

    Raises:
        PolicyLoadError: the file is malformed, or was named and is not there.
    """
    path = file or directory / EXPECTATIONS_FILE
    found = read_expectations(path) if file is not None or path.exists() else Expectations()
    numbers = ((Change.GAINS, gain), (Change.LOSES, lose))
    more = tuple(Expectation(change, at_most=number) for change, number in numbers if number is not None)
    return replace(found, flips=found.flips + more)


def unexpected(report: Report, expected: Expectations) -> tuple[Problem, ...]:
    """Return everything in a report that nobody expected, and everything expected that is not in it."""
    problems = list(_unfit(report, expected))
    counts = dict.fromkeys(range(len(expected.flips)), 0)
    surprises: dict[str, int] = {}
    for cell, count in report.cells.items():
        for change in cell.changes:
            # The first that covers a flip takes it, as the lines of a file are read.
            place = next((n for n, each in enumerate(expected.flips) if each.covers(change, cell)), None)
            if place is None:
                words = f"{cell.subject} {change.value} on {cell.target} by {', '.join(cell.policies)}"
                surprises[words] = surprises.get(words, 0) + count
            else:
                counts[place] += count
    for place, each in enumerate(expected.flips):
        if not each.at_least <= counts[place] <= each.at_most:
            problems.append(_miscounted(each, counts[place]))
    found = sorted(surprises.items(), key=lambda item: (-item[1], item[0]))
    problems += [
        Problem("", 0, 0, f"unexpected: {words}, {count} times", expected=f"a line in {EXPECTATIONS_FILE}, or no flip")
        for words, count in found[:_MOST_PROBLEMS]
    ]
    if len(found) > _MOST_PROBLEMS:
        problems.append(Problem("", 0, 0, f"and {len(found) - _MOST_PROBLEMS} more kinds of unexpected flips"))
    return tuple(problems)


def gate(draft: PolicySet, decisions: Iterable[Recorded], expected: Expectations) -> tuple[Problem, ...]:
    """Run a draft over recorded decisions; return why it must not be published."""
    return unexpected(Rehearsal(draft).look_at_all(decisions), expected)


class FlipGate:
    """The gate of a publication: what a replay found is what was expected.

    Args:
        rehearse: runs a directory over recorded decisions.
        expected: read from the directory as its author keeps it; the file itself is not published.
    """

    name = "replay of recorded decisions"

    def __init__(self, rehearse: Callable[[Path], Report], expected: Expectations) -> None:
        self._rehearse = rehearse
        self._expected = expected
        self.report: Report | None = None

    def __call__(self, directory: Path) -> tuple[Problem, ...]:
        """Return every unexpected flip."""
        self.report = self._rehearse(directory)
        return unexpected(self.report, self._expected)


def _unfit(report: Report, expected: Expectations) -> Iterable[Problem]:
    # Prevents: expectations of an earlier draft letting the next one through.
    if expected.draft and not report.draft.startswith(expected.draft):
        yield Problem(
            EXPECTATIONS_FILE,
            0,
            0,
            "it is about another draft",
            expected=f"`draft: {report.draft[:12]}`, or a fresh look",
        )
    if report.unknown > expected.unknown:
        yield Problem("", 0, 0, f"of {report.unknown} decisions nobody can say what the draft would do")
    if report.malformed:
        yield Problem("", 0, 0, f"{report.malformed} records of decisions cannot be read")
    if report.compared < expected.least:
        yield Problem(
            "", 0, 0, f"only {report.compared} decisions could be compared", expected=f"at least {expected.least}"
        )


def _miscounted(each: Expectation, count: int) -> Problem:
    bounds = f"at least {each.at_least}" if count < each.at_least else f"at most {each.at_most}"
    place = each.place or Problem("", 0, 0, "")
    return Problem(place.path, place.line, place.column, f"{each}: {count} flips", expected=bounds)


def _expectation(node: Node) -> Expectation:
    found = node.mapping({"policy", "subject", "target", "at_most", "at_least", "because"}, required={"change"})
    change = found["change"].text()
    kinds = [kind.value for kind in Change]
    if change not in kinds:
        raise found["change"].refuse("no such change", expected=", ".join(kinds))
    words = {name: found[name].text() for name in ("policy", "subject", "target", "because") if name in found}
    at_least = found["at_least"].integer(least=0, most=_MOST) if "at_least" in found else 0
    at_most = found["at_most"].integer(least=at_least, most=_MOST) if "at_most" in found else _MOST
    return Expectation(
        Change(change),
        words.get("policy", ""),
        words.get("subject", ""),
        words.get("target", ""),
        at_least,
        at_most,
        node.problem(""),
    )


def _matches(wanted: str, target: str) -> bool:
    if wanted.endswith("*"):
        return target.startswith(wanted[:-1])
    return wanted in {"", target}
