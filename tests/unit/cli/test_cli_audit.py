from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchword.audit import Journal
from watchword.kernel import FrozenClock


@pytest.fixture
def old(cli: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A data directory with a journal that was written a hundred days ago."""
    monkeypatch.setattr("watchword.audit.writer._SEGMENT_BYTES", 500)

    async def act(services: Any) -> None:
        await services.keys.ensure("journal")
        clock = FrozenClock(datetime.now(UTC) - timedelta(days=100))
        journal = Journal.open(cli.data / "journal", signer=services.keys.signer("journal"), clock=clock)
        for n in range(10):
            await journal.append({"type": "event", "n": n, "w": "x" * 200})
        await journal.close()

    cli.within(act)
    return cli


def test_old_segments_are_archived_and_both_parts_verify(old: Any, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    moved = old.json("audit", "archive", str(shelf), "--older-than", "99")
    assert moved["segments"] == len(list(shelf.glob("*.jsonl"))) > 1
    assert f"begins with record {moved['through'] + 1} now" in moved["message"]
    verified = old.json("audit", "verify")
    assert (verified["ok"], verified["archived"], verified["records"]) == (True, moved["through"], 11)
    assert f"the first {moved['through']} of them are archived" in old("audit", "verify").out
    assert old.json("audit", "verify", "--archive", str(shelf))["archived"] == 0

    with closing(sqlite3.connect(old.data / "watchword.db")) as database:
        ((data,),) = database.execute("SELECT data FROM outbox WHERE type = 'audit.journal.archived'")
    assert json.loads(data) == {
        "segments": moved["segments"],
        "through": moved["through"],
        "destination": str(shelf),
    }
    assert "was archived" in old("decisions", "tail").err
    assert old("--output", "json", "decisions", "tail").err == ""
    assert "nothing was moved" in old("audit", "archive", str(shelf)).out


def test_nothing_young_is_archived(old: Any, tmp_path: Path) -> None:
    said = old("audit", "archive", str(tmp_path / "shelf"), "--older-than", "101")
    assert (said.code, "nothing was moved" in said.out) == (0, True)
    assert not (tmp_path / "shelf").exists()
    assert old("audit", "archive", str(tmp_path / "shelf"), "--older-than", "0").code == 2


def test_an_archive_that_was_changed_is_found_and_a_wrong_place_refused(old: Any, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    assert old("audit", "archive", str(shelf)).code == 0
    segment = next(shelf.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"xxx", b"xyx", 1))
    assert old("audit", "verify", "--archive", str(shelf)).code == 4
    assert old("audit", "verify").code == 0
    said = old("audit", "archive", str(old.data / "journal" / "inside"))
    assert said.code == 1
    assert "may not lie within the journal" in said.err


def test_a_checkpoint_that_was_kept_elsewhere_is_compared(old: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    notes = (old.data / "journal" / "checkpoints").read_text()
    kept.write_text("".join(line + "\n" for line in notes.splitlines()[-8:]))
    assert old("audit", "verify", "--witnessed", str(kept)).code == 0
    old.journal({"type": "event"})
    assert old("audit", "verify", "--witnessed", str(kept)).code == 0
    shutil.rmtree(old.data / "journal")
    old.journal({"type": "event"})
    said = old("audit", "verify", "--witnessed", str(kept))
    assert (said.code, "but 11 were signed" in said.out) == (4, True)
    assert old("audit", "verify").code == 0
    kept.write_text("\n")
    assert old("audit", "verify", "--witnessed", str(kept)).code == 2
    assert old("audit", "verify", "--witnessed", str(tmp_path / "none")).code == 2


def test_what_was_archived_is_said_and_read_where_it_is_named(old: Any, tmp_path: Path) -> None:
    position, shelf = tmp_path / "position", tmp_path / "shelf"
    tail = ("-o", "json", "audit", "tail", "--position", str(position))
    assert len(old(*tail, "--after", "9").out.splitlines()) == 2
    position.write_text("2\n")
    assert old("audit", "archive", str(shelf)).code == 0
    said = old(*tail)
    assert (said.code, "are not here" in said.err, "--archive" in said.err) == (4, True, True)
    assert len(old(*tail, "--archive", str(shelf)).out.splitlines()) == 9
    assert old(*tail).out == ""
    assert "was archived" in old("audit", "tail").err
