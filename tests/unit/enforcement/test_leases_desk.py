"""A lease is granted for what is asked again and again, ends with the first fact that changes, and is accounted for."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import HOME, LONDON, NOTES, PERMIT_ALL, DecisionWorld, Visit
from door_world import DoorWorld, cookies_of, header, let_go_of

from watchword.decision import AccessRequest
from watchword.enforcement.leases import LEASE_HEADER, LEASED_BY, SLOTS, LeaseBoard, LeaseBoardError, LeaseDesk
from watchword.kernel import Answer, FrozenClock, RiskLevel
from watchword.trust import NetworkList

AGENT = {"user_agent": "Mozilla/5.0"}


class Leasing:
    """A door with a desk, and what the edge would find on its board."""

    def __init__(self, world: DecisionWorld, path: Path) -> None:
        self.world = world
        self.path = path
        self.board = LeaseBoard.open(path)
        self.well = True
        self.desk = LeaseDesk(self.board, world.point, world.clock, lease_s=10, is_well=lambda: self.well)
        self.doors = DoorWorld(world, leases=self.desk)

    async def ask(self, visit: Visit, target: str = "/", **about: Any) -> str | None:
        """Ask once; return the lease that came with the answer."""
        answer = await self.doors.ask(visit, target, **{"host": f"{visit.host}:8443", **AGENT, **about})
        return header(answer, LEASE_HEADER)

    async def asks(self, visit: Visit, target: str = "/", times: int = 3, **about: Any) -> str | None:
        """Ask as often as it takes, and return what came with the last answer."""
        return [await self.ask(visit, target, **about) for _ in range(times)][-1]

    async def lease(self, visit: Visit, target: str = "/", **about: Any) -> int:
        """Get a lease; return its slot."""
        text = await self.asks(visit, target, **about)
        assert text is not None
        return int(text.partition("\t")[0])

    def use(self, slot: int, times: int = 1) -> None:
        """Count as a worker of the edge does."""
        self.board._uses[slot * 32 + 5] += times

    def holds(self, slot: int) -> bool:
        return self.board._ends[slot] > self.world.clock.monotonic()


@pytest.fixture
async def leasing(world: DecisionWorld, tmp_path: Path) -> AsyncIterator[Leasing]:
    made = Leasing(world, tmp_path / "leases")
    yield made
    await made.desk.close()


@pytest.fixture
async def visit(world: DecisionWorld) -> Visit:
    made = await world.visit()
    world.clock.advance(timedelta(seconds=1))
    return made


async def test_what_is_asked_for_once_or_twice_is_not_leased(leasing: Leasing, visit: Visit) -> None:
    assert [await leasing.ask(visit) is not None for _ in range(3)] == [False, False, True]
    assert await leasing.asks(visit, "/other", times=1) is None
    assert len(leasing.desk) == 1


async def test_a_lease_says_for_which_request_it_is_and_what_to_tell_the_application(
    leasing: Leasing, visit: Visit
) -> None:
    host = f"{visit.host}:8443"
    about = {"host": host, "x_watchword_application": "notes", **AGENT}
    answer = [await leasing.doors.ask(visit, "/a?b=1", **about) for _ in range(3)][-1]
    slot, ends, *rest = str(header(answer, LEASE_HEADER)).split("\t")
    assert float(ends) == leasing.board._ends[int(slot)]
    assert dict(zip(LEASED_BY, rest, strict=False)) == {
        ":method": "GET",
        ":authority": host,
        ":path": "/a?b=1",
        "x-watchword-client-ip": visit.ip,
        "x-watchword-application": "notes",
        "user-agent": "Mozilla/5.0",
        "cookie": cookies_of(visit),
        "authorization": "",
        "dpop": "",
        "upgrade": "",
        "x-watchword-stream": "",
    }
    *changes, last = rest[len(LEASED_BY) :]
    assert last == "."
    assert dict(zip(changes[::2], changes[1::2], strict=True)) == {
        "cookie": "",
        "x-watchword-decision": f"={header(answer, 'x-watchword-decision')}",
        "x-watchword-assertion": f"={header(answer, 'x-watchword-assertion')}",
    }


async def test_a_lease_lasts_ten_seconds_or_until_time_alone_changes_something(leasing: Leasing, visit: Visit) -> None:
    slot = await leasing.lease(visit)
    assert leasing.board._ends[slot] == pytest.approx(leasing.world.clock.monotonic() + 10)
    leasing.world.clock.advance(timedelta(seconds=55))
    leasing.desk.tick()
    assert not leasing.holds(slot)
    slot = await leasing.lease(visit)  # four seconds before the turn of the minute
    assert leasing.board._ends[slot] == pytest.approx(leasing.world.clock.monotonic() + 4)
    leasing.world.clock.advance(timedelta(seconds=3.8))
    assert await leasing.asks(visit) is None, "the moment that is left is not worth it"


@pytest.mark.parametrize(
    "about",
    [
        {"method": "POST"},
        {"method": "DELETE"},
        {"target": "/admin"},
        {"target": "/vault"},
        {"target": "/healthz"},
        {"dpop": "proof"},
        {"upgrade": "h2c"},
        {"upgrade": "websocket"},
        {"x_watchword_stream": "1"},
        {"user_agent": "Mozilla/5.0\tGET"},
        {"user_agent": "Mozilla/5.0 \xe9"},
        {"user_agent": "a" * 9000},
        {"authorization": "Basic \x7f"},
    ],
    ids=str,
)
async def test_what_is_not_leased(leasing: Leasing, visit: Visit, about: dict[str, str]) -> None:
    about = dict(about)
    target = about.pop("target", "/")
    assert await leasing.asks(visit, target, times=4, **about) is None
    assert len(leasing.desk) == 0


async def test_a_browser_without_a_known_device_gets_no_lease(leasing: Leasing) -> None:
    visit = await leasing.world.session(await leasing.world.person())
    assert await leasing.asks(visit, "/press", times=5) is None


async def test_a_risk_that_is_not_low_gets_no_lease(leasing: Leasing, visit: Visit) -> None:
    await leasing.world.list_network(NetworkList.SUSPICIOUS, f"{HOME}/32")
    answers = [await leasing.doors.ask(visit, **AGENT) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    last = leasing.world.point.recent[-1]
    assert (last.level, last.repeats is not None) == (RiskLevel.MEDIUM, True)
    assert header(answers[-1], LEASE_HEADER) is None


async def test_what_the_edge_does_not_compare_changes_nothing_of_an_allow(leasing: Leasing, visit: Visit) -> None:
    asked: list[AccessRequest] = []
    release = leasing.world.point.release
    leasing.world.point.release = lambda request, told: (asked.append(request), release(request, told))  # type: ignore[assignment, func-returns-value]
    plain = await leasing.doors.ask(visit, **AGENT)
    for name in ("accept", "accept_language", "content_type", "origin", "sec_fetch_mode", "x_request_id", "x_other"):
        for value in ("", "navigate", "text/html", "https://evil.example", "websocket"):
            other = await leasing.doors.ask(visit, **AGENT, **{name: value})
            assert [key for key, _ in other.headers if key != LEASE_HEADER.encode()] == [k for k, _ in plain.headers]
    assert len(set(asked)) == 1


BOOK = """
obligations:
  record: {kind: application}
  mask: {kind: mask, fields: [ssn]}
  brief: {kind: lease_limit, seconds: 3}
  fresh: {kind: lease_limit, seconds: 0}
