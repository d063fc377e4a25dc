"""Read a directory of policies: every file parsed, every policy checked against the schema, every problem placed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cedarpy

from watchword.policy import text
from watchword.policy.annotations import REPORT_ONLY, mode_of, refuse_wrong
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.obligations import (
    ANNOTATION,
    OBLIGATIONS_FILE,
    ObligationBook,
    attached_names,
    read_obligations,
)
from watchword.policy.rego import RegoPolicies, SourceError, load_rego
from watchword.policy.relations import MODEL_FILES, RelationModel, parse_model, refuse_unknown
from watchword.policy.templates import Est, is_template, linked, slots_of

DEFAULT_DIRECTORY = Path(__file__).parent / "default"
DEFAULT_SCHEMA = DEFAULT_DIRECTORY / "watchword.cedarschema"
LINKS_FILE = "links.json"
_MAX_FILE_BYTES = 8 * 1024 * 1024
_POSITION = re.compile(r"^for policy `policy\d+`, ")
_CONSEQUENCE = "unable to find an applicable action"
_BLAMED = re.compile(r"policy(\d+)$")


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """One policy as it was written: its id, its JSON form, and where it stands."""

    id: str
    est: Est
    path: str
    line: int
    text: str
    column: int = 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """A directory that was found right.

    Attributes:
        policies: static policies and linked templates, in the order of ids; ready to evaluate.
        templates: templates by id; they permit nothing until they are linked.
        schema: Cedar's own rendering of the whole schema.
        version: SHA-256 in hexadecimal over policies, links, schema and obligations, where comments and layout do not
            count, over the model of relations likewise, and over Rego as it is written.
        obligations: what the names in `@obligation` annotations mean.
        rego: policies in Rego, ready to be asked; nothing where there are none.
        reported: policies with `@mode("report_only")`, in the order of ids: they never decide, and what they would
            have done is reported.
        relations: the model of relations; nothing where there is none.
    """

    policies: tuple[WrittenPolicy, ...]
    templates: tuple[WrittenPolicy, ...]
    schema: str
    version: str
    obligations: ObligationBook = field(default_factory=ObligationBook)
    rego: RegoPolicies | None = None
    reported: tuple[WrittenPolicy, ...] = ()
    relations: RelationModel | None = None


EMPTY = Bundle((), (), "", hashlib.sha256(b"").hexdigest())


def load_bundle(directory: Path, *, schema: Path | None = DEFAULT_SCHEMA) -> Bundle:
    """Read a directory: `*.cedar`, `*.cedarschema`, `links.json`, `obligations.yaml`, `relations.fga`, `rego/*.rego`.

    Args:
        directory: may be missing or empty; the set is then empty, and an empty set denies.
        schema: the base schema; what the directory adds is joined to it. Nothing for none but the directory's.

    Raises:
        PolicyLoadError: with every problem found.
    """
    reader = _Reader(directory)
    schema_text, known = reader.schema(schema)
    found = [policy for path in reader.paths("*.cedar") for policy in reader.policies(path, schema_text, known)]
    reader.refuse_twins(found)
    obligations = reader.obligations(found)
    reader.check_annotations(found)
    relations = reader.relations(found)
    reader.raise_if_wrong()
    templates = tuple(policy for policy in found if is_template(policy.est))
    links = reader.links({template.id: template for template in templates}, {policy.id for policy in found})
    reader.raise_if_wrong()
    reader.check_links(links, schema_text, known)
    reader.raise_if_wrong()
    policies = [policy for policy in found if not is_template(policy.est)] + links
    ordered = tuple(sorted(policies, key=lambda policy: policy.id))
    rego = reader.rego()  # last, because what it starts must be ended if anything after it is wrong
    reader.raise_if_wrong()
    version = _version(ordered, schema_text, obligations, rego, relations)
    deciding = tuple(policy for policy in ordered if mode_of(policy.est) != REPORT_ONLY)
    reported = tuple(policy for policy in ordered if mode_of(policy.est) == REPORT_ONLY)
    return Bundle(deciding, templates, schema_text, version, obligations, rego, reported, relations)


def rehearsed(bundle: Bundle) -> Bundle | None:
    """Return a bundle in which the policies that only report decide as well; nothing where there are none.

    Rego is left out of it: its process answers for the set in force alone.
    """
    if not bundle.reported:
        return None
    policies = sorted((*bundle.policies, *bundle.reported), key=lambda policy: policy.id)
    return replace(bundle, policies=tuple(policies), reported=(), rego=None)


def _version(
    policies: tuple[WrittenPolicy, ...],
    schema: str,
    obligations: ObligationBook,
    rego: RegoPolicies | None,
    relations: RelationModel | None,
) -> str:
    canonical: dict[str, Any] = {"policies": {policy.id: policy.est for policy in policies}, "schema": schema}
    if len(obligations):
        canonical["obligations"] = obligations.fingerprint()
    if rego is not None:
        canonical["rego"] = rego.version
    if relations is not None:
        canonical["relations"] = relations.version
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class _Reader:
    """One pass over one directory; collects problems instead of stopping at the first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._problems: list[Problem] = []

    def paths(self, pattern: str) -> list[Path]:
        """Files in the order of their names; hidden ones (editors' leftovers) are left out."""
        return sorted(path for path in self._directory.glob(pattern) if not path.name.startswith("."))

    def raise_if_wrong(self) -> None:
        if self._problems:
            raise PolicyLoadError(self._problems)

    def schema(self, base: Path | None) -> tuple[str, frozenset[str]]:
        """Join the base schema and the directory's; a broken schema is the only problem then worth telling."""
        paths = ([base] if base else []) + self.paths("*.cedarschema")
        joined = ""
        for path in paths:
            joined += self._read(path) + "\n"
            if self._is_too_deep(path.name, joined):
                self.raise_if_wrong()
            try:
                rendered = str(cedarpy.Schema.from_str(joined))
            except ValueError as error:
                self._problems.append(_schema_problem(path.name, self._read(path), str(error)))
            self.raise_if_wrong()
        return (rendered if paths else ""), text.names_in(joined)

    def policies(self, path: Path, schema: str, known: frozenset[str]) -> list[WrittenPolicy]:
        """Parse and check one file; an empty list when anything in it is wrong."""
        source = self._read(path)
        cut = list(text.statements(source))
        before = len(self._problems)
        if self._is_too_deep(path.name, source):
            return []
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(source))
        except ValueError as error:
            self._parse_problems(path.name, source, cut, str(error), known)
            return []
        except RecursionError:
            self._problems.append(Problem(path.name, 0, 0, "a policy is nested too deeply"))
            return []
        if schema:
            self._check(path.name, source, cut, schema, known)
        if len(self._problems) > before:
            return []
        ests = parsed["staticPolicies"] | parsed["templates"]
        # Prevents: a forbid that Cedar reads and this file's cutting takes for a comment.
        if len(ests) != len(cut):
            words = f"Cedar reads {len(ests)} policies here, and {len(cut)} are told apart"
            self._problems.append(Problem(path.name, 0, 0, words, expected="plain spaces and line ends"))
            return []
        found = []
        for number, statement in enumerate(cut):
            est = ests[f"policy{number}"]
            name = est.get("annotations", {}).get("id") or f"{path.name}#{number + 1}"
            line, column = text.line_and_column(source, statement.start)
            found.append(WrittenPolicy(name, est, path.name, line, statement.text, column))
        return found

    def _is_too_deep(self, path: str, source: str) -> bool:
        found = text.depth_problem(path, source, text.tokens_of(source))
        if found:
            self._problems.append(found)
        return found is not None

    def refuse_twins(self, found: list[WrittenPolicy]) -> None:
        """Prevents: a policy that silently takes the place of another with the same id."""
        seen: dict[str, WrittenPolicy] = {}
        for policy in found:
            twin = seen.setdefault(policy.id, policy)
            if twin is not policy:
                message = f"the id `{policy.id}` is taken by `{twin.path}:{twin.line}`"
                self._problems.append(
                    Problem(policy.path, policy.line, 1, message, expected="an id of its own", policy=policy.id)
                )

    def check_annotations(self, found: list[WrittenPolicy]) -> None:
        """Refuse annotations that cannot mean what their author believes."""
        places = [(one.est, one.text, Problem(one.path, one.line, one.column, "", policy=one.id)) for one in found]
        self._problems += refuse_wrong(places)

    def obligations(self, found: list[WrittenPolicy]) -> ObligationBook:
        """Read `obligations.yaml`; where there is one, each name that a policy attaches must be in it.

        # Prevents: a misspelt name that denies everything the policy permits, on the day somebody needs it.
        """
        try:
            book = read_obligations(self._directory)
        except PolicyLoadError as error:
            self._problems += error.problems
            return ObligationBook()
        known = frozenset(book)
        for policy in found if book.is_written else ():
            said = policy.est.get("annotations", {})
            for name in attached_names(said[ANNOTATION] or "") if ANNOTATION in said else ():
                if name not in known:
                    near, words = (
                        text.nearest(name, known),
                        f"no obligation `{name}` is defined in `{OBLIGATIONS_FILE}`",
                    )
                    self._problems.append(Problem(policy.path, policy.line, 0, words, nearest=near, policy=policy.id))
        return book

    def relations(self, found: list[WrittenPolicy]) -> RelationModel | None:
        """Read `relations.fga` or `relations.json`; each relation that a policy names must be in it."""
        paths = [path for path in (self._directory / name for name in MODEL_FILES) if path.exists()]
        model = None
        # Prevents: two models, of which one is edited and the other one is in force.
        if len(paths) > 1:
            said = f"there is a model in `{paths[0].name}` as well"
            self._problems.append(Problem(paths[1].name, 0, 0, said, expected="one model"))
            return None
        try:
            model = parse_model(self._read(paths[0]), path=paths[0].name) if paths else None
        except PolicyLoadError as error:
            self._problems += error.problems
            return None
        places = [(each.est, Problem(each.path, each.line, each.column, "", policy=each.id)) for each in found]
        self._problems += refuse_unknown(model, places)
        return model

    def rego(self) -> RegoPolicies | None:
        """Read the policies in Rego."""
        try:
            return load_rego(self._directory)
        except SourceError as error:
            self._problems += error.problems
            return None

    def links(self, templates: dict[str, WrittenPolicy], taken: set[str]) -> list[WrittenPolicy]:
        """Read `links.json`: `[{"template": ID, "id": ID, "values": {"?principal": {"type": T, "id": I}}}]`."""
        path = self._directory / LINKS_FILE
        if not path.exists():
            return []
        try:
            source = self._read(path)
            return [self._link(path.name, source, entry, templates, taken) for entry in json.loads(source)]
        except json.JSONDecodeError as error:
            self._problems.append(Problem(path.name, error.lineno, error.colno, "not JSON", expected="a list of links"))
        except RecursionError:
            self._problems.append(Problem(path.name, 0, 0, "nested too deeply", expected="a list of links"))
        except (KeyError, TypeError, AttributeError):
            wanted = 'entries of the form {"template": ..., "id": ..., "values": {...}}'
            self._problems.append(Problem(path.name, 0, 0, "a link is malformed", expected=wanted))
        return []

    def _link(
        self, path: str, source: str, entry: Mapping[str, Any], templates: dict[str, WrittenPolicy], taken: set[str]
    ) -> WrittenPolicy:
        name, wanted, values = str(entry["id"]), str(entry["template"]), dict(entry["values"])
        template, (line, column) = templates.get(wanted), _written_at(source, name)
        if template is None:
            near = text.nearest(wanted, frozenset(templates))
            place = _written_at(source, wanted)
            self._problems.append(Problem(path, *place, f"no template `{wanted}`", nearest=near, policy=name))
            return WrittenPolicy(name, {}, path, line, "")
        if set(values) != set(slots_of(template.est)):
            wants = ", ".join(slots_of(template.est))
            words = f"the link `{name}` fills the wrong slots"
            self._problems.append(Problem(path, line, column, words, expected=wants))
        if name in taken:
            words = f"the id `{name}` is taken"
            self._problems.append(Problem(path, line, column, words, expected="an id of its own"))
        taken.add(name)
        for value in values.values():
            if value.keys() != {"type", "id"} or not all(isinstance(part, str) for part in value.values()):
                raise TypeError
        return replace(template, id=name, est=linked(template.est, values), path=path, line=0)

    def check_links(self, links: list[WrittenPolicy], schema: str, known: frozenset[str]) -> None:
        """Check each link against the schema as if somebody had written it out."""
        for link in links if schema else []:
            body = {"staticPolicies": {link.id: link.est}, "templates": {}, "templateLinks": []}
            try:
                result = cedarpy.validate_policies(cedarpy.policies_from_json_str(json.dumps(body)), schema)
            except ValueError:
                words = f"the link `{link.id}` names what cannot be an entity"
                self._problems.append(Problem(link.path, link.line, 0, words, policy=link.id))
                continue
            for error in result.errors[:1]:
                words = f"the link `{link.id}`: {_POSITION.sub('', error.error)}"
                name = re.search(r"::([A-Za-z0-9_]+)`", words)
                near = text.nearest(name.group(1), known) if name else ""
                self._problems.append(Problem(link.path, 0, 0, words, nearest=near, policy=link.id))

    def _read(self, path: Path) -> str:
        try:
            # Prevents: a reload that waits for ever for somebody to write into a pipe.
            if not path.is_file() and path.exists():
                self._problems.append(Problem(path.name, 0, 0, "not a file", expected="a file"))
                return ""
            if path.stat().st_size > _MAX_FILE_BYTES:
                self._problems.append(Problem(path.name, 0, 0, "the file is too large", expected="at most 8 MiB"))
                return ""
            return path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self._problems.append(Problem(path.name, line, 0, "not UTF-8 text", expected="UTF-8"))
        except OSError as error:
            words = f"cannot be read: {error.strerror}"
            self._problems.append(Problem(path.name, 0, 0, words, expected="a readable file"))
        return ""

    def _parse_problems(
        self, path: str, source: str, cut: list[text.Statement], message: str, known: frozenset[str]
    ) -> None:
        before = len(self._problems)
        for statement in cut:
            try:
                cedarpy.policies_to_json_str(statement.text)
            except ValueError as error:
                words = str(error)
                found = (
                    text.syntax_problem(path, source, statement, words)
                    if text.is_syntax_message(words)
                    else text.problem_in(path, source, statement, words, known=known)
                )
                self._problems.append(found)
        if len(self._problems) == before:
            self._problems.append(Problem(path, 0, 0, message))

    def _check(self, path: str, source: str, cut: list[text.Statement], schema: str, known: frozenset[str]) -> None:
        result = cedarpy.validate_policies(source, schema, release_gil=True)
        told: set[tuple[int, int]] = set()
        for error in sorted(result.errors, key=lambda error: (_CONSEQUENCE in error.error, error.error)):
            blamed = _BLAMED.search(error.policy_id)
            words = _POSITION.sub("", error.error)
            if not blamed:
                self._problems.append(Problem(path, 0, 0, words))
                continue
            found = text.problem_in(path, source, cut[int(blamed[1])], words, known=known)
            # The same word is blamed once for each action; and a wrong name leaves no action that applies.
            place = (int(blamed[1]), found.line * 10_000 + found.column)
            if place in told or (_CONSEQUENCE in words and any(number == place[0] for number, _ in told)):
                continue
            told.add(place)
            self._problems.append(found)
        if not result.validation_passed and not result.errors:
            self._problems.append(Problem(path, 0, 0, "the file does not fit the schema"))


def _written_at(source: str, name: str) -> tuple[int, int]:
    """Return line and column of a name in a file of JSON; zeros where it is written in another way."""
    at = source.find(json.dumps(name, ensure_ascii=False))
    return text.line_and_column(source, at) if at >= 0 else (0, 0)


def _schema_problem(path: str, source: str, message: str) -> Problem:
    words = message.removeprefix("error parsing schema: ").removeprefix("failed to resolve type: ")
    name = re.search(r"`([^`]+)`$", words)
    wanted = name.group(1) if name else words.rpartition("::")[2]
    place = re.search(rf"(?<![A-Za-z0-9_]){re.escape(wanted)}(?![A-Za-z0-9_])", source)
    line, column = text.line_and_column(source, place.start()) if place else (0, 0)
    near = text.nearest(wanted, text.names_in(source) - {wanted} | {"String", "Long", "Bool", "Set"})
    said = message if message != words else f"the schema is wrong: {message}"
    return Problem(path, line, column, said, nearest=near)
