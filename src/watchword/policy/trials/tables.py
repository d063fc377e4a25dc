"""Read the tests of a policy directory: fixtures, and a table of what is expected of the policies.

Form: docs/how-to/test-policies.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from math import prod
from pathlib import Path
from typing import Final

from watchword.policy.documents import Node, read_document
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.load import Bundle
from watchword.policy.model import EntityUid, PolicyRequest
from watchword.policy.schema import Schema, parse_schema
from watchword.policy.text import nearest
from watchword.policy.trials.fixtures import Fixtures, context_value, merged, read_fixtures
from watchword.policy.trials.relating import Related, moment_in, related, without_relations
from watchword.policy.trials.values import Values, parse_uid

TESTS_FOLDER: Final = "tests"
_MOST_TRIALS: Final = 20_000
_MOST_FILES: Final = 1_000
_FILE_KEYS: Final = ("entities", "contexts", "tuples", "tests", "minimum")
_ROW_KEYS: Final = (
    *("name", "principal", "action", "resource", "context", "with", "also", "tuples", "now"),
    *("expect", "reasons", "obligations"),
)
_ASKED: Final = ("principal", "action", "resource")
_SHARES: Final = ("clauses", "branches")


class Verdict(Enum):
    """What a request comes to, the softer answers apart from plain denial."""

    PERMIT = "permit"
    FORBID = "forbid"
    STEP_UP = "step_up"
    APPROVAL = "approval"
    SILENT = "silent"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row says; nothing where it says nothing.

    Attributes:
        reasons: ids of the determining policies; for an error, its codes.
    """

    verdict: Verdict
    reasons: frozenset[str] | None = None
    obligations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One request and what is expected of it; `place` is the row, of which a list in it may make many trials."""

    name: str
    place: Node
    request: PolicyRequest
    expected: Expected


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of a directory.

    Attributes:
        minimum: the least share, in percent, of `clauses` and `branches` that must be covered; where several files
            say one, the greatest.
        files: how many files there are.
    """

    trials: tuple[Trial, ...]
    minimum: Mapping[str, int]
    files: int


def read_suite(directory: Path, bundle: Bundle) -> Suite:
    """Read `tests/**/*.yaml` of a policy directory; none is an empty suite.

    Args:
        bundle: the policies that will be tested, for their schema and ids.

    Raises:
        PolicyLoadError: with every problem found, each with file, line and column.
    """
    folder = directory / TESTS_FOLDER
    # Folders too, as bundles hold them. Prevents: tests that everybody believes to run.
    names = (path.relative_to(folder) for path in folder.glob("**/*.yaml"))
    paths = sorted(path for path in names if not any(part.startswith(".") for part in path.parts))
    if len(paths) > _MOST_FILES:
        raise PolicyLoadError([Problem(TESTS_FOLDER, 0, 0, "too many test files", expected=f"at most {_MOST_FILES}")])
    documents = [_document(folder, path) for path in paths]
    schema = parse_schema(bundle.schema)
    related = Related(bundle.relations, (document["tuples"] for document in documents if "tuples" in document))
    ids = frozenset(policy.id for policy in bundle.policies)
    reader = _Rows(read_fixtures(documents, schema), schema, ids, related)
    for document in documents:
        reader.read(document)
    if reader.problems:
        raise PolicyLoadError(reader.problems)
    return Suite(tuple(reader.trials), _minimum(documents), len(paths))


def _document(folder: Path, path: Path) -> dict[str, Node]:
    node = read_document(folder / path, name=f"{TESTS_FOLDER}/{path.as_posix()}")
    return node.mapping(_FILE_KEYS) if node.value is not None else {}


def _minimum(documents: list[dict[str, Node]]) -> dict[str, int]:
    found = dict.fromkeys(_SHARES, 0)
    for node in (document["minimum"] for document in documents if "minimum" in document):
        said = {"clauses": node} if not isinstance(node.value, dict) else node.mapping(_SHARES)
        for name, share in said.items():
            found[name] = max(found[name], share.integer(least=0, most=100))
    return found


