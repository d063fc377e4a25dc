"""Record what the real Open Policy Agent answers: `python record.py PATH-OF-OPA`.

It puts the policies and inputs of `answers.json` to OPA and writes down there what OPA says; the tests read only that
and need no `opa`. To add a case, write its `modules` and the `input` of each question there, and record again.
Every question is asked twice: as OPA does by itself, where a builtin that fails leaves its expression undefined, and
with `--strict-builtin-errors`, which says whether one failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main(opa: str) -> None:
    """Ask everything and write the answers down."""
    said = subprocess.run([opa, "version"], capture_output=True, text=True, check=True).stdout
    version = said.splitlines()[0].removeprefix("Version: ")
    known = json.loads((HERE / "answers.json").read_text())["cases"]
    cases = [_case(opa, case["name"], case["dialect"], case["modules"], _inputs(case)) for case in known]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)  # one case a line, for readable changes
    (HERE / "answers.json").write_text(f'{{"opa": "{version}", "cases": [\n{lines}\n]}}\n')


def _inputs(case: dict[str, Any]) -> list[Any]:
    return [question["input"] for question in case["questions"]]


def _case(opa: str, name: str, dialect: str, modules: list[str], inputs: list[Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for number, module in enumerate(modules):
            (Path(folder) / f"m{number}.rego").write_text(module)
        questions = [
            {
                "input": asked,
                "answers": {rule: _ask(opa, folder, dialect, rule, asked, []) for rule in ("allow", "deny")},
                "strict": {
                    rule: _ask(opa, folder, dialect, rule, asked, ["--strict-builtin-errors"])
                    for rule in ("allow", "deny")
                },
            }
            for asked in inputs
        ]
    return {"name": name, "dialect": dialect, "modules": modules, "questions": questions}


def _ask(opa: str, folder: str, dialect: str, rule: str, asked: Any, options: list[str]) -> list[Any]:
    compatible = ["--v0-compatible"] if dialect == "v0" else []
    command = [opa, "eval", "--format=json", "--stdin-input", "-d", folder, *compatible, *options]
    ran = subprocess.run(
        [
            *command,
            f"data.x.authz.{rule}"
            if "blossom" not in Path(folder, "m0.rego").read_text()
            else f"data.blossom.authz.{rule}",
        ],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    found = json.loads(ran.stdout)
    if found.get("errors"):
        return ["failed", sorted({error.get("code", "") for error in found["errors"]})]
    if not found.get("result"):
        return ["undefined"]
    return ["value", found["result"][0]["expressions"][0]["value"]]


if __name__ == "__main__":
    main(sys.argv[1])
