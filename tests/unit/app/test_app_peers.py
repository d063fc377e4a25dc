"""Who has no group of their own is compared with the cluster that a night put them into, by this night's version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from behaviour_world import FIREFOX, at_home, living
from decision_world import LONDON, NOTES, DecisionWorld, Visit

from watchword.app.acts import Acts
from watchword.app.learning import learning_profiles, portal_profile
from watchword.app.peers import PeersAbreast
from watchword.audit.model import event_record
from watchword.kernel import Acr, FrozenClock
from watchword.storage import Database
from watchword.trust import FREEMAN, STATISTICAL, Act, ContextSource, Outcome, TrustSettings, replay
from watchword.trust.behaviour import Model
from watchword.trust.importers import Layout, Reading, Tally, read
from watchword.trust.learning.batch import Night, PeerGroups, keep, peers_file

UNIT = {"notes default": 1.0}


@pytest.fixture
def world(plain_database: Database, clock: FrozenClock, entropy: Any) -> DecisionWorld:
    made = DecisionWorld(plain_database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))
    acts = Acts(made.trust, made.places)
    made.point.subscribe(acts.note)
    made.trust.habits.fed_by(acts.drain)
    return made


@pytest.fixture
def peers(world: DecisionWorld, tmp_path: Path) -> PeersAbreast:
    return PeersAbreast(tmp_path, world.trust.habits)


def a_night(folder: Path, *users: str, name: str = "peers-01") -> None:
    """Keep what a night found: one cluster of people who use the notes."""
    groups = PeerGroups({"notes default": 1.0, "notes vault": 2.0}, {name: UNIT}, dict.fromkeys(users, name))
    night = object.__new__(Night)
    object.__setattr__(night, "peers", groups)
    object.__setattr__(night, "forest", _Text("{}"))
    keep(folder, night)


class _Text:
    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text


async def colleagues(world: DecisionWorld, folder: Path, peers: PeersAbreast) -> Visit:
    """Let six people of one cluster work with the notes for a while, and return another one of them."""
    visit = await at_home(world)
    others = []
    for number in range(6):
        user = await world.person(f"other{number}")
        others.append(await world.session(user, await world.device(user), ip=LONDON))
        await living(world, others[-1], days=6)
    a_night(folder, visit.user.id, *[each.user.id for each in others])
    await peers.look()
    for each in (*others, visit):
        for path in ("/", "/press"):
            await world.point.authorize(each.request(path, user_agent=FIREFOX))
    await world.trust.habits.learn_waiting()
    return visit


async def test_what_nobody_of_the_cluster_uses_is_named_and_the_record_names_the_version(
    world: DecisionWorld, peers: PeersAbreast, tmp_path: Path
) -> None:
    visit = await colleagues(world, tmp_path, peers)
    decision = visit.asks("/vault", user_agent=FIREFOX)
    assert decision.assessment is not None
    told = {each.indicator: each.detail for each in decision.assessment.contributions}
    assert told["peer_rarity"] == "0 of about 6 others in `cluster peers-01` use this"
    version = decision.assessment.versions["peers"]
    assert len(version) == 12
    record = json.loads(decision.encoded())
    assert record["behaviour"]["versions"]["peers"] == version
    model = Model()
    a_night(tmp_path, name="peers-07")  # another night does not change what was recorded
    await peers.look()
    assert replay(record, ContextSource.open(), {model.label: model}.get).outcome is Outcome.SAME


async def test_a_group_of_their_own_comes_first_whatever_a_night_found(
    world: DecisionWorld, peers: PeersAbreast, tmp_path: Path
) -> None:
    visit = await colleagues(world, tmp_path, peers)
    await visit.change_user(groups=frozenset({"members", "finance"}))
    decision = visit.asks("/vault", user_agent=FIREFOX)
    assert decision.assessment is not None
    assert "peer_rarity" not in {each.indicator for each in decision.assessment.contributions}
    assert "peers" not in decision.assessment.versions


async def test_a_newer_night_is_in_force_at_once_and_ends_what_was_decided_by_the_one_before(
    world: DecisionWorld, peers: PeersAbreast, tmp_path: Path
) -> None:
    habits, visit = world.trust.habits, await at_home(world)
    world.clock.advance(timedelta(seconds=3))
    assert habits.group_of(visit.user.id) == ""
    first = visit.asks(user_agent=FIREFOX)
    world.clock.advance(timedelta(milliseconds=5))
    assert visit.asks(user_agent=FIREFOX).repeats == first.id
    a_night(tmp_path, visit.user.id)
    await peers.look()
    assert habits.group_of(visit.user.id) == "cluster peers-01"
    second = visit.asks(user_agent=FIREFOX)
    assert second.repeats is None
    assert first.assessment is not None
    assert second.assessment is not None
    assert "peers" not in first.assessment.versions
    a_night(tmp_path, visit.user.id, name="peers-02")
    await peers.look()
    assert habits.group_of(visit.user.id) == "cluster peers-02"
    peers_file(tmp_path).unlink()
    await peers.look()
    assert habits.group_of(visit.user.id) == ""


async def test_somebody_new_belongs_to_those_who_use_the_same(
    world: DecisionWorld, peers: PeersAbreast, tmp_path: Path
) -> None:
    visit = await at_home(world)
    a_night(tmp_path, "usr_somebody_else")
    await peers.look()
    assert world.trust.habits.group_of(visit.user.id) == ""
    await world.point.authorize(visit.request("/", user_agent=FIREFOX))
    await world.trust.habits.learn_waiting()
    assert world.trust.habits.group_of(visit.user.id) == "cluster peers-01"
    assert world.trust.habits.group_of("") == ""


async def test_groups_that_cannot_be_read_leave_those_before_in_force_and_are_said_to_be_so(
    world: DecisionWorld, peers: PeersAbreast, tmp_path: Path
) -> None:
    a_night(tmp_path, "usr_a")
    await peers.look()
    peers_file(tmp_path).write_text("{")
    await peers.look()
    assert peers.problem is not None
    assert "watchword" not in peers.problem
    assert world.trust.habits.group_of("usr_a") == "cluster peers-01"
    a_night(tmp_path, "usr_a", name="peers-03")
    await peers.look()
    assert peers.problem is None
    assert world.trust.habits.group_of("usr_a") == "cluster peers-03"


async def test_the_journal_is_read_as_the_acts_that_were_learned_from(world: DecisionWorld) -> None:
    lines = list[bytes]()
    visit = await at_home(world)
    drained = Acts(world.trust, world.places)
    world.point.subscribe(drained.note)
    for path in ("/", "/vault"):
        await world.point.authorize(visit.request(path, user_agent=FIREFOX))
    await world.point.authorize(visit.request("/", session_handle=None))
    about = {"user": visit.user.id, "session": visit.session.id, "acr": Acr.MULTI_FACTOR.value, "ip": LONDON}
    for kind in ("identity.session.started", "identity.sign_in.failed", "identity.user.created"):
        told = world.event(kind, visit.session.id, **about, user_agent=FIREFOX)
        lines.append(json.dumps(event_record(told), default=str).encode())
    lines += [json.dumps(record, default=str).encode() for record in world.journal.records]
    tally = Tally()
    written = BytesIO(b"\n".join(lines) + b"\n" + bytes(4096))  # a node writes zeros ahead of itself
    found = [
        each.observation for each in read(written, Layout.JOURNAL, tally=tally, reading=Reading(world.places.place_of))
    ]
    acts = [each for each in found if each.act is Act.REQUEST]
    assert (tally.refused, tally.skipped) == (0, 2)
    proofs = [each for each in found if each.act is Act.SIGN_IN]
    assert [(each.is_success, each.is_verified) for each in proofs] == [(True, True), (False, False)]
    for mine, theirs in zip(acts, drained.drain(), strict=True):
        expected = replace(theirs, group="", utc_offset_s=0, traits=mine.traits)
        assert replace(mine, at=round(mine.at, 3)) == replace(expected, at=round(expected.at, 3))


@pytest.mark.parametrize(
    ("about", "is_verified"),
    [
        ({}, True),
        ({"level": "medium"}, False),
        ({"answer": "step_up"}, False),
        ({"facts": [["mfa", None, None]]}, False),
        ({"facts": None}, False),
        ({"repeats": "dec_0", "facts": None, "level": "low"}, False),
    ],
)
def test_of_a_journal_only_a_low_risk_after_a_second_factor_is_verified(
    about: dict[str, Any],
    is_verified: bool,  # noqa: FBT001  # what is expected
) -> None:
    line = {
        "type": "decision",
        "id": "dec_1",
        "at": "2026-11-22T10:00:00+00:00",
        "user": "usr_1",
        "session": "ses_1",
        "application": "notes",
        "answer": "allow",
        "level": "low",
        "facts": [["session", "x", 3.0], ["mfa", None, 12.5]],
        "personal": {"ip": LONDON, "user_agent": FIREFOX},
    } | about
    (found,) = read(BytesIO(json.dumps(line).encode() + b"\n"), Layout.JOURNAL)
    assert found.observation.is_verified is is_verified
    assert found.is_labelled is False


async def test_sign_ins_are_learned_with_the_cluster_of_who_signs_in(
    world: DecisionWorld, peers: PeersAbreast, tmp_path: Path
) -> None:
    visit = await at_home(world)
    a_night(tmp_path, visit.user.id)
    await peers.look()
    told = world.event("identity.session.started", visit.session.id, user=visit.user.id, ip=LONDON, acr="x")
    await world.trust.observe([told])
    assert world.trust.habits._waiting[-1].group == "cluster peers-01"


@pytest.mark.parametrize("line", ["7", "{", "[]", '{"type":"decision","user":{},"session":"s","application":"a"}',
                                  '{"type":"identity.sign_in.failed"}', "[" * 100_000])  # fmt: skip
def test_a_line_of_a_journal_that_cannot_be_read_is_refused_by_its_number(line: str) -> None:
    tally = Tally()
    assert list(read(BytesIO(f'{{"type":"journal.opened"}}\n{line}\n'.encode()), Layout.JOURNAL, tally=tally)) == []
    assert (tally.skipped, tally.refused, tally.first[0].line) == (1, 1, 2)


@pytest.mark.parametrize(
    ("profile", "apps", "ahead", "learns", "portal"),
    [
        ("additive", (), (), set(), "additive"),
        ("trust-score", ("additive",), (), set(), "additive"),
        ("statistical", (), (), {STATISTICAL}, STATISTICAL),
        ("freeman", ("additive",), (), {FREEMAN}, FREEMAN),
        ("additive", ("freeman", "additive"), (), {FREEMAN}, "additive"),
        ("additive", ("statistical",), ("freeman",), {STATISTICAL, FREEMAN}, "additive"),
        ("additive", (), ("statistical",), {STATISTICAL}, "additive"),
    ],
)
def test_a_node_learns_for_the_profiles_in_use_and_those_it_is_told_to_learn_ahead(
    profile: str, apps: tuple[str, ...], ahead: tuple[str, ...], learns: set[str], portal: str
) -> None:
    settings = TrustSettings(profile=profile, learn_ahead=ahead)
    found = [replace(NOTES, profile=each) for each in apps]
    assert learning_profiles(found, settings) == learns
    assert portal_profile(settings) == portal


def test_learning_ahead_for_a_profile_that_learns_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="learn_ahead"):
        TrustSettings(learn_ahead=("additive",))
