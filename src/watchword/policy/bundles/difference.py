"""What changes between two sets of policies, policy by policy, the changes of effect first."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from enum import IntEnum
from pathlib import Path
from typing import Final

from watchword.policy.annotations import REPORT_ONLY, mode_of
from watchword.policy.bundles.folder import write_folder
from watchword.policy.load import LINKS_FILE, Bundle, WrittenPolicy, load_bundle

_PARTS: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("schema", lambda path: path.endswith(".cedarschema")),
    ("links", lambda path: path == LINKS_FILE),
    ("obligations", lambda path: path == "obligations.yaml"),
    ("relations", lambda path: path.endswith(".fga") or path == "relations.json"),
    ("rego", lambda path: path.startswith("rego/")),
    ("invariants", lambda path: path == "invariants.yaml"),
    ("tests", lambda path: path.startswith("tests/")),
)
_MOST_LINES: Final = 200


class Change(IntEnum):
    """What happened to a policy or a file, the weightiest first."""

    EFFECT = 0
    REMOVED = 1
    ADDED = 2
    CHANGED = 3
    REWORDED = 4

    @property
    def word(self) -> str:
        """For people."""
        return {Change.EFFECT: "effect changed", Change.REWORDED: "only reworded"}.get(self, self.name.lower())


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One policy that is not what it was.

    Attributes:
        before: `permit` or `forbid`, perhaps with words that it only reports; nothing where there was none.
        after: the same, afterwards.
        place: `file:line` in the set where it is, the newer one first.
        lines: a unified diff of its text, without the head.
    """

    id: str
    change: Change
    before: str
    after: str
    place: str
    lines: tuple[str, ...]

    @property
    def may_permit_more(self) -> bool:
        """Whether somebody could gain something by it; a changed condition could do either."""
        if self.change is Change.REWORDED:
            return False
        return self.after == "permit" or self.before == "forbid"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One other file that is not what it was.

    Attributes:
        part: schema, links, obligations, relations, rego, invariants or tests.
    """

    part: str
    path: str
    change: Change
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that changes; empty when both sets mean and say the same."""

    policies: tuple[PolicyChange, ...]
    files: tuple[FileChange, ...]

    def __bool__(self) -> bool:
        return bool(self.policies or self.files)


def compare(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Difference:
    """Compare two sets of policy files.

    Raises:
        PolicyLoadError: one of them is wrong, so that nobody can say what it means.
    """
    return Difference(
        tuple(_policy_changes(_loaded(before), _loaded(after))),
        tuple(_file_changes(before, after)),
    )


def _loaded(files: Mapping[str, bytes]) -> Bundle:
    with tempfile.TemporaryDirectory(prefix="watchword-diff-") as place:
        folder = Path(place) / "policies"
        write_folder(folder, files)
        return load_bundle(folder)


def _policy_changes(before: Bundle, after: Bundle) -> list[PolicyChange]:
    old, new = _by_id(before), _by_id(after)
    _pair_unnamed(old, new)
    changes = [
        change
        for name in old.keys() | new.keys()
        if (change := _policy_change(name, old.get(name), new.get(name))) is not None
    ]
    return sorted(changes, key=lambda change: (change.change, change.id))


def _by_id(bundle: Bundle) -> dict[str, WrittenPolicy]:
    return {policy.id: policy for policy in (*bundle.policies, *bundle.reported, *bundle.templates)}


def _pair_unnamed(old: dict[str, WrittenPolicy], new: dict[str, WrittenPolicy]) -> None:
    """Leave out policies without an id of their own that only moved: their ids count places in a file."""
    waiting: dict[str, list[str]] = {}
    for name, policy in old.items():
        if _is_unnamed(policy):
            waiting.setdefault(_meaning(policy) + policy.text, []).append(name)
    for name, policy in list(new.items()):
        same = waiting.get(_meaning(policy) + policy.text) if _is_unnamed(policy) else None
        if same:
            del old[same.pop()]
            del new[name]


def _is_unnamed(policy: WrittenPolicy) -> bool:
    return policy.id.startswith(f"{policy.path}#")


def _meaning(policy: WrittenPolicy) -> str:
    return json.dumps(policy.est, sort_keys=True)


def _policy_change(name: str, old: WrittenPolicy | None, new: WrittenPolicy | None) -> PolicyChange | None:
    if old is not None and new is not None and _meaning(old) == _meaning(new) and old.text == new.text:
        return None
    standing = new or old
    assert standing is not None
    return PolicyChange(
        name,
        _kind(old, new),
        _effect(old) if old else "",
        _effect(new) if new else "",
        f"{standing.path}:{standing.line}",
        _lines(old.text if old else "", new.text if new else ""),
    )


def _kind(old: WrittenPolicy | None, new: WrittenPolicy | None) -> Change:
    if old is None or new is None:
        return Change.ADDED if old is None else Change.REMOVED
    if _effect(old) != _effect(new):
        return Change.EFFECT
    return Change.REWORDED if _meaning(old) == _meaning(new) else Change.CHANGED


def _effect(policy: WrittenPolicy) -> str:
    """Say what a policy does. Prevents: a forbid that from now on only reports passing for a change of words."""
    return f"{policy.est['effect']}{', which only reports' if mode_of(policy.est) == REPORT_ONLY else ''}"


def _file_changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[FileChange]:
    for part, belongs in _PARTS:
        for path in sorted(filter(belongs, before.keys() | after.keys())):
            old, new = before.get(path), after.get(path)
            if old == new:
                continue
            change = Change.ADDED if old is None else Change.REMOVED if new is None else Change.CHANGED
            yield FileChange(part, path, change, _lines(_text(old), _text(new)))


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")


def _lines(old: str, new: str) -> tuple[str, ...]:
    found: Iterable[str] = unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    lines = [line for line in found if not line.startswith(("---", "+++"))]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more lines"]
    return tuple(lines)
