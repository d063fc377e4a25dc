from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from watchword.audit import Journal, Report, verify, writer
from watchword.kernel import Entropy, FrozenClock, KeyId
from watchword.keys import Algorithm, Signer

OpenJournal = Callable[[], Journal]


def write_ahead_early(patch: pytest.MonkeyPatch) -> None:
    """Write a little ahead, from the first record on, on the fullest of disks."""
    patch.setattr(writer, "_QUIET_BYTES", 0)
    patch.setattr(writer, "_ROOM_BYTES", 2000)
    patch.setattr(writer, "_SPARE_BYTES", 0)


@pytest.fixture
def signer(clock: FrozenClock, entropy: Entropy) -> Signer:
    return Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture(params=["the event loop writes, into room", "the thread writes, at the end"])
def open_journal(
    request: pytest.FixtureRequest,
    directory: Path,
    signer: Signer,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> OpenJournal:
    """Open the journal of this test, as often as it likes."""
    is_quick = request.param == "the event loop writes, into room"
    monkeypatch.setattr("watchword.audit.pace.Pace.is_quick", lambda *_: is_quick)
    if is_quick:
        write_ahead_early(monkeypatch)
    else:
        monkeypatch.setattr(writer, "_SPARE_BYTES", 1 << 62)
    return lambda: Journal.open(directory, signer=signer, clock=clock)


@pytest.fixture
def judge(directory: Path, signer: Signer) -> Callable[[], Report]:
    """Verify the journal of this test."""
    return lambda: verify(directory, {signer.kid: signer.verification_key})
