"""The use cases of relations: write and delete tuples, and keep those in memory fresh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from watchword.kernel import Clock, Entropy, Event, EventType
from watchword.policy.relations.check import DEFAULT_BUDGET, Budget
from watchword.policy.relations.errors import RelationMalformedError, RelationMissingError, RelationStaleError
from watchword.policy.relations.graph import Graph
from watchword.policy.relations.keeping import store
from watchword.policy.relations.keeping.events import RELATION_DELETED, RELATION_WRITTEN
from watchword.policy.relations.model import RelationModel
from watchword.policy.relations.parse import compiled_conditions
from watchword.policy.relations.tuples import RelationTuple, permitted, read_tuple
from watchword.policy.relations.view import RelationView
from watchword.storage import Database, newest_position

MOST_AT_ONCE = 1000
_LONGEST_TOKEN = 18
_MOST_VIEWS = 4


class RelationTuples:
    """Change the tuples; each act is one unit of work with its events, all of it or nothing."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def write(self, found: Sequence[RelationTuple], *, model: RelationModel, actor: str) -> str:
        """Write tuples that the model allows; the same with another condition is replaced.

        Returns:
            A token: a check "at least as fresh as" it sees the tuples.

        Raises:
            RelationUnknownError: a type or relation is not in the model.
            RelationMalformedError: the model does not allow a tuple, one stands there twice, or they are too many.
        """
        _refuse_crowd(found)
        conditions = compiled_conditions(model)
        allowed = {each.key: permitted(model, each, conditions) for each in found}
        if len(allowed) < len(found):
            raise RelationMalformedError("a tuple is given twice", hint="give each object, relation and user once")
        now = self._clock.now()
        async with self._database.work() as work:
            known = await store.by_keys(work.connection, allowed)
            fresh = [each for key, each in allowed.items() if known.get(key) != each]
            await store.put(work.connection, fresh, now=now, actor=actor)
            for each in fresh:
                work.emit(self._event(RELATION_WRITTEN, each, actor, condition=each.condition))
        return await self.token()

    async def delete(self, found: Sequence[RelationTuple], *, actor: str) -> str:
        """Delete tuples, whatever their condition and the model.

        Returns:
            A token, as above.

        Raises:
            RelationMissingError: one of them is not there; nothing was deleted.
            RelationMalformedError: they are too many.
        """
        _refuse_crowd(found)
        keys = {each.key: each for each in found}
        async with self._database.work() as work:
            known = await store.by_keys(work.connection, keys)
            missing = next((each for key, each in keys.items() if key not in known), None)
            if missing is not None:
                raise RelationMissingError(
                    f"there is no tuple `{missing}`", hint="`watchword relations list` shows them"
                )
            await store.drop(work.connection, list(keys))
            for each in keys.values():
                work.emit(self._event(RELATION_DELETED, each, actor))
        return await self.token()

    async def listed(
        self,
        *,
        object_: str | None = None,
        relation: str | None = None,
        user: str | None = None,
        most: int = MOST_AT_ONCE,
    ) -> Sequence[RelationTuple]:
        """Return tuples that match everything that is given, in the order of objects."""
        async with self._database.read() as connection:
            return await store.listed(connection, object_=object_, relation=relation, subject=user, most=most)

    async def searched(self, text: str, *, after: str = "", most: int = MOST_AT_ONCE) -> Sequence[RelationTuple]:
        """Return tuples in which a text stands, in the order of objects.

        Args:
            after: `RelationTuple.key` of the last one that was seen.
        """
        async with self._database.read() as connection:
            return await store.searched(connection, text=text, after=after, most=most)

    async def token(self) -> str:
        """Return a token that covers everything committed so far."""
        return str(await newest_position(self._database))

    def _event(self, kind: EventType, found: RelationTuple, actor: str, **more: str) -> Event:
        words = {"relation": found.relation, "object": str(found.object), "user": str(found.subject)} | more
        return kind.at(self._clock.now(), self._entropy, actor=actor, subject=f"rel_{found.key}", **words)


class Relations:
    """Every tuple in memory, kept fresh by committed events.

    Args:
        position: the outbox position that memory has followed to.
        catch_up: follow everything that is committed now.
    """

    def __init__(
        self,
        database: Database,
        *,
        position: Callable[[], int] = lambda: 0,
        catch_up: Callable[[], Awaitable[None]] | None = None,
        budget: Budget = DEFAULT_BUDGET,
    ) -> None:
        self._database = database
        self._position = position
        self._catch_up = catch_up
        self._budget = budget
        self._views: dict[str, RelationView] = {}
        self.graph = Graph()

    @property
    def version(self) -> int:
        """Which tuples are in memory; changes with every change."""
        return self.graph.version

    async def load(self) -> None:
        """Read every tuple; what was in memory before is replaced as a whole."""
        graph = Graph()
        async with self._database.read() as connection:
            async for chunk in store.everything(connection):
                for found in chunk:
                    graph.put(found)
        # INVARIANT: a version never comes back, so that nothing decided on other tuples is taken for fresh.
        graph.version += self.graph.version + 1
        self.graph, self._views = graph, {}

    async def observe(self, events: Sequence[Event]) -> None:
        """Follow committed events: each tuple they name is read anew, so that delivering twice does no harm."""
        named = [event for event in events if event.type in {RELATION_WRITTEN.name, RELATION_DELETED.name}]
        if not named:
            return
        found = {each.key: each for each in map(_named, named)}
        async with self._database.read() as connection:
            standing = await store.by_keys(connection, found)
        for key, each in found.items():
            if key in standing:
                self.graph.put(standing[key])
            else:
                self.graph.drop(each)

    def view(self, model: RelationModel | None) -> RelationView | None:
        """Return the tuples as a model sees them; nothing where there is no model."""
        if model is None:
            return None
        known = self._views.get(model.version)
        if known is None:
            if len(self._views) >= _MOST_VIEWS:
                self._views.pop(next(iter(self._views)))
            known = self._views[model.version] = RelationView(model, self.graph, budget=self._budget)
        return known

    async def at_least(self, token: str) -> None:
        """Wait until memory holds everything that a token covers.

        Raises:
            RelationMalformedError: it is no token of ours.
            RelationStaleError: it cannot be reached now.
        """
        if not (token.isascii() and token.isdigit() and len(token) <= _LONGEST_TOKEN):
            raise RelationMalformedError("this is no token", hint="give what a write returned")
        if self._position() < int(token) and self._catch_up is not None:
            await self._catch_up()
        # Prevents: an answer from before a right was taken away, given to somebody who knows that it was.
        if self._position() < int(token):
            raise RelationStaleError("the relations in memory are older than was asked for", hint="ask again")


def _named(event: Event) -> RelationTuple:
    return read_tuple(str(event.data["object"]), str(event.data["relation"]), str(event.data["user"]))


def _refuse_crowd(found: Sequence[RelationTuple]) -> None:
    if len(found) > MOST_AT_ONCE:
        raise RelationMalformedError("these are too many tuples for one act", hint=f"give at most {MOST_AT_ONCE}")
