"""When space is written ahead, and when it is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from watchword.audit import verify, writer
from watchword.audit.durable import DurableFile
from watchword.kernel import FrozenClock
from watchword.keys import Signer


class _Disk:
    """What the system says of the disk."""

    f_frsize = 4096

    def __init__(self, free: int) -> None:
        self.f_bavail = free // self.f_frsize


@pytest.fixture
def held(directory: Path, signer: Signer, clock: FrozenClock) -> Iterator[writer.Writer]:
    found = writer.Writer.open(directory, signer=signer, clock=clock, keys={})
    yield found
    found.close()
    report = verify(directory, {signer.kid: signer.verification_key})
    assert report.is_sound
    assert b"\0" not in max(directory.glob("*.jsonl")).read_bytes()


def _write(held: writer.Writer, size: int) -> None:
    held.commit([(b'{"type":"x","at":"2026-11-21T12:00:00Z","w":"%s"}' % (b"y" * 1000), None)] * (size // 1000))


def _room(directory: Path) -> int:
    content = max(directory.glob("*.jsonl")).read_bytes()
    return len(content) - len(content.rstrip(b"\0"))


def test_whoever_writes_little_has_nothing_written_ahead(held: writer.Writer) -> None:
    _write(held, 50_000)
    assert not held.needs_room
    _write(held, 20_000)
    assert held.needs_room


def test_room_is_made_before_it_is_used_up(held: writer.Writer, directory: Path) -> None:
    _write(held, 70_000)
    held.write_ahead()
    assert _room(directory) == 512 * 1024
    assert not held.needs_room
    _write(held, 200_000)
    assert not held.needs_room
    _write(held, 100_000)
    assert held.needs_room


def test_the_next_segment_has_room_from_the_beginning(
    held: writer.Writer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 100_000)
    _write(held, 80_000)
    held.write_ahead()
    assert not held.needs_room
    _write(held, 20_000)
    assert _room(directory)
    _write(held, 1000)
    assert len(list(directory.glob("*.jsonl"))) == 2
    assert held.needs_room
    assert b"\0" not in min(directory.glob("*.jsonl")).read_bytes()


def test_a_disk_that_is_nearly_full_gets_no_zeros_and_is_asked_again_later(
    held: writer.Writer, directory: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(held, 70_000)
    monkeypatch.setattr(os, "statvfs", lambda _path: _Disk(63 << 20))
    held.write_ahead()
    assert _room(directory) == 0
    assert not held.needs_room
    _write(held, 70_000)
    clock.advance(timedelta(seconds=11))
    assert held.needs_room
    monkeypatch.setattr(os, "statvfs", lambda _path: _Disk(65 << 20))
    held.write_ahead()
    assert _room(directory) == 512 * 1024


@pytest.mark.parametrize("failure", [OSError(5, "I/O error"), MemoryError()])
def test_zeros_that_cannot_be_written_are_no_reason_to_refuse_a_record(
    held: writer.Writer, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(_file: DurableFile, _length: int) -> None:
        raise failure

    _write(held, 70_000)
    with monkeypatch.context() as patch:
        patch.setattr(DurableFile, "write_ahead", fail)
        held.write_ahead()
    assert held.problem is None
    assert not held.needs_room
    _write(held, 5000)
