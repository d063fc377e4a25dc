"""What a replay found: counts that add up, grouped by policy, subject and target, with examples to look at.

Reports of parts of a journal join to the report of the whole, in any order, and to the same figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from watchword.policy.replay.model import Change, Outcome, Recorded, responsible

MOST_EXAMPLES: Final = 5
OTHERS: Final = "(others)"
NOBODY: Final = "(nobody)"


class Example(NamedTuple):
    """One decision that would come out differently; the newest are kept."""

    seq: int
    id: str
    at: str
    subject: str
    target: str
    action: str
    was: str
    now: str
    reason: str
    policies: tuple[str, ...]


class Cell(NamedTuple):
    """Flips that are alike in everything a person may expect of them."""

    changes: tuple[Change, ...]
    policies: tuple[str, ...]
    subject: str
    target: str


@dataclass(slots=True)
class Group:
    """What changes for one policy, subject or target."""

    counts: Counter[Change] = field(default_factory=Counter)
    flips: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, kinds: Iterable[Change], example: Example) -> None:
        """Count a flip; the examples stay the newest, each once."""
        self.flips += 1
        for kind in kinds:
            self.counts[kind] += 1
        if len(self.examples) < MOST_EXAMPLES or example > self.examples[-1]:
            self._keep((example,))

    def join(self, other: Group) -> None:
        """Take another part's counts and examples in."""
        self.flips += other.flips
        self.counts.update(other.counts)
        self._keep(other.examples)

    def _keep(self, more: Iterable[Example]) -> None:
        self.examples = sorted({*self.examples, *more}, reverse=True)[:MOST_EXAMPLES]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "flips": self.flips,
            **{kind.value: self.counts[kind] for kind in Change},
            "examples": [_example_json(example) for example in self.examples],
        }


