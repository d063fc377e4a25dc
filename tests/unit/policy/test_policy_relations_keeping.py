from __future__ import annotations

from collections.abc import Sequence

import pytest

from watchword.kernel import Entropy, Event, FrozenClock
from watchword.policy.relations import (
    RelationMalformedError,
    RelationMissingError,
    RelationStaleError,
    RelationTuple,
    RelationUnknownError,
    parse_model,
    read_tuple,
)
from watchword.policy.relations.keeping import MOST_AT_ONCE, Relations, RelationTuples
from watchword.storage import Database, newest_position

MODEL = parse_model("""model
  schema 1.1
type user
type doc
  relations
    define viewer: [user, user with when]
condition when(x: int) { x > 1 }
""")


def of(user: str, document: str = "1", condition: str = "") -> RelationTuple:
    return read_tuple(f"doc:{document}", "viewer", f"user:{user}", condition=condition)


class World:
    def __init__(self, database: Database, clock: FrozenClock, entropy: Entropy) -> None:
        self.database = database
        self.tuples = RelationTuples(database, clock, entropy)
        self.position = 0
        self.relations = Relations(database, position=lambda: self.position, catch_up=self.follow)

    async def events(self) -> Sequence[Event]:
        from watchword.bus import Bus  # noqa: PLC0415
        from watchword.kernel import SystemClock  # noqa: PLC0415
        from watchword.storage import OutboxRelay  # noqa: PLC0415

        seen: list[Event] = []

        class Nowhere:
            outbox_position = 0

            async def append_events(self, events: object) -> None:
                pass

        async def observe(events: Sequence[Event]) -> None:
            seen.extend(events)

        bus = Bus()
        bus.subscribe(observe)
        await OutboxRelay(self.database, bus, Nowhere(), SystemClock()).catch_up()
        return seen

    async def follow(self) -> None:
        await self.relations.observe(await self.events())
        self.position = await newest_position(self.database)

    def sees(self, user: str, document: str = "1") -> bool:
        view = self.relations.view(MODEL)
        assert view is not None
        return view.check(f"user:{user}", "viewer", f"doc:{document}", context={"x": 5})


@pytest.fixture
def world(database: Database, clock: FrozenClock, entropy: Entropy) -> World:
    return World(database, clock, entropy)


async def test_what_is_written_is_seen_when_memory_has_followed(world: World) -> None:
    token = await world.tuples.write([of("a"), of("b", condition="when")], model=MODEL, actor="cli:test")
    assert not world.sees("a")
    await world.relations.at_least(token)
    assert world.sees("a")
    assert world.sees("b")
    token = await world.tuples.delete([of("a")], actor="cli:test")
    await world.relations.at_least(token)
    assert not world.sees("a")


async def test_memory_that_is_loaded_anew_holds_the_same(world: World) -> None:
    await world.tuples.write([of("a"), of("b", condition="when")], model=MODEL, actor="cli:test")
    before = world.relations.version
    await world.relations.load()
    assert world.sees("a")
    assert world.sees("b")
    assert world.relations.version > before


async def test_old_events_delivered_again_bring_nothing_back(world: World) -> None:
    await world.tuples.write([of("a")], model=MODEL, actor="cli:test")
    await world.tuples.delete([of("a")], actor="cli:test")
    events = await world.events()
    for event in events:
        await world.relations.observe([event])
        assert not world.sees("a")


async def test_a_change_of_condition_replaces_the_tuple(world: World) -> None:
    await world.tuples.write([of("a")], model=MODEL, actor="cli:test")
    await world.tuples.write([of("a", condition="when")], model=MODEL, actor="cli:test")
    assert [each.condition for each in await world.tuples.listed()] == ["when"]


async def test_writing_what_is_there_already_changes_nothing(world: World) -> None:
    first = await world.tuples.write([of("a")], model=MODEL, actor="cli:test")
    assert await world.tuples.write([of("a")], model=MODEL, actor="cli:test") == first


async def test_one_wrong_tuple_keeps_all_from_being_written(world: World) -> None:
    wrong = read_tuple("doc:1", "editor", "user:a")
    with pytest.raises(RelationUnknownError):
        await world.tuples.write([of("a"), wrong], model=MODEL, actor="cli:test")
    with pytest.raises(RelationMissingError):
        await world.tuples.delete([of("z")], actor="cli:test")
    with pytest.raises(RelationMalformedError):
        await world.tuples.write([of("a"), of("a")], model=MODEL, actor="cli:test")
    with pytest.raises(RelationMalformedError):
        await world.tuples.write([of(f"u{n}") for n in range(MOST_AT_ONCE + 1)], model=MODEL, actor="cli:test")
    assert await world.tuples.listed() == []


async def test_memory_behind_a_token_refuses_instead_of_answering(world: World) -> None:
    token = await world.tuples.write([of("a")], model=MODEL, actor="cli:test")
    behind = Relations(world.database)
    with pytest.raises(RelationStaleError):
        await behind.at_least(token)
    await behind.at_least("0")


async def test_what_is_no_token_is_refused(world: World) -> None:
    for token in ("", "-1", "1.0", "one", "٣", "9" * 40, "1 "):
        with pytest.raises(RelationMalformedError):
            await world.relations.at_least(token)


async def test_events_tell_what_was_done_and_keep_people_personal(world: World) -> None:
    from watchword.kernel import Visibility, event_types  # noqa: PLC0415

    await world.tuples.write([of("a")], model=MODEL, actor="cli:test")
    (event,) = await world.events()
    assert event.type == "policy.relation.written"
    assert dict(event.data) == {"relation": "viewer", "object": "doc:1", "user": "user:a", "condition": ""}
    assert event_types()[event.type].fields["user"] is Visibility.PERSONAL
    assert event_types()[event.type].fields["object"] is Visibility.PERSONAL
    assert "user:a" not in event.subject


async def test_without_a_model_there_is_no_view(world: World) -> None:
    assert world.relations.view(None) is None
    assert world.relations.view(MODEL) is world.relations.view(MODEL)
