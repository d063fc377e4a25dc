"""Each command over a real data directory: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SOURCE = Path(__file__).parents[3] / "src"
# What moves a cursor, colours, retitles, reorders or makes up a line.
HOSTILE = "evil\x1b[2J\x1b]0;x\x07\x9b31m\x7f\u202e\u2028"
DECISION = "dec_01m7yzmhg0rnm2akcx151ceh6a"


def decision(**about: Any) -> dict[str, Any]:
    return {
        "type": "decision",
        "id": DECISION,
        "at": "2026-11-21T12:00:00+00:00",
        "answer": "step_up",
        "reasons": ["risk_medium"],
        "application": "notes",
        "resource": "default",
        "action": "read",
        "method": "GET",
        "host": "notes.localhost",
        "path": "/x",
        "user": "usr_01jd0000000000000000000000",
        "session": None,
        "device": None,
        "risk": 30,
        "trust": 40,
        "level": "medium",
        "contributions": [["new_device", 30]],
        "trust_contributions": [["mfa_verified", 30]],
        "policies": [["members-may", "Because."]],
        "policy_version": "abc",
        "policy_errors": [],
        "step_up": {"acr": "urn:watchword:acr:mfa", "max_age_s": 900},
        "facts": [["snapshot", 3, 0.1], ["device", None, None]],
        "cost_us": 90,
        "personal": {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "country": None},
    } | about


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_user_from_the_first_to_the_last_day(cli: Any) -> None:
    assert cli("users", "list").out == "there are no users yet\n"
    made = cli.json("users", "create", "ada", "--email", "ada@example.com", "--group", "members", "--privileged")
    assert made["link"].startswith("https://watchword.localhost:8443/invite/")
    assert made["user"].startswith("usr_")
    (ada,) = cli.json("users", "list")
    assert (ada["user"], ada["email"], ada["groups"], ada["state"]) == (
        "ada",
        "ada@example.com",
        ["members"],
        "enabled",
    )
    assert cli.json("users", "invite", "ada")["link"] != made["link"]
    assert cli("users", "change", "ada", "--timezone", "Asia/Tokyo", "--email", "", "--not-privileged").code == 0
    assert cli("users", "change", "ada", "--timezone", "Berlin").code == 1
    (ada,) = cli.json("users", "list")
    assert (ada["timezone"], ada["email"], ada["is_privileged"], ada["name"]) == ("Asia/Tokyo", None, False, "ada")
    assert cli("users", "disable", "ada", "--reason", "left").code == 0
    assert cli.json("users", "list")[0]["state"] == "disabled"
    assert cli("users", "enable", "ada").code == 0
    assert cli.json("users", "list")[0]["state"] == "enabled"
    assert cli("users", "delete", "ada", "--yes").code == 0
    assert cli.json("users", "list") == []


def test_groups_and_who_is_in_them(cli: Any) -> None:
    cli("users", "create", "ada")
    assert cli("groups", "create", "builders").code == 0
    assert cli("groups", "add", "builders", "ada").code == 0
    assert {row["group"]: row["members"] for row in cli.json("groups", "list")}["builders"] == ["ada"]
    assert cli("groups", "remove", "builders", "ada").code == 0
    assert cli("groups", "delete", "builders").code == 0
    assert "builders" not in [row["group"] for row in cli.json("groups", "list")]


def test_sessions_are_listed_and_ended(cli: Any) -> None:
    cli("users", "create", "ada")
    assert cli("sessions", "list").out == "nobody is signed in\n"
    assert cli.json("sessions", "end", "--user", "ada")["ended"] == 0
    said = cli("sessions", "end", "ses_01jd0000000000000000000000")
    assert (said.code, "there is no" in said.err or "not" in said.err) == (3, True)
    assert cli("sessions", "end", "nonsense").code != 0
    for words in (["sessions", "end"], ["sessions", "end", "ses_x", "--user", "ada"]):
        said = cli(*words)
        assert (said.code, "name one session" in said.err) == (2, True)


def test_networks_are_listed_for_a_while(cli: Any) -> None:
    assert cli("networks", "add", "block", "203.0.113.9/24", "--reason", "spam", "--hours", "2").code == 0
    (row,) = cli.json("networks", "list")
    assert (row["network"], row["list"], row["reason"]) == ("203.0.113.0/24", "block", "spam")
    assert row["expires"] != "never"
    assert cli("networks", "remove", "block", "203.0.113.0/24").code == 0
    assert cli.json("networks", "list") == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "hate", "203.0.113.9", "--reason", "x"], 2),
        (["add", "block", "203.0.113", "--reason", "x"], 1),
        (["add", "block", "0.0.0.0/0", "--reason", "x"], 1),
        (["add", "block", "203.0.113.9"], 2),
        (["add", "block", "203.0.113.9", "--reason", "x", "--hours", "-1"], 2),
        (["add", "block", "203.0.113.9", "--reason", "x", "--hours", "1e300"], 2),
        (["add", "block", "203.0.113.9", "--reason", "x", "--hours", "inf"], 2),
        (["remove", "block", "203.0.113.9"], 3),
    ],
)
def test_a_listing_that_cannot_be_meant_is_refused(cli: Any, words: list[str], code: int) -> None:
    said = cli("networks", *words)
    assert (said.code, said.out) == (code, "")
    assert "Traceback" not in said.err
    assert cli.json("networks", "list") == []


# --- policies, configuration, keys ----------------------------------------------------------------------------------


def test_policies_are_listed_and_checked(cli: Any, tmp_path: Path) -> None:
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "a.cedar").write_text('@id("one") permit (principal, action, resource);')
    assert cli.json("policies", "check", str(directory))["policies"] == 1
    (directory / "b.cedar").write_text("permit (principal, action, resource) when { context.nonsense };")
    said = cli("policies", "check", str(directory))
    assert (said.code, "b.cedar:1" in said.out) == (4, True)
    said = cli("--output", "json", "policies", "check", str(directory))
    assert said.code == 4
    assert "nonsense" in said.json[0]["problem"]


def test_a_policy_in_a_folder_that_nobody_reads_is_told(cli: Any, tmp_path: Path) -> None:
    for name in ("a.cedar", "deep/er/b.cedar", ".git/c.cedar"):
        (tmp_path / "policies" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "policies" / name).write_text("forbid (principal, action, resource);")
    directory = str(tmp_path / "policies")
    assert cli.json("policies", "check", directory)["unread"] == ["deep/er/b.cedar"]
    assert "not read, because it lies in a folder: deep/er/b.cedar" in cli("policies", "check", directory).out


def test_the_configuration_is_checked_and_shown_without_its_password(cli: Any) -> None:
    (cli.data / "watchword.toml").write_text(
        "[storage]\nurl = 'postgresql://ww:hunter2@db.example/ww'\n"
        "[[applications]]\nname = 'wiki'\nhosts = ['wiki.example.com']\nupstream = 'http://127.0.0.1:1'\n"
    )
    assert cli.json("config", "check")["applications"] == ["wiki"]
    for said in (cli("config", "show"), cli("--output", "json", "config", "show")):
        assert said.code == 0
        assert "hunter2" not in said.out
        assert "ww:***@db.example" in said.out
    (cli.data / "watchword.toml").write_text("[edge]\nlisten = 1\n")
    said = cli("config", "check")
    assert (said.code, said.err) == (2, "watchword: `edge.listen` must be a text, not a int\n")


def test_keys_are_listed_and_rotated(cli: Any) -> None:
    cli.within(lambda services: services.keys.ensure("assertion"))
    before = cli.json("keys", "list")
    assert cli("keys", "rotate", "assertion").code == 0
    assert len(cli.json("keys", "list")) == len(before) + 1


def test_the_local_authority_is_shown_once_it_exists(cli: Any) -> None:
    said = cli("ca", "show")
    assert (said.code, "start the node once" in said.err) == (3, True)


def test_the_doctor_examines_a_node_that_does_not_run(cli: Any) -> None:
    said = cli("--output", "json", "doctor")
    found = {row["check"]: row for row in said.json}
    assert found["database"]["state"] == "ok"
    assert found["administrator"]["state"] == "PROBLEM"
    assert found["node"]["detail"] == "not running"
    assert said.code == 1


def test_the_doctor_says_what_is_wrong_with_a_damaged_database(cli: Any) -> None:
    (cli.data / "watchword.db").write_bytes(b"this is no database" * 1000)
    said = cli("doctor")
    assert said.code == 1
    assert "Traceback" not in said.err + said.out


# --- the journal ----------------------------------------------------------------------------------------------------


def test_decisions_are_read_back(cli: Any) -> None:
    cli.journal(decision(), decision(id=DECISION[:-1] + "b", answer="allow", reasons=["policy_permits"], step_up=None))
    lines = cli("decisions", "tail").out.splitlines()
    assert [line.split()[2] for line in lines] == ["step_up", "allow"]
    assert len(cli("decisions", "tail", "--answer", "allow").out.splitlines()) == 1
    assert len(cli("decisions", "tail", "-n", "1").out.splitlines()) == 1
    rows = [json.loads(line) for line in cli("--output", "json", "decisions", "tail").out.splitlines()]
    assert [row["answer"] for row in rows] == ["step_up", "allow"]
    assert "203.0.113.7" in cli("decisions", "show", DECISION).out
    assert cli("--output", "json", "decisions", "show", DECISION).json["id"] == DECISION
    said = cli("decisions", "explain", DECISION).out
    for part in (
        "was asked for a second factor",
        "risk_medium",
        "Risk 30",
        "new_device",
        "within 15 minutes",
        "device",
    ):
        assert part in said
    assert cli("decisions", "show", "dec_01jd0000000000000000000000").code == 3
    assert cli("decisions", "show", "nonsense").code == 1


def test_there_may_be_no_decision_yet(cli: Any) -> None:
    cli.journal()
    said = cli("decisions", "tail")
    assert (said.code, said.out) == (0, "")


def test_the_journal_is_verified_and_a_change_is_found(cli: Any) -> None:
    cli.journal(decision(), decision(path="/y"))
    assert cli.json("audit", "verify")["ok"] is True
    (segment,) = [path for path in (cli.data / "journal").iterdir() if b'"/y"' in path.read_bytes()]
    segment.write_bytes(segment.read_bytes().replace(b'"/y"', b'"/z"'))
    said = cli("--output", "json", "audit", "verify")
    assert (said.code, said.json["ok"]) == (4, False)
    assert said.json["finding"]
    assert "NOT whole" in cli("audit", "verify").out


@pytest.mark.parametrize("words", [["tail"], ["show", DECISION], ["explain", DECISION]])
@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_stranger_wrote_does_not_reach_the_terminal(cli: Any, words: list[str], *, as_json: bool) -> None:
    hostile = decision(
        path=f"/{HOSTILE}",
        host=HOSTILE,
        method=HOSTILE,
        policies=[[HOSTILE, HOSTILE]],
        policy_errors=[HOSTILE],
        contributions=[[HOSTILE, 1]],
        facts=[["network.country", HOSTILE, None]],
        personal={"ip": HOSTILE, "user_agent": HOSTILE, "country": None},
    )
    cli.journal(hostile)
    said = cli(*(["--output", "json"] if as_json else []), "decisions", *words)
    assert said.code == 0
    assert "evil" in said.out
    assert all(letter.isprintable() or letter == "\n" for letter in said.out)
    if as_json:
        assert json.loads(said.out)["host"] == HOSTILE


def test_names_in_tables_and_sentences_stay_on_their_line(cli: Any) -> None:
    from watchword.cli.shell import Shell  # noqa: PLC0415  # the words themselves

    cli("users", "create", "ada")
    shell = Shell()
    shell.show([{"user": f"a\nroot {HOSTILE}", "groups": [f"b\nc{HOSTILE}"]}], "user", "groups")
    shell.say(f"done {HOSTILE}")
    said = cli._capture.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert len([line for line in said.splitlines() if line.strip()]) == 3


# --- the way out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["users", "invite", "nobody"], 3),
        (["users", "create", "two words"], 1),
        (["users", "change", "nobody", "--timezone", "UTC"], 3),
        (["users", "change", "ada"], 2),
        (["groups", "add", "builders", "nobody"], 3),
        (["nonsense"], 2),
        (["users", "list", "--nonsense"], 2),
        (["--output", "xml", "version"], 2),
        (["--config", "/nowhere/watchword.toml", "config", "check"], 2),
    ],
)
def test_each_kind_of_mistake_has_its_exit_code_and_one_sentence(cli: Any, words: list[str], code: int) -> None:
    said = cli(*words)
    assert (said.code, said.out) == (code, "")
    assert said.err
    assert "Traceback" not in said.err


def test_an_error_is_json_where_the_output_is(cli: Any) -> None:
    said = cli("--output", "json", "users", "invite", "nobody")
    assert (said.code, said.out) == (3, "")
    assert json.loads(said.err) == {
        "error": "kernel.not_found",
        "message": "there is no user `nobody`",
        "hint": "watchword users list shows them",
    }


def test_a_wrong_sealing_key_is_one_sentence(cli: Any, prepared_data: Path) -> None:
    (cli.data / "keys" / "master.key").unlink()
    said = cli("users", "list")
    assert said.code == 1
    assert said.err.startswith("watchword: ")
    assert prepared_data != cli.data


def test_a_directory_that_others_may_write_is_refused(cli: Any) -> None:
    cli.data.chmod(0o777)
    said = cli("users", "list")
    assert (said.code, "others may write" in said.err) == (1, True)


def _python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={"PYTHONPATH": str(_SOURCE), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_and_version_import_nothing_heavy() -> None:
    heavy = "sqlalchemy starlette uvicorn cryptography jinja2 cedarpy webauthn argon2 orjson rich"
    code = (
        "import sys\nfrom watchword.cli import main\n"
        "for words in (['--help'], ['version'], ['users', '--help'], ['decisions', 'tail', '--help']):\n"
        "    sys.argv = ['watchword', *words]\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        f"found = set({heavy.split()!r}) & set(sys.modules)\n"
        "print(sorted(found), file=sys.stderr)\n"
    )
    done = _python("-c", code)
    assert done.stderr.splitlines()[-1] == "[]"
    assert "Usage: watchword" in done.stdout


def test_the_shell_completes_commands() -> None:
    done = _python("-m", "watchword", _WATCHWORD_COMPLETE="complete_bash", COMP_WORDS="watchword us", COMP_CWORD="1")
    assert done.stdout.split() == ["users"]


def test_a_reader_who_goes_away_is_no_error(cli: Any) -> None:
    cli.journal(*[decision(path=f"/{'x' * 1500}") for _ in range(100)])
    shell = shutil.which("sh")
    assert shell is not None
    command = f"{sys.executable} -m watchword --data {cli.data} -o json decisions tail -n 100; echo code $? >&2"
    done = subprocess.run(
        [shell, "-c", f"{{ {command}; }} | head -c 10"],
        env={"PYTHONPATH": str(_SOURCE), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # Click itself ends with 1 when the pipe breaks; what matters is that it says nothing.
    assert done.stderr in {"code 0\n", "code 1\n"}
