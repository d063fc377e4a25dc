"""The page of a decision shows administrators what each policy asked, and the person refused nothing of it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest
from console_world import ConsoleWorld, record

from watchword.kernel import Answer, Reason
from watchword.policy import DEFAULT_DIRECTORY, PolicySet
from watchword.policy.replay import Question, Recorder
from watchword.policy.trials import Verdict, read_suite

SHIPPED = DEFAULT_DIRECTORY / "policies"


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return PolicySet.load(SHIPPED)


def asked(shipped: PolicySet, verdict: Verdict, **context: Any) -> dict[str, Any]:
    """Return the record of what the first shipped test with a verdict asks, with other facts laid over."""
    trial = next(one for one in read_suite(SHIPPED, shipped.bundle).trials if one.expected.verdict is verdict)
    request = replace(trial.request, context={**trial.request.context, **context})
    return Question(request).record(Recorder())


def refused(world: ConsoleWorld, user: Any, question: Any, version: str, **changes: Any) -> str:
    """Push the record of a refusal; return the address of its page."""
    found = record(world, user=user, answer=Answer.DENY, reasons=[Reason.POLICY_FORBIDS], policy_version=version)
    found["personal"]["asked"] = question
    world.decisions.push({**found, **changes})
    return f"/decisions/{found['id']}"


async def test_an_administrator_sees_the_clauses_and_what_would_change_it(
    world: ConsoleWorld, shipped: PolicySet
) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    page = await browser.visit(refused(world, user, asked(shipped, Verdict.STEP_UP), shipped.version))
    for words in (
        "What each policy asked",
        "Would be allowed if context.mfa.is_verified were true (it is false) and MFA were newer than 15 minutes",
        "notes-admin-wants-a-fresh-second-factor",
        "context.mfa.age_min &lt; 15",
        "not reached",
        "20-notes.cedar, line 35",
    ):
        assert words in page.text
    assert "Other policies are in force now" not in page.text


async def test_a_flood_of_pages_of_refusals_explains_one_at_a_time(
    world: ConsoleWorld, shipped: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await world.person("grace")
    browsers = [world.browser(), world.browser()]
    for browser in browsers:
        await browser.sign_in("grace")
    address = refused(world, user, asked(shipped, Verdict.STEP_UP), shipped.version)
    begun: list[int] = []
    may_end = threading.Event()

    def recollect(_record: Any) -> None:
        begun.append(1)
        may_end.wait(10)

    monkeypatch.setattr(world.policies, "recollect", recollect)
    asking = [asyncio.create_task(browser.visit(address)) for browser in browsers]
    for _ in range(20_000):
        await asyncio.sleep(0)
    assert len(begun) == 1
    may_end.set()
    await asyncio.gather(*asking)
    assert len(begun) == 2


async def test_an_administrator_is_told_when_other_policies_decided(world: ConsoleWorld, shipped: PolicySet) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    page = await browser.visit(refused(world, user, asked(shipped, Verdict.STEP_UP), "of-old"))
    assert "Other policies are in force now than when this was decided" in page.text


async def test_the_person_refused_learns_what_helps_and_no_policy(world: ConsoleWorld, shipped: PolicySet) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    device = {"is_known": True, "posture": "noncompliant"}
    page = await browser.visit(refused(world, user, asked(shipped, Verdict.PERMIT, device=device), shipped.version))
    assert "Use another device, or bring this one in order." in page.text
    for inner in (
        "What each policy asked",
        "noncompliant",
        "posture",
        "context.",
        "90-safety",
        "not reached",
        "clause",
    ):
        assert inner not in page.text


@pytest.mark.parametrize("version", ["of-old", ""])
async def test_what_other_policies_say_is_no_hint_for_the_person_refused(
    world: ConsoleWorld, shipped: PolicySet, version: str
) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    device = {"is_known": True, "posture": "noncompliant"}
    page = await browser.visit(refused(world, user, asked(shipped, Verdict.PERMIT, device=device), version))
    assert "Use another device" not in page.text


async def test_a_denial_that_policies_did_not_make_gets_no_hint_of_theirs(
    world: ConsoleWorld, shipped: PolicySet
) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    question = asked(shipped, Verdict.PERMIT, device={"is_known": True, "posture": "noncompliant"})
    address = refused(world, user, question, shipped.version, reasons=[Reason.RISK_HIGH.code])
    assert "Use another device" not in (await browser.visit(address)).text


@pytest.mark.parametrize("question", [None, 7, {"request": 7}, {"request": {"form": 99}}])
async def test_a_record_without_a_readable_question_has_a_page_without_clauses(
    world: ConsoleWorld, question: Any
) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    page = await browser.visit(refused(world, user, question, "v"))
    assert page.status == 200
    assert "What each policy asked" not in page.text


async def test_what_a_stranger_sent_stands_in_the_clauses_as_text(world: ConsoleWorld, shipped: PolicySet) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    device = {"is_known": True, "posture": "<script>alert(1)</script>"}
    page = await browser.visit(refused(world, user, asked(shipped, Verdict.STEP_UP, device=device), shipped.version))
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
