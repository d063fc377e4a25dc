"""Which networks several users of the organisation come from: an office, a VPN exit of its own."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Final
from zlib import crc32

import orjson

# From so many accounts on, a network says little about who is in it.
FROM_USERS: Final = 3
_MOST: Final = 20_000


class SharedNetworks:
    """Networks and the first few users who proved to be themselves there; the one used longest ago goes first.

    Users stand as digests: told apart, not named.
    """

    def __init__(self) -> None:
        self._users: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    def note(self, network: str, user: str) -> None:
        """Take note of a user who proved to be themselves in a network."""
        if not network:
            return
        digest = crc32(user.encode())
        known = self._users.get(network, ())
        if digest not in known and len(known) < FROM_USERS:
            known = (*known, digest)
        self._users[network] = known
        self._users.move_to_end(network)
        if len(self._users) > _MOST:
            self._users.popitem(last=False)

    def is_shared(self, network: str) -> bool:
        """Tell whether several users come from there."""
        return len(self._users.get(network, ())) >= FROM_USERS

    def dump(self) -> str:
        """Write them as JSON, the one used longest ago first."""
        return orjson.dumps(list(self._users.items())).decode()

    @classmethod
    def parse(cls, text: str) -> SharedNetworks:
        """Read what `dump` wrote.

        Raises:
            ValueError: the text is nothing of ours.
        """
        made = cls()
        try:
            for network, users in json.loads(text)[-_MOST:]:
                made._users[str(network)] = tuple(map(int, users))[:FROM_USERS]
        except (TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
            raise ValueError("not stored networks") from error
        return made
