"""What is known of the events of a folder, so that each is fetched once for each change: a line of a file for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from watchword.trust.feeds.intake import SILENT, Intake, Vouched
from watchword.trust.feeds.model import IndicatorKind, Refusal


@dataclass(frozen=True, slots=True)
class Listed:
    """An event as the manifest has it.

    Attributes:
        changed: seconds since 1970, as it was written.
        sha256: of the file; empty where the manifest says none.
    """

    uuid: str
    changed: str
    sha256: str = ""

    @property
    def minute(self) -> int:
        """Return when it was changed, in minutes since 1970."""
        return int(self.changed) // 60


@dataclass
class KnownEvent:
    """What one event says, so that it is fetched once for each change; filled as an `Intake` is."""

    listed: Listed
    taken: list[tuple[IndicatorKind, str, Vouched]] = field(default_factory=list)
    refused: Counter[Refusal] = field(default_factory=Counter)
    examples: dict[Refusal, str] = field(default_factory=dict)

    def take(self, kind: IndicatorKind, value: str, vouched: Vouched = SILENT) -> None:
        """Note a value."""
        self.taken.append((kind, value, vouched))

    def refuse(self, why: Refusal, shown: str = "") -> None:
        """Note what is not taken."""
        self.refused[why] += 1
        self.examples.setdefault(why, shown[:80])

    def tell(self, intake: Intake) -> None:
        """Say all of it to an intake."""
        for kind, value, vouched in self.taken:
            intake.take(kind, value, vouched)
        for why, count in self.refused.items():
            for _ in range(count):
                intake.refuse(why, self.examples.get(why, ""))


def write_events(events: Iterable[KnownEvent]) -> Iterator[bytes]:
    """Yield a line for each event."""
    for event in events:
        listed = event.listed
        taken = [[kind, value, *_written(vouched)] for kind, value, vouched in event.taken]
        refused = [[why, count, event.examples.get(why, "")] for why, count in event.refused.items()]
        yield orjson.dumps([listed.uuid, listed.changed, listed.sha256, taken, refused]) + b"\n"


def read_events(lines: Iterable[bytes]) -> dict[str, KnownEvent]:
    """Read such lines.

    Raises:
        ValueError, TypeError: they are none.
    """
    found = {}
    for line in lines:
        uuid, changed, sha256, taken, refused = orjson.loads(line)
        event = KnownEvent(Listed(uuid, changed, sha256))
        for kind, value, *vouched in taken:
            event.take(IndicatorKind(kind), value, Vouched(*vouched))
        for why, count, shown in refused:
            event.refused[Refusal(why)] = int(count)
            event.examples[Refusal(why)] = str(shown)
        found[uuid] = event
    return found


def _written(vouched: Vouched) -> tuple[float | None, int | None, int | None, int | None]:
    return vouched.confidence, vouched.first_seen, vouched.seen, vouched.until
