"""Rego answers as the real Open Policy Agent does: dozens of policies against its recorded answers.

`rego/record.py` made the recording; the version of OPA stands in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rego_world import EXAMPLE, EXAMPLE_INPUT, write

from watchword.policy.rego import Limits, Outcome, Said, Stand, load_rego, source
from watchword.policy.rego.model import read
from watchword.policy.rego.process import Worker, site_of_regorus

RECORDED = json.loads((Path(__file__).parent / "rego" / "answers.json").read_text())
CASES = {case["name"]: case for case in RECORDED["cases"]}
LIMITS = Limits(budget_s=2.0)
# What denies here, and says so, where OPA goes on; never the other way round.
STRICTER = {
    "another type": "rego_builtin_error",
    "old regular expression": "rego_unknown_function",
    "negation: not input.a in {x | some x in input.b}": "rego_builtin_error",
    "negation: not f(-input.n)": "rego_builtin_error",
}


def outcomes(answers: dict[str, list[Any]]) -> dict[str, Outcome]:
    return {rule: Outcome(*answer) for rule, answer in answers.items()}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One process for all cases, emptied before each; starting a hundred of them would take longer than asking them."""
    site = site_of_regorus()
    assert site is not None
    made = Worker(site, LIMITS)
    yield made
    made.close()


@pytest.mark.parametrize("name", CASES)
def test_rego_answers_as_opa_does(name: str, tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    worker.call("N", "", LIMITS.load_s)
    monkeypatch.setattr(source, "Worker", lambda *_: worker)
    rego = load_rego(write(tmp_path, **{f"m{n}": text for n, text in enumerate(case["modules"])}), limits=LIMITS)
    assert rego is not None
    package = next(package for package in rego.packages if package.name.endswith(".authz"))
    assert {module.dialect for module in rego.modules if module.package == package.name} == {case["dialect"]}
    for question in case["questions"]:
        (said,) = rego.say(question["input"])
        agree(name, said, question)


def agree(name: str, said: Said, question: dict[str, Any]) -> None:
    """Be as OPA is where nothing fails; where a builtin fails, deny, whatever OPA makes of what is left."""
    strict = outcomes(question["strict"])
    asked = [strict[rule] for rule in said.package.asks]
    if any(outcome.kind == "failed" for outcome in asked):
        assert said.stand is Stand.FAILED, question
        codes = {code for outcome in asked if outcome.kind == "failed" for code in outcome.value}
        assert said.problem.partition(":")[0] == (
            "rego_conflict" if "eval_conflict_error" in codes else "rego_builtin_error"
        )
        return
    expected = read(said.package, outcomes(question["answers"]))
    if said.problem.startswith(STRICTER.get(name, "nothing")):
        assert expected.stand is not Stand.ALLOWS or name == "old regular expression", question
        return
    assert (said.stand, said.reasons, said.problem) == (expected.stand, expected.reasons, expected.problem), question


def test_the_recording_is_of_a_named_opa_and_holds_every_kind_of_answer() -> None:
    assert RECORDED["opa"].startswith("1.")
    assert len(CASES) > 60
    kinds = {
        (rule, json.dumps(answer[:2]) if answer[0] == "value" and answer[1] in (True, False) else answer[0])
        for case in CASES.values()
        for question in case["questions"]
        for rule, answer in question["strict"].items()
    }
    assert {("allow", '["value", true]'), ("allow", '["value", false]'), ("allow", "undefined")} <= kinds
    assert {("allow", "failed"), ("deny", "failed"), ("deny", "value"), ("deny", "undefined")} <= kinds


def test_opa_denies_the_shipped_example_because_a_builtin_fails_and_allows_it_with_whole_timestamps() -> None:
    """The example's windows are no RFC 3339 times; this is what `opa` itself says of that."""
    first = CASES["the shipped example"]
    assert first["modules"] == [EXAMPLE]
    question = first["questions"][0]
    assert question["input"] == EXAMPLE_INPUT
    assert question["answers"]["allow"] == ["value", False]
    assert question["strict"]["allow"] == ["failed", ["eval_builtin_error"]]
    mended = CASES["the shipped example with whole timestamps"]["questions"][0]
    assert mended["input"] == EXAMPLE_INPUT
    assert mended["strict"]["allow"] == ["value", True]
