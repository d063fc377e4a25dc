from __future__ import annotations

import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from watchword.kernel import DecisionId, EventId, SystemEntropy
from watchword.trust.behaviour import Model
from watchword.trust.labelled import encode
from watchword.trust.learning import KeptModels, Label, LabelId, Source
from watchword.trust.learning import store as labels
from watchword.trust.synthesis import OrganisationSpec, generate

if TYPE_CHECKING:
    from conftest import CommandLine

_NOW = datetime.now(UTC)
_SPEC = OrganisationSpec(
    users=16, days=16, attackers=("naive", "very_targeted"), incidents=24, requests_a_session=0.0, quiet_days=4
)


def _decision(*, model: str = Model().label, **more: object) -> dict[str, Any]:
    return {
        "type": "decision",
        "id": DecisionId.new(_NOW, SystemEntropy()),
        "at": _NOW.isoformat(),
        "user": "usr_01jd0000000000000000000000",
        "session": "ses_1",
        "device": None,
        "contributions": [["prior", -4.0], ["network", 3.0], ["hour", -0.5]],
        "behaviour": {"probability": 0.2, "log_odds": -1.5, "versions": {"model": model}},
        "personal": {},
    } | more


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "made.jsonl"
    file.write_bytes(b"".join(encode(each) + b"\n" for each in generate(_SPEC, seed=3)))
    return file


def _teach(cli: CommandLine, count: int = 200) -> None:
    """Write labels of which one indicator tells the truth and another one makes noise."""

    async def act(services: Any) -> None:
        async with services.database.work() as work:
            for number in range(count):
                is_attack, when = number % 2 == 0, _NOW - timedelta(days=20 * (number + 0.5) / count)
                values = {"network": 2.0 if is_attack else -2.0, "hour": float(number * 7 % 11 - 5)}
                label = LabelId.new(when, services.entropy)
                who = f"usr_{number}"
                await labels.put_label(
                    work.connection,
                    Label(label, f"act_{number}", who, Source.OWNER, is_attack, who, when, when, values=values),
                )

    cli.within(act)


def test_an_evaluation_of_a_file_tells_every_figure(cli: CommandLine, made: Path) -> None:
    found = cli.json("risk", "evaluate", str(made), "--labels", "0")
    assert {"auc_naive", "auc_all", "tpr_at_1pct_fpr", "ece", "freeman_auc_all"} <= found.keys()
    assert (found["model"], found["unreadable"]) == (Model().label, 0)


def test_an_evaluation_says_in_words_and_pictures_what_it_found(cli: CommandLine, made: Path, tmp_path: Path) -> None:
    html = tmp_path / "report.html"
    said = cli("risk", "evaluate", str(made), "--labels", "0", "--html", str(html))
    assert said.code == 0, said.err
    assert "naive" in said.out
    assert "is chance" in said.out  # what the figures mean stands below them
    assert f"written to {html}" in said.out
    assert html.read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(html.stat().st_mode) == 0o600


def test_a_score_that_falls_short_is_an_exit_code_for_pipelines_and_says_by_what(cli: CommandLine, made: Path) -> None:
    said = cli("risk", "evaluate", str(made), "--labels", "0", "--least-auc", "1.0")
    assert said.code == 4
    assert "less than the 1.0 that was asked for" in said.out
    assert "made.jsonl" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_traffic_with_few_attacks_is_measured_without_a_refit_unless_one_was_asked_for(
    cli: CommandLine, tmp_path: Path
) -> None:
    made = tmp_path / "few.jsonl"
    few = replace(_SPEC, users=4, incidents=3)
    made.write_bytes(b"".join(encode(each) + b"\n" for each in generate(few, seed=3)))
    said = cli("risk", "evaluate", str(made))
    assert said.code == 0, said.err
    assert "too few attacks" in said.out
    asked = cli("risk", "evaluate", str(made), "--labels", "50")
    assert asked.code == 1
    assert "a refit needs 50" in asked.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--labels", "20"), "`--labels 0` leaves it out"),
        (("--html", "nowhere/report.html"), "there is no folder `nowhere`"),
        (("--html", "."), "`.` is a folder"),
    ],
)
def test_what_cannot_end_well_is_told_before_any_work(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("watchword.trust.learning.evaluate", lambda *_args, **_more: pytest.fail("began"))
    said = cli("risk", "evaluate", *words)
    assert said.code == 2
    assert problem in said.err


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"id":1}\n', "line 1"), (b"\xff\xfe\n", "line 1"), (b"x" * 70_000, "longer than"), (b"", "no attack")],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    cli: CommandLine, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_bytes(content)
    said = cli("risk", "evaluate", str(file))
    assert said.code == 1
    assert message in said.err


