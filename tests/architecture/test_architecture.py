"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import watchword
from watchword.kernel import EventType, Reason, WatchwordError, event_types
from watchword.kernel.errors import error_types

_ROOT = Path(__file__).parents[2]
_SOURCE = _ROOT / "src"
_PACKAGE = _SOURCE / "watchword"
_FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "lib"}
_CODE = re.compile(r"[a-z]+\.[a-z][a-z0-9_]*")
_EVENT = re.compile(r"[a-z]+(\.[a-z][a-z0-9_]*){2}")
# What is owed: each entry is a breach that is known. A test compares exactly, so a debt that was paid must leave.
_OWED_DOORS = {"sample/application.py imports watchword.enforcement.asgi.context"}
_OWED_RANDOMNESS: set[str] = set()
_OWED_CODES = {"UnknownKeyError"}
_OWED_FAMILIES = {"enforcement.asgi": {"InvalidAssertionError", "KeysUnavailableError"}}
_LONG = {
    "policy/emit.py": "one closed table of Cedar's node types",
}
# Not rooms: the composition, the commands, and what is started beside the server.
_NOT_ROOMS = {"app", "cli", "demo", "sample"}


def _files() -> list[Path]:
    return sorted(path for path in _PACKAGE.rglob("*.py") if "vendor" not in path.parts)


def _rooms() -> list[str]:
    return sorted(path.parent.name for path in _PACKAGE.glob("*/__init__.py") if path.parent.name not in _NOT_ROOMS)


def _module_names() -> Iterator[str]:
    for found in pkgutil.walk_packages([str(_PACKAGE)], "watchword."):
        if not found.name.endswith("__main__") and ".versions" not in found.name:
            yield found.name


@pytest.fixture(scope="module", autouse=True)
def _everything_imported() -> None:
    for name in _module_names():
        importlib.import_module(name)


def _ours(kind: type) -> bool:
    return kind.__module__.startswith("watchword.")


def _our_errors() -> list[type[WatchwordError]]:
    return list(dict.fromkeys(kind for kind in error_types() if _ours(kind)))


def _our_events() -> list[EventType]:
    return [kind for name, kind in event_types().items() if "_test." not in name]


# --- imports --------------------------------------------------------------------------------------------------------


def test_imports_run_downward() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=_ROOT,
        env={"PYTHONPATH": str(_SOURCE), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_stands_in_the_import_contract() -> None:
    contracts = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name.strip().strip("()").removeprefix("watchword.") for layer in layers for name in layer.split("|")}
    assert set(_rooms()) <= named


def test_a_room_is_entered_by_its_door() -> None:
    """Imports from another room name the room, or a package of it that is a door of its own, and nothing inside.

    The kernel has no inside, and the composition root knows every name.
    """
    wrong = {
        f"{path.relative_to(_PACKAGE)} imports {module}"
        for path in _files()
        for module, _ in _imports(path)
        if path.relative_to(_PACKAGE).parts[0] != "app" and _is_inside(module, path.relative_to(_PACKAGE).parts[0])
    }
    assert wrong == _OWED_DOORS


def _is_inside(module: str, room: str) -> bool:
    parts = module.split(".")
    foreign = len(parts) > 2 and parts[0] == "watchword" and parts[1] in set(_rooms()) - {room, "kernel"}
    return foreign and not (_SOURCE.joinpath(*parts) / "__init__.py").is_file()


# A data filter is an expression for an application's own query; no statement is run there. ADR 0045.
_BUILDS_EXPRESSIONS = frozenset({"policy/filters/mapping.py", "policy/filters/sql.py"})


def test_the_database_library_is_known_to_stores_alone() -> None:
    allowed = re.compile(r"(store|tables|[a-z]+_store)\.py")
    wrong = [
        f"{path.relative_to(_ROOT)}:{line}"
        for path in _files()
        for module, line in _imports(path)
        if module.split(".")[0] == "sqlalchemy"
        and path.relative_to(_PACKAGE).parts[0] != "storage"
        and not allowed.fullmatch(path.name)
        and "stores" not in path.parts
        and path.relative_to(_PACKAGE).as_posix() not in _BUILDS_EXPRESSIONS
    ]
    assert wrong == []


def test_randomness_comes_from_the_kernel() -> None:
    """Everything else is handed an `Entropy`; `random` is where figures are drawn from a seed, to come out the same."""
    wrong = {
        f"{path.relative_to(_PACKAGE)} imports {module}"
        for path in _files()
        for module, _ in _imports(path)
        if module in {"random", "secrets", "uuid"} and path.relative_to(_PACKAGE).parts[0] in set(_rooms()) - {"kernel"}
        if module != "random" or not _draws_from_seeds(path)
    }
    assert wrong == _OWED_RANDOMNESS


