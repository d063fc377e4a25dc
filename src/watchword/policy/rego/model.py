"""What Rego says, and what it means here: only a plain yes lets anybody in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

# Values of a request never go into words; of what the library says, only these openings are repeated.
_SAFE_WORDS: Final = (
    "Failed to parse datetime",
    "could not parse string as number",
    "divide by zero",
    "invalid regex",
    "compiled regex exceeded size limit",
)
_PLACE: Final = re.compile(r"--> (.*):(\d+):(\d+)$", re.MULTILINE)
_SAID: Final = re.compile(r"^(?:error: )?(.*)", re.MULTILINE)
_CONFLICTS: Final = ("rule conflicts with rule", "complete rules should not produce multiple outputs")
_CYCLE: Final = "recursion detected"
_NO_FUNCTION: Final = re.compile(r"could not find function ([A-Za-z0-9_.]{1,80})")
_YES_KEYS: Final = frozenset({"allow", "allowed"})
_REASON_KEYS: Final = frozenset({"reason", "reasons"})
_MESSAGE_KEYS: Final = ("msg", "message", "reason")
_MOST_REASONS: Final = 20
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """What evaluating Rego may cost.

    Attributes:
        budget_s: for one question, over all packages.
        load_s: for reading one file, and for putting them together.
        memory_bytes: the address space of the process that evaluates.
        input_bytes: the longest input document.
    """

    budget_s: float = 0.1
    load_s: float = 5.0
    memory_bytes: int = 768 * 1024 * 1024
    input_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a module by its name; several rules of one name are one thing to Rego."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Module:
    """One file of Rego.

    Attributes:
        path: inside the policy directory.
        package: without `data`.
        dialect: `v0` or `v1`, as it was understood.
        rules: those with a value of their own, so no functions; in the order of the file.
        runs: the source as it is evaluated; `negation` says why that is not always the source as it is written.
    """

    path: str
    source: str
    package: str = ""
    dialect: str = ""
    rules: tuple[Rule, ...] = ()
    runs: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that answers requests, because it has a rule `allow` or `deny`.

    Attributes:
        path, line: of its first such rule.
        asks: which of the two it has, in this order.
    """

    name: str
    path: str
    line: int
    asks: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name under which it stands beside Cedar policies."""
        return f"rego:{self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule came to: `value` with a JSON value, `undefined`, or `failed` with the library's words."""

    kind: str
    value: Any = None


class Stand(Enum):
    """How a package stands to a request."""

    ALLOWS = "allows"
    DENIES = "denies"
    SILENT = "silent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Said:
    """What one package says to a request.

    Attributes:
        reasons: the package's own words, for the person concerned.
        problem: `code: what happened`, when it failed.
    """

    package: Package
    stand: Stand
    reasons: tuple[str, ...] = ()
    problem: str = ""


def read(package: Package, outcomes: Mapping[str, Outcome]) -> Said:
    """Take what the rules of a package came to for its answer.

    `deny` is looked at first: it has the last word. What is neither a plain yes nor a plain no has failed.
    """
    for name in ("deny", "allow"):
        outcome = outcomes.get(name)
        if outcome is not None and outcome.kind == "failed":
            return Said(package, Stand.FAILED, problem=problem_of(package, str(outcome.value)))
    if "deny" in package.asks:
        objections = _objections(outcomes["deny"])
        if objections is not None:
            return Said(package, Stand.DENIES, objections)
    if "allow" not in package.asks:
        return Said(package, Stand.SILENT)
    return _allowed(package, outcomes["allow"])


def _objections(outcome: Outcome) -> tuple[str, ...] | None:
    """Return the reasons of a denial, or nothing where there is none: undefined, false, or an empty collection."""
    if outcome.kind == "undefined" or outcome.value is False or outcome.value in ([], {}):
        return None
    if isinstance(outcome.value, list):
        return _texts(_message(each) for each in outcome.value)
    return _texts([_message(outcome.value)])


def _allowed(package: Package, outcome: Outcome) -> Said:
    if outcome.kind == "undefined":
        words = f"rego_undefined: `{package.name}`: no rule gives `allow` a value, and it has no default"
        return Said(package, Stand.FAILED, problem=words)
    value = outcome.value
    if value is True:
        return Said(package, Stand.ALLOWS)
    if value is False:
        return Said(package, Stand.DENIES)
    answer = _object(value) if isinstance(value, dict) else None
    if answer is None:
        words = f"rego_not_boolean: `{package.name}`: `allow` is neither true nor false, nor an object that says so"
        return Said(package, Stand.FAILED, problem=words)
    says_yes, reasons = answer
    return Said(package, Stand.ALLOWS if says_yes else Stand.DENIES, reasons)


def _object(value: dict[str, Any]) -> tuple[bool, tuple[str, ...]] | None:
    """Read `{"allowed": true, "reason": ...}`.

    # Prevents: letting somebody in while dropping what the answer asks for besides, headers for example.
    """
    yes = _YES_KEYS & value.keys()
    if len(yes) != 1 or value.keys() - yes - _REASON_KEYS:
        return None
    says = value[next(iter(yes))]
    given = [value[key] for key in sorted(_REASON_KEYS & value.keys())]
    flat = [each for one in given for each in (one if isinstance(one, list) else [one])]
    if not isinstance(says, bool) or not all(isinstance(each, str) for each in flat):
        return None
    return says, _texts(flat)


def _message(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[key] for key in _MESSAGE_KEYS if key in value), "")
    return value if isinstance(value, str) else ""


def _texts(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text[:_LONGEST_REASON] for text in found if text))[:_MOST_REASONS]


def problem_of(package: Package, said: str) -> str:
    """Say in our words what the library says, and where; without any value of the request."""
    where = place_of(said)
    at = f" at {where[0]}:{where[1]}:{where[2]}" if where else ""
    if any(words in said for words in _CONFLICTS):
        return f"rego_conflict: `{package.name}`: two rules{at} give different values to one name"
    if _CYCLE in said:
        return f"rego_cycle: `{package.name}`: a rule{at} depends on itself"
    missing = _NO_FUNCTION.search(said)
    if missing:
        return f"rego_unknown_function: `{package.name}`: there is no function `{missing[1]}`{at}"
    about = next((f" ({words[0].lower()}{words[1:]})" for words in _SAFE_WORDS if words in said), "")
    return (
        f"rego_builtin_error: `{package.name}`: a builtin failed{at}{about}; "
        "for OPA the expression is undefined, and here what fails denies"
    )


def place_of(said: str) -> tuple[str, int, int] | None:
    """Return file, line and column of a complaint of the library."""
    found = _PLACE.search(said)
    return (found[1], int(found[2]), int(found[3])) if found else None


def words_of(said: str) -> str:
    """Return the one sentence of a complaint about a file; files hold no values of a request."""
    lines = [line for line in said.splitlines() if line.startswith("error:")]
    first = lines[0] if lines else said.partition("\n")[0]
    return first.removeprefix("error:").strip()[:_LONGEST_REASON] or "the file cannot be read"