class _Rows:
    """Reads rows, and collects problems instead of stopping at the first."""

    def __init__(self, fixtures: Fixtures, schema: Schema, policies: frozenset[str], related: Related) -> None:
        self._fixtures = fixtures
        self._related = related
        self._schema = schema
        self._policies = policies
        self._actions: dict[str, list[EntityUid]] = {}
        for uid in schema.actions:
            self._actions.setdefault(uid.id, []).append(uid)
        self.trials: list[Trial] = []
        self.problems: list[Problem] = []

    def read(self, document: Mapping[str, Node]) -> None:
        node = document.get("tests")
        for row in node.items() if node is not None and node.value is not None else ():
            try:
                self.trials += self._row(row)
            except PolicyLoadError as error:
                self.problems += error.problems
            # Prevents: a few lists in one row that multiply into hours.
            if len(self.trials) > _MOST_TRIALS:
                raise PolicyLoadError([row.problem("too many tests", expected=f"at most {_MOST_TRIALS}")])

    def _row(self, row: Node) -> Iterator[Trial]:
        parts = row.mapping(_ROW_KEYS, required=(*_ASKED, "expect"))
        expected = self._expected(parts)
        lists: dict[str, tuple[Node, ...]] = {
            name: _several(parts[name]) for name in (*_ASKED, "context") if name in parts
        }
        if prod(map(len, lists.values())) > _MOST_TRIALS:
            raise row.refuse("too many tests in one row", expected=f"at most {_MOST_TRIALS}")
        title = parts["name"].text() if "name" in parts else ""
        view = self._related.view(self._related.tuples(parts["tuples"]) if "tuples" in parts else ())
        now = moment_in(parts.get("now"))
        for asked in (dict(zip(lists, one, strict=True)) for one in product(*lists.values())):
            values = Values(self._fixtures.uids)
            request = self._request(values, row, asked, parts)
            known = self._schema.actions.get(request.action)
            request = related(request, known.context if known else None, view, now=now)
            if expected.verdict is not Verdict.ERROR:
                self.problems += [found for found in values.problems if found not in self.problems]
            words = [_called(node) for name, node in asked.items() if not title or len(lists[name]) > 1]
            yield Trial(": ".join(filter(None, (title, " ".join(words)))), row, request, expected)

    def _request(
        self, values: Values, row: Node, asked: Mapping[str, Node], parts: Mapping[str, Node]
    ) -> PolicyRequest:
        who, what, act = values.uid(asked["principal"]), values.uid(asked["resource"]), self._action(asked["action"])
        facts = self._context(asked["context"]) if "context" in asked else Node({}, row.path, row.line, row.column, {})
        if "with" in parts:
            facts = merged(facts, parts["with"])
        known = self._schema.actions.get(act)
        also = parts["also"].items() if "also" in parts else ()
        for node in also:
            values.uid(node)
        named = (node.value for node in (*also, asked["principal"], asked["resource"]))
        entities = self._fixtures.known_to(*(name for name in named if isinstance(name, str)))
        context = context_value(facts, without_relations(known.context) if known else None, values)
        return PolicyRequest(who, act, what, context, entities)

    def _context(self, node: Node) -> Node:
        name = node.text()
        if name not in self._fixtures.contexts:
            near = nearest(name, frozenset(self._fixtures.contexts))
            raise node.refuse(f"no context `{name[:60]}` is described", nearest=near)
        return self._fixtures.contexts[name]

    def _action(self, node: Node) -> EntityUid:
        """Read an action by its whole name, or by its id alone where only one action has it."""
        word = node.text()
        same = self._actions.get(word, [])
        if len(same) == 1:
            return same[0]
        found = parse_uid(word)
        if found is None:
            wanted = " or ".join(sorted(f"`{uid}`" for uid in same)) or "an action of the schema"
            raise node.refuse(
                f"`{word[:60]}` is {'several actions' if same else 'no action'}",
                expected=wanted,
                nearest=nearest(word, frozenset(self._actions)),
            )
        return found

    def _expected(self, parts: Mapping[str, Node]) -> Expected:
        words = frozenset(verdict.value for verdict in Verdict)
        word = parts["expect"].text()
        if word not in words:
            wanted = ", ".join(f"`{one.value}`" for one in Verdict)
            raise parts["expect"].refuse("no such decision", expected=wanted, nearest=nearest(word, words))
        verdict = Verdict(word)
        if "reasons" in parts and verdict is not Verdict.ERROR:
            for node in parts["reasons"].items():
                if node.text() not in self._policies:
                    near = nearest(node.text(), self._policies)
                    raise node.refuse(f"no policy `{node.text()[:60]}`", expected="the id of a policy", nearest=near)
        reasons, obligations = (_set(parts.get(name)) for name in ("reasons", "obligations"))
        return Expected(verdict, reasons, obligations)


def _several(node: Node) -> tuple[Node, ...]:
    return node.items() if isinstance(node.value, tuple) else (node,)


def _called(node: Node) -> str:
    return str(node.plain())


def _set(node: Node | None) -> frozenset[str] | None:
    return frozenset(node.texts()) if node is not None else None
