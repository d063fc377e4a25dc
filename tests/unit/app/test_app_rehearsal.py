from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import HOME, LONDON, TOKYO, DecisionWorld, Visit
from replay_world import APPLICATIONS, Asking, policies_in

from watchword.app.recorded import recorded_of, span_of
from watchword.app.rehearsal import Trial, rehearse
from watchword.audit import Journal
from watchword.decision import AccessRequest, Decision
from watchword.kernel import Answer, FrozenClock, KeyId, Obligation, Reason
from watchword.keys import Algorithm, Signer
from watchword.policy import PolicyLoadError, PolicySet
from watchword.policy.replay import Change, Outcome, Rehearsal, changes
from watchword.storage import Database

KNOWN = frozenset({"mask", "notify"})
LIVE = """
@id("members") permit (principal in Watchword::Group::"members", action, resource);
@id("staff-wiki") permit (principal in Watchword::Group::"staff", action in Watchword::Action::"access",
  resource in Watchword::Application::"wiki");
@id("admin-pages") @step_up("mfa") @max_age("10m") forbid (principal, action, resource)
  when { resource == Watchword::Resource::"notes/admin" }
  unless { context.mfa.is_verified && context.mfa has age_min && context.mfa.age_min < 10 };
@id("no-share") forbid (principal, action == Watchword::Action::"use", resource == Watchword::Permission::"notes/share")
  unless { principal in Watchword::Group::"staff" };
"""
DRAFTS = (
    # Wider, and narrower elsewhere.
    LIVE.replace('"members", action, resource', '"members", action, resource in Watchword::Application::"notes"')
    + '@id("all-read") permit (principal, action == Watchword::Action::"read", resource);',
    # Obligations, one of them unknown to every door.
    """@id("masked") @obligation("mask") permit (principal, action, resource);
    @id("told") @obligation("notify") permit (principal in Watchword::Group::"staff", action, resource);""",
    '@id("odd") @obligation("levitate") permit (principal, action, resource);',
    # Softer and harder answers; approval; a policy that fails.
    LIVE.replace("10m", "5m").replace("age_min < 10", "age_min < 5")
    + '@id("ask") @approval("team lead") forbid (principal, action == Watchword::Action::"write", resource)'
    ' when { resource in Watchword::Application::"wiki" };',
    LIVE + '@id("fails") forbid (principal, action, resource) when { context.risk.score * 9223372036854775807 > 9 };',
    # The path, which repetitions share across.
    LIVE + '@id("secret") forbid (principal, action, resource) when { context.http.path like "*secret*" };',
    LIVE + '@id("no-sockets") forbid (principal, action == Watchword::Action::"connect", resource);',
    '@id("nobody") forbid (principal, action, resource);',
)


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    return DecisionWorld(plain_database, clock, entropy, applications=APPLICATIONS, known_obligations=KNOWN)