"""


@pytest.mark.parametrize(
    ("names", "lasts_s"), [("record", 0), ("mask", 0), ("brief, record", 0), ("fresh", 0), ("brief", 3)]
)
async def test_obligations_limit_leases_and_what_a_door_must_do_forbids_them(
    leasing: Leasing, visit: Visit, names: str, lasts_s: float
) -> None:
    directory = leasing.path.parent / "obliging"
    directory.mkdir()
    (directory / "obligations.yaml").write_text(BOOK)
    leasing.world.policy(f'@obligation("{names}") permit (principal, action, resource);', directory)
    leasing.world.rewired(applications=[replace(NOTES, fulfils_obligations=True)])
    leasing.world.point._procedure = leasing.world.procedure
    assert (await leasing.doors.ask(visit, **AGENT)).status == 200
    text = await leasing.asks(visit)
    assert (text is not None) is bool(lasts_s)
    if text is not None:
        assert float(text.split("\t")[1]) == pytest.approx(leasing.world.clock.monotonic() + lasts_s)


# --- the end


async def _ends(leasing: Leasing, visit: Visit) -> None:
    await visit.change(ended_at=leasing.world.clock.now(), handles={})


async def _rotates(_: Leasing, visit: Visit) -> None:
    await visit.change(mfa_at=visit.session.mfa_at)


async def _is_disabled(_: Leasing, visit: Visit) -> None:
    await visit.change_user(is_disabled=True)


async def _changes_groups(_: Leasing, visit: Visit) -> None:
    await visit.change_user(groups=frozenset({"guests"}))


async def _forgets_the_device(leasing: Leasing, visit: Visit) -> None:
    assert visit.session.device_id is not None
    del leasing.world.people.all_devices[visit.session.device_id]
    await leasing.world.tell("devices.device.forgotten", visit.session.device_id)


async def _other_policies(leasing: Leasing, _: Visit) -> None:
    leasing.world.policy("", leasing.path.parent / "other")


async def _blocks_the_network(leasing: Leasing, _: Visit) -> None:
    await leasing.world.list_network(NetworkList.BLOCK, f"{HOME}/32")


async def _suspects_for_a_while(leasing: Leasing, _: Visit) -> None:
    until = leasing.world.clock.now() + timedelta(seconds=20)
    await leasing.world.list_network(NetworkList.SUSPICIOUS, f"{HOME}/32", expires_at=until)


async def _guesses(leasing: Leasing, visit: Visit) -> None:
    await leasing.world.fail_sign_ins(visit.user)


async def _learns(leasing: Leasing, visit: Visit) -> None:
    await leasing.world.settle_in(visit.user, LONDON)


async def _goes_stale(leasing: Leasing, _: Visit) -> None:
    leasing.world.fresh_at = float("-inf")


async def _minute_turns(leasing: Leasing, _: Visit) -> None:
    leasing.world.clock.advance(timedelta(seconds=59))


async def _wall_clock_jumps(leasing: Leasing, _: Visit) -> None:
    leasing.world.clock.step(timedelta(hours=1))


@pytest.mark.parametrize(
    "happens",
    [
        _ends,
        _rotates,
        _is_disabled,
        _changes_groups,
        _forgets_the_device,
        _other_policies,
        _blocks_the_network,
        _guesses,
        _learns,
        _goes_stale,
        _minute_turns,
        _wall_clock_jumps,
    ],
)
async def test_the_first_fact_that_changes_ends_a_lease(
    leasing: Leasing, visit: Visit, happens: Callable[[Leasing, Visit], Awaitable[None]]
) -> None:
    other = await leasing.world.visit(name="other")
    leasing.world.clock.advance(timedelta(seconds=1))
    mine, theirs = await leasing.lease(visit), await leasing.lease(other)
    leasing.desk.tick()
    assert leasing.holds(mine)
    assert leasing.holds(theirs)
    await happens(leasing, visit)
    await leasing.desk.observe([])
    assert not leasing.holds(mine)
    if happens in {_ends, _rotates, _is_disabled, _changes_groups, _forgets_the_device, _guesses, _learns}:
        assert leasing.holds(theirs), "what concerns one person ends nothing of another's"


async def test_an_allow_that_was_on_its_way_while_a_fact_changed_is_not_leased_as_the_next_one(
    leasing: Leasing, visit: Visit
) -> None:
    for _ in range(2):
        await leasing.ask(visit)
    late = leasing.world.point.recent[-1]
    await visit.change_user(email="new@example.org")
    for _ in range(2):
        await leasing.ask(visit)
    fresh = leasing.world.point.recent[-1]
    assert fresh.repeats not in {None, late.repeats}
    assert late.user != fresh.user
    about: dict[str, Any] = {"method": "GET", "target": "/late", "headers": {b"host": visit.host.encode()}, "told": ()}
    assert [leasing.desk.offer(late, **about) for _ in range(3)] == [None] * 3


async def test_all_rest_while_the_node_is_not_well(leasing: Leasing, visit: Visit) -> None:
    await leasing.lease(visit)
    leasing.desk.tick()
    assert leasing.board._alive[0] > leasing.world.clock.monotonic()
    leasing.well = False
    leasing.desk.tick()
    assert leasing.board._alive[0] == 0


@pytest.mark.parametrize("seed", range(4))
async def test_a_lease_never_holds_where_the_whole_procedure_would_not_allow(
    leasing: Leasing, tmp_path: Path, seed: int
) -> None:
    world, chance = leasing.world, random.Random(seed)  # noqa: S311  # reproducible on purpose
    visits = [await world.visit(name=f"user{number}") for number in range(3)]
    minute = PERMIT_ALL + "forbid (principal, action, resource) when { context.time.minute == 7 };"
    sets = [*(PERMIT_ALL,) * 3, minute, ""]
    fates = [_ends, _is_disabled, _changes_groups, _guesses, _suspects_for_a_while, _learns]
    held = 0
    for turn in range(80):
        world.clock.advance(timedelta(seconds=chance.choice([0, 0.1, 1, 5, 20])))
        if chance.random() < 0.1:
            world.policy(chance.choice(sets), tmp_path / f"set{turn}")
        if chance.random() < 0.1:
            await chance.choice(fates)(leasing, chance.choice(visits))
        if chance.random() < 0.2:
            number = chance.randrange(3)
            await visits[number].change_user(is_disabled=False, groups=frozenset({"members"}))
            visits[number] = await world.session(visits[number].user, await world.device(visits[number].user))
        await leasing.asks(chance.choice(visits), chance.choice(["/", "/a", "/press"]))
        leasing.desk.verify()
        for slot, lease in leasing.desk._leases.items():
            if leasing.holds(slot):
                held += 1
                assert world.procedure.decide(lease.decision.request, is_question=True).answer is Answer.ALLOW
    assert held > 10, held


# --- the account


async def test_uses_are_journaled_once_and_a_slot_is_taken_again_only_after_the_last(
    leasing: Leasing, visit: Visit
) -> None:
    slot = await leasing.lease(visit, "/a")
    records = leasing.world.journal.records
    before = len(records)
    leasing.use(slot, 7)
    leasing.desk.account()
    leasing.desk.account()
    assert [(each["leased"], each["path"]) for each in records[before:]] == [(7, "/a")]
    leasing.world.clock.advance(timedelta(seconds=10))
    leasing.desk.tick()
    leasing.use(slot)  # by a worker that looked a moment before the end
    leasing.desk.account()
    assert [each["leased"] for each in records[before:]] == [7, 1]
    assert len(leasing.desk._leases) == 1
    leasing.world.clock.advance(timedelta(seconds=1.1))
    leasing.desk.account()
    assert not leasing.desk._leases


async def test_a_journal_that_refuses_ends_every_lease_and_grants_none_until_it_has_all(
    leasing: Leasing, visit: Visit
) -> None:
    slot, other = await leasing.lease(visit, "/a"), await leasing.lease(visit, "/b")
    leasing.use(slot, 7)
    leasing.world.journal.error = OSError("full")
    leasing.desk.account()
    assert not leasing.holds(slot)
    assert not leasing.holds(other)
    leasing.world.journal.error = None
    assert await leasing.asks(visit, "/c", times=5) is None
    leasing.desk.account()
    assert leasing.world.journal.records[-1]["leased"] == 7
    assert await leasing.asks(visit, "/c") is not None


@pytest.mark.parametrize("error", [None, OSError("full")], ids=["written", "refused"])
async def test_a_journal_that_takes_its_time_is_told_of_each_use_once_and_before_the_slot_is_taken_again(
    leasing: Leasing, visit: Visit, error: Exception | None
) -> None:
    slot = await leasing.lease(visit)
    journal, submit = leasing.world.journal, leasing.world.journal.submit
    waiting: list[tuple[bytes, Callable[[Exception | None], None]]] = []
    journal.submit = lambda *entry: waiting.append(entry)  # type: ignore[method-assign]
    leasing.use(slot, 5)
    leasing.desk.account()
    leasing.use(slot, 3)
    leasing.desk.end_all()
    leasing.world.clock.advance(timedelta(seconds=2))
    leasing.desk.account()
    leasing.desk.account()
    assert len(waiting) == 1
    assert slot in leasing.desk._leases
    journal.submit, journal.error, before = submit, error, len(journal.records)  # type: ignore[method-assign]
    submit(*waiting[0])
    journal.error = None
    for _ in range(3):
        leasing.desk.account()
    assert sum(each["leased"] for each in journal.records[before:]) == 8
    assert slot not in leasing.desk._leases


async def test_what_was_left_is_journaled_once_the_journal_takes_it_and_nothing_is_leased_before(
    leasing: Leasing, visit: Visit, tmp_path: Path, clock: FrozenClock
) -> None:
    leasing.use(await leasing.lease(visit), 2)
    let_go_of(leasing.board)
    later = LeaseDesk(
        LeaseBoard.open(tmp_path / "leases"), leasing.world.point, clock, lease_s=10, is_well=lambda: True
    )
    leasing.world.journal.error = OSError("full")
    later.account_left()
    later.account()
    assert later._is_refused
    leasing.world.journal.error = None
    for _ in range(3):
        later.account()
    assert [each.get("leased") for each in leasing.world.journal.records if each["type"] == "lease.left"] == [2]
    assert not later._is_refused
    await later.close()


async def test_a_flood_of_long_addresses_leaves_none_of_them_in_memory(leasing: Leasing, visit: Visit) -> None:
    for number in range(4):
        await leasing.ask(visit, f"/?{number}" + "a" * 10_000)
    assert leasing.desk._asked
    assert all(isinstance(each, int) for each in leasing.desk._asked)


async def test_uses_that_a_dead_control_plane_left_are_journaled_by_the_next(
    leasing: Leasing, visit: Visit, tmp_path: Path, clock: FrozenClock
) -> None:
    slot = await leasing.lease(visit)
    leasing.use(slot, 2)
    leasing.desk.account()
    granted = next(iter(leasing.desk._leases.values())).decision.id
    leasing.use(slot, 3)
    let_go_of(leasing.board)
    board = LeaseBoard.open(tmp_path / "leases")
    later = LeaseDesk(board, leasing.world.point, clock, lease_s=10, is_well=lambda: True)
    later.account_left()
    left = leasing.world.journal.records[-1]
    assert (left["type"], left["repeats"], left["leased"]) == ("lease.left", granted, 3)
    assert not leasing.holds(slot)
    await later.close()
    again = LeaseBoard.open(tmp_path / "leases")
    assert again.left == ()
    again.close()


async def test_a_flood_of_leases_has_a_bound(leasing: Leasing, visit: Visit) -> None:
    taken = [leasing.board.take("dec", 1e9) for _ in range(SLOTS)]
    assert len({slot for slot, _ in filter(None, taken)}) == SLOTS
    assert len({ends for _, ends in filter(None, taken)}) == SLOTS, "no two ends are the same"
    assert leasing.board.take("dec", 1e9) is None
    answer = [await leasing.doors.ask(visit, **AGENT) for _ in range(3)][-1]
    assert answer.status == 200
    assert header(answer, LEASE_HEADER) is None


async def test_a_visitor_with_thousands_of_addresses_does_not_take_the_leases_of_others(
    leasing: Leasing, visit: Visit
) -> None:
    other = await leasing.world.visit(name="other")
    leasing.world.clock.advance(timedelta(seconds=1))
    await leasing.ask(visit)
    given = [await leasing.asks(visit, f"/?{number}", times=2) for number in range(300)]
    assert sum(text is not None for text in given) == 256
    assert await leasing.asks(other) is not None
    leasing.world.clock.advance(timedelta(seconds=11))
    leasing.desk.tick()
    leasing.world.clock.advance(timedelta(seconds=2))
    leasing.desk.account()
    assert not leasing.desk._of_session
    assert await leasing.asks(visit, "/?new") is not None


def test_a_board_is_for_its_owner_alone_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    board = LeaseBoard.open(tmp_path / "leases")
    with pytest.raises(LeaseBoardError):
        LeaseBoard.open(tmp_path / "leases")
    assert (tmp_path / "leases").stat().st_mode & 0o777 == 0o600
    board.close()
    (tmp_path / "link").symlink_to(tmp_path / "leases")
    (tmp_path / "long").write_bytes(b"x" * 2_000_000)
    for name in ("link", "long", "no/where"):
        with pytest.raises(LeaseBoardError):
            LeaseBoard.open(tmp_path / name)
