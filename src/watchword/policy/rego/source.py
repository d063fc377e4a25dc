"""Read a directory of Rego: every file understood, every package that answers found, every problem placed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from watchword.policy.errors import Problem
from watchword.policy.rego.model import (
    Limits,
    Module,
    Outcome,
    Package,
    Rule,
    Said,
    Stand,
    place_of,
    read,
    words_of,
)
from watchword.policy.rego.negation import guarded, nodes
from watchword.policy.rego.process import Evaluation, StoppedError, Worker, site_of_regorus

FOLDER: Final = "rego"
PATTERNS: Final = (f"{FOLDER}/**/*.rego", *(f"{FOLDER}/**/*.{ending}" for ending in ("json", "yaml", "yml")))
_MAX_FILE_BYTES: Final = 1024 * 1024
_MOST_FILES: Final = 500
_ANSWERS: Final = ("allow", "deny")
# Prevents: a policy that talks to the network, reads the node's environment, or answers by chance.
_REFUSED: Final[Mapping[str, str]] = {
    "http.send": "no network is reached while deciding",
    "net.lookup_ip_addr": "no network is reached while deciding",
    "opa.runtime": "the environment of the node is no business of policies",
    "providers.aws.sign_req": "no network is reached while deciding",
    "rego.parse_module": "policies are read before they are in force, not while deciding",
    "rand.intn": "an answer does not depend on chance",
    "uuid.rfc4122": "an answer does not depend on chance",
}


class SourceError(Exception):
    """The files are wrong; it carries the problems."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(str(problems[0]))


class RegoPolicies:
    """Rego that was found right, and ready to be asked.

    Attributes:
        modules: every file, in the order of names.
        packages: those that answer requests, in the order of names.
        version: SHA-256 in hexadecimal over the files as they are written.
    """

    def __init__(
        self, modules: tuple[Module, ...], packages: tuple[Package, ...], evaluation: Evaluation, limits: Limits
    ) -> None:
        self.modules, self.packages = modules, packages
        self.version = version_of(modules)
        self._evaluation, self._limits = evaluation, limits

    def say(self, document: Mapping[str, Any]) -> tuple[Said, ...]:
        """Return what each package says to an input document; whatever goes wrong is an answer that denies."""
        try:
            outcomes = iter(self._evaluation.ask(self._written(document)))
        except StoppedError as error:
            return tuple(
                Said(one, Stand.FAILED, problem=f"{error.code}: `{one.name}`: {error}") for one in self.packages
            )
        return tuple(read(package, dict(zip(package.asks, outcomes))) for package in self.packages)  # noqa: B905 (takes its own share)

    def values(self, package: Package, document: Mapping[str, Any]) -> tuple[tuple[Module, Rule, Outcome], ...]:
        """Return what every rule of a package comes to, for people who want to know why."""
        rules = {
            rule.name: (module, rule)
            for module in self.modules
            for rule in module.rules
            if module.package == package.name
        }
        try:
            asked = [f"data.{package.name}.{name}" for name in rules]
            found = self._evaluation.ask_for(asked, self._written(document))
        except StoppedError:
            return ()
        return tuple((module, rule, outcome) for (module, rule), outcome in zip(rules.values(), found, strict=True))

    def close(self) -> None:
        """End the process that evaluates; from now on every answer denies."""
        self._evaluation.close()

    def _written(self, document: Mapping[str, Any]) -> str:
        written = json.dumps(document)
        # Prevents: a request so large that only reading it takes the budget.
        if len(written) > self._limits.input_bytes:
            raise StoppedError(f"the input is longer than {self._limits.input_bytes} bytes", "rego_input_too_large")
        return written


