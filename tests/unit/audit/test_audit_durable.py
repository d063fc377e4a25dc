"""A file that records are appended to, while zeros are written ahead of them."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from watchword.audit import JournalDamagedError, durable
from watchword.audit.durable import DurableFile
from watchword.audit.files import end_of_lines, lines, remains

_LINE = b"a line of some length\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "segment"


@pytest.fixture
def file(path: Path) -> Iterator[DurableFile]:
    """A file with one line and a thousand zeros."""
    found = DurableFile(path)
    found.append(_LINE)
    found.write_ahead(1000)
    yield found
    found.close()


@contextmanager
def _while_zeros_are_written(act: Callable[[], object]) -> Iterator[None]:
    """Act once some of the zeros are in the file and others are not."""
    real = os.write

    def halfway(descriptor: int, data: bytes) -> int:
        done = real(descriptor, data[: len(data) // 2 or 1])
        act()
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", halfway)
        yield


def test_records_replace_zeros_and_the_file_does_not_grow(file: DurableFile, path: Path) -> None:
    file.append(_LINE)
    assert path.stat().st_size == len(_LINE) + 1000
    assert path.read_bytes() == _LINE * 2 + bytes(1000 - len(_LINE))
    assert file.room == 1000 - len(_LINE)


def test_a_record_longer_than_the_room_makes_the_file_grow(file: DurableFile, path: Path) -> None:
    file.append(b"x" * 5000 + b"\n")
    file.append(_LINE)
    assert path.read_bytes() == _LINE + b"x" * 5000 + b"\n" + _LINE
    assert file.room == 0


def test_zeros_are_never_written_onto_a_record(file: DurableFile, path: Path) -> None:
    with _while_zeros_are_written(lambda: file.append(_LINE)):
        file.write_ahead(64)
    assert path.read_bytes() == (_LINE * 8).ljust(len(_LINE) + 1064, b"\0")


def test_a_record_that_needs_more_than_the_room_waits_for_the_zeros(file: DurableFile, path: Path) -> None:
    long = b"z" * 1500 + b"\n"
    other = threading.Thread(target=file.append, args=(long,))

    def begin() -> None:
        if other.ident is None:
            other.start()
        assert long not in path.read_bytes()

    with _while_zeros_are_written(begin):
        file.write_ahead(1000)
    other.join(10)
    assert path.read_bytes() == (_LINE + long).ljust(len(_LINE) + 2000, b"\0")


@pytest.mark.parametrize("taken", [0, 1, 500])
def test_a_disk_that_is_too_full_for_zeros_gets_none_and_takes_records_on(
    file: DurableFile, path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    real, room = os.write, [taken]

    def limited(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(descriptor, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(OSError, match="No space"):
        file.write_ahead(1000)
    assert path.stat().st_size == len(_LINE) + 1000
    for _ in range(100):
        file.append(_LINE)
    assert path.read_bytes() == _LINE * 101


def test_a_sync_that_fails_leaves_no_zeros(file: DurableFile, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="I/O"):
            file.write_ahead(1000)
    assert path.stat().st_size == len(_LINE) + 1000
    file.append(_LINE)


@pytest.mark.parametrize("written", [0, 1, 21, 22, 40])
def test_a_failed_write_into_the_room_leaves_no_trace(
    file: DurableFile, path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    def torn(descriptor: int, data: list[memoryview], offset: int, _flags: int) -> int:
        os.pwrite(descriptor, data[0][:written], offset)
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", torn)
        with pytest.raises(OSError, match="I/O"):
            file.append(b"lost" * 10 + b"\n")
    file.append(_LINE)
    assert path.read_bytes() == _LINE * 2
    file.write_ahead(100)
    file.append(_LINE)
    assert path.read_bytes() == _LINE * 3 + bytes(100 - len(_LINE))


@pytest.mark.parametrize("act", ["trim", "close"])
def test_the_room_is_given_back(path: Path, act: str) -> None:
    file = DurableFile(path)
    file.append(_LINE)
    file.write_ahead(1000)
    getattr(file, act)()
    assert path.read_bytes() == _LINE
    if act == "trim":
        file.close()


def test_a_closed_file_gets_no_zeros(path: Path) -> None:
    file = DurableFile(path)
    file.append(_LINE)
    file.close()
    file.write_ahead(1000)
    assert path.read_bytes() == _LINE


# --- somebody else's hands ------------------------------------------------------------------------------------------


def _put(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as other:
        other.seek(offset)
        other.write(data)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda path: _put(path, 10, bytes(len(_LINE) - 10)), id="zero the tail"),
        pytest.param(lambda path: _put(path, len(_LINE) - 1, b"\0"), id="zero the last line feed"),
        pytest.param(lambda path: _put(path, len(_LINE), b"slipped in\n"), id="slip a record in"),
        pytest.param(lambda path: _put(path, len(_LINE) + 1000, b"\0"), id="one zero more"),
        pytest.param(lambda path: os.truncate(path, len(_LINE) + 999), id="one zero less"),
        pytest.param(lambda path: os.truncate(path, len(_LINE)), id="cut the room off"),
        pytest.param(lambda path: os.truncate(path, 5), id="cut a record off"),
    ],
)
def test_a_file_with_room_that_was_changed_is_not_written_to(
    file: DurableFile, path: Path, act: Callable[[Path], None]
) -> None:
    act(path)
    changed = path.read_bytes()
    for _ in range(2):
        with pytest.raises(JournalDamagedError, match="somebody else"):
            file.append(_LINE)
    with pytest.raises(JournalDamagedError, match="somebody else"):
        file.trim()
    file.write_ahead(10)
    assert path.read_bytes() in {changed, changed + bytes(10)}


@pytest.mark.parametrize("says_names", [True, False])
@pytest.mark.parametrize("act", ["removed", "replaced", "moved"])
def test_a_file_that_is_not_in_its_place_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch, act: str, *, says_names: bool
) -> None:
    """Also on a system that does not say where an open file is."""
    if not says_names:
        monkeypatch.setattr(durable, "_name", lambda _descriptor: None)
    file = DurableFile(path)
    file.append(_LINE)
    if act == "replaced":
        path.with_name("other").write_bytes(_LINE)
        path.with_name("other").replace(path)
    elif act == "moved":
        path.rename(path.with_name("other"))
    else:
        path.unlink()
    with pytest.raises(JournalDamagedError, match=r"was removed|was replaced"):
        file.append(_LINE)
    file.close()


def test_a_directory_that_moves_with_its_file_is_no_damage_if_the_path_still_leads_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = DurableFile(tmp_path / "a" / "segment")
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").symlink_to("b")
    file.append(_LINE)
    file.close()


def test_appending_looks_at_no_times(file: DurableFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does has the next write note new ones, at the price of a file that grows."""
    looked: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("stat", "lstat", "fstat"):
            patch.setattr(os, name, lambda *_, **__: looked.append("looked"))
        file.append(_LINE)
        file.append(_LINE)
    assert not looked