def test_a_file_that_is_not_there_or_not_packed_is_told_as_such(cli: CommandLine, tmp_path: Path) -> None:
    assert "cannot be read" in cli("risk", "evaluate", str(tmp_path / "none.jsonl")).err
    (tmp_path / "not.jsonl.gz").write_bytes(b"plain")
    assert "no gzip" in cli("risk", "evaluate", str(tmp_path / "not.jsonl.gz")).err


def test_a_refit_takes_over_and_a_rollback_takes_it_back(cli: CommandLine) -> None:
    _teach(cli)
    rehearsed = cli.json("risk", "train", "--dry-run")
    assert (rehearsed["promoted"], rehearsed["version"]) == (True, 0)
    trained = cli.json("risk", "train")
    assert (trained["version"], trained["former"]) == (1, 0)
    assert trained["weights"]["hour"] < 0.7
    assert KeptModels.of(cli.data).current().label.startswith("refit/1/")
    versions = cli.json("risk", "rollback", "--list")
    assert [(row["version"], row["in_force"]) for row in versions] == [(0, False), (1, True)]
    assert cli.json("risk", "rollback")["version"] == 0
    assert KeptModels.of(cli.data).current() == Model()
    said = cli("risk", "rollback")
    assert said.code == 1
    assert "no other score" in said.err


def test_a_refit_on_too_little_says_what_to_do(cli: CommandLine) -> None:
    said = cli("risk", "train")
    assert said.code == 1
    assert "risk feedback give" in said.err
    _teach(cli, 60)
    said = cli("risk", "train")
    assert said.code == 1
    # Labels that were given and do not count yet are not told as if there were none.
    assert "39 labels, 19 of them attacks, are older than the last 7 days; 21 newer ones" in said.err
    assert "--held-out-days" in said.err


def test_a_verdict_on_a_decision_keeps_what_each_indicator_said_before_weights(cli: CommandLine) -> None:
    decision = _decision()
    cli.journal(decision)
    cli.json("risk", "feedback", "give", decision["id"], "--attack")
    (row,) = cli.json("risk", "feedback", "list")
    assert (row["act"], row["said"], row["held"]) == (decision["id"], "attack", None)

    async def act(services: Any) -> Any:
        async with services.database.read() as connection:
            return await labels.labels_of(connection, decision["id"])

    (label,) = cli.within(act)
    assert (dict(label.values), label.margin) == ({"network": 3.0, "hour": -0.5}, -1.5)


def test_a_verdict_on_a_sign_in_is_one_on_what_its_session_did(cli: CommandLine) -> None:
    """As `risk batch` lists it, from the journal: sign-ins are events, and events have no contributions."""
    sign_in = EventId.new(_NOW, SystemEntropy())
    begun = {"type": "identity.session.started", "id": sign_in, "at": _NOW.isoformat(), "subject": "ses_1", "data": {}}
    decision = _decision()
    cli.journal(begun, decision)
    assert cli.json("risk", "feedback", "give", sign_in, "--attack")["act"] == decision["id"]
    missing = cli("risk", "feedback", "give", EventId.new(_NOW, SystemEntropy()), "--attack")
    assert (missing.code, "decisions tail" in missing.err) == (3, True)
    other = EventId.new(_NOW, SystemEntropy())
    cli.journal(begun | {"id": other, "subject": "ses_2"})
    assert cli("risk", "feedback", "give", other, "--attack").code == 3


def test_a_decision_that_cannot_be_learned_from_is_refused(cli: CommandLine) -> None:
    record = _decision(model="refit/9/aaaaaaaaaaaa")
    cli.journal(record)
    said = cli("risk", "feedback", "give", record["id"], "--owner")
    assert said.code == 1
    assert "not kept any more" in said.err