def version_of(modules: tuple[Module, ...]) -> str:
    """Name a set of files by what is in them."""
    canonical = json.dumps({module.path: module.source for module in modules}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def rego_files(directory: Path) -> list[Path]:
    """Return the files that count, in folders too; hidden ones and OPA's own tests are left out."""
    found = {path for pattern in PATTERNS for path in directory.glob(pattern)}
    return sorted(path for path in found if not _is_left_out(path.relative_to(directory)))


def _is_left_out(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name.endswith("_test.rego")


def load_rego(directory: Path, *, limits: Limits | None = None) -> RegoPolicies | None:
    """Read `rego/**/*.rego` of a policy directory; nothing where there is none.

    Raises:
        SourceError: with every problem found.
    """
    paths = rego_files(directory)
    if not paths:
        return None
    modules = _read(directory, paths)
    site = site_of_regorus()
    if site is None:
        message = "policies in Rego are evaluated by an optional part that is not installed"
        raise SourceError(Problem(FOLDER, 0, 0, message, expected="`pip install 'watchword[rego]'`"))
    limits = limits or Limits()
    try:
        worker = Worker(site, limits)
    except OSError as error:
        words = f"the process for Rego cannot be started: {error.strerror}"
        raise SourceError(Problem(FOLDER, 0, 0, words)) from None
    try:
        understood = _understand(worker, modules, limits)
        packages = _packages(understood)
        rules = [f"data.{package.name}.{name}" for package in packages for name in package.asks]
        return RegoPolicies(
            understood, packages, Evaluation(worker, understood, rules, site=site, limits=limits), limits
        )
    except StoppedError as error:
        worker.close()
        raise SourceError(Problem(FOLDER, 0, 0, f"the policies cannot be prepared: {error}")) from None
    except BaseException:
        worker.close()
        raise


def _read(directory: Path, paths: list[Path]) -> tuple[Module, ...]:
    if len(paths) > _MOST_FILES:
        raise SourceError(Problem(FOLDER, 0, 0, f"{len(paths)} files of Rego", expected=f"at most {_MOST_FILES}"))
    found, problems = [], []
    for path in paths:
        name = path.relative_to(directory).as_posix()
        if path.suffix != ".rego":
            # Prevents: a denial about `data.banned` that is undefined, because nobody read the list.
            problems.append(Problem(name, 0, 0, "data files are not read", expected="the values in a file of Rego"))
            continue
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
            if len(data) > _MAX_FILE_BYTES:
                problems.append(Problem(name, 0, 0, "the file is too large", expected=f"{_MAX_FILE_BYTES} bytes"))
                continue
            found.append(Module(name, data.decode()))
        except UnicodeDecodeError:
            problems.append(Problem(name, 0, 0, "not UTF-8"))
        except OSError as error:
            problems.append(Problem(name, 0, 0, f"cannot be read: {error.strerror}"))
    if problems:
        raise SourceError(*problems)
    return tuple(found)


def _understand(worker: Worker, modules: tuple[Module, ...], limits: Limits) -> tuple[Module, ...]:
    dialects: dict[str, str] = {}
    problems: list[Problem] = []
    for module in modules:
        try:
            said = worker.call("M", json.dumps([module.path, module.source]), limits.load_s)
        except StoppedError as error:
            # Nobody knows what the other files would have been: the process is gone.
            raise SourceError(*problems, Problem(module.path, 0, 0, f"cannot be read: {error}")) from None
        if "problem" in said:
            problems.append(_problem(module.path, said["problem"]))
        else:
            dialects[module.path] = said["dialect"]
    if problems:
        raise SourceError(*problems)
    try:
        sealed = worker.call("S", "", limits.load_s)
    except StoppedError as error:
        raise SourceError(Problem(FOLDER, 0, 0, f"the files cannot be put together: {error}")) from None
    if "problem" in sealed:
        raise SourceError(_problem(FOLDER, sealed["problem"]))
    understood = []
    for module, tree in zip(modules, sealed["trees"], strict=True):
        problems += _refused(module.path, tree)
        package = _dotted(tree["package"]["refr"])
        if package is None:
            message = "the name of the package is not one of plain words"
            problems.append(Problem(module.path, tree["package"]["span"]["line"], 1, message, expected="`package a.b`"))
            continue
        understood.append(replace(module, package=package, rules=tuple(_rules(tree["rules"]))))
    if problems:
        raise SourceError(*problems)
    return tuple(
        replace(
            module, dialect=dialects[module.path], runs=guarded(module.source, tree, _words(module, tree, understood))
        )
        for module, tree in zip(understood, sealed["trees"], strict=True)
    )


def _words(module: Module, tree: Mapping[str, Any], modules: list[Module]) -> frozenset[str]:
    """Return what a bare word may stand for in a module: a rule of its package, or what it imports."""
    rules = {rule.name for other in modules if other.package == module.package for rule in other.rules}
    paths = [(each, _dotted(each["refr"]) or "") for each in tree["imports"]]
    given = {_alias(module.source, each) or path.rpartition(".")[2] for each, path in paths}
    return frozenset(rules | given)


def _alias(source: str, node: Mapping[str, Any]) -> str:
    span = node.get("as")
    return source.encode()[span["start"] : span["end"]].decode() if span else ""


def _packages(modules: tuple[Module, ...]) -> tuple[Package, ...]:
    """Find the packages that answer.

    # Prevents: a directory of Rego that decides nothing while its owner believes that it does.
    """
    found: dict[str, Package] = {}
    for module in modules:
        for rule in module.rules:
            if rule.name in _ANSWERS:
                known = found.get(module.package) or Package(module.package, module.path, rule.line, ())
                asks = tuple(name for name in _ANSWERS if name in {*known.asks, rule.name})
                found[module.package] = Package(known.name, known.path, known.line, asks)
    if not found:
        raise SourceError(
            Problem(modules[0].path, 0, 0, "no package answers a request", expected="a rule `allow` or `deny`")
        )
    return tuple(found[name] for name in sorted(found))


def _rules(rules: list[dict[str, Any]]) -> Iterator[Rule]:
    seen = set()
    for rule in rules:
        body = rule.get("Default") or rule["Spec"]
        head = body.get("head", {})
        if "Func" in head or body.get("args"):
            continue
        reference = body.get("refr") or next(iter(head.values()))["refr"]
        name = _root(reference)
        if name is not None and name not in seen:
            seen.add(name)
            yield Rule(name, body["span"]["line"])


def _root(reference: Mapping[str, Any]) -> str | None:
    while True:
        kind, inner = next(iter(reference.items()))
        if kind == "Var":
            return str(inner["value"])
        if kind not in {"RefDot", "RefBrack"}:
            return None
        reference = inner["refr"]


def _dotted(reference: Mapping[str, Any]) -> str | None:
    """Return `a.b.c`; also of `a["b"].c`. Nothing for what is no plain name."""
    match reference:
        case {"Var": {"value": str(name)}}:
            return name
        case {"RefDot": {"refr": inner, "field": [_, str(name)]}}:
            pass
        case {"RefBrack": {"refr": inner, "index": {"String": {"value": str(name)}}}}:
            pass
        case _:
            return None
    before = _dotted(inner)
    return f"{before}.{name}" if before is not None and name.isidentifier() and name.isascii() else None


def _refused(path: str, tree: Any) -> Iterator[Problem]:
    for node in nodes(tree):
        name = _dotted(node) if node.keys() & {"RefDot", "RefBrack"} else None
        if name is not None and name in _REFUSED:
            span = next(iter(node.values()))["span"]
            words = f"`{name}` is refused: {_REFUSED[name]}"
            yield Problem(path, span["line"], span["col"], words)


def _problem(path: str, said: str) -> Problem:
    where = place_of(said)
    name, line, column = where or (path, 0, 0)
    return Problem(name, line, column, words_of(said))