def test_bytes_slipped_in_while_zeros_are_written_are_found(file: DurableFile, path: Path) -> None:
    with _while_zeros_are_written(lambda: _put(path, path.stat().st_size, b"x")):
        file.write_ahead(1000)
    with pytest.raises(JournalDamagedError):
        file.append(_LINE)


def test_what_somebody_else_wrote_is_not_trimmed_away(path: Path) -> None:
    file = DurableFile(path)
    file.append(_LINE)
    file.write_ahead(100)
    _put(path, len(_LINE), b"slipped in\n")
    file.close()
    assert path.read_bytes().rstrip(b"\0") == _LINE + b"slipped in\n"


def test_a_file_that_took_the_place_of_ours_gets_no_zeros(file: DurableFile, path: Path) -> None:
    path.unlink()
    path.write_bytes(_LINE + bytes(1000))
    file.write_ahead(1000)
    assert path.read_bytes() == _LINE + bytes(1000)
    path.unlink()
    path.symlink_to("/dev/null")
    with pytest.raises(OSError, match="symbolic"):
        file.write_ahead(1000)


# --- what a reader makes of it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"", []),
        (bytes(3000), []),
        (_LINE, [_LINE]),
        (_LINE + bytes(3000), [_LINE]),
        (_LINE * 2 + b"half" + bytes(3000), [_LINE, _LINE]),
        (_LINE + bytes(700) + _LINE, [_LINE]),
        (_LINE + b"ha\0lf\n" + _LINE, [_LINE]),
        (_LINE + b"x" * 600_000 + b"\n" + _LINE, [_LINE]),
    ],
)
def test_only_lines_before_the_first_nul_are_lines(path: Path, content: bytes, whole: list[bytes]) -> None:
    path.write_bytes(content)
    found = list(lines(path))
    before = []
    for _, line in found:
        if not line.endswith(b"\n"):
            break
        before.append(line)
    assert before == whole
    assert not any(b"\0" in line for _, line in found)


