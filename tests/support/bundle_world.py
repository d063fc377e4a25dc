"""Everything a bundle needs, in memory or below one folder: keys, builders, a clock to set, an alarm that listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watchword.kernel import FrozenClock
from watchword.policy.bundles import (
    BundleSource,
    Carrier,
    FileKey,
    Kept,
    Manifest,
    Notice,
    Parcel,
    PathCarrier,
    Release,
    Rules,
    TrustedKeys,
    build,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PERMIT = b'@id("members")\npermit (principal in Watchword::Group::"members", action, resource);\n'
OTHER = b'@id("others")\npermit (principal in Watchword::Group::"others", action, resource);\n'
FILES: Mapping[str, bytes] = {"10-members.cedar": PERMIT}
ALICE, BOB, CAROL, MALLORY = (FileKey.generate() for _ in range(4))


def trusted(*keys: FileKey, threshold: int = 1) -> TrustedKeys:
    return TrustedKeys.of([key.public for key in keys or (ALICE,)], threshold)


def bundle(
    version: int = 1,
    files: Mapping[str, bytes] = FILES,
    *,
    keys: Sequence[FileKey] = (ALICE,),
    name: str = "policies",
    created: datetime = NOW,
    days: float = 30,
    key_ids: Sequence[str] = (),
) -> Parcel:
    return build(files, Release(name, version, created, timedelta(days=days), key_ids), keys)


def resigned(parcel: Parcel, *keys: FileKey, payload: bytes | None = None) -> Parcel:
    """Sign other bytes than `build` would, as somebody with a key and bad intentions can."""
    from watchword.policy.bundles import Envelope, Signature  # noqa: PLC0415  # only here

    envelope = Envelope(parcel.envelope.payload if payload is None else payload, ())
    signed = [Signature(key.public.id, key.sign(envelope.signed_bytes)) for key in keys]
    return replace(parcel, envelope=replace(envelope, signatures=tuple(signed)))


def manifest_of(parcel: Parcel) -> Manifest:
    return Manifest.from_bytes(parcel.envelope.payload)


class Shelf:
    """A carrier that hands out what a test put on it."""

    def __init__(self, parcel: Parcel | None = None) -> None:
        self.parcel = parcel
        self.error: Exception | None = None

    def put(self, parcel: Parcel) -> None:
        self.parcel, self.error = parcel, None

    def fetch(self) -> Parcel | None:
        if self.error is not None:
            raise self.error
        parcel, self.parcel = self.parcel, None
        return parcel


class Listener:
    """An alarm that remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []
        self.is_deaf = False

    async def __call__(self, notice: Notice) -> None:
        if self.is_deaf:
            raise OSError
        self.heard.append(notice)

    @property
    def types(self) -> list[str]:
        return [notice.type.name for notice in self.heard]

    def reasons(self) -> list[Any]:
        return [notice.data["reason"] for notice in self.heard if "reason" in notice.data]


class Node:
    """What of a node follows bundles; `restart` gives a new one over the same disk."""

    def __init__(self, root: Path, carrier: Carrier | None = None, *, keys: TrustedKeys | None = None) -> None:
        self.root = root
        self.clock = FrozenClock(NOW)
        self.shelf = Shelf()
        self.alarm = Listener()
        self.keys = keys or trusted()
        self.kept = Kept(root / "bundles", "policies")
        self._carrier = carrier or self.shelf
        self.source = self.make()

    def make(self, *, denies_when_expired: bool = True, poll_s: float = 30.0) -> BundleSource:
        rules = Rules("policies", lambda: self.keys, denies_when_expired=denies_when_expired)
        self.source = BundleSource(self._carrier, self.kept, rules, self.clock, alarm=self.alarm, poll_s=poll_s)
        return self.source

    async def offer(self, parcel: Parcel) -> bool:
        self.shelf.put(parcel)
        return await self.source.reload()

    async def restart(self, **options: Any) -> BundleSource:
        await self.source.stop()
        source = self.make(**options)
        await source.start()
        await source.stop()
        return source

    @property
    def version(self) -> int:
        return self.source.manifest.version if self.source.manifest else 0


def follows(path: Path) -> PathCarrier:
    return PathCarrier(path)