@dataclass(slots=True)
class Report:
    """What a draft would have changed in a stretch of decisions.

    Every decision is counted once: as not reached, not recorded, malformed, unknown, or compared; a compared one is
    the same or a flip. A flip may be of several kinds.

    Attributes:
        versions: decisions by the version of the policies that answered.
        decisions: all that were looked at.
        not_reached: decided before the policies were asked, by reason; no policy changes that.
        not_recorded: policies were asked, and what they were asked was not written down.
        malformed: what was written down cannot be read.
        unknown: the draft asks for something that was not recorded.
        other_policies: the same outcome, given by other policies than before.
        added, removed: obligations by name, over allows that stay allows.
        cells: every flip, by what can be expected of it.
        steps: from what to what, with reasons: `(was, reason, now, reason)`.
        most_groups: how many subjects, targets and policies are kept apart; more are counted together.
    """

    draft: str = ""
    most_groups: int = 100_000
    decisions: int = 0
    not_reached: Counter[str] = field(default_factory=Counter)
    not_recorded: int = 0
    malformed: int = 0
    unknown: int = 0
    compared: int = 0
    other_policies: int = 0
    total: Group = field(default_factory=Group)
    versions: Counter[str] = field(default_factory=Counter)
    steps: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    cells: Counter[Cell] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    by_policy: dict[str, Group] = field(default_factory=dict)
    by_subject: dict[str, Group] = field(default_factory=dict)
    by_target: dict[str, Group] = field(default_factory=dict)
    first_at: str = ""
    last_at: str = ""

    @property
    def flips(self) -> int:
        """How many decisions would have come out differently."""
        return self.total.flips

    def count(self, kind: Change) -> int:
        """Return how many decisions changed in one way."""
        return self.total.counts[kind]

    def see(self, decision: Recorded) -> None:
        """Count a decision, whatever becomes of it."""
        self.decisions += 1
        self.versions[decision.version] += 1
        self.first_at = min(self.first_at or decision.at, decision.at)
        self.last_at = max(self.last_at, decision.at)

    def compare(self, decision: Recorded, now: Outcome, kinds: tuple[Change, ...]) -> None:
        """Count what became of a decision that was asked again."""
        was = decision.outcome
        self.compared += 1
        if not kinds:
            self.other_policies += set(was.policies) != set(now.policies)
            return
        example = Example(
            decision.seq,
            decision.id,
            decision.at,
            decision.subject,
            decision.target,
            decision.action,
            _words(was),
            _words(now),
            now.reason.code,
            now.policies,
        )
        self.total.add(kinds, example)
        self.steps[was.answer.value, was.reason.code, now.answer.value, now.reason.code] += 1
        if Change.OBLIGATIONS in kinds:
            self.added.update(set(now.obligations) - set(was.obligations))
            self.removed.update(set(was.obligations) - set(now.obligations))
        policies, subject = responsible(was, now), decision.subject or NOBODY
        self._count_cell(Cell(kinds, policies, subject, decision.target), 1)
        for policy in policies:
            self._group(self.by_policy, policy).add(kinds, example)
        self._group(self.by_subject, subject).add(kinds, example)
        self._group(self.by_target, decision.target).add(kinds, example)

    def join(self, other: Report) -> None:
        """Take the report of another part of the same journal in."""
        for name in ("decisions", "not_recorded", "malformed", "unknown", "compared", "other_policies"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("not_reached", "versions", "steps", "added", "removed"):
            getattr(self, name).update(getattr(other, name))
        self.total.join(other.total)
        for cell, count in other.cells.items():
            self._count_cell(cell, count)
        for mine, theirs in (
            (self.by_policy, other.by_policy),
            (self.by_subject, other.by_subject),
            (self.by_target, other.by_target),
        ):
            for key, group in theirs.items():
                self._group(mine, key).join(group)
        self.first_at = min(filter(None, (self.first_at, other.first_at)), default="")
        self.last_at = max(self.last_at, other.last_at)

    def _count_cell(self, cell: Cell, count: int) -> None:
        if cell not in self.cells and len(self.cells) >= self.most_groups:
            cell = Cell(cell.changes, (OTHERS,), OTHERS, OTHERS)  # which no expectation names
        self.cells[cell] += count

    def _group(self, groups: dict[str, Group], key: str) -> Group:
        # Prevents: a stranger who makes up subjects or paths filling the memory of a node that watches a candidate.
        if key not in groups and len(groups) >= self.most_groups:
            key = OTHERS
        return groups.setdefault(key, Group())

    def as_json(self, *, most: int | None = None) -> dict[str, Any]:
        """Return it as JSON values, the most affected groups first.

        Args:
            most: how many groups of each kind; all of them by default.
        """
        return {
            "draft": self.draft,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "decisions": self.decisions,
            "compared": self.compared,
            "same": self.compared - self.flips,
            "other_policies": self.other_policies,
            "flips": self.flips,
            **{kind.value: self.count(kind) for kind in Change},
            "not_reached": sum(self.not_reached.values()),
            "not_reached_by_reason": dict(self.not_reached.most_common()),
            "not_recorded": self.not_recorded,
            "malformed": self.malformed,
            "unknown": self.unknown,
            "versions": dict(self.versions.most_common()),
            "steps": [
                {"was": was, "was_reason": before, "now": now, "now_reason": after, "count": count}
                for (was, before, now, after), count in sorted(self.steps.items(), key=_largest)
            ],
            "obligations_added": dict(self.added.most_common()),
            "obligations_removed": dict(self.removed.most_common()),
            "by_policy": _groups_json(self.by_policy, most),
            "by_subject": _groups_json(self.by_subject, most),
            "by_target": _groups_json(self.by_target, most),
            "examples": [_example_json(example) for example in self.total.examples],
        }


def ranked(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    """Return groups, the most affected first, equals in the order of their names."""
    return sorted(groups.items(), key=lambda item: (-item[1].flips, item[0]))


def _groups_json(groups: Mapping[str, Group], most: int | None) -> list[dict[str, Any]]:
    return [{"name": name, **group.as_json()} for name, group in ranked(groups)[:most]]


def _largest(item: tuple[tuple[str, ...], int]) -> tuple[int, tuple[str, ...]]:
    return -item[1], item[0]


def _example_json(example: Example) -> dict[str, Any]:
    return {name: value for name, value in example._asdict().items() if name != "seq"} | {
        "policies": list(example.policies)
    }


def _words(outcome: Outcome) -> str:
    words = outcome.answer.value
    if outcome.step_up:
        words += f" {outcome.step_up[0].rpartition(':')[2]} within {outcome.step_up[1]} s"
    if outcome.obligations:
        words += f" with {', '.join(outcome.obligations)}"
    if outcome.permissions:
        words += f", permissions {', '.join(outcome.permissions)}"
    return words
