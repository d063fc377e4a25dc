"""Facts in memory follow what was committed, however often and in whatever order it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from decision_world import HOST, DecisionWorld

from watchword.decision import FactBase
from watchword.kernel import Answer, Reason, WatchwordError


async def test_loading_reads_what_is_committed(world: DecisionWorld) -> None:
    visit = await world.visit()
    fresh = FactBase(world.people, world.people, world.clock, fresh_at=lambda: 0.0)
    assert fresh.session_by_handle(visit.handle) is None
    await fresh.load()
    assert fresh.session_by_handle(visit.handle) == (visit.session, HOST)
    assert fresh.counts() == {"users": 1, "sessions": 1, "devices": 1}


async def test_events_twice_and_out_of_order_lead_to_the_same_facts(world: DecisionWorld) -> None:
    visit = await world.visit()
    ended = replace(visit.session, ended_at=world.clock.now(), handles={})
    world.people.all_sessions[ended.id] = ended
    events = [
        world.event(f"identity.session.{what}", visit.session.id)
        for what in ("started", "stepped_up", "handle_added", "ended")
    ] * 2
    for batch in (events, events[:3], list(reversed(events)), events[5:] + events[:5]):
        await world.facts.observe(batch)
        assert visit.asks().reasons == (Reason.SESSION_ENDED,)
    assert world.facts.counts()["sessions"] == 1


async def test_a_batch_reads_each_thing_once(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.people.reads.clear()
    await world.facts.observe([world.event("identity.session.stepped_up", visit.session.id) for _ in range(5)])
    assert world.people.reads == [visit.session.id]


async def test_a_handle_that_was_rotated_opens_nothing(world: DecisionWorld) -> None:
    visit = await world.visit()
    await visit.change(handles={b"\1" * 32: HOST})
    assert visit.asks().reasons == (Reason.SESSION_INVALID,)


async def test_a_session_that_is_gone_from_the_tables_opens_nothing(world: DecisionWorld) -> None:
    visit = await world.visit()
    del world.people.all_sessions[visit.session.id]
    await world.tell("identity.session.ended", visit.session.id)
    assert visit.asks().reasons == (Reason.SESSION_INVALID,)
    assert world.facts._handles == {}


async def test_a_session_that_ended_before_this_process_began_opens_nothing(world: DecisionWorld) -> None:
    user = await world.person()
    visit = await world.session(user, ended_at=world.clock.now(), handles={})
    assert visit.asks().reasons == (Reason.SESSION_INVALID,)


async def test_a_changed_group_changes_every_member(world: DecisionWorld) -> None:
    visit = await world.visit()
    world.people.all_users[visit.user.id] = replace(visit.user, groups=frozenset())
    await world.tell("identity.group.deleted", "grp_01jd0000000000000000000000")
    assert visit.asks().reasons == (Reason.POLICY_SILENT,)


async def test_an_event_whose_subject_cannot_be_read_stops_the_relay_instead_of_being_skipped(
    world: DecisionWorld,
) -> None:
    for kind in ("identity.user.changed", "identity.session.ended", "devices.device.bound"):
        with pytest.raises(WatchwordError):
            await world.tell(kind, "nonsense")


async def test_events_of_other_rooms_read_nothing(world: DecisionWorld) -> None:
    world.people.reads.clear()
    for kind in ("identity.sign_in.failed", "trust.network.listed", "keys.key.rotated", "identity.users.x"):
        await world.tell(kind, "unknown")
    assert world.people.reads == []


async def test_sessions_are_forgotten_an_hour_after_they_ran_out(world: DecisionWorld) -> None:
    visit = await world.visit()
    for _ in range(5):
        await world.session(visit.user)
    world.clock.advance(timedelta(hours=2, seconds=1))
    later = await world.session(visit.user)
    await world.facts.observe([world.event("keys.key.rotated", "x") for _ in range(1000)])
    assert world.facts.counts()["sessions"] == 1
    assert set(world.facts._handles) == set(later.session.handles)
    assert visit.asks().reasons == (Reason.SESSION_INVALID,)
    assert later.asks().answer is not Answer.DENY


async def test_no_handle_lies_in_memory(world: DecisionWorld) -> None:
    visit = await world.visit()
    assert visit.handle.encode() not in b"".join(world.facts._handles)
    assert visit.handle not in repr(world.facts.session(visit.session.id))


async def test_a_user_in_the_vocabulary_is_the_user_of_the_facts(world: DecisionWorld) -> None:
    visit = await world.visit()
    vocabulary = world.procedure._policy._vocabulary
    _, before = vocabulary.principal(visit.user)
    _, same = vocabulary.principal(visit.user)
    changed = replace(visit.user, groups=frozenset({"others"}))
    uid, after = vocabulary.principal(changed)
    assert before is same
    assert after is not before
    assert [parent.id for parent in after[uid].parents] == ["others"]


async def test_the_vocabulary_holds_the_configuration_once(world: DecisionWorld) -> None:
    visit = await world.visit()
    uid, entities = world.procedure._policy._vocabulary.principal(visit.user)
    shared = world.procedure._policy._vocabulary._static
    assert len(entities) == 2
    for known in shared:
        assert known in entities
        assert entities[known] is entities.get(known) is shared[known]
    unknown = uid._replace(id="nobody")
    assert unknown not in entities
    assert entities.get(unknown) is None
    with pytest.raises(KeyError):
        entities[unknown]


async def test_the_vocabulary_is_bounded(world: DecisionWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.decision.vocabulary._CACHED_USERS", 3)
    for n in range(10):
        world.procedure._policy._vocabulary.principal(await world.person(f"user{n}"))
    assert len(world.procedure._policy._vocabulary._users) == 3
