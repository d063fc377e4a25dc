from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.kernel import Answer, Reason
from watchword.policy import PolicyLoadError
from watchword.policy.replay import (
    Change,
    Expectation,
    Expectations,
    FlipGate,
    Outcome,
    Recorded,
    Report,
    changes,
    page,
    read_expectations,
    unexpected,
)

ALLOW = Outcome(Answer.ALLOW, Reason.POLICY_PERMITS, policies=("members",))
DENY = Outcome(Answer.DENY, Reason.POLICY_FORBIDS, policies=("no-share",))
MASKED = replace(ALLOW, obligations=("mask",))
ASKED = Outcome(Answer.STEP_UP, Reason.POLICY_ASKS_STEP_UP, step_up=("urn:watchword:acr:mfa", 600), policies=("fresh",))


def decided(seq: int, was: Outcome, *, subject: str = "usr_ada", target: str = "notes/share") -> Recorded:
    at = f"2026-11-22T10:{seq // 60 % 60:02}:{seq % 60:02}"
    return Recorded(f"dec_{seq}", seq, at, subject, target, "read", "v1", was, None, is_reached=True)


def report_of(*flips: tuple[Recorded, Outcome]) -> Report:
    report = Report(draft="3f2a91c07b1d0000")
    for decision, now in flips:
        report.see(decision)
        report.compare(decision, now, changes(decision.outcome, now))
    return report


LOST = report_of((decided(1, ALLOW), DENY), (decided(2, ALLOW, subject="usr_bob"), DENY), (decided(3, ALLOW), ALLOW))


def written(directory: Path, text: str) -> Expectations:
    path = directory / "expected-flips.yaml"
    path.write_text(text)
    return read_expectations(path)


def test_without_expectations_every_flip_stops_a_publication() -> None:
    problems = unexpected(LOST, Expectations())
    assert [problem.message for problem in problems] == [
        "unexpected: usr_ada loses on notes/share by members, no-share, 1 times",
        "unexpected: usr_bob loses on notes/share by members, no-share, 1 times",
    ]
    assert unexpected(report_of((decided(1, ALLOW), ALLOW)), Expectations()) == ()


def test_what_was_written_down_passes_and_nothing_else(tmp_path: Path) -> None:
    expected = written(
        tmp_path,
        """
        draft: 3f2a91c07b1d
        flips:
          - change: loses
            policy: no-share
            target: notes/*
            at_least: 1
            at_most: 2
            because: sharing was never meant for guests
        """,
    )
    assert unexpected(LOST, expected) == ()
    gained = report_of((decided(1, ALLOW), DENY), (decided(2, DENY), ALLOW))
    assert [problem.message for problem in unexpected(gained, expected)] == [
        "unexpected: usr_ada gains on notes/share by members, no-share, 1 times"
    ]


@pytest.mark.parametrize(
    ("expectation", "wrong"),
    [
        (Expectation(Change.LOSES), False),
        (Expectation(Change.GAINS), True),
        (Expectation(Change.LOSES, policy="members"), False),
        (Expectation(Change.LOSES, policy="member"), True),
        (Expectation(Change.LOSES, subject="usr_ada"), True),  # bob loses, too
        (Expectation(Change.LOSES, target="notes/share"), False),
        (Expectation(Change.LOSES, target="notes/sh"), True),
        (Expectation(Change.LOSES, target="wiki/*"), True),
        (Expectation(Change.LOSES, at_most=1), True),
        (Expectation(Change.LOSES, at_least=3), True),
    ],
)
def test_an_expectation_covers_what_it_names(expectation: Expectation, wrong: bool) -> None:  # noqa: FBT001  # a row
    assert bool(unexpected(LOST, Expectations((expectation,)))) is wrong


def test_numbers_out_of_bounds_say_where_they_are_written(tmp_path: Path) -> None:
    expected = written(tmp_path, "flips:\n  - change: loses\n    at_most: 1\n")
    (problem,) = unexpected(LOST, expected)
    assert str(problem) == "expected-flips.yaml:2:5: loses: 2 flips; expected at most 1"


def test_expectations_of_an_earlier_draft_let_nothing_through(tmp_path: Path) -> None:
    expected = written(tmp_path, "draft: '11111111'\nflips:\n  - change: loses\n")
    (problem,) = unexpected(LOST, expected)
    assert "another draft" in problem.message


def test_a_flip_of_two_kinds_must_be_expected_as_both() -> None:
    was = replace(ALLOW, permissions=("share",))
    report = report_of((decided(1, was), MASKED))
    kinds = (Expectation(Change.OBLIGATIONS), Expectation(Change.PERMISSIONS))
    assert unexpected(report, Expectations(kinds)) == ()
    for kind in kinds:
        assert len(unexpected(report, Expectations((kind,)))) == 1


