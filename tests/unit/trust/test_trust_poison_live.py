"""A running node under attack: what it is told, when, by which clock, and of whom it hears nothing any more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from habit_acts import act, live

import watchword.identity  # noqa: F401  # declares the events
from watchword.kernel import Acr, Event, EventId, FrozenClock, SessionId, UserId, event_types
from watchword.storage import Database
from watchword.trust import EMPTY_BASELINE, Act, Agent, ContextSource, Finding, Habits, Observation, TrustState, store
from watchword.trust.baseline import parse, speed_kmh
from watchword.trust.shared import SharedNetworks
from watchword.trust.undoing import Snapshots

CONTEXT = ContextSource.open()
LONDON, PARIS, TOKYO = "81.2.69.142", "193.48.1.1", "133.11.0.1"
CURL = Agent("curl/8.5.0", "curl 8", "Linux", "program")


class Teller:
    """Tells the node what identity tells it."""

    def __init__(self, clock: FrozenClock, entropy: Any) -> None:
        self._clock, self._entropy = clock, entropy
        self.user = self.somebody()

    def somebody(self) -> UserId:
        return UserId.new(self._clock.now(), self._entropy)

    def session(self) -> SessionId:
        return SessionId.new(self._clock.now(), self._entropy)

    def event(self, kind: str, subject: str, **data: Any) -> Event:
        now = self._clock.now()
        return Event(EventId.new(now, self._entropy), kind, now, self.user, subject, data)

    def failed(self, user: str, *, ip: str = PARIS, factor: str = "password", user_agent: str = "") -> Event:
        about = {"user": user, "reason": "wrong", "factor": factor, "ip": ip, "user_agent": user_agent}
        return self.event("identity.sign_in.failed", user or "unknown", **about)

    def started(self, session: str, ip: str = LONDON, **more: Any) -> Event:
        kind = more.pop("kind", "identity.session.started")
        about = {
            "user": self.user,
            "session": session,
            "acr": Acr.MULTI_FACTOR.value,
            "ip": ip,
            "user_agent": "Firefox",
        }
        return self.event(kind, session, **(about | more))


@pytest.fixture
def tell(clock: FrozenClock, entropy: Any) -> Teller:
    return Teller(clock, entropy)


@pytest.fixture
def habits(plain_database: Database, clock: FrozenClock) -> Habits:
    return Habits(plain_database, clock, most=4)


@pytest.fixture
def trust(plain_database: Database, clock: FrozenClock, habits: Habits) -> TrustState:
    return TrustState(plain_database, clock, CONTEXT, habits=habits)


def _found(findings: tuple[Finding, ...], indicator: str) -> float:
    return next((finding.value for finding in findings if finding.indicator == indicator), 0.0)


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_failed_sign_in_tells_with_which_program_it_was_tried() -> None:
    assert "user_agent" in event_types()["identity.sign_in.failed"].fields


async def test_a_spray_from_ever_other_addresses_is_found_by_its_program_in_a_running_node(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    for n in range(20):
        await trust.observe([tell.failed(tell.somebody(), ip=f"193.{n}.1.1", user_agent="python-requests/2.31")])
    seen = act(
        clock, tell.user, ip=TOKYO, network="133.11.0.0/24", is_verified=False, agent=Agent("python-requests/2.31")
    )
    assert _found(trust.situation(seen, clock.now()).findings, "password_spray") >= 4.0


async def test_mfa_bombing_is_found_by_the_fifth_wrong_code_in_a_running_node(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    for _ in range(5):
        await trust.observe([tell.failed(tell.user, factor="totp")])
        clock.advance(timedelta(minutes=1))
    session = tell.session()
    await trust.observe([tell.started(session, PARIS)])
    standing = trust.habits.detectors.findings_for(tell.user, session, "193.48.1.0/24", clock.now().timestamp())
    assert _found(standing, "mfa_fatigue") >= 3.0


async def test_two_mistyped_codes_before_the_right_one_are_nothing_in_a_running_node(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    session = tell.session()
    await trust.observe([tell.failed(tell.user, factor="totp"), tell.failed(tell.user, factor="recovery_code")])
    await trust.observe([tell.started(session, PARIS)])
    standing = trust.habits.detectors.findings_for(tell.user, session, "193.48.1.0/24", clock.now().timestamp())
    assert standing == ()


async def test_a_sprayer_who_is_faster_than_the_batch_is_judged_by_what_he_did(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    """Twenty accounts and the one that works within five seconds, before anything was learned."""
    await trust.observe([tell.failed(tell.somebody(), user_agent="curl/8.5.0") for _ in range(20)])
    seen = act(clock, tell.user, ip=PARIS, network="193.48.1.0/24", is_verified=False, agent=CURL)
    assert _found(trust.situation(seen, clock.now()).findings, "password_spray") >= 4.0


async def test_whoever_asks_without_end_keeps_no_one_else_s_theft_from_being_seen(
    habits: Habits, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.trust.habits._MOST_WAITING", 100)
    monkeypatch.setattr("watchword.trust.habits._MOST_OF_USER", 200)
    habits.note(act(clock, session="ses_ada"))
    await habits.learn_waiting()

    def feeder() -> Iterator[Observation]:
        flood = act(clock, "usr_mallory", act=Act.REQUEST, session="ses_own", is_verified=False)
        for n in range(500):
            yield replace(flood, id=f"flood-{n}", resource=f"r{n}")
        yield act(clock, act=Act.REQUEST, session="ses_ada", agent=CURL, is_verified=False, id="theft")

    habits.fed_by(feeder)
    await habits.learn_waiting()
    found = habits.detectors.findings_for("usr_ada", "ses_ada", "81.2.69.0/24", clock.now().timestamp())
    assert _found(found, "token_replay") >= 3.0
    assert habits.figures.dropped == 300


async def test_a_session_of_somebody_whose_history_is_away_is_bound_and_watched_all_the_same(
    plain_database: Database, habits: Habits, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: very many others are asked for, so that the victim's history is away and nothing has room to wait."""
    for number in range(9):
        await live(habits, clock, f"usr_{number}", days=2)
        await habits.flush()
    monkeypatch.setattr("watchword.trust.shelf._LONGEST_QUEUE", 0)
    monkeypatch.setattr("watchword.trust.habits._MOST_WAITING", 1)
    again = Habits(plain_database, clock, most=1)
    await again.load()
    assert again.known("usr_8").is_away
    again.note(act(clock, "usr_8", session="ses_8"))
    await again.learn_waiting()
    stolen = act(clock, "usr_8", act=Act.REQUEST, session="ses_8", agent=CURL, id="theft")
    assert _found(tuple(again.detectors.judge(stolen)), "token_replay") >= 3.0


