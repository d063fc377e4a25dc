"""Invariants stop a publication: a broken one always, an unproved one where somebody asked for proof."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from watchword.policy import DEFAULT_DIRECTORY
from watchword.policy.analysis import InvariantGate, Limits

SHIPPED = DEFAULT_DIRECTORY / "policies"
PROMISE = 'invariants:\n  - id: no-devices-out-of-order\n    never: context.device.posture == "noncompliant"\n'
OPEN = '@id("open") permit (principal, action in Watchword::Action::"access", resource);'


def directory(tmp_path: Path, policies: str, invariants: str = PROMISE) -> Path:
    (tmp_path / "p.cedar").write_text(policies)
    if invariants:
        (tmp_path / "invariants.yaml").write_text(invariants)
    return tmp_path


@pytest.fixture
def solver() -> None:
    pytest.importorskip("z3", reason="the solver is an optional extra")


@pytest.mark.usefixtures("solver")
def test_a_broken_promise_stops_with_the_request_that_breaks_it(tmp_path: Path) -> None:
    gate = InvariantGate()
    (problem,) = gate(directory(tmp_path, OPEN))
    assert (problem.path, problem.line) == ("invariants.yaml", 2)
    assert "`no-devices-out-of-order` is broken" in str(problem)
    assert 'context.device.posture = "noncompliant"' in str(problem)
    assert "permitted by `open`" in str(problem)


@pytest.mark.usefixtures("solver")
def test_the_shipped_policies_are_proved_and_that_is_told() -> None:
    gate = InvariantGate(needs_proof=True)
    assert gate(SHIPPED) == ()
    assert gate.notes[0].startswith("2 of 2 invariants proved: ")


@pytest.mark.usefixtures("solver")
def test_what_is_not_settled_is_told_and_stops_only_where_proof_is_asked_for(tmp_path: Path) -> None:
    path, no_time = directory(tmp_path, OPEN), Limits(total_s=0.0)
    gate = InvariantGate(limits=no_time)
    assert gate(path) == ()
    assert "not settled" in gate.notes[0]
    assert "not proved" in gate.notes[0]
    (problem,) = InvariantGate(needs_proof=True, limits=no_time)(path)
    assert str(problem).startswith("invariants.yaml:2")
    # Somebody else has a say, so that nothing that Cedar keeps is kept for certain.
    strict = '@id("s") permit (principal, action, resource) when { context.device.posture == "compliant" };'
    (tmp_path / "p.cedar").write_text(strict)
    assert InvariantGate(needs_proof=True)(path) == ()
    (problem,) = InvariantGate(needs_proof=True, others_decide=True)(path)
    assert "others have a say" in str(problem)


@pytest.mark.usefixtures("solver")
def test_a_promise_about_nothing_is_told(tmp_path: Path) -> None:
    promise = "invariants:\n  - id: empty\n    never: context.risk.level > 3 && context.risk.level < 2\n"
    gate = InvariantGate()
    assert gate(directory(tmp_path, OPEN, promise)) == ()
    assert "says nothing" in gate.notes[0]
    assert InvariantGate(needs_proof=True)(tmp_path) != ()


def test_without_the_solver_nothing_counts_as_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "watchword.policy.analysis.run"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "z3", None)
    for name in ("solve", "symbols", "subject", "promises", "policies", "expressions", "encode", "witness", "places"):
        monkeypatch.delitem(sys.modules, f"watchword.policy.analysis.{name}", raising=False)
    gate = InvariantGate()
    assert gate(directory(tmp_path, OPEN)) == ()
    assert "the invariant was not looked at, so nothing is proved" in gate.notes[0]
    (problem,) = InvariantGate(needs_proof=True)(tmp_path)
    assert "pip install 'watchword[analysis]'" in str(problem)


def test_no_promise_needs_no_solver_and_a_malformed_one_stops(tmp_path: Path) -> None:
    gate = InvariantGate(needs_proof=True)
    assert gate(directory(tmp_path, OPEN, "")) == ()
    assert gate.notes == ()
    (tmp_path / "invariants.yaml").write_text("invariants:\n  - id: a\n    never: context.risk.lvl == 0\n")
    (problem,) = gate(tmp_path)
    assert str(problem).startswith("invariants.yaml:3")
