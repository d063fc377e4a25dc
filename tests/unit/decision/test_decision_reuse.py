"""An allow is given again only while the whole procedure would come to it again; each time it is its own decision."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from decision_world import HOME, LONDON, PERMIT_ALL, TOKYO, DecisionWorld, Visit
from hypothesis import given
from hypothesis import strategies as st

from watchword.audit import Journal, find_decision
from watchword.decision import Decision, Procedure
from watchword.decision.reuse import _MOST, _next_minute
from watchword.kernel import Answer, Reason
from watchword.keys import Signer
from watchword.policy import PolicySet
from watchword.trust import NetworkList

# What may differ between two decisions of one thing: their names, their cost, the ages of the facts, and what policies
# were asked in words that none of them reads (the path).
_OWN = {"id", "permit", "cost_us", "read", "repeats", "tail", "snapshot_version", "asked"}
_POLICIES = (
    PERMIT_ALL,
    PERMIT_ALL + "forbid (principal, action, resource) when { context.time.minute == 7 };",
    PERMIT_ALL + "forbid (principal, action, resource) when { context.session.age_min >= 3 };",
    PERMIT_ALL
    + '@step_up("mfa") forbid (principal, action, resource) unless { context.mfa has age_min && '
    + "context.mfa.age_min <= 5 };",
    PERMIT_ALL + 'forbid (principal, action, resource) when { context.http.path like "*secret*" };',
    PERMIT_ALL + "forbid (principal, action, resource) when { context.network.is_suspicious };",
    PERMIT_ALL + 'forbid (principal, action, resource) unless { context.device.posture == "compliant" };',
    'permit (principal in Watchword::Group::"members", action == Watchword::Action::"read", resource);',
    "",
)


def _said(decision: Decision) -> dict[str, object]:
    return {each.name: getattr(decision, each.name) for each in fields(decision) if each.name not in _OWN}


async def test_a_request_that_is_made_again_repeats_the_decision_under_its_own_name(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    first, second, third = visit.asks(), visit.asks(), visit.asks("/other")
    assert (first.repeats, second.repeats, third.repeats) == (None, first.id, first.id)
    assert len({first.id, second.id, third.id}) == 3
    assert second.permit is not None
    assert second.permit.decision_id == second.id
    assert _said(second) == _said(first)
    assert third.request.path == "/other"


async def test_the_record_of_a_repetition_says_its_own_and_names_the_rest(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    first = visit.asks('/a"b')
    second = visit.asks('/c"d\u00e9')
    assert second.repeats == first.id
    assert json.loads(first.encoded()) == first.record()
    kept, whole = json.loads(second.encoded()), second.record()
    assert kept["repeats"] == first.id
    assert kept["path"] == '/c"d\u00e9'
    assert kept["id"] == second.id
    assert {**kept, "personal": 0} == {name: whole[name] for name in kept} | {"personal": 0}
    assert kept["personal"].items() <= whole["personal"].items()
    # What it leaves out is the same in the record that it names.
    own = {"id", "at", "cost_us", "repeats", "path"}
    assert {name for name, value in whole.items() if value != first.record()[name]} <= own


async def test_the_journal_gives_the_whole_record_of_a_repetition(
    world: DecisionWorld, journal_signer: Signer, tmp_path: Path
) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    journal = Journal.open(tmp_path / "journal", signer=journal_signer, clock=world.clock)
    world.point._journal = journal
    try:
        first, second = [await world.point.authorize(visit.request(path)) for path in ("/a", "/b")]
    finally:
        await journal.close()
    found = find_decision(tmp_path / "journal", second.id).fields
    assert {**found, "seq": 0, "prev": 0} == json.loads(json.dumps(second.record())) | {"seq": 0, "prev": 0}
    assert found["facts"] == find_decision(tmp_path / "journal", first.id).fields["facts"]


async def test_questions_of_our_own_are_never_answered_from_memory(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks().repeats is None
    question = world.procedure.decide(visit.request(), is_question=True)
    assert question.repeats is None
    assert question.permit is None
    assert world.procedure.decide(visit.request(), as_session=visit.session).permit is None


async def test_a_session_that_was_ended_is_not_let_in_from_memory(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    assert [visit.asks().answer, visit.asks().answer] == [Answer.ALLOW, Answer.ALLOW]
    await visit.change(ended_at=world.clock.now(), handles={})
    assert visit.asks().reasons == (Reason.SESSION_ENDED,)


async def test_a_stolen_handle_elsewhere_is_not_let_in_from_memory(world: DecisionWorld) -> None:
    visit = await world.visit()
    other = await world.visit(name="mallory")
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks().answer is Answer.ALLOW
    for stolen in (
        {"client_ip": TOKYO},
        {"user_agent": "curl"},
        {"device_handle": None},
        {"device_handle": other.device_handle},
        {"host": "notes.example.com"},
        {"session_handle": visit.handle[:-1] + "x"},
    ):
        assert visit.asks(**stolen).repeats is None
    assert visit.asks().repeats is not None


async def test_memory_opens_no_part_that_the_path_does_not_mean(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks("/").answer is Answer.ALLOW
    assert visit.asks("/admin").repeats is None
    assert visit.asks("/Admin").reasons == (Reason.REQUEST_MALFORMED,)
    assert visit.asks("/%2561dmin").reasons == (Reason.REQUEST_MALFORMED,)
    assert visit.asks("/healthz").reasons == (Reason.OPEN_ROUTE,)
    assert visit.asks("/", "DELETE").repeats is None
    assert visit.asks("/", is_upgrade=True).repeats is None


async def test_stale_facts_deny_what_memory_would_allow(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks().answer is Answer.ALLOW
    world.fresh_at = world.clock.monotonic()
    world.clock.advance(timedelta(seconds=3))
    assert visit.asks().reasons == (Reason.SNAPSHOT_STALE,)
    world.fresh_at = float("nan")
    assert visit.asks().reasons == (Reason.SNAPSHOT_STALE,)


@pytest.mark.parametrize(
    ("forbids", "about"),
    [
        ("context.session.age_min >= 3", {}),
        ("!(context.mfa has age_min && context.mfa.age_min <= 3)", {"authenticated_at": timedelta(seconds=-17)}),
        ("context.risk.score > 100", {"expires_at": timedelta(minutes=3)}),
    ],
)
async def test_what_time_alone_changes_is_seen_at_that_moment(
    world: DecisionWorld, tmp_path: Path, forbids: str, about: dict[str, timedelta]
) -> None:
    world.policy(PERMIT_ALL + f"forbid (principal, action, resource) when {{ {forbids} }};", tmp_path)
    world.clock.advance(timedelta(seconds=11.3))  # no whole minute of the wall clock
    now, visit = world.clock.now(), await world.visit()
    await visit.change(**{name: now + span for name, span in about.items()})
    world.clock.advance(timedelta(minutes=2, seconds=59.8))
    first = visit.asks()
    world.clock.advance(timedelta(seconds=0.1))
    assert visit.asks().repeats == first.id
    world.clock.advance(timedelta(seconds=0.2))
    assert visit.asks().answer is Answer.DENY


_MICROSECOND = st.timedeltas(timedelta(0), timedelta(days=400))


@given(st.lists(_MICROSECOND, max_size=4), st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001  # given UTC below
def test_the_next_turn_is_the_first_of_all_minutes_that_run(ages: list[timedelta], at: datetime) -> None:
    now, minute = at.replace(tzinfo=UTC), timedelta(minutes=1)
    anchors = [now - age for age in ages]
    over = [(now - anchor) % minute for anchor in (now.replace(second=0, microsecond=0), *anchors)]
    expected = None if timedelta(0) in over else now + min(minute - each for each in over)
    assert _next_minute(now, anchors) == expected


def test_no_minute_turns_for_what_lies_ahead() -> None:
    now = datetime(2026, 11, 22, 9, 30, 1, 5, tzinfo=UTC)
    assert _next_minute(now, [now + timedelta(microseconds=1)]) is None
    assert _next_minute(now, [now + timedelta(days=1, seconds=7)]) is None


async def test_a_speed_that_falls_from_moment_to_moment_is_computed_anew(world: DecisionWorld) -> None:
    user = await world.person()
    visit = await world.session(user, await world.device(user), ip=LONDON)
    await world.settle_in(user, TOKYO)
    world.clock.advance(timedelta(seconds=1))
    first, second = (visit.asks("/press") for _ in range(2))
    assert first.answer is Answer.ALLOW
    assert first.assessment is not None
    assert "impossible_travel" in {each.indicator for each in first.assessment.contributions if each.points}
    assert second.repeats is None


async def test_guesses_at_the_password_count_at_once(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    assert visit.asks().answer is Answer.ALLOW
    await world.fail_sign_ins(visit.user)
    after = visit.asks()
    assert after.repeats is None
    assert after.assessment is not None
    assert after.assessment.risk >= 40


async def test_one_slip_of_the_owner_does_not_end_the_reuse(world: DecisionWorld) -> None:
    visit = await world.visit()
    await world.fail_sign_ins(visit.user, 1)
    world.clock.advance(timedelta(seconds=1))
    first = visit.asks()
    assert visit.asks().repeats == first.id
    await world.fail_sign_ins(visit.user, 1)
    assert visit.asks().repeats is None


async def test_what_is_kept_has_a_bound(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    for number in range(_MOST + 10):
        visit.asks(user_agent=str(number))
    assert len(world.procedure._reuse) == _MOST
    assert visit.asks(user_agent="0").repeats is None
    assert visit.asks(user_agent=str(_MOST)).repeats is not None


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_memory_says_what_the_whole_procedure_says(
    world: DecisionWorld, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
    sets = []
    for number, text in enumerate(_POLICIES):
        world.policy(text, tmp_path / str(number))
        sets.append(world.policies)
    world.policies = sets[0]
    visits = [await world.visit(name=f"user{number}") for number in range(3)]
    for visit in visits:
        await world.settle_in(visit.user)
    fate = Fate(world, visits, sets, chance)
    repeated = 0
    for _ in range(120):
        await fate.strikes()
        visit, method = chance.choice(visits), chance.choice(["GET", "GET", "POST"])
        for _ in range(3):
            request = visit.request(chance.choice(["/", "/a", "/secret", "/press", "/healthz"]), method)
            whole = Procedure(world.sources, world.clock, world.entropy).decide(request, is_question=True)
            found = world.procedure.decide(request)
            assert _said(found) == _said(whole)
            repeated += found.repeats is not None
            world.clock.advance(timedelta(seconds=chance.choice([0, 0.1, 7])))
    assert repeated > 10, repeated


class Fate:
    """What may happen between two requests."""

    def __init__(self, world: DecisionWorld, visits: list[Visit], sets: list[PolicySet], chance: random.Random) -> None:
        self.world, self.visits, self.sets, self.chance = world, visits, sets, chance
        rare = (
            self.other_policies,
            self.signs_in_again,
            self.ends,
            self.changes_groups,
            self.reports_posture,
            self.fails,
            self.learns,
            self.lists,
        )
        turns = (self.a_minute_turns, self.a_minute_of_a_session_turns)
        self.events: tuple[Callable[[], Awaitable[None]], ...] = (*(self.time_passes,) * 8, *turns * 2, *rare)

    async def strikes(self) -> None:
        await self.chance.choice(self.events)()

    async def time_passes(self) -> None:
        self.world.clock.advance(timedelta(seconds=self.chance.choice([0.2, 0.2, 1, 5, 13.7, 59.9])))

    async def a_minute_turns(self) -> None:
        now = self.world.clock.now()
        self.world.clock.advance(timedelta(minutes=1) - timedelta(seconds=now.second, microseconds=now.microsecond))

    async def a_minute_of_a_session_turns(self) -> None:
        age = self.world.clock.now() - self.chance.choice(self.visits).session.authenticated_at
        self.world.clock.advance(timedelta(minutes=1) - age % timedelta(minutes=1))

    async def other_policies(self) -> None:
        self.world.policies = self.chance.choice([*self.sets, *self.sets[:1] * 8])

    async def signs_in_again(self) -> None:
        number = self.chance.randrange(len(self.visits))
        user = self.visits[number].user
        self.visits[number] = await self.world.session(user, await self.world.device(user))

    async def ends(self) -> None:
        await self.chance.choice(self.visits).change(ended_at=self.world.clock.now(), handles={})
        await self.signs_in_again()

    async def changes_groups(self) -> None:
        await self.chance.choice(self.visits).change_user(groups=frozenset({self.chance.choice(["members", "x"])}))

    async def reports_posture(self) -> None:
        device = self.chance.choice(list(self.world.people.all_devices.values()))
        reported = replace(
            device,
            is_managed=True,
            os_patched=True,
            disk_encrypted=self.chance.random() < 0.5,
            posture_at=self.world.clock.now(),
        )
        self.world.people.all_devices[device.id] = reported
        await self.world.tell("devices.device.changed", device.id)

    async def fails(self) -> None:
        await self.world.fail_sign_ins(self.chance.choice(self.visits).user, self.chance.choice([1, 4]))

    async def learns(self) -> None:
        await self.world.settle_in(self.chance.choice(self.visits).user, self.chance.choice([LONDON, HOME]))

    async def lists(self) -> None:
        until = self.world.clock.now() + timedelta(seconds=self.chance.choice([3, 90]))
        await self.world.list_network(NetworkList.SUSPICIOUS, "203.0.113.0/24", expires_at=until)
