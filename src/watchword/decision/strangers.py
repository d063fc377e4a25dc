"""Keep a flood of strangers from filling the disk: beyond a bound their refusals are counted, not recorded one by one.

Whoever shows no session that was ever ours costs an attacker nothing to be. What is recorded of one of them says hardly
more than the last thousand did; that they came, how many, from where and why they were refused is kept in one record.
Whoever has a session, and whoever is let in, always gets a record of their own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from watchword.decision.model import Decision
from watchword.identity import network_of
from watchword.kernel import Answer

_MOST_NETWORKS: Final = 10_000
_MOST_TOLD: Final = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """How many records may come at once, and how many more each second."""

    burst: int
    per_s: float


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


A_NETWORK: Final = Rate(burst=100, per_s=1)
ALL_TOGETHER: Final = Rate(burst=2_000, per_s=50)


class Strangers:
    """Tell which refusals get a record of their own, and count the others; bounded in memory.

    Args:
        network: the rate of one /24 or /48.
        together: the rate of all strangers, so that many networks do not help either.
    """

    def __init__(self, network: Rate = A_NETWORK, together: Rate = ALL_TOGETHER) -> None:
        self._network = network
        self._together = together
        self._all = _Bucket(together.burst, float("-inf"))
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._reasons: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()
        self._since: datetime | None = None

    def count(self, decision: Decision) -> bool:
        """Count a refusal that comes too often to be recorded; tell whether that was done.

        # INVARIANT: an allow, and whatever concerns somebody we know, is never merely counted.
        """
        if decision.answer is Answer.ALLOW or decision.session is not None or decision.user is not None:
            return False
        now, network = decision.at.timestamp(), network_of(decision.request.client_ip)
        if self._takes(self._bucket(network), self._network, now) and self._takes(self._all, self._together, now):
            return False
        self._since = self._since or decision.at
        self._reasons[decision.reasons[0].code] += 1
        # Prevents: a flood from ever new networks filling the memory between two records.
        known = network in self._networks or len(self._networks) < _MOST_NETWORKS
        self._networks[network if known else ""] += 1
        return True

    def summed_up(self, now: datetime) -> dict[str, Any] | None:
        """Return the record of what was counted since the last one, and begin anew; nothing if nothing was.

        Its `networks` are the 100 that were refused most; `count` has all of them.
        """
        if self._since is None:
            return None
        record = {
            "type": "decision.strangers",
            "at": now.isoformat(),
            "since": self._since.isoformat(),
            "count": self._reasons.total(),
            "reasons": dict(self._reasons),
            "personal": {"networks": dict(self._networks.most_common(_MOST_TOLD))},
        }
        self._since = None
        self._reasons.clear()
        self._networks.clear()
        return record

    def take_back(self, record: Mapping[str, Any]) -> None:
        """Count again what a record said that could not be written."""
        since = datetime.fromisoformat(record["since"])
        self._since = min(self._since, since) if self._since is not None else since
        self._reasons.update(record["reasons"])
        self._networks.update(record["personal"]["networks"])

    def _bucket(self, network: str) -> _Bucket:
        found = self._buckets.get(network)
        if found is None:
            found = self._buckets[network] = _Bucket(self._network.burst, float("-inf"))
            if len(self._buckets) > _MOST_NETWORKS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(network)
        return found

    @staticmethod
    def _takes(bucket: _Bucket, rate: Rate, now: float) -> bool:
        bucket.left = min(float(rate.burst), bucket.left + max(0.0, now - bucket.at) * rate.per_s)
        bucket.at = max(bucket.at, now)
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True
