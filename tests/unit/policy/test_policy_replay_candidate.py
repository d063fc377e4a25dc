from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from watchword.kernel import Answer, Reason
from watchword.policy import Entity, EntityUid, PolicyAnswer, PolicyRequest, PolicySet
from watchword.policy.replay import Candidate, Change, Outcome, Question, Recorded

SCHEMA = """
entity User in [Group]; entity Group; entity File;
action read appliesTo { principal: User, resource: File, context: { fresh: Bool } };
"""
PERMIT = '@id("all") permit (principal, action, resource);'
FORBID = '@id("none") forbid (principal, action, resource);'
FRESH = '@id("fresh") forbid (principal, action, resource) unless { context.fresh };'


def loaded(directory: Path, text: str) -> PolicySet:
    directory.mkdir(exist_ok=True)
    (directory / "own.cedarschema").write_text(SCHEMA)
    (directory / "test.cedar").write_text(text)
    return PolicySet.load(directory, schema=None)


def released(number: int, *, fresh: bool = True, subject: str = "") -> Recorded:
    user = EntityUid("User", subject or f"user{number}")
    asked = PolicyRequest(
        user, EntityUid("Action", "read"), EntityUid("File", "x"), {"fresh": fresh}, {user: Entity(user)}
    )
    return Recorded(
        id=f"dec_{number}",
        seq=number,
        at=f"2026-11-22T10:00:{number % 60:02}",
        subject=user.id,
        target="files/x",
        action="read",
        version="live",
        outcome=Outcome(Answer.ALLOW, Reason.POLICY_PERMITS, policies=("all",)),
        asked=Question(asked),
        is_reached=True,
    )


def read(decision: Recorded, seq: int) -> Recorded:
    return replace(decision, seq=seq)


class Broken:
    """Policies that fail in a way that no engine should."""

    version = "broken"
    reads_path = False
    is_repeatable = True

    def evaluate(self, _request: PolicyRequest) -> PolicyAnswer:
        raise MemoryError("a candidate may do anything")


def test_flips_are_counted_by_policy_and_subject(tmp_path: Path) -> None:
    candidate = Candidate(lambda: policies, read)
    policies = loaded(tmp_path, PERMIT + FRESH)
    for number in range(6):
        candidate.observe(released(number, fresh=number % 3 != 0, subject="ada"))
    candidate.work(1.0)
    report = candidate.figures()["report"]
    assert (report["compared"], report["loses"], report["flips"]) == (6, 2, 2)
    assert [(group["name"], group["loses"]) for group in report["by_policy"]] == [("all", 2), ("fresh", 2)]
    assert [group["name"] for group in report["by_subject"]] == ["ada"]


def test_a_full_queue_drops_and_says_so() -> None:
    candidate = Candidate(Broken, read, most_waiting=3)  # type: ignore[arg-type]  # stands in
    for number in range(10):
        candidate.observe(released(number))
    figures = candidate.figures()
    assert (figures["waiting"], figures["dropped"]) == (3, 7)


def test_whatever_a_candidate_does_is_counted_and_goes_no_further(tmp_path: Path) -> None:
    policies: list[PolicySet] = [Broken()]  # type: ignore[list-item]  # stands in for a set
    candidate = Candidate(lambda: policies[0], read)
    candidate.observe(released(1))
    candidate.work(1.0)
    assert (candidate.failed, candidate.figures()["report"]["compared"]) == (1, 0)
    policies[0] = loaded(tmp_path, FORBID)
    candidate.observe(released(2))
    candidate.work(1.0)
    assert candidate.failed == 1
    assert candidate.report is not None
    assert candidate.report.count(Change.LOSES) == 1


def test_a_reader_that_fails_is_counted_too(tmp_path: Path) -> None:
    policies = loaded(tmp_path, PERMIT)

    def broken(_decision: Recorded, _seq: int) -> Recorded:
        raise KeyError("a field that nobody wrote")

    candidate = Candidate(lambda: policies, broken)
    candidate.observe(released(1))
    candidate.work(1.0)
    assert candidate.failed == 1


def test_without_a_candidate_nothing_is_kept() -> None:
    candidate: Candidate[Recorded] = Candidate(lambda: None, read)
    candidate.observe(released(1))
    assert candidate.figures()["waiting"] == 0
    assert candidate.report is None


def test_another_version_begins_another_report(tmp_path: Path) -> None:
    policies = [loaded(tmp_path, FORBID)]
    candidate = Candidate(lambda: policies[0], read)
    candidate.observe(released(1))
    candidate.work(1.0)
    # The same files, read again, go on; others begin anew.
    policies[0] = loaded(tmp_path, FORBID + " // a comment")
    candidate.observe(released(2))
    candidate.work(1.0)
    assert candidate.report is not None
    assert candidate.report.compared == 2
    policies[0] = loaded(tmp_path, PERMIT)
    candidate.observe(released(3))
    candidate.work(1.0)
    assert candidate.report is not None
    assert (candidate.report.compared, candidate.report.flips) == (1, 0)


def test_made_up_subjects_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.policy.replay.candidate.MOST_GROUPS", 10)
    policies = loaded(tmp_path, FORBID)
    candidate = Candidate(lambda: policies, read)
    for number in range(50):
        candidate.observe(released(number))
    candidate.work(5.0)
    report = candidate.report
    assert report is not None
    assert len(report.by_subject) <= 11
    assert len(report.cells) <= 11
    assert sum(group.flips for group in report.by_subject.values()) == report.flips == 50
    assert report.by_subject["(others)"].flips == 40


def test_one_slice_of_work_ends_when_its_time_is_up(tmp_path: Path) -> None:
    policies = loaded(tmp_path, PERMIT)
    candidate = Candidate(lambda: policies, read)
    for number in range(5):
        candidate.observe(released(number))
    candidate.work(0.0)
    assert candidate.figures()["waiting"] == 4


@pytest.mark.parametrize("is_repeatable", [True, False])
async def test_the_task_looks_at_everything_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_repeatable: bool
) -> None:
    """Policies that wait for another process are asked in a thread; the figures are the same."""
    monkeypatch.setattr(PolicySet, "is_repeatable", is_repeatable)
    policies = loaded(tmp_path, PERMIT + FRESH)
    candidate = Candidate(lambda: policies, read)
    task = asyncio.create_task(candidate.run())
    try:
        for number in range(120):
            candidate.observe(released(number, fresh=bool(number % 2)))
            if number % 40 == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while candidate.report is None or candidate.report.compared < 120:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
    assert candidate.report.count(Change.LOSES) == 60
    assert candidate.failed == candidate.dropped == 0
