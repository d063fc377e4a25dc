"""The first test of a decision: no policy means deny. Then everything else that can be missing or broken."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import HOST, NOTES, PERMIT_ALL, DecisionWorld, Visit

from watchword.audit import Journal, JournalUnwritableError
from watchword.decision import AccessRequest, Permit, Procedure
from watchword.kernel import Answer, DecisionId, Reason, WatchwordError
from watchword.keys import Signer
from watchword.policy import Effect, PolicyAnswer
from watchword.policy.load import EMPTY


def denied_for(decision: Any, reason: Reason) -> bool:
    return decision.answer is Answer.DENY and decision.reasons[0] is reason and decision.permit is None


async def test_no_policy_means_deny(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit(groups=["administrators"])
    world.policy("", tmp_path / "none")
    assert denied_for(visit.asks(), Reason.POLICY_MISSING)


async def test_with_a_policy_the_same_request_is_allowed(world: DecisionWorld) -> None:
    visit = await world.visit()
    decision = visit.asks()
    assert (decision.answer, decision.reasons) == (Answer.ALLOW, (Reason.POLICY_PERMITS,))
    assert decision.permit is not None


async def test_no_policy_means_deny_with_a_permit_for_another_only(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    world.policy('permit (principal in Watchword::Group::"others", action, resource);', tmp_path / "others")
    assert denied_for(visit.asks(), Reason.POLICY_SILENT)


async def test_a_forbid_wins_over_any_permit(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit(groups=["administrators"])
    world.policy(f"{PERMIT_ALL} forbid (principal, action, resource);", tmp_path / "p")
    assert denied_for(visit.asks(), Reason.POLICY_FORBIDS)


async def test_a_policy_that_errors_denies(world: DecisionWorld, tmp_path: Path) -> None:
    visit = await world.visit()
    # An overflow is found when the policy runs, not when it is checked.
    overflow = "forbid (principal, action, resource) when { context.risk.score * 9223372036854775807 + 1 < 0 };"
    await world.fail_sign_ins(visit.user)
    world.policy(f"{PERMIT_ALL} {overflow}", tmp_path / "p")
    assert denied_for(visit.asks("/press"), Reason.POLICY_ERROR)


async def test_a_request_outside_the_schema_denies(world: DecisionWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = await world.visit()
    real = Procedure._context

    def without_risk(self: Procedure, *args: Any) -> dict[str, Any]:
        context = real(self, *args)
        del context["risk"]
        return context

    monkeypatch.setattr(Procedure, "_context", without_risk)
    assert denied_for(visit.asks(), Reason.SCHEMA_MISFIT)


@pytest.mark.parametrize("code", ["budget_spent: too long", "policy_error: x", "something new", ""])
async def test_every_failure_of_the_policies_denies(world: DecisionWorld, code: str) -> None:
    visit = await world.visit()
    errors = (code,) if code else ()
    world.rewired(policies=lambda: _Answering(PolicyAnswer(Effect.ERROR, (), errors, "v")))
    assert denied_for(visit.asks(), Reason.POLICY_ERROR)


class _Answering:
    bundle = EMPTY
    relations = None

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def evaluate(self, _request: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("age_s", [2.001, 60.0, float("inf"), float("nan")])
async def test_a_stale_snapshot_denies(world: DecisionWorld, age_s: float) -> None:
    visit = await world.visit()
    world.fresh_at = world.clock.monotonic() - age_s
    assert denied_for(visit.asks(), Reason.SNAPSHOT_STALE)
    assert denied_for(visit.asks("/healthz"), Reason.SNAPSHOT_STALE)


async def test_before_the_first_round_of_the_relay_everything_is_denied(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.fresh_at = float("-inf")
    assert denied_for(visit.asks(), Reason.SNAPSHOT_STALE)


async def test_a_snapshot_of_two_seconds_is_fresh_enough(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.fresh_at = world.clock.monotonic() - 2.0
    assert visit.asks().answer is Answer.ALLOW


async def test_a_session_whose_user_is_not_known_denies(world: DecisionWorld) -> None:
    visit = await world.visit()
    del world.people.all_users[visit.user.id]
    await world.tell("identity.user.deleted", visit.user.id)
    assert denied_for(visit.asks(), Reason.FACT_MISSING)


@pytest.mark.parametrize("ip", ["", "unknown", "1.2.3", "notes.localhost", "::1, ::1", "1" * 60_000, "\uff11.2.3.4"])
async def test_a_client_whose_address_cannot_be_read_is_denied(world: DecisionWorld, ip: str) -> None:
    visit = await world.visit()
    assert denied_for(visit.asks(client_ip=ip), Reason.FACT_MISSING)
    assert denied_for(visit.asks("/healthz", client_ip=ip), Reason.FACT_MISSING)


async def test_unreadable_addresses_do_not_vouch_for_each_other(world: DecisionWorld) -> None:
    user = await world.person()
    visit = await world.session(user, await world.device(user), ip="not an address")
    assert visit.session.mfa_network == "unknown"
    assert denied_for(visit.asks(client_ip="nor this"), Reason.FACT_MISSING)


# --- whoever raises, the answer is no -------------------------------------------------------------------------------


class _Raising:
    """Raises on everything that is asked of it."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_args: Any, **_named: Any) -> Any:
            raise RuntimeError(name)

        return fail

    def __getitem__(self, key: object) -> Any:
        raise RuntimeError(str(key))


