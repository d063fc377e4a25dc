"""Every way to change a journal that was signed, and what verification says of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.audit import FindingKind, Report, verification, verify, writer
from watchword.audit.files import Remains, remains
from watchword.kernel import FrozenClock, KeyId, SystemEntropy
from watchword.keys import Algorithm, Signer

_CLOCK = FrozenClock(datetime(2026, 11, 21, 12, tzinfo=UTC))
_KEY = Signer.generate(KeyId.new(_CLOCK.now(), SystemEntropy()), Algorithm.ED25519)
_OTHER = Signer.generate(KeyId.new(_CLOCK.now(), SystemEntropy()), Algorithm.ED25519)
_KEYS = {_KEY.kid: _KEY.verification_key}
_RECORDS = 13


def _write(directory: Path, *, records: int = _RECORDS - 1, signer: Signer = _KEY, word: str = "x") -> None:
    found = writer.Writer.open(directory, signer=signer, clock=_CLOCK, keys={})
    for n in range(records):
        found.commit([(b'{"type":"decision","n":%d,"at":"2026-11-21T12:00:00Z","w":"%s"}' % (n, word.encode()), None)])
        if n % 5 == 4:
            found.checkpoint()
    found.close()


@contextmanager
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_SEGMENT_BYTES", 600)
        yield


def _build() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as base, _small_segments():
        _write(Path(base) / "journal")
        return {path.name: path.read_bytes() for path in sorted((Path(base) / "journal").iterdir())}


_FILES = _build()
_SEGMENTS = [name for name in _FILES if name.endswith(".jsonl")]
_SIGNED_FILES = [*_SEGMENTS, "checkpoints"]
_LINES = [line for name in _SEGMENTS for line in _FILES[name].splitlines(keepends=True)]


@dataclass
class _Copy:
    """The journal, laid out somewhere to be changed."""

    directory: Path

    def put(self, name: str, content: bytes) -> None:
        (self.directory / name).write_bytes(content)

    def judge(self, **options: object) -> Report:
        return verify(self.directory, _KEYS, **options)  # type: ignore[arg-type]


@contextmanager
def _laid_out(files: dict[str, bytes] | None = None) -> Iterator[_Copy]:
    with tempfile.TemporaryDirectory() as base:
        for name, content in (files or _FILES).items():
            (Path(base) / name).write_bytes(content)
        yield _Copy(Path(base))


def _as_one_file(lines: list[bytes]) -> dict[str, bytes]:
    return {f"{1:020}.jsonl": b"".join(lines), "checkpoints": _FILES["checkpoints"]}


def test_what_was_not_touched_is_sound() -> None:
    assert len(_SEGMENTS) >= 3
    with _laid_out() as copy:
        report = copy.judge()
        assert report.is_sound
        assert (report.records, report.covered, report.torn_bytes) == (_RECORDS, _RECORDS, 0)
        assert report.checkpoints >= 4
    with _laid_out(_as_one_file(_LINES)) as copy:
        assert copy.judge().is_sound


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(_SIGNED_FILES))
    content = bytearray(_FILES[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with _laid_out() as copy:
        copy.put(name, bytes(content))
        assert not copy.judge().is_sound


def test_each_single_byte_matters() -> None:
    """Exhaustive where it is likeliest to slip: the last record and the last checkpoint."""
    for name, length in ((_SEGMENTS[-1], len(_LINES[-1])), ("checkpoints", 400)):
        whole = _FILES[name]
        with _laid_out() as copy:
            for at in range(len(whole) - length, len(whole)):
                copy.put(name, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
                assert not copy.judge().is_sound, (name, at)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_deleted_stretch_is_found(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(_SIGNED_FILES))
    whole = _FILES[name]
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    cut = whole[:start] + whole[end:]
    with _laid_out() as copy:
        copy.put(name, cut)
        # Whole checkpoints may be taken away: the others still say what they said, and cover less or the same.
        thinned = name == "checkpoints" and cut != b"" and set(_notes(cut)) < set(_notes(whole))
        assert copy.judge().is_sound == thinned


def _notes(content: bytes) -> list[bytes]:
    first, *rest = content.split(b"watchword journal")
    return [*([first] if first else []), *(b"watchword journal" + note for note in rest)]


@settings(max_examples=200, deadline=None)
@given(st.data(), st.binary(min_size=1, max_size=40))
def test_any_inserted_bytes_are_found(data: st.DataObject, inserted: bytes) -> None:
    name = data.draw(st.sampled_from(_SIGNED_FILES))
    whole = _FILES[name]
    at = data.draw(st.integers(0, len(whole)))
    changed = whole[:at] + inserted + whole[at:]
    with _laid_out() as copy:
        copy.put(name, changed)
        report = copy.judge()
        # NULs alone are room for records to come.
        assert not report.is_sound or report.torn_bytes == len(inserted.rstrip(b"\0"))
        if report.is_sound:
            assert name == _SEGMENTS[-1]
            assert at == len(whole)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, _RECORDS - 1), st.integers(0, _RECORDS - 1))
def test_any_swap_of_records_is_found(one: int, other: int) -> None:
    lines = list(_LINES)
    lines[one], lines[other] = lines[other], lines[one]
    with _laid_out(_as_one_file(lines)) as copy:
        report = copy.judge()
        assert report.is_sound == (one == other)
        if report.finding:
            assert report.finding.kind is FindingKind.REORDERED
            assert report.finding.seq == min(one, other) + 1


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(_RECORDS)))
def test_any_other_order_is_found(order: list[int]) -> None:
    with _laid_out(_as_one_file([_LINES[index] for index in order])) as copy:
        assert copy.judge().is_sound == (order == sorted(order))


@pytest.mark.parametrize("seq", range(1, _RECORDS + 1))
def test_a_deleted_record_is_named(seq: int) -> None:
    with _laid_out(_as_one_file(_LINES[: seq - 1] + _LINES[seq:])) as copy:
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is (FindingKind.TRUNCATED if seq == _RECORDS else FindingKind.GAP)
    assert finding.seq == seq


@pytest.mark.parametrize("seq", range(1, _RECORDS))
def test_a_repeated_record_is_named(seq: int) -> None:
    with _laid_out(_as_one_file([*_LINES[:seq], _LINES[seq - 1], *_LINES[seq:]])) as copy:
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.REPEATED
    assert finding.seq == seq


def test_an_altered_record_is_named() -> None:
    lines = list(_LINES)
    lines[4] = lines[4].replace(b'"w":"x"', b'"w":"y"')
    with _laid_out(_as_one_file(lines)) as copy:
        finding = copy.judge().finding
    assert finding is not None
    assert (finding.kind, finding.seq) == (FindingKind.ALTERED, 5)


def test_an_altered_record_with_every_later_link_mended_is_found_by_the_next_signature() -> None:
    """The attacker who can hash but not sign."""
    with tempfile.TemporaryDirectory() as base:
        rewritten = Path(base) / "rewritten"
        _write(rewritten, signer=_OTHER, word="y")
        lines = (rewritten / f"{1:020}.jsonl").read_bytes().splitlines(keepends=True)
    with _laid_out(_as_one_file(lines)) as copy:
        report = copy.judge()
    assert report.finding is not None
    assert report.finding.kind is FindingKind.ALTERED


def test_a_checkpoint_by_a_foreign_key_is_forged() -> None:
    with tempfile.TemporaryDirectory() as base:
        rewritten = Path(base) / "rewritten"
        _write(rewritten, signer=_OTHER, word="y")
        files = {path.name: path.read_bytes() for path in rewritten.iterdir()}
    with _laid_out(files) as copy:
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.CHECKPOINT_FORGED


def test_a_foreign_key_that_borrows_our_name_is_forged() -> None:
    impostor = Signer(_KEY.kid, _OTHER._key)
    with tempfile.TemporaryDirectory() as base:
        rewritten = Path(base) / "rewritten"
        _write(rewritten, signer=impostor, word="y")
        files = {path.name: path.read_bytes() for path in rewritten.iterdir()}
    with _laid_out(files) as copy:
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.CHECKPOINT_FORGED


def test_checkpoints_of_another_journal_under_the_same_key_do_not_fit() -> None:
    with tempfile.TemporaryDirectory() as base:
        other = Path(base) / "other"
        _write(other, word="y")
        notes = (other / "checkpoints").read_bytes()
    with _laid_out() as copy:
        copy.put("checkpoints", notes)
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.ALTERED


def test_checkpoints_in_another_order_are_found() -> None:
    notes = _FILES["checkpoints"].split(b"watchword journal")
    changed = b"watchword journal".join([notes[0], notes[2], notes[1], *notes[3:]])
    with _laid_out() as copy:
        copy.put("checkpoints", changed)
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.CHECKPOINT_FORGED


@pytest.mark.parametrize("index", range(len(_SEGMENTS)))
def test_a_missing_segment_is_named(index: int) -> None:
    with _laid_out() as copy:
        (copy.directory / _SEGMENTS[index]).unlink()
        finding = copy.judge().finding
    assert finding is not None
    is_last = index == len(_SEGMENTS) - 1
    assert finding.kind is (FindingKind.TRUNCATED if is_last else FindingKind.SEGMENT_MISSING)
    assert finding.seq == int(_SEGMENTS[index][:20])


def _zeroed(content: bytes, at: int) -> bytes:
    return content[:at].ljust(len(content), b"\0")


def test_a_zeroed_tail_is_found_as_a_truncated_one_is() -> None:
    """Room that was written ahead is no hiding place, wherever the zeros begin."""
    name = _SEGMENTS[-1]
    whole = _FILES[name]
    with _laid_out() as copy:
        # Each byte of the last record, and some of those before it.
        for at in (*range(0, len(whole), 41), *range(len(whole) - len(_LINES[-1]), len(whole))):
            copy.put(name, whole[:at])
            truncated = copy.judge()
            copy.put(name, _zeroed(whole, at) + bytes(700))
            zeroed = copy.judge()
            assert replace(zeroed, size=truncated.size) == truncated, at
            assert not zeroed.is_sound


def test_a_zeroed_tail_behind_the_last_checkpoint_is_what_a_truncated_one_is() -> None:
    """Neither is covered yet; a half record counts as torn."""
    name, notes = _SEGMENTS[-1], _notes(_FILES["checkpoints"])
    lines = [len(line) for line in _FILES[name].splitlines(keepends=True)]
    assert len(lines) > 1
    with _laid_out(_FILES | {"checkpoints": b"".join(notes[:-1])}) as copy:
        for at in (*range(len(_FILES[name]) - lines[-1], len(_FILES[name])), 0):
            copy.put(name, _FILES[name][:at])
            truncated = copy.judge()
            copy.put(name, _zeroed(_FILES[name], at))
            assert replace(copy.judge(), size=truncated.size) == truncated, at


@pytest.mark.parametrize("name", _SEGMENTS[:-1])
def test_a_zeroed_tail_of_an_older_segment_is_found_even_where_it_cuts_no_record(name: str) -> None:
    lines = _FILES[name].splitlines(keepends=True)
    with _laid_out() as copy:
        for at in (len(_FILES[name]) - 1, len(_FILES[name]) - len(lines[-1])):
            copy.put(name, _zeroed(_FILES[name], at))
            assert not copy.judge().is_sound
        copy.put(name, _FILES[name] + b"\0")
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.MALFORMED


def test_records_hidden_behind_a_nul_are_found_though_no_checkpoint_covers_them() -> None:
    lines, first = list(_LINES), len(_LINES[0])
    notes = _notes(_FILES["checkpoints"])
    for at in (first, first + 1, first + 300):
        content = bytearray(b"".join(lines))
        content[at] = 0
        with _laid_out(_as_one_file([bytes(content)]) | {"checkpoints": notes[0]}) as copy:
            finding = copy.judge().finding
        assert finding is not None
        assert finding.kind is FindingKind.MALFORMED
        assert "no crash leaves" in finding.words


def test_what_is_written_while_it_is_verified_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines were read when the record was not there yet, and what stands behind them when it was."""
    name, whole = f"{1:020}.jsonl", b"".join(_LINES)
    with _laid_out({name: whole[: -len(_LINES[-1])], "checkpoints": _notes(_FILES["checkpoints"])[0]}) as copy:

        def late(path: Path, offset: int) -> Remains:
            copy.put(name, whole)
            return remains(path, offset)

        monkeypatch.setattr(verification, "remains", late)
        report = copy.judge()
    assert report.is_sound
    assert (report.records, report.torn_bytes) == (_RECORDS - 1, 0)