async def test_a_password_alone_in_a_session_that_once_had_a_second_factor_vouches_for_nothing(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    """Attack: a stolen session and a password that was phished; the account has lost its second factor meanwhile."""
    session = tell.session()
    await trust.observe([tell.started(session, factor="password totp")])
    stolen = act(clock, tell.user, act=Act.REQUEST, session=session, agent=CURL, id="theft", is_verified=False)
    trust.habits.fed_by(lambda: [stolen])
    await trust.habits.learn_waiting()
    again = tell.started(session, PARIS, kind="identity.session.stepped_up", factor="password", user_agent="curl/8.5.0")
    await trust.observe([again])
    await trust.habits.learn_waiting()
    found = trust.habits.detectors.findings_for(tell.user, session, "193.48.1.0/24", clock.now().timestamp())
    assert _found(found, "token_replay") >= 2.0
    assert trust.baseline(tell.user).countries["FR"].weight == 1


# --- clocks -----------------------------------------------------------------------------------------------------------


async def test_a_clock_that_went_back_leaves_failures_and_prompts_counting_for_decisions_that_did_not_follow(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    """A decision's time never goes back; what was told since then is an hour old by it, and counts all the same."""
    ahead = clock.now() + timedelta(hours=1)
    for _ in range(5):
        await trust.observe([tell.failed(tell.user, factor="totp")])
    assert trust.failed_attempts(tell.user, ahead) == pytest.approx(5)
    seen = act(clock, tell.user, act=Act.REQUEST, ip=PARIS, network="193.48.1.0/24", ago_days=-1 / 24)
    situation = trust.situation(seen, ahead)
    assert _found(situation.findings, "mfa_prompts") >= 1.0
    assert not trust.still_holds(situation, ahead)


async def test_requests_are_watched_after_the_clock_of_their_node_went_back(habits: Habits, clock: FrozenClock) -> None:
    habits.note(act(clock, session="ses_ada"))
    await habits.learn_waiting()
    stolen = act(clock, act=Act.REQUEST, session="ses_ada", agent=CURL, ago_days=-1, id="theft", is_verified=False)
    habits.fed_by(lambda: [stolen])
    await habits.learn_waiting()
    found = habits.detectors.findings_for("usr_ada", "ses_ada", "81.2.69.0/24", clock.now().timestamp())
    assert _found(found, "token_replay") >= 3.0


async def test_a_place_verified_in_the_future_does_not_make_every_journey_impossible_until_then(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    clock.step(timedelta(days=365))
    await trust.observe([tell.started(tell.session())])
    clock.step(timedelta(days=-365))
    await trust.observe([tell.started(tell.session())])
    clock.advance(timedelta(days=2))
    last = trust.baseline(tell.user).last_verified
    assert last is not None
    travel = speed_kmh(last, CONTEXT.place_of(TOKYO), clock.now())
    assert travel is not None
    assert travel[1] < 1000
    await trust.observe([tell.started(tell.session(), TOKYO)])
    last = trust.baseline(tell.user).last_verified
    assert last is not None
    assert last.place.country == "JP"


async def test_a_step_up_settles_a_session_that_was_contested_before_the_clock_went_back(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    session = tell.session()
    ahead = clock.now() + timedelta(hours=1)
    trust.note_sighting(session, CONTEXT.place_of(LONDON), ahead)
    trust.note_sighting(session, CONTEXT.place_of(TOKYO), ahead + timedelta(minutes=1))
    contested = trust.session_sighting(session)
    assert contested is not None
    assert contested.is_contested
    await trust.observe([tell.started(session, kind="identity.session.stepped_up")])
    settled = trust.session_sighting(session)
    assert settled is not None
    assert not settled.is_contested


# --- what was stored --------------------------------------------------------------------------------------------------

_DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "stored", [_DEEP, f'{{"hours":{_DEEP}', '{"hours":1000000000000}', "null", "[]", '"x"', "1e999"]
)
def test_a_baseline_damaged_in_storage_is_refused_without_a_memory_or_stack_of_its_own(stored: str) -> None:
    for read in (parse, SharedNetworks.parse):
        try:
            assert read(stored) != EMPTY_BASELINE
        except ValueError:
            continue


async def test_a_baseline_damaged_in_storage_stops_neither_decisions_nor_events(
    plain_database: Database, trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await trust.observe([tell.started(tell.session())])
    await trust.flush()
    async with plain_database.work() as work:
        await store.put_baselines(work.connection, [(tell.user, 1, _DEEP)], clock.now())
    again = TrustState(plain_database, clock, CONTEXT)
    await again.load()
    assert again.baseline(tell.user) is EMPTY_BASELINE
    assert again.unreadable == 1
    await again.load()
    await again.observe([tell.started(tell.session())])
    assert again.baseline(tell.user).outcomes == 1


@pytest.mark.parametrize("odd", ["\ud800", "a\0b", "\udfff" * 99])
async def test_a_text_that_no_database_takes_keeps_nothing_else_from_being_written(
    plain_database: Database, clock: FrozenClock, odd: str
) -> None:
    habits = Habits(plain_database, clock, learns=["statistical", "freeman"])
    names = {"group": odd, "resource": odd, "action": odd, "device": odd, "ip": odd, "agent": Agent(odd, odd, odd, odd)}
    habits.note(act(clock, "usr_odd", **names))
    habits.note(act(clock, "usr_odd", act=Act.REQUEST, session="ses_odd", id="request", **names))
    await live(habits, clock)
    await habits.flush()
    assert habits.figures.unreadable == 0
    again = Habits(plain_database, clock, learns=["statistical", "freeman"])
    await again.load()
    assert again.figures.unreadable == 0
    for user in ("usr_ada", "usr_odd"):
        assert again.known(user).profile == habits.known(user).profile
        assert again.known_sign_ins(user).own == habits.known_sign_ins(user).own


async def test_events_that_say_anything_at_all_stop_no_node(trust: TrustState, tell: Teller) -> None:
    chance = random.Random(3)  # noqa: S311  # a fixed seed
    odd: list[Any] = [
        0,
        1e308,
        2**70,
        None,
        "x",
        True,
        [],
        {},
        "ses_x" * 20,
        "\ud800",
        "\0",
        b"x",
        {"a": []},
        10**6 * "x",
    ]
    kinds = [kind for kind in TrustState._handlers if kind != "identity.user.deleted"]
    for _ in range(600):
        names = ("user", "session", "device", "acr", "factor", "ip", "user_agent", "reason")
        data = {name: chance.choice(odd) for name in names}
        usual = {"user": tell.user, "ip": LONDON, "acr": Acr.MULTI_FACTOR.value, "session": tell.session()}
        data |= {name: value for name, value in usual.items() if chance.random() < 0.7}
        event = tell.event(chance.choice(kinds), chance.choice(["", "x", "\ud800", tell.session()]), **data)
        await trust.observe([replace(event, at=event.at + timedelta(seconds=chance.choice([0, -1e9, 1e9, -60, 60])))])
    await trust.habits.learn_waiting()
    await trust.habits.flush()
    await trust.flush()
    assert trust.baseline(tell.user).outcomes > 10
    assert trust.habits.figures.unreadable == 0


# --- who is gone ------------------------------------------------------------------------------------------------------


async def test_the_last_acts_of_a_deleted_account_bring_nothing_of_it_back(
    plain_database: Database, habits: Habits, clock: FrozenClock
) -> None:
    await live(habits, clock)
    habits.note(act(clock, id="waiting"))
    habits.forget("usr_ada")
    habits.fed_by(lambda: [act(clock, act=Act.REQUEST, session="ses_ada", id="late")])
    await habits.learn_waiting()
    await habits.flush()
    again = Habits(plain_database, clock, most=4)
    await again.load()
    for each in (habits, again):
        assert each.known("usr_ada").profile.learned == 0
        assert not [name for memory in each.detectors._memories.values() for name in memory.keys() if "ada" in name]  # noqa: SIM118


async def test_the_last_acts_of_a_disowned_session_teach_nothing(habits: Habits, clock: FrozenClock) -> None:
    """A thief's requests wait for half a minute to be learned; their owner disowns the session meanwhile."""
    await live(habits, clock)
    habits.unlearn("ses_thief")
    habits.fed_by(lambda: [act(clock, act=Act.REQUEST, session="ses_thief", resource="vault", id="late")])
    await habits.learn_waiting()
    assert not [key for key in habits.known("usr_ada").profile.totals if "vault" in key]


async def test_a_disowned_session_makes_its_network_no_home_from_which_prompts_wear_the_owner_down(
    trust: TrustState, tell: Teller, clock: FrozenClock
) -> None:
    await trust.observe([tell.started(tell.session())])
    clock.advance(timedelta(days=1))
    thief = tell.session()
    await trust.observe([tell.started(thief, PARIS)])
    clock.advance(timedelta(days=1))
    await trust.observe([tell.event("identity.session.ended", thief, user=tell.user, reason="disowned")])
    for _ in range(5):
        await trust.observe([tell.failed(tell.user, factor="totp")])
    again = tell.session()
    await trust.observe([tell.started(again, PARIS)])
    now = clock.now().timestamp()
    found = trust.habits.detectors.findings_for(tell.user, again, "193.48.1.0/24", now)
    assert _found(found, "mfa_fatigue") >= 3.0
    assert trust.habits.detectors._entrance.is_home(tell.user, "81.2.69.0/24", now)


# --- taking back ------------------------------------------------------------------------------------------------------


def test_whoever_signs_in_two_thousand_times_with_an_own_account_keeps_nobody_from_taking_back() -> None:
    before = Snapshots[int]()
    before.note("ses_thief", "usr_ada", 1)
    for n in range(5000):
        before.note(f"ses_{n}", "usr_mallory", n)
    assert before.take("ses_thief") == ("usr_ada", 1)


def test_whoever_signs_in_again_and_again_with_the_stolen_account_is_taken_back_to_before_the_first_time() -> None:
    before = Snapshots[int]()
    for n in range(5):
        before.note(f"ses_own{n}", "usr_ada", n)
    for n in range(5, 200):
        before.note(f"ses_thief{n}", "usr_ada", n)
    found = before.take("ses_thief5")
    assert found is not None
    assert found[1] <= 5
    assert before.take("ses_thief6") is None


def test_what_was_before_sessions_is_bounded_and_newest_sessions_are_taken_back_exactly() -> None:
    before = Snapshots[int]()
    for n in range(3000):
        before.note(f"ses_{n}", f"usr_{n % 7}" if n % 2 else f"usr_own{n}", n)
    assert sum(map(len, before._before.values())) <= 2000
    assert len(before._user_of) <= 4000
    for n in range(1000):
        before.note(f"ses_more{n}", "usr_ada", n)
    assert before.take("ses_more999") == ("usr_ada", 999)
    assert "ses_more0" not in before