@pytest.mark.parametrize("part", ["facts", "trust", "places", "networks", "profiles", "settings"])
async def test_a_part_that_raises_denies(world: DecisionWorld, part: str) -> None:
    visit = await world.visit()
    world.rewired(**{part: _Raising()})
    assert denied_for(visit.asks(), Reason.INTERNAL_ERROR)
    assert world.procedure.failure is not None
    assert "Error at " in world.procedure.failure


async def test_policies_that_cannot_be_had_deny(world: DecisionWorld) -> None:
    visit = await world.visit()

    def fail() -> Any:
        raise OSError

    world.rewired(policies=fail)
    assert denied_for(visit.asks(), Reason.INTERNAL_ERROR)


@pytest.mark.parametrize("answer", [RuntimeError("no"), None, "permit"])
async def test_an_evaluator_that_misbehaves_denies(world: DecisionWorld, answer: Any) -> None:
    visit = await world.visit()
    world.rewired(policies=lambda: _Answering(answer))
    assert denied_for(visit.asks(), Reason.INTERNAL_ERROR)


async def test_a_failure_while_granting_takes_the_allow_back(world: DecisionWorld) -> None:
    visit = await world.visit()
    real = world.policies
    asked: list[Any] = []

    class Half:
        bundle = real.bundle
        relations = None

        def evaluate(self, request: Any) -> Any:
            asked.append(request)
            if request.action.id == "use":
                raise RuntimeError
            return real.evaluate(request)

    world.rewired(policies=Half)
    assert denied_for(visit.asks(), Reason.INTERNAL_ERROR)
    assert [request.action.id for request in asked] == ["read", "use"]