def test_a_renamed_segment_is_found() -> None:
    with _laid_out() as copy:
        first = int(_SEGMENTS[1][:20])
        (copy.directory / _SEGMENTS[1]).rename(copy.directory / f"{first - 1:020}.jsonl")
        assert not copy.judge().is_sound


def test_a_journal_that_was_emptied_is_not_sound() -> None:
    with _laid_out({"lock": b""}) as copy:
        finding = copy.judge().finding
    assert finding is not None
    assert finding.kind is FindingKind.CHECKPOINT_MISSING


def test_a_directory_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    finding = verify(tmp_path / "nothing", _KEYS).finding
    assert finding is not None
    assert finding.kind in {FindingKind.CHECKPOINT_MISSING, FindingKind.UNREADABLE}


def test_a_journal_cut_back_together_with_its_checkpoints_needs_a_witness() -> None:
    notes = _FILES["checkpoints"].decode().split("\n\nwatchword")
    kept = notes[0] + "\n\n"
    covered = int(kept.split("\n")[1])
    witnessed = ("watchword" + notes[-1]).removesuffix("\n")
    with _laid_out(
        {f"{1:020}.jsonl": b"".join(_LINES[:covered]), "checkpoints": kept.encode()} | {"lock": b""}
    ) as copy:
        assert copy.judge().is_sound
        finding = copy.judge(witnessed=[witnessed]).finding
    assert finding is not None
    assert finding.kind is FindingKind.TRUNCATED
    with _laid_out() as copy:
        assert copy.judge(witnessed=[witnessed]).is_sound