def test_what_is_drawn_is_drawn_from_a_seed() -> None:
    for path in filter(_draws_from_seeds, _files()):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        drawn = [node for node in calls if ast.unparse(node.func) in {"Random", "random.Random"}]
        assert all(node.args for node in drawn), path
        assert not [node for node in calls if ast.unparse(node.func).startswith("random.") and node not in drawn], path


def _draws_from_seeds(path: Path) -> bool:
    """Tell whether a file makes traffic or repeats an experiment."""
    return path.relative_to(_PACKAGE).parts[:2] in {("trust", "synthesis"), ("trust", "learning")}


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


# --- names and doors ------------------------------------------------------------------------------------------------


def test_nothing_is_called_utils() -> None:
    wrong = [
        str(path.relative_to(_ROOT)) for path in _files() if _FORBIDDEN_NAMES & {path.stem, *path.parent.parts[-2:]}
    ]
    assert wrong == []


@pytest.mark.parametrize("room", _rooms())
def test_a_door_says_in_three_lines_what_is_behind_it(room: str) -> None:
    door = importlib.import_module(f"watchword.{room}")
    assert door.__doc__
    words = " ".join(door.__doc__.split())
    assert words.startswith("Own ")
    assert "Publishes " in words
    assert "Refuses " in words
    assert len(door.__doc__.strip().splitlines()) <= 6
    exported = door.__all__ if "Publishes nothing" not in words else []
    assert len(set(exported)) == len(exported)
    assert all(hasattr(door, name) for name in exported)


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    wrong = [] if ast.get_docstring(tree) else ["the module itself"]
    wrong += [f"{name} (line {node.lineno})" for name, node in _public(tree) if not ast.get_docstring(node)]
    assert wrong == []


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_no_file_is_longer_than_a_reader_likes(path: Path) -> None:
    is_long = len(path.read_text().splitlines()) > 400
    assert is_long == (str(path.relative_to(_PACKAGE)) in _LONG), "past 400 lines look for a second noun"


def _public(
    tree: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            is_overload = any(ast.unparse(decorator) in {"overload", "override"} for decorator in node.decorator_list)
            is_setter = any(ast.unparse(decorator).endswith(".setter") for decorator in node.decorator_list)
            if not is_overload and not is_setter:
                yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{prefix}{node.name}.")


# --- errors, events, reasons ----------------------------------------------------------------------------------------


def test_every_error_has_a_code_of_its_own() -> None:
    codes: dict[str, type[WatchwordError]] = {}
    assert {kind.__name__ for kind in _our_errors() if "code" not in vars(kind)} == _OWED_CODES
    for kind in _our_errors():
        if kind.__name__ in _OWED_CODES:
            continue
        assert kind.code not in codes, f"{kind.__name__} and {codes[kind.code].__name__} share `{kind.code}`"
        codes[kind.code] = kind


def test_every_error_code_names_its_room() -> None:
    for kind in _our_errors():
        assert _CODE.fullmatch(kind.code), kind.code
        assert kind.code.split(".")[0] == kind.__module__.split(".")[1], f"{kind.code} of {kind.__module__}"


def test_every_error_says_what_it_means_and_which_status_fits() -> None:
    for kind in _our_errors():
        assert kind.__name__.endswith("Error")
        assert kind.__doc__
        assert kind.__doc__ != WatchwordError.__doc__ or kind is WatchwordError
        assert 400 <= kind.status <= 599


def test_a_room_has_one_family_of_errors() -> None:
    """Whoever enters a room by its door can catch everything of it with one word, or with the kernel's."""
    kernel = {kind for kind in _our_errors() if kind.__module__.startswith("watchword.kernel")}
    heads: dict[str, set[str]] = {}
    for kind in _our_errors():
        door = kind.__module__.removeprefix("watchword.").rpartition(".")[0]
        if not door.startswith("kernel") and any(base in kernel for base in kind.__bases__):
            heads.setdefault(door, set()).add(kind.__name__)
    assert {door: names for door, names in heads.items() if len(names) > 1} == _OWED_FAMILIES


def test_every_event_is_named_room_subject_verb() -> None:
    declared = {kind.name: kind for kind in _our_events()}
    for name, kind in declared.items():
        assert _EVENT.fullmatch(name), name
        assert name.split(".")[0] in _rooms(), name
        assert kind.meaning.endswith("."), name
        assert kind.meaning[0].isupper(), name


def test_events_are_declared_in_events_files() -> None:
    wrong = [
        f"{path.relative_to(_ROOT)}:{node.lineno}"
        for path in _files()
        if path.name != "events.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "EventType"
    ]
    assert wrong == []


def test_every_reason_has_a_code_of_its_own() -> None:
    codes = [reason.code for reason in Reason]
    assert len(codes) == len(set(codes))
    assert len({reason.words for reason in Reason}) == len(codes)


def test_the_kernel_needs_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import watchword.kernel; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'watchword'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(_SOURCE)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_package_says_what_it_is() -> None:
    assert watchword.__doc__
