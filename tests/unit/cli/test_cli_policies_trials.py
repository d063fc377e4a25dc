"""Testing, covering and explaining policies from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from watchword.policy import DEFAULT_DIRECTORY, DEFAULT_SCHEMA, PolicySet
from watchword.policy.replay import Question, Recorder
from watchword.policy.trials import Verdict, read_suite

SHIPPED = DEFAULT_DIRECTORY / "policies"
DECISION = "dec_01m7yzmhg0rnm2akcx151ceh6a"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policies"
    shutil.copytree(SHIPPED, directory)
    return directory


def question(*, name: str) -> Any:
    """Return the recorded form of what a shipped test asks."""
    loaded = PolicySet.load(SHIPPED)
    trial = next(one for one in read_suite(SHIPPED, loaded.bundle).trials if one.name == name)
    return Question(trial.request).record(Recorder())


def decision(version: str, asked: Any) -> dict[str, Any]:
    return {
        "type": "decision",
        "id": DECISION,
        "at": "2026-11-21T12:00:00+00:00",
        "answer": "step_up",
        "reasons": ["policy_asks_step_up"],
        "method": "GET",
        "host": "notes.localhost",
        "path": "/admin",
        "user": "usr_01jd0000000000000000000000",
        "policy_version": version,
        "policies": [],
        "personal": {"ip": "203.0.113.7"} | ({"asked": asked} if asked else {}),
    }


def test_the_planted_policies_pass_their_tests(cli: Any, policies: Path) -> None:
    shutil.copytree(policies, cli.data / "policies")
    said = cli("policies", "test")
    assert said.code == 0
    assert "none failed" in said.out
    assert cli.json("policies", "test", str(policies))["failed"] == 0


def test_a_failing_test_shows_expected_got_and_where_the_policy_stops(cli: Any, policies: Path) -> None:
    path = policies / "20-notes.cedar"
    path.write_text(path.read_text().replace("context.mfa.age_min < 15", "context.mfa.age_min < 10"))
    said = cli("policies", "test", str(policies))
    assert said.code == 4
    assert "tests/notes.yaml:" in said.out
    assert "expected permit, got step_up" in said.out
    assert "forbid `notes-admin-wants-a-fresh-second-factor` (20-notes.cedar:35) holds" in said.out
    found = cli("--output", "json", "policies", "test", str(policies))
    assert found.code == 4
    assert "step_up" in {row["got"] for row in found.json["failures"]}
    assert found.json["failures"][0]["why"]


def test_a_malformed_test_has_its_place(cli: Any, policies: Path) -> None:
    (policies / "tests" / "more.yaml").write_text("tests:\n  - {principal: kin, action: read}\n")
    said = cli("policies", "test", str(policies))
    assert said.code == 4
    assert said.out.startswith("tests/more.yaml:2:5: the key `resource` is missing")


def test_coverage_is_shown_and_a_minimum_is_held(cli: Any, policies: Path) -> None:
    said = cli("policies", "coverage", str(policies), "--minimum", "100", "--minimum-branches", "100")
    assert said.code == 0
    assert "cover 100% of the clauses and 100% of the branches" in said.out
    (policies / "tests" / "safety.yaml").unlink()
    (policies / "tests" / "notes.yaml").write_text("tests: []")
    assert cli("policies", "coverage", str(policies)).code == 0
    said = cli("policies", "coverage", str(policies), "--minimum", "50")
    assert said.code == 4
    assert "^ never reached" in said.out
    assert "tests cover 0% of the clauses; expected at least 50%" in said.out
    found = cli("--output", "json", "policies", "coverage", str(policies), "--minimum", "50")
    assert (found.code, found.json["is_enough"]) == (4, False)
    assert {"clause": "context.mfa.age_min < 15", "missing": "never reached"} in found.json["policies"][-1]["missing"]


def test_boundary_cases_are_listed_and_written(cli: Any, policies: Path) -> None:
    rows = cli("--output", "json", "policies", "test", str(policies), "--boundaries").json
    ages = {
        row["with"]: row["decision"]
        for row in rows
        if row["policy"] == "notes-admin-wants-a-fresh-second-factor" and row["clause"].endswith("< 15")
    }
    assert ages["context.mfa.age_min = 14"] == "permit"
    assert ages["context.mfa.age_min = 15"] == ages["context.mfa.age_min = 16"] == "step_up"
    file = policies / "tests" / "boundaries.yaml"
    assert cli("policies", "test", str(policies), "--boundaries", "--write", str(file)).code == 0
    assert cli("policies", "test", str(policies)).code == 0
    assert cli("policies", "test", str(policies), "--write", str(file)).code == 2


def test_a_request_that_nobody_made_is_explained(cli: Any, policies: Path, tmp_path: Path) -> None:
    request: dict[str, Any] = {
        "principal": {"type": "Watchword::User", "id": "usr_kim"},
        "action": 'Watchword::Action::"read"',
        "resource": {"type": "Watchword::Resource", "id": "notes/admin"},
        "context": {
            "http": {"method": "GET", "host": "notes.localhost", "path": "/"},
            "risk": {"score": 0, "level": 0},
            "trust": {"score": 60},
            "mfa": {"is_verified": True, "age_min": 40},
            "session": {"age_min": 4, "acr": 2, "amr": ["pwd", "otp"]},
            "device": {"is_known": True, "posture": "unknown"},
            "network": {
                "ip": {"__extn": {"fn": "ip", "arg": "192.0.2.7"}},
                "is_allowed": False,
                "is_suspicious": False,
            },
            "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        },
        "entities": [
            {
                "uid": {"type": "Watchword::User", "id": "usr_kim"},
                "attrs": {"name": "kim", "is_administrator": True, "is_privileged": True},
                "parents": [{"type": "Watchword::Group", "id": "administrators"}],
            },
            {
                "uid": {"__entity": {"type": "Watchword::Resource", "id": "notes/admin"}},
                "attrs": {"sensitivity": "internal"},
                "parents": [{"type": "Watchword::Application", "id": "notes"}],
            },
            {"uid": {"type": "Watchword::Application", "id": "notes"}, "attrs": {"sensitivity": "internal"}},
        ],
    }
    if "rel: Set<String>" in DEFAULT_SCHEMA.read_text():
        request["context"]["rel"] = []
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))
    said = cli("policies", "explain", str(policies), "--request", str(file))
    assert said.code == 0
    assert "would be allowed if MFA were newer than 15 minutes (context.mfa.age_min is 40)" in said.out
    told = cli("policies", "explain", str(policies), "--request", str(file), "--for-the-refused")
    assert told.out == "Confirm that it is you with a second factor.\n"
    found = cli("--output", "json", "policies", "explain", str(policies), "--request", str(file)).json
    assert found["effect"] == "forbid"
    assert found["determining"] == ["notes-admin-wants-a-fresh-second-factor"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("principal: x", "1:1: the key `action` is missing"),
        ("{principal: x, action: read, resource: y}", "1:13: no entity `x` is described"),
        ("[", "not YAML"),
    ],
)
def test_a_malformed_request_has_its_place(cli: Any, policies: Path, tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "request.yaml"
    file.write_text(content)
    told = cli("policies", "explain", str(policies), "--request", str(file))
    assert told.code == 4
    assert said in told.out


def test_a_recorded_decision_is_explained_clause_by_clause(cli: Any, policies: Path) -> None:
    shutil.copytree(policies, cli.data / "policies")
    loaded = PolicySet.load(SHIPPED)
    trial = next(one for one in read_suite(SHIPPED, loaded.bundle).trials if one.expected.verdict is Verdict.STEP_UP)
    cli.journal(decision(loaded.version, Question(trial.request).record(Recorder())))
    said = cli("decisions", "explain", DECISION).out
    assert "What the policies say" in said
    assert "forbid `notes-admin-wants-a-fresh-second-factor` (20-notes.cedar:35): holds" in said
    assert "other policies are in force now" not in said
    found = cli.json("decisions", "explain", DECISION)
    assert found["explanation"]["determining"] == ["notes-admin-wants-a-fresh-second-factor"]
    assert (found["id"], found["reservation"]) == (DECISION, None)


def test_the_person_who_was_refused_is_told_nothing_of_policies(cli: Any, policies: Path) -> None:
    shutil.copytree(policies, cli.data / "policies")
    loaded = PolicySet.load(SHIPPED)
    trial = next(one for one in read_suite(SHIPPED, loaded.bundle).trials if one.expected.verdict is Verdict.STEP_UP)
    made = decision(loaded.version, Question(trial.request).record(Recorder()))
    cli.journal(made)
    told = cli("decisions", "explain", DECISION, "--for-the-refused").out
    assert "Confirm that it is you with a second factor." in told
    assert not any(secret in told for secret in ("notes-admin", "forbid", "context.", "cedar", made["user"]))
    assert cli.json("decisions", "explain", DECISION, "--for-the-refused") == {"told": told.splitlines()}


def test_what_a_supposed_person_would_be_told_is_told_without_the_rest(
    cli: Any, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(policies, cli.data / "policies")
    made = decision("of-old", question(name="membership of the notes opens no other application"))

    async def answer(*_: Any, **__: Any) -> Any:
        return made

    monkeypatch.setattr("watchword.cli.policies_explain.ask_node", answer)
    told = cli("policies", "explain", "--user", "kim", "--app", "notes", "--for-the-refused")
    assert told.code == 0
    assert "Watchword::Group" not in told.out
    assert "administrators" not in told.out


def test_a_decision_of_other_policies_says_so(cli: Any, policies: Path) -> None:
    shutil.copytree(policies, cli.data / "policies")
    cli.journal(decision("of-old", question(name="membership of the notes opens no other application")))
    said = cli("decisions", "explain", DECISION).out
    assert "other policies are in force now than when this was decided" in said
    assert 'would be allowed if the principal were in Watchword::Group::"administrators"' in said


@pytest.mark.parametrize("asked", [None, {"request": 7}, {"request": {"form": 99}}, "x"])
def test_a_record_without_a_readable_question_is_explained_without_clauses(
    cli: Any, policies: Path, asked: Any
) -> None:
    shutil.copytree(policies, cli.data / "policies")
    cli.journal(decision("of-old", asked))
    said = cli("decisions", "explain", DECISION)
    assert said.code == 0
    assert "clause" not in said.out
    assert ("does not read" in said.out) is bool(asked)
