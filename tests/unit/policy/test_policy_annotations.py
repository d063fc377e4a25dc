"""Annotations that mean something: a misspelt one is told with its place when a set is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchword.kernel import Acr, Answer, Reason
from watchword.policy import (
    Effect,
    PolicyAnswer,
    PolicyLoadError,
    PolicyRef,
    PolicySet,
    Problem,
    verdict_of,
)
from watchword.policy.obligations import ObligationBook

PERMIT, FORBID = "permit (principal, action, resource);", "forbid (principal, action, resource);"


def problem_of(directory: Path, text: str) -> Problem:
    (directory / "a.cedar").write_text(text)
    with pytest.raises(PolicyLoadError) as refused:
        PolicySet.load(directory)
    (problem,) = refused.value.problems
    return problem


@pytest.mark.parametrize(
    ("written", "message", "expected", "nearest"),
    [
        (f'@step_up("mfaa")\n{FORBID}', "no step-up `mfaa`", "`mfa` or `phishing_resistant`", "mfa"),
        (f"@step_up\n{FORBID}", "no step-up ``", "`mfa` or `phishing_resistant`", ""),
        (f'@max_age("15 minutes")\n@step_up("mfa")\n{FORBID}', "no span `15 minutes`", "`15m`", ""),
        (
            f'@max_age("\N{FULLWIDTH DIGIT ONE}m")\n@step_up("mfa")\n{FORBID}',
            "no span `\N{FULLWIDTH DIGIT ONE}m`",
            "`15m`",
            "",
        ),
        (f'@max_age("15m")\n@stepup("mfa")\n{FORBID}', "`@max_age` says nothing without `@step_up`", "beside it", ""),
        (f'@obligation("mask")\n{FORBID}', "`@obligation` says nothing on a forbid", "on the permits", ""),
        (f'@mode("report-only")\n{FORBID}', "no mode `report-only`", "enforce or report_only", "report_only"),
        (f'@step_up("mfa")\n{PERMIT}', "`@step_up` says nothing on a permit", "`forbid`", ""),
        (f'@approval("boss")\n{PERMIT}', "`@approval` says nothing on a permit", "`forbid`", ""),
    ],
)
def test_an_annotation_that_cannot_mean_what_its_author_believes_is_refused_with_its_place(
    tmp_path: Path, written: str, message: str, expected: str, nearest: str
) -> None:
    problem = problem_of(tmp_path, f'{PERMIT}\n@id("x")   {written}')
    assert (problem.path, problem.line, problem.column, problem.policy) == ("a.cedar", 2, 12, "x")
    assert (problem.message, problem.nearest) == (message, nearest)
    assert expected in problem.expected


def test_what_means_nothing_here_is_for_people(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(f'@owner("team-a") @ticket @step_ups("x") {PERMIT}')
    assert len(PolicySet.load(tmp_path)) == 1


@pytest.mark.parametrize(
    "annotations", [{"step_up": "retina"}, {"step_up": "mfa", "max_age": "soon"}, {"step_up": "mfa", "max_age": "-1m"}]
)
def test_a_step_up_that_cannot_be_read_denies_all_the_same(annotations: dict[str, str]) -> None:
    forbids = (PolicyRef("a", annotations), PolicyRef("b", {"step_up": "mfa"}))
    verdict = verdict_of(PolicyAnswer(Effect.FORBID, forbids, (), ""), ObligationBook())
    assert (verdict.answer, verdict.reason, verdict.step_up) == (Answer.DENY, Reason.POLICY_FORBIDS, None)
    verdict = verdict_of(PolicyAnswer(Effect.FORBID, forbids[1:], (), ""), ObligationBook())
    assert verdict.step_up == (Acr.MULTI_FACTOR, 15 * 60)