def test_what_cannot_be_told_or_read_is_not_taken_for_unchanged() -> None:
    report = report_of((decided(1, ALLOW), ALLOW))
    report.unknown = 2
    assert len(unexpected(report, Expectations())) == 1
    assert unexpected(report, Expectations(unknown=2)) == ()
    report.malformed = 1
    assert len(unexpected(report, Expectations(unknown=2))) == 1
    assert len(unexpected(Report(), Expectations(least=1))) == 1


def test_flips_that_were_counted_together_are_covered_by_no_name() -> None:
    report = Report(draft="x", most_groups=1)
    for number in range(3):
        decision = decided(number, ALLOW, subject=f"usr_{number}")
        report.see(decision)
        report.compare(decision, DENY, changes(ALLOW, DENY))
    assert unexpected(report, Expectations((Expectation(Change.LOSES, subject="usr_0"),)))
    assert unexpected(report, Expectations((Expectation(Change.LOSES),))) == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("flips:\n  - change: looses\n", (2, 13)),
        ("flips:\n  - policy: x\n", (2, 5)),
        ("flips: 3\n", (1, 8)),
        ("flips:\n  - change: gains\n    at_most: -1\n", (3, 14)),
        ("flips:\n  - change: gains\n    at_least: 5\n    at_most: 4\n", (4, 14)),
        ("flips:\n  - change: gains\n    user: x\n", (3, 5)),
        ("drafts: x\n", (1, 1)),
        ("draft: abc\n", (1, 8)),
        ("draft: ZZZZZZZZ\n", (1, 8)),
        ("unknown: many\n", (1, 10)),
        ("- a\n", (1, 1)),
    ],
)
def test_a_malformed_file_says_line_and_column(tmp_path: Path, text: str, place: tuple[int, int]) -> None:
    with pytest.raises(PolicyLoadError) as refused:
        written(tmp_path, text)
    (problem,) = refused.value.problems
    assert (problem.path, problem.line, problem.column) == ("expected-flips.yaml", *place)
    assert problem.expected


def test_the_gate_of_a_publication_runs_the_directory_that_it_is_given(tmp_path: Path) -> None:
    seen: list[Path] = []

    def rehearse(directory: Path) -> Report:
        seen.append(directory)
        return LOST

    assert FlipGate(rehearse, Expectations((Expectation(Change.LOSES),)))(tmp_path) == ()
    assert len(FlipGate(rehearse, Expectations())(tmp_path)) == 2
    assert seen == [tmp_path, tmp_path]


OUTCOMES = st.sampled_from([ALLOW, DENY, MASKED, ASKED, replace(ASKED, step_up=("urn:watchword:acr:phr", 60))])
FLIPS = st.lists(
    st.tuples(OUTCOMES, OUTCOMES, st.sampled_from(["usr_a", "usr_b", ""]), st.sampled_from(["a/x", "b/y"])), max_size=25
)


@given(FLIPS, st.integers(0, 25))
@settings(max_examples=60, deadline=None)
def test_reports_of_parts_join_to_the_report_of_the_whole(
    flips: list[tuple[Outcome, Outcome, str, str]], cut: int
) -> None:
    rows = [
        (decided(seq, was, subject=subject, target=target), now)
        for seq, (was, now, subject, target) in enumerate(flips, 1)
    ]
    whole, first, second = report_of(*rows), report_of(*rows[:cut]), report_of(*rows[cut:])
    for left, right in ((first, second), (second, first)):
        joined = Report(draft=whole.draft)
        joined.join(left)
        joined.join(right)
        assert joined.as_json() == whole.as_json()
        assert joined.cells == whole.cells
    assert sum(whole.cells.values()) == whole.flips == sum(whole.steps.values())


def test_the_page_stands_alone_and_quotes_nothing_unescaped() -> None:
    evil = "<script>alert(1)</script>\"'>"
    report = report_of(
        (decided(1, replace(ALLOW, policies=(evil,)), subject=evil, target=evil), DENY),
        (decided(2, DENY), replace(MASKED, obligations=(evil,))),
        (decided(3, ALLOW), replace(ALLOW, obligations=(evil,))),
        (decided(4, ASKED), replace(ASKED, step_up=(evil, 1))),
    )
    report.versions[evil] += 1
    found = page(report, title=evil)
    assert "<script" not in found
    assert "default-src 'none'" in found
    for outside in ("http://", "https://", "src=", "url(", "@import", "<link"):
        assert outside not in found
    assert found.count("<svg") == found.count("</svg>") > 3
    assert "denied 1" in found
    assert "allowed 2" in found


def test_a_page_about_nothing_says_so() -> None:
    assert "No decision was looked at." in page(Report())
