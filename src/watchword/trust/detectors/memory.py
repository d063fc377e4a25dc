"""What is remembered by key, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, Generic, TypeVar

State = TypeVar("State")
_LOOKED_AT: Final = 16


class Memory(Generic[State]):
    """States by key, bounded in number.

    Args:
        empty: of a key that nothing is known of.
        parse: reads one state from decoded JSON; raises `ValueError` for anything else.
        turned_back: returns a state without anything in it that is later than a time.
        most: keys; the least recently used goes beyond that.
        worth: how much a state says; of the few least recently used the one that says least goes. Without it the first.
    """

    __slots__ = ("_changed", "_forgotten", "_known", "_most", "_parse", "_stored", "_turned_back", "_worth", "empty")

    def __init__(
        self,
        empty: State,
        parse: Callable[[Any], State],
        turned_back: Callable[[State, float], State] = lambda state, _now: state,
        *,
        most: int,
        worth: Callable[[State], float] | None = None,
    ) -> None:
        self.empty = empty
        self._parse = parse
        self._turned_back = turned_back
        self._most = most
        self._worth = worth
        self._known: OrderedDict[str, State] = OrderedDict()
        self._changed: set[str] = set()
        # INVARIANT: what is forgotten was stored, so that neither set outgrows the memory when nobody asks for changes.
        self._stored: set[str] = set()
        self._forgotten: set[str] = set()

    def get(self, key: str) -> State:
        """Return what is known of a key, without counting as a use: who only looks keeps nothing alive."""
        return self._known.get(key, self.empty)

    def put(self, key: str, state: State) -> None:
        """Remember, as the most recently used."""
        known = self._known
        if known.get(key) is not state:
            known[key] = state
            self._changed.add(key)
        known.move_to_end(key)
        # Prevents: ten million made-up accounts, networks or programs filling the memory.
        if len(known) > self._most:
            self.drop(self._least())

    def _least(self) -> str:
        worth = self._worth
        if worth is None:
            return next(iter(self._known))
        # Prevents: twenty thousand attempts from as many networks pushing out the one that the attack came from.
        return min(islice(self._known, _LOOKED_AT), key=lambda key: worth(self._known[key]))

    def drop(self, key: str) -> None:
        """Forget a key."""
        if self._known.pop(key, None) is None:
            return
        self._changed.discard(key)
        if key in self._stored:
            self._stored.discard(key)
            self._forgotten.add(key)

    def clear(self) -> None:
        """Forget every key."""
        self.drop_where(lambda _key: True)

    def drop_where(self, is_meant: Callable[[str], bool]) -> None:
        """Forget the keys of which this is true; looks at all of them."""
        for key in [key for key in self._known if is_meant(key)]:
            self.drop(key)

    def turn_back(self, now: float) -> None:
        """Bring what lies in the future to the present; looks at every key."""
        for key, state in list(self._known.items()):
            present = self._turned_back(state, now)
            if present != state:
                self.put(key, present)

    def keys(self) -> Iterator[str]:
        """Yield every key, the least recently used first."""
        yield from self._known

    def items(self) -> Iterator[tuple[str, State]]:
        """Yield every key with its state, the least recently used first."""
        yield from self._known.items()

    def changes(self) -> Iterator[tuple[str, State | None]]:
        """Yield what changed since the last time, each once; nothing for what was forgotten."""
        forgotten, self._forgotten = self._forgotten, set()
        changed, self._changed = self._changed, set()
        for key in forgotten - changed:
            yield key, None
        self._stored |= changed
        for key in changed:
            yield key, self._known[key]

    def restore(self, key: str, stored: object) -> None:
        """Take back what was stored.

        Raises:
            ValueError: it is not such a state.
        """
        try:
            state = self._parse(stored)
        except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError("not a stored state of a detector") from error
        self.put(key, state)
        self._changed.discard(key)
        self._stored.add(key)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __len__(self) -> int:
        return len(self._known)
