"""A machine that stops while a group is written: at each byte, and with each choice of sectors that came."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.audit import JournalDamagedError, JournalUnwritableError, last, read, verify
from watchword.audit.opening import find_standing
from watchword.audit.writer import Writer
from watchword.kernel import FrozenClock
from watchword.keys import Signer

_SECTOR = 512
_KEPT = 3  # the opening and two records were acknowledged


class _Stopped:
    """A journal with three acknowledged records and room, before and after another group is written."""

    def __init__(self, directory: Path, signer: Signer, clock: FrozenClock, filler: int) -> None:
        self.directory, self._signer, self._clock = directory, signer, clock
        self.keys = {signer.kid: signer.verification_key}
        writer = self.open()
        writer.commit([(b'{"type":"kept","at":"2026-11-21T12:00:00Z"}', None)] * (_KEPT - 1))
        self.path = directory / f"{1:020}.jsonl"
        self.size = self.path.stat().st_size
        writer.write_ahead()
        self.before = self.path.read_bytes()
        body = b'{"type":"new","at":"2026-11-21T12:00:00Z","w":"%s"}' % (b"x" * filler)
        writer.commit([(body, None)] * 3)
        self.after = self.path.read_bytes()
        self.group = self.after[self.size :].rstrip(b"\0")
        self.notes = (directory / "checkpoints").read_bytes()
        writer.close()

    def open(self) -> Writer:
        return Writer.open(self.directory, signer=self._signer, clock=self._clock, keys={})

    def crash(self, content: bytes) -> None:
        """Leave the files as they would be then."""
        self.path.write_bytes(content)
        (self.directory / "checkpoints").write_bytes(self.notes)

    def goes_on(self) -> None:
        """Open it, write, close it, and find nothing wrong."""
        before = [record.seq for record in read(self.directory)]
        writer = self.open()
        writer.commit([(b'{"type":"later","at":"2026-11-21T12:00:00Z"}', None)])
        writer.close()
        report = verify(self.directory, self.keys)
        assert report.is_sound, report
        assert report.records == report.covered == len(before) + 2
        assert [record.seq for record in read(self.directory)] == list(range(1, report.records + 1))
        assert b"\0" not in self.path.read_bytes()


@pytest.fixture
def stopped(
    tmp_path: Path, signer: Signer, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[_Stopped]:
    monkeypatch.setattr("watchword.audit.writer._ROOM_BYTES", 4096)
    monkeypatch.setattr("watchword.audit.writer._SPARE_BYTES", 0)
    return _Stopped(tmp_path / "journal", signer, clock, getattr(request, "param", 0))


@pytest.mark.parametrize("room", [True, False])
def test_a_stop_at_each_byte_of_a_group_leaves_what_was_acknowledged_and_no_half_record(
    stopped: _Stopped, *, room: bool
) -> None:
    for come in range(0, len(stopped.group) + 1, 1 if room else 5):
        content = stopped.before[: stopped.size] + stopped.group[:come]
        stopped.crash(content.ljust(len(stopped.before), b"\0") if room else content)
        whole = stopped.group[:come].count(b"\n")
        torn = come - (stopped.group[:come].rfind(b"\n") + 1)
        standing = find_standing(stopped.directory, stopped.keys)
        assert (standing.chain.seq, standing.torn) == (_KEPT + whole, torn)
        assert standing.size + standing.room == stopped.path.stat().st_size
        report = verify(stopped.directory, stopped.keys)
        assert report.is_sound
        assert (report.records, report.torn_bytes) == (_KEPT + whole, torn)
        assert last(stopped.directory, 1)[0].seq == _KEPT + whole


@pytest.mark.parametrize("room", [True, False])
@pytest.mark.parametrize("come", [0, 1, 130, -131, -2, -1, None])
def test_a_journal_goes_on_after_a_stop(stopped: _Stopped, *, room: bool, come: int | None) -> None:
    content = stopped.before[: stopped.size] + stopped.group[:come]
    stopped.crash(content.ljust(len(stopped.before), b"\0") if room else content)
    stopped.goes_on()


@pytest.mark.parametrize("stopped", [700], indirect=True)
def test_whichever_sectors_of_a_group_came_no_acknowledged_record_is_lost_and_none_is_believed_by_half(
    stopped: _Stopped,
) -> None:
    first, behind = stopped.size // _SECTOR, -(-(stopped.size + len(stopped.group)) // _SECTOR)
    assert behind - first >= 5
    for came in itertools.product([True, False], repeat=behind - first):
        content = bytearray(stopped.before)
        for sector in itertools.compress(range(first, behind), came):
            where = slice(sector * _SECTOR, (sector + 1) * _SECTOR)
            content[where] = stopped.after[where]
        stopped.crash(bytes(content))
        standing = find_standing(stopped.directory, stopped.keys)
        whole = standing.chain.seq - _KEPT
        assert whole == bytes(content[stopped.size :]).split(b"\0")[0].count(b"\n")
        report = verify(stopped.directory, stopped.keys)
        assert report.is_sound
        assert (report.records, report.torn_bytes) == (standing.chain.seq, standing.torn)
        assert [record.type for record in read(stopped.directory)][_KEPT:] == ["new"] * whole
    stopped.goes_on()


def test_one_byte_zeroed_before_acknowledged_records_is_no_crash(stopped: _Stopped) -> None:
    """A crash would have left them out; to cut them off as torn would lose them."""
    content = bytearray(stopped.after)
    content[stopped.size - 20] = 0
    stopped.crash(bytes(content))
    with pytest.raises(JournalDamagedError, match="no crash leaves"):
        stopped.open()
    assert stopped.path.read_bytes() == content
    assert not verify(stopped.directory, stopped.keys).is_sound


def test_a_stop_while_a_segment_is_begun_finds_no_zeros_behind_the_one_before(
    stopped: _Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For those would be taken for records that were wiped out."""
    writer = stopped.open()
    writer.write_ahead()
    assert stopped.path.read_bytes().endswith(b"\0")
    monkeypatch.setattr("watchword.audit.writer._SEGMENT_BYTES", 1)

    def stop(_directory: Path) -> None:
        raise OSError(errno.EIO, "the machine stops here")

    monkeypatch.setattr("watchword.audit.writer.sync_directory", stop)
    with pytest.raises(JournalUnwritableError):
        writer.commit([(b'{"type":"next"}', None)])
    assert len(list(stopped.directory.glob("*.jsonl"))) == 2
    assert stopped.path.read_bytes().endswith(b"}\n")
    writer.close()


def test_zeros_behind_a_segment_that_is_not_the_last_are_no_room(stopped: _Stopped) -> None:
    stopped.crash(stopped.after)
    (stopped.directory / f"{_KEPT + 3 + 1:020}.jsonl").touch()
    with pytest.raises(JournalDamagedError, match="cut short"):
        stopped.open()
    assert not verify(stopped.directory, stopped.keys).is_sound