async def test_a_procedure_that_settles_nothing_denies(world: DecisionWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = await world.visit()
    monkeypatch.setattr(Procedure, "_verify", lambda _self, _case: None)
    assert denied_for(visit.asks(), Reason.INTERNAL_ERROR)


async def test_what_failed_is_told_without_the_words_of_the_error(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.rewired(policies=lambda: _Answering(RuntimeError(visit.handle)))
    visit.asks()
    assert world.procedure.failure is not None
    assert visit.handle not in world.procedure.failure


# --- the journal before the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [JournalUnwritableError("the disk is full"), WatchwordError("x"), OSError(28, "no space"), RuntimeError("thread")],
)
async def test_a_journal_that_cannot_be_written_denies(world: DecisionWorld, error: Exception) -> None:
    visit = await world.visit()
    world.journal.error = error
    decision = await world.point.authorize(visit.request())
    assert denied_for(decision, Reason.JOURNAL_UNWRITABLE)
    assert decision.permissions == ()


async def test_an_answer_waits_for_its_record(world: DecisionWorld) -> None:
    visit = await world.visit()
    records: list[Any] = []
    world.journal.submit = lambda *submitted: records.append(submitted)  # type: ignore[method-assign]
    waiting = asyncio.create_task(world.point.authorize(visit.request()))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    [(record, settled)] = records
    settled(None)
    decision = await waiting
    assert json.loads(record)["id"] == decision.id
    assert decision.permit is not None


async def test_a_request_that_has_no_json_form_is_denied_for_want_of_a_record(
    world: DecisionWorld, journal_signer: Signer, tmp_path: Path
) -> None:
    visit = await world.visit()
    journal = Journal.open(tmp_path / "journal", signer=journal_signer, clock=world.clock)
    try:
        world.point._journal = journal
        decision = await world.point.authorize(visit.request(user_agent="\ud800"))
        assert denied_for(decision, Reason.JOURNAL_UNWRITABLE)
        assert (await world.point.authorize(visit.request())).answer is Answer.ALLOW
    finally:
        await journal.close()


# --- permits --------------------------------------------------------------------------------------------------------


async def test_a_permit_cannot_be_forged(world: DecisionWorld) -> None:
    decision_id = DecisionId.new(world.clock.now(), world.entropy)
    with pytest.raises(TypeError, match="decision point alone"):
        Permit(decision_id, "notes", seal=object())
    with pytest.raises(TypeError):
        Permit(decision_id, "notes")  # type: ignore[call-arg]


async def test_only_an_allow_carries_a_permit(world: DecisionWorld) -> None:
    visit = await world.visit()
    allowed, silent = visit.asks(), visit.asks("/admin")
    assert allowed.permit is not None
    assert (allowed.permit.decision_id, allowed.permit.application) == (allowed.id, "notes")
    assert silent.permit is None


async def test_a_supposed_session_never_gets_a_permit(world: DecisionWorld) -> None:
    visit = await world.visit()
    request = AccessRequest("GET", HOST, "/", visit.ip)
    decision = world.procedure.decide(request, as_session=visit.session)
    assert (decision.answer, decision.permit) == (Answer.ALLOW, None)


async def test_a_supposed_session_is_still_verified(world: DecisionWorld) -> None:
    visit = await world.visit()
    request = AccessRequest("GET", HOST, "/", visit.ip)
    ended = replace(visit.session, ended_at=world.clock.now())
    assert denied_for(world.procedure.decide(request, as_session=ended), Reason.SESSION_ENDED)
    world.clock.advance(timedelta(hours=2))
    assert denied_for(world.procedure.decide(request, as_session=visit.session), Reason.SESSION_EXPIRED)


async def test_a_question_about_an_open_stream_gets_no_permit(world: DecisionWorld) -> None:
    visit = await world.visit()
    decision = world.point.evaluate(visit.request())
    assert (decision.answer, decision.permit) == (Answer.ALLOW, None)
    assert world.journal.records == []


async def test_a_question_teaches_nothing_about_where_a_session_is(world: DecisionWorld) -> None:
    visit: Visit = await world.visit()
    world.point.evaluate(visit.request(client_ip="81.2.69.142"))
    assert world.trust.session_sighting(visit.session.id) is None
    visit.asks(client_ip="81.2.69.142")
    assert world.trust.session_sighting(visit.session.id) is not None


async def test_an_unpublished_host_is_unknown(world: DecisionWorld) -> None:
    visit = await world.visit()
    for host in ("", "evil.example", "NOTES.localhost", f"{HOST}.", f".{HOST}", f"{HOST}:8443", f"{HOST}\0"):
        assert denied_for(visit.asks(host=host), Reason.UNKNOWN_APPLICATION), host


async def test_a_method_that_no_policy_knows_is_malformed(world: DecisionWorld) -> None:
    visit = await world.visit()
    for method in ("TRACE", "CONNECT", "PROPFIND", "get", "", "GET "):
        assert denied_for(visit.asks(method=method), Reason.REQUEST_MALFORMED), method
        assert denied_for(visit.asks("/healthz", method=method), Reason.REQUEST_MALFORMED), method


async def test_no_application_at_all_means_unknown(plain_database: Any, clock: Any, entropy: Any) -> None:
    world = DecisionWorld(plain_database, clock, entropy, applications=())
    assert denied_for((await world.visit()).asks(), Reason.UNKNOWN_APPLICATION)
    assert NOTES.name == "notes"