@pytest.mark.parametrize(
    ("behind", "torn", "is_natural"),
    [
        pytest.param(b"", 0, True, id="nothing"),
        pytest.param(b"half", 4, True, id="half a line"),
        pytest.param(bytes(5000), 0, True, id="room"),
        pytest.param(b"half" + bytes(5000), 4, True, id="half a line in room"),
        pytest.param(b"x" * 1400 + bytes(136 + 600), 1400, True, id="sectors that came and one that did not"),
        pytest.param(bytes(512) + b"x\n" * 300 + bytes(900), 1112, True, id="the first sector did not come"),
        pytest.param(b"x" * 512 + bytes(512) + b"y\n" * 256, 1536, True, id="one in the middle did not come"),
        pytest.param(bytes(1) + b"x\n" * 300, 601, False, id="one byte that hides records"),
        pytest.param(b"x" * 100 + bytes(1) + b"x\n" * 300, 701, False, id="one byte within a record"),
        pytest.param(bytes(511) + b"x\n" * 300, 1111, False, id="a hole that ends within a sector"),
        pytest.param(bytes(600) + b"x\n" * 300, 1200, False, id="a longer hole that ends within a sector"),
        pytest.param(b"x" * 600 + b"\n" + b"y" * 50, 651, False, id="a line that was given up for its length"),
    ],
)
@pytest.mark.parametrize("before", [0, 512 * 3])
def test_what_no_crash_leaves_is_told_from_what_one_leaves(
    path: Path, before: int, behind: bytes, torn: int, *, is_natural: bool
) -> None:
    path.write_bytes(b"b" * before + behind)
    found = remains(path, before)
    assert (found.size, found.torn, found.is_natural) == (len(behind), torn, is_natural)


@pytest.mark.parametrize("piece", [1, 7, 30, 1 << 20])
@pytest.mark.parametrize("room", [0, 1, 64])
@pytest.mark.parametrize("records", [0, 1, 5])
def test_the_end_of_the_lines_is_found_from_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, room: int, records: int
) -> None:
    monkeypatch.setattr("watchword.audit.files._PIECE", piece)
    path.write_bytes(_LINE * records + bytes(room))
    with path.open("rb") as found:
        assert end_of_lines(found) == len(_LINE) * records


def test_many_appends_and_many_zeros_at_once_leave_every_record_whole(path: Path) -> None:
    with closing(DurableFile(path)) as file:
        stop = threading.Event()

        def ahead() -> None:
            while not stop.is_set():
                if file.room < 4000:
                    file.write_ahead(4000)

        other = threading.Thread(target=ahead)
        other.start()
        written = [b"%d " % n + b"x" * (n * 37 % 900) + b"\n" for n in range(30)]
        for line in written:
            file.append(line)
        stop.set()
        other.join(10)
    assert path.read_bytes() == b"".join(written)