@pytest.mark.parametrize("verdict", [(), ("--attack", "--owner")])
def test_a_verdict_is_one_of_two(cli: CommandLine, verdict: tuple[str, ...]) -> None:
    assert cli("risk", "feedback", "give", "dec_x", *verdict).code == 2


def test_a_label_is_rejected_and_released(cli: CommandLine) -> None:
    decision = _decision()
    cli.journal(decision)
    label = cli.json("risk", "feedback", "give", decision["id"], "--owner")["label"]
    assert cli.json("risk", "feedback", "reject", label)["review"] == "rejected"
    (row,) = cli.json("risk", "feedback", "list", "--held")
    assert row["held"] == "rejected"
    assert "nothing is held" not in cli("risk", "feedback", "list", "--held").out
    cli.json("risk", "feedback", "release", label)
    assert cli.json("risk", "feedback", "list", "--held") == []
    assert "nothing is held back" in cli("risk", "feedback", "list", "--held").out
    assert cli("risk", "feedback", "release", "lbl_none").code == 3


def test_a_network_is_all_right_for_one_user_for_a_while(cli: CommandLine) -> None:
    assert cli("users", "create", "ann").code == 0
    given = cli.json("risk", "feedback", "suppress", "ann", "--network", "203.0.113.7", "--reason", "hotel")
    assert given["value"] == "203.0.113.0/24"
    (row,) = cli.json("risk", "feedback", "suppressions")
    assert (row["scope"], row["reason"], row["name"]) == ("network", "hotel", "ann")
    cli.json("risk", "feedback", "unsuppress", row["id"])
    assert cli.json("risk", "feedback", "suppressions") == []
    assert cli("risk", "feedback", "unsuppress", row["id"]).code == 3


@pytest.mark.parametrize("scope", [(), ("--network", "x"), ("--network", "203.0.113.7", "--country", "FR")])
def test_a_suppression_has_one_scope(cli: CommandLine, scope: tuple[str, ...]) -> None:
    assert cli("risk", "feedback", "suppress", "ann", *scope, "--reason", "r").code == 2


@pytest.mark.parametrize("scope", [("--country", "NORWAY"), ("--country", "QQ"), ("--device", "foo")])
def test_what_can_never_come_true_is_not_taken_for_a_suppression(cli: CommandLine, scope: tuple[str, str]) -> None:
    assert cli("users", "create", "ann").code == 0
    said = cli("risk", "feedback", "suppress", "ann", *scope, "--reason", "r")
    assert said.code == 1
    assert "ISO 3166" in said.err or "copy the whole" in said.err
    assert cli.json("risk", "feedback", "suppressions") == []


def test_a_verdict_of_an_attack_says_that_the_session_lives_on(cli: CommandLine) -> None:
    record = _decision()
    cli.journal(record)
    said = cli("risk", "feedback", "give", record["id"], "--attack")
    assert "`watchword sessions end ses_1`" in said.out
    assert "sessions end" not in cli("risk", "feedback", "give", record["id"], "--owner").out


@pytest.mark.parametrize("network", ["0.0.0.0/0", "203.0.0.0/16", "203.0.113.7/32", "2600::/20"])
def test_a_network_is_not_silenced_as_another_than_was_named(cli: CommandLine, network: str) -> None:
    said = cli("risk", "feedback", "suppress", "ann", "--network", network, "--reason", "r")
    assert said.code == 2
    assert "cannot be silenced" in said.err


@pytest.mark.parametrize(
    ("module", "package", "words"),
    [
        ("polars", "polars", ("risk", "batch")),
        ("sklearn.ensemble", "sklearn", ("risk", "evaluate", "--compare")),
        ("PIL.Image", "pillow", ("risk", "evaluate", "--png", "x.png")),
    ],
)
def test_what_needs_another_package_says_so_before_any_work(
    cli: CommandLine, made: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    said = cli(*words[:2], str(made), *words[2:])
    assert said.code == 1
    assert f"`{package}`" in said.err
    assert "install" in said.err