async def test_what_the_node_repeats_is_replayed_as_if_it_had_not(
    world: DecisionWorld, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real reuse and the real journal: every repetition is asked again about its own path."""
    asking = Asking(world)
    asking.use(policies_in(tmp_path / "live", LIVE))
    visit = await world.session(user := await world.person(), await world.device(user), host="notes.localhost")
    clock.advance(timedelta(seconds=1))
    paths = ["/page", "/secret", "/other", "/secret/x", "/page"]
    records = [asking.decide(visit.request(path))[1] for path in paths]
    assert [record["repeats"] for record in records] == [None] + [records[0]["id"]] * 4
    journal = await written(tmp_path / "journal", world, records)
    policies_in(tmp_path / "draft", DRAFTS[5])
    monkeypatch.setattr("watchword.app.recorded._TELL_EVERY", 1)
    for parts in (1, 2, 6):
        rehearsal = Trial(tmp_path / "draft").begin()
        for part in span_of(journal).parts(parts):
            rehearsal.look_at_all(part.decisions())
        report = rehearsal.report
        assert (report.compared, report.not_recorded) == (5, 0)
        assert [example.id for example in report.total.examples] == [records[3]["id"], records[1]["id"]]
    assert [each.outcome.policies for each in span_of(journal, limit=1).decisions()] == [("members",)]


async def requests_of_a_day(world: DecisionWorld, count: int = 250) -> list[tuple[float, AccessRequest]]:
    """People at home and abroad, signed in long ago and just now, asking for this and that; with pauses in seconds."""
    pick = random.Random(7)  # noqa: S311  # test cases, no secrets
    visits: list[Visit] = []
    for number in range(8):
        groups = pick.sample(["members", "staff", "administrators"], k=number % 3)
        user = await world.person(f"user{number}", groups=groups, is_disabled=number == 7)
        device = await world.device(user) if number % 2 else None
        mfa_at = world.clock.now() - timedelta(minutes=pick.choice([1, 7, 40]))
        for host in ("notes.localhost", "wiki.localhost"):
            about: dict[str, Any] = {} if number % 4 else {"mfa_at": None, "mfa_network": None}
            visits.append(await world.session(user, device, host=host, **({"mfa_at": mfa_at} | about)))
    made = []
    for _ in range(count):
        visit = pick.choice(visits)
        path = pick.choice(["/", "/page", "/secret", "/admin", "/admin/x", "/healthz", "/a//b"])
        method = pick.choice(["GET", "GET", "GET", "POST", "DELETE", "BREW"])
        ip = pick.choice([HOME, HOME, HOME, LONDON, TOKYO])
        upgrade = {"is_upgrade": True} if method == "GET" and pick.random() < 0.2 else {}
        about = {} if pick.random() < 0.95 else {"session_handle": "nobody's"}
        made.append((pick.choice([0.0, 0.5, 20.0]), visit.request(path, method, client_ip=ip, **upgrade, **about)))
    return made


def outcome(decision: Decision) -> Outcome:
    allowed = decision.answer is Answer.ALLOW
    step_up = decision.step_up
    return Outcome(
        decision.answer,
        decision.reasons[0],
        tuple(obligation.name for obligation in decision.obligations) if allowed else (),
        (step_up.acr.value, step_up.max_age_s) if step_up else None,
        decision.permissions if allowed else (),
    )


async def test_a_replay_says_what_the_procedure_would_have_said(
    world: DecisionWorld, tmp_path: Path, clock: FrozenClock
) -> None:
    live = policies_in(tmp_path / "live", LIVE)
    drafts = [policies_in(tmp_path / f"draft{n}", text) for n, text in enumerate(DRAFTS)]
    asking = Asking(world)
    seen: set[tuple[Answer, Change]] = set()
    kinds: set[Answer] = set()
    rehearsals = [Rehearsal(draft, is_known=lambda obligation: obligation.name in KNOWN) for draft in (live, *drafts)]
    for seq, (pause, request) in enumerate(await requests_of_a_day(world)):
        clock.advance(timedelta(seconds=pause))
        asking.use(live)
        decision, record = asking.decide(request)
        kinds.add(decision.answer)
        recorded = recorded_of(record, seq)
        assert recorded is not None
        for rehearsal, draft in zip(rehearsals, (live, *drafts), strict=True):
            asking.use(draft)
            wanted, _ = asking.decide(request)
            before, flips = dict(rehearsal.report.total.counts), rehearsal.report.flips
            rehearsal.look_at(recorded)
            found = {kind for kind in Change if rehearsal.report.total.counts[kind] != before.get(kind, 0)}
            assert found == set(changes(outcome(decision), outcome(wanted))), (decision, wanted, recorded)
            assert rehearsal.report.flips - flips == bool(found)
            seen |= {(wanted.answer, kind) for kind in found}
    for rehearsal in rehearsals:
        report = rehearsal.report
        parts = sum(report.not_reached.values()), report.not_recorded, report.malformed, report.unknown, report.compared
        assert report.decisions == sum(parts) == 250
        assert report.not_recorded == report.malformed == report.unknown == 0
    # The policies that decided change nothing; the others change what can be changed.
    assert rehearsals[0].report.flips == rehearsals[0].report.other_policies == 0
    assert kinds == {Answer.ALLOW, Answer.DENY, Answer.STEP_UP}
    assert {kind for _, kind in seen} == set(Change)
    assert {answer for answer, _ in seen} == set(Answer)


async def written(
    directory: Path, world: DecisionWorld, records: list[dict[str, Any]], *, strangers: bool = True
) -> Path:
    """Write a journal with the real writer."""
    signer = Signer.generate(KeyId.new(world.clock.now(), world.entropy), Algorithm.ED25519)
    journal = Journal.open(directory, signer=signer, clock=world.clock)
    for number, record in enumerate(records):
        await journal.append(record)
        if strangers and number % 5 == 0:
            await journal.append({"type": "identity.session.started", "at": record["at"]})
            await journal.append(record | {"type": "stream.cut"})
    await journal.close()
    return directory


async def day(world: DecisionWorld, clock: FrozenClock, count: int) -> list[dict[str, Any]]:
    asking = Asking(world)
    records = []
    for pause, request in await requests_of_a_day(world, count):
        clock.advance(timedelta(seconds=pause))
        records.append(asking.decide(request)[1])
    return records


async def test_figures_do_not_depend_on_pieces_processes_or_memory(
    world: DecisionWorld, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.policies = policies_in(tmp_path / "live", LIVE)
    records = await day(world, clock, 80)
    records += [record | {"id": f"{record['id']}-again"} for record in records[::2]]
    journal = await written(tmp_path / "journal", world, records)
    policies_in(tmp_path / "draft", DRAFTS[0])
    trial = Trial(tmp_path / "draft", known_obligations=KNOWN)
    monkeypatch.setattr("watchword.app.recorded._TELL_EVERY", 10)
    span = span_of(journal)
    told: list[tuple[int, int]] = []
    alone = rehearse(trial, span, processes=1, tell=lambda done, total: told.append((done, total)))
    apart = await asyncio.to_thread(rehearse, trial, span, processes=2)
    rehearsal = trial.begin()
    assert rehearsal.look_at_all(span.decisions()).as_json() == alone.as_json()
    assert rehearsal.evaluated < alone.compared
    monkeypatch.setattr("watchword.policy.replay.rehearsal._REMEMBERED", 1)
    forgetful = rehearse(trial, span, processes=1)
    assert alone.flips > 10
    assert alone.decisions == 120
    assert alone.as_json() == apart.as_json() == forgetful.as_json()
    assert len(told) > 3
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)


async def test_a_span_holds_the_newest_decisions_and_none_from_before(
    world: DecisionWorld, tmp_path: Path, clock: FrozenClock
) -> None:
    records = await day(world, clock, 60)
    journal = await written(tmp_path / "journal", world, records)
    ids = [record["id"] for record in records]
    assert [each.id for each in span_of(journal).decisions()] == ids
    assert [each.id for each in span_of(journal, limit=7).decisions()] == ids[-7:]
    assert [each.id for each in span_of(journal, limit=0).decisions()] == []
    middle = recorded_of(records[30], 0)
    assert middle is not None
    since = world.clock.now().fromisoformat(middle.at)
    newer = [record["id"] for record in records if record["at"] >= middle.at]
    assert [each.id for each in span_of(journal, since=since).decisions()] == newer
    assert [each.id for each in span_of(journal, since=since, limit=5).decisions()] == newer[-5:]
    assert list(span_of(journal, since=since + timedelta(days=1)).decisions()) == []
    assert list(span_of(tmp_path / "nowhere").decisions()) == []


async def test_what_was_not_written_down_is_counted_and_not_guessed(world: DecisionWorld, tmp_path: Path) -> None:
    draft = policies_in(tmp_path / "draft", DRAFTS[-1])
    asking = Asking(world)
    visit = await world.visit()
    _, record = asking.decide(visit.request(host="notes.localhost"))
    rehearsal = Rehearsal(draft)
    old = {**record, "personal": {}}
    broken = {**record, "personal": {"asked": {"request": {"form": 9}}}}
    for each in (old, broken):
        found = recorded_of(each, 1)
        assert found is not None
        rehearsal.look_at(found)
    for hopeless in (
        {},
        {"id": 1},
        record | {"answer": "perhaps"},
        record | {"policies": [[]]},
        record | {"step_up": 3},
    ):
        assert recorded_of(hopeless, 1) is None
    assert (rehearsal.report.not_recorded, rehearsal.report.malformed, rehearsal.report.flips) == (1, 1, 0)


def test_a_repetition_whose_path_was_cut_or_whose_first_is_lost_is_not_guessed() -> None:
    record = {
        "id": "dec_2",
        "repeats": "dec_1",
        "at": "2026-11-21T12:00:00+00:00",
        "answer": "allow",
        "reasons": ["policy_permits"],
        "policy_version": "x",
    }
    asked = {"request": {"context": {"http": {"path": "/page"}}}}
    for personal, path in (({"asked": asked}, "/" + "x" * 2047), ({}, "/page")):
        found = recorded_of(record | {"personal": personal, "path": path}, 1)
        assert found is not None
        assert found.is_reached
        assert found.asked is None


async def test_a_draft_that_is_saved_meanwhile_is_not_mixed_with_itself(
    world: DecisionWorld, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await written(tmp_path / "journal", world, await day(world, clock, 12))
    policies_in(tmp_path / "draft", DRAFTS[0])
    trial = Trial(tmp_path / "draft")
    begin = Trial.begin

    def save_meanwhile(self: Trial) -> Rehearsal:
        rehearsal = begin(self)
        (tmp_path / "draft" / "test.cedar").write_text(DRAFTS[-1])
        return rehearsal

    monkeypatch.setattr(Trial, "begin", save_meanwhile)
    with pytest.raises(PolicyLoadError, match="changed while"):
        await asyncio.to_thread(rehearse, trial, span_of(journal), processes=1 + 1)


def test_an_obligation_is_compared_by_name_where_access_is_allowed() -> None:
    masked = Outcome(Answer.ALLOW, Reason.POLICY_PERMITS, (Obligation("mask").name,))
    assert changes(masked, Outcome(Answer.ALLOW, Reason.POLICY_PERMITS)) == (Change.OBLIGATIONS,)
    denied = Outcome(Answer.DENY, Reason.POLICY_FORBIDS)
    assert changes(denied, Outcome(Answer.DENY, Reason.POLICY_SILENT, ("mask",))) == ()
    assert changes(denied, masked) == (Change.GAINS,)
    assert changes(masked, denied) == (Change.LOSES,)


async def test_a_draft_without_policies_takes_everything_away(world: DecisionWorld, tmp_path: Path) -> None:
    asking = Asking(world)
    asking.use(policies_in(tmp_path / "live", LIVE))
    visit = await world.session(user := await world.person(), await world.device(user), host="notes.localhost")
    found = recorded_of(asking.decide(visit.request())[1], 1)
    assert found is not None
    (tmp_path / "draft").mkdir()
    report = Rehearsal(PolicySet.load(tmp_path / "draft")).look_at_all([found])
    assert report.count(Change.LOSES) == 1
    assert list(report.by_policy) == ["members"]