def test_a_record_behind_the_last_checkpoint_counts_as_not_covered() -> None:
    with tempfile.TemporaryDirectory() as base:
        directory = Path(base) / "journal"
        found = writer.Writer.open(directory, signer=_KEY, clock=_CLOCK, keys={})
        found.commit([(b'{"type":"decision"}', None)] * 3)
        report = verify(directory, _KEYS)
        found.close()
    assert report.is_sound
    assert (report.records, report.covered) == (4, 1)


def test_progress_ends_at_everything() -> None:
    seen: list[tuple[int, int]] = []
    with _laid_out() as copy, pytest.MonkeyPatch.context() as patch:
        patch.setattr("watchword.audit.verification._PROGRESS_BYTES", 500)
        copy.judge(progress=lambda done, total: seen.append((done, total)))
    total = sum(len(_FILES[name]) for name in _SEGMENTS)
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)
    assert len(seen) > 3


def test_a_finding_says_where_to_look(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    for name, content in _FILES.items():
        (tmp_path / name).write_bytes(content)
    name = _SEGMENTS[1]
    first_line = _FILES[name].index(b"\n") + 1
    second_line = _FILES[name].index(b"\n", first_line) + 1
    (tmp_path / name).write_bytes(_FILES[name][:first_line] + _FILES[name][second_line:])
    finding = verify(tmp_path, _KEYS).finding
    assert finding is not None
    assert finding.place == f"{name}:{first_line}"
    assert finding.words.startswith(f"record {int(name[:20]) + 1} missing")
