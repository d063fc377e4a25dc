"""What a person types, and what they read."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from watchword.cli.decisions import _words, line_of
from watchword.cli.main import app
from watchword.cli.shell import printable


def test_the_usage_line_names_the_command_that_people_type() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "watchword", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("Usage: watchword ")


def test_an_answer_that_does_not_exist_is_refused_rather_than_silently_never_found() -> None:
    done = CliRunner().invoke(app, ["decisions", "tail", "--answer", "alow"])
    assert done.exit_code == 2
    assert "allow" in done.output


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ([], "-"),
        (["risk_medium", "policy_permits"], "risk_medium, policy_permits"),
        ([["members-may", ""], ["no-entry", "Closed today."]], "members-may, no-entry: Closed today."),
    ],
)
def test_what_is_not_known_reads_as_a_dash_and_policies_carry_their_words(value: object, words: str) -> None:
    assert _words(value) == words


def test_escape_sequences_from_a_journal_do_not_reach_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07Mozilla\u202e\r\x9b1m"
    shown = printable(hostile)
    assert all(letter.isprintable() for letter in shown)
    assert "Mozilla" in shown


def test_counted_strangers_are_one_line() -> None:
    record = {
        "type": "decision.strangers",
        "at": "2026-11-22T07:00:10+00:00",
        "since": "2026-11-22T07:00:00+00:00",
        "count": 12345,
        "reasons": {"session_missing": 12000, "session_invalid": 345},
    }
    assert line_of(record) == (
        "2026-11-22 07:00:10  deny     12,345 more strangers since 2026-11-22 07:00:00 "
        "(session_missing 12,000, session_invalid 345)"
    )
