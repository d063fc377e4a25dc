"""What `watchword doctor` says of the data that tells places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchword.app.doctor import Finding, examine
from watchword.settings import load


async def _places(directory: Path, status: dict[str, Any] | None = None, trust: str = "") -> Finding:
    file = directory / "watchword.toml"
    file.write_text(f"[trust]\n{trust}\n")
    settings = load(file, data=directory / "data", environment={})
    found = [finding for finding in await examine(settings, status) if finding.check == "places"]
    assert len(found) == 1
    return found[0]


_WELL: dict[str, Any] = {"snapshot_age_s": 0.1, "sessions": 0, "journal_problem": None, "policy_problem": None}


async def test_the_doctor_names_every_source_of_places(tmp_path: Path) -> None:
    finding = await _places(tmp_path)
    assert finding.is_well
    for name in ("iptoasn-country", "@ip-location-db/asn", "Natural Earth"):
        assert name in finding.detail


async def test_a_damaged_table_of_places_is_a_finding_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "own.bin").write_bytes(b"WWPLACE1 and no more")
    finding = await _places(tmp_path, trust=f'place_file = "{tmp_path / "own.bin"}"')
    assert not finding.is_well
    assert "damaged" in finding.detail
    assert finding.remedy


async def test_a_look_up_that_failed_in_the_running_node_is_a_finding(tmp_path: Path) -> None:
    finding = await _places(tmp_path, {**_WELL, "place_problems": ["KeyError in City 7"]})
    assert not finding.is_well
    assert "KeyError in City 7" in finding.detail
    assert (await _places(tmp_path, {**_WELL, "place_problems": []})).is_well
