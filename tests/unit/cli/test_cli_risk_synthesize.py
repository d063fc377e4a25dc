from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from watchword.trust.labelled import decode
from watchword.trust.synthesis import OrganisationSpec, generate

if TYPE_CHECKING:
    from conftest import CommandLine

SMALL = ("--users", "20", "--days", "8", "--seed", "1006", "--incidents", "2")
SPEC = OrganisationSpec(users=20, days=8, incidents=2)
HEADING = (
    "index,Login Timestamp,User ID,Round-Trip Time [ms],IP Address,Country,Region,City,ASN,User Agent String,"
    "Browser Name and Version,OS Name and Version,Device Type,Login Successful,Is Attack IP,Is Account Takeover\n"
)
LATER = "0,2020-02-03 12:45:00,7,,10.0.65.171,NO,-,-,29695,A,B 1,C 1,mobile,True,False,False\n"
EARLIER = "1,2020-02-03 12:43:00,7,,194.87.207.6,AU,-,-,60117,A,B 1,C 1,mobile,True,True,True\n"


def test_what_is_made_is_what_the_synthesiser_makes(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "made.jsonl"

    figures = cli.json("risk", "synthesize", str(file), *SMALL)

    made = list(generate(SPEC, seed=1006))
    assert [decode(line) for line in file.read_bytes().splitlines()] == made
    assert figures["observations"] == len(made)
    assert figures["legitimate"] == sum(one.attacker is None for one in made)
    assert figures["by_attacker"]["naive"] == sum(one.attacker == "naive" for one in made)
    assert figures["out_of_order"] == 0


def test_a_file_that_tells_of_people_is_for_its_owner_only_and_leaves_no_draft(
    cli: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "made.jsonl"

    said = cli("risk", "synthesize", str(file), *SMALL)

    assert said.code == 0
    assert "legitimate" in said.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("made*")] == ["made.jsonl"]


def test_a_packed_file_is_the_same_every_time(cli: CommandLine, tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl.gz", tmp_path / "other.jsonl.gz"

    for file in (one, other):
        assert cli("risk", "synthesize", str(file), *SMALL).code == 0

    assert one.read_bytes() == other.read_bytes()
    assert len(gzip.decompress(one.read_bytes()).splitlines()) == len(list(generate(SPEC, seed=1006)))


def test_attackers_can_be_chosen_or_left_out(cli: CommandLine, tmp_path: Path) -> None:
    file = str(tmp_path / "made.jsonl")

    assert cli.json("risk", "synthesize", file, *SMALL, "--attackers", "none")["by_attacker"] == {}
    assert set(cli.json("risk", "synthesize", file, *SMALL, "--attackers", "vpn")["by_attacker"]) == {"vpn"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--attackers", "godzilla"), "there is no attacker `godzilla`"),
        (("--users", "0"), "`users` must lie between"),
        (("--start", "soon"), "`soon` is no day"),
        (("--start", "1969-07-20"), "`start` must lie between"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    cli: CommandLine, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    said = cli("risk", "synthesize", str(tmp_path / "made.jsonl"), *words)

    assert said.code != 0
    assert reason in said.err
    assert not list(tmp_path.glob("made*"))


def test_a_place_that_cannot_be_written_is_said(cli: CommandLine, tmp_path: Path) -> None:
    said = cli("risk", "synthesize", str(tmp_path / "none" / "made.jsonl"), *SMALL)

    assert said.code == 2
    assert "cannot be written" in said.err


def test_a_data_set_is_imported_and_brought_into_order(cli: CommandLine, tmp_path: Path) -> None:
    source, file = tmp_path / "rba.csv", tmp_path / "in.jsonl"
    source.write_text(HEADING + LATER + EARLIER)

    as_it_is = cli.json("risk", "import", str(source), "--format", "rba", "--out", str(file))
    assert as_it_is["out_of_order"] == 1
    figures = cli.json("risk", "import", str(source), "--format", "rba", "--out", str(file), "--sort")

    found = [decode(line) for line in file.read_bytes().splitlines()]
    assert [one.observation.id for one in found] == ["rba-1", "rba-0"]
    assert (figures["out_of_order"], figures["refused"]) == (0, 0)
    assert figures["by_attacker"] == {"account_takeover": 1}
    assert not found[0].observation.is_verified


def test_success_teaches_only_where_one_says_so(cli: CommandLine, tmp_path: Path) -> None:
    source, file = tmp_path / "rba.csv", tmp_path / "in.jsonl"
    source.write_text(HEADING + LATER)

    cli.json("risk", "import", str(source), "--format", "rba", "--out", str(file), "--trust-success")

    assert decode(file.read_bytes().rstrip()).observation.is_verified


def test_refused_records_are_named_by_file_and_line_and_the_exit_code_says_so(cli: CommandLine, tmp_path: Path) -> None:
    fine, wrong, file = tmp_path / "fine.csv", tmp_path / "wrong.csv", tmp_path / "in.jsonl"
    fine.write_text(HEADING + LATER)
    wrong.write_text(HEADING + LATER + EARLIER.replace("194.87", "194.870"))

    said = cli(
        "--output", "json", "risk", "import", str(fine), str(wrong), "--format", "rba", "--out", str(file)
    )  # fmt: skip

    assert said.code == 4
    assert said.json["refusals"] == [{"file": "wrong.csv", "line": 3, "reason": "the address cannot be read"}]
    assert said.json["observations"] == 2


def test_another_systems_addresses_get_the_places_this_node_knows(cli: CommandLine, tmp_path: Path) -> None:
    source, file = tmp_path / "log.json.gz", tmp_path / "in.jsonl"
    event = {
        "class_uid": 6003,
        "status_id": 1,
        "time": 1767601800000,
        "metadata": {"uid": "o-1"},
        "actor": {"user": {"name": "ada"}},
        "api": {"operation": "Read"},
        "src_endpoint": {"ip": "8.8.8.8"},
    }
    source.write_bytes(gzip.compress(json.dumps(event).encode()))

    figures = cli.json("risk", "import", str(source), "--format", "ocsf", "--out", str(file))

    assert figures["unlabelled"] == 1
    assert decode(file.read_bytes().rstrip()).observation.place.country == "US"


def test_a_packed_file_is_unpacked_whatever_it_is_called(cli: CommandLine, tmp_path: Path) -> None:
    source, file = tmp_path / "rba", tmp_path / "in.jsonl"
    source.write_bytes(gzip.compress((HEADING + EARLIER + LATER).encode()))

    figures = cli.json("risk", "import", str(source), "--format", "rba", "--out", str(file))

    assert figures["observations"] == 2


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08", b"no gzip", gzip.compress(HEADING.encode() * 99)[:-9]])
def test_a_damaged_packed_file_is_refused_and_nothing_is_written(
    cli: CommandLine, tmp_path: Path, content: bytes
) -> None:
    source, file = tmp_path / "log.csv.gz", tmp_path / "in.jsonl"
    source.write_bytes(content)

    said = cli("risk", "import", str(source), "--format", "rba", "--out", str(file))

    assert said.code == 1
    assert "is no gzip file, or it is damaged" in said.err
    assert not list(tmp_path.glob("in*"))


def test_a_file_that_is_not_there_is_said(cli: CommandLine, tmp_path: Path) -> None:
    said = cli("risk", "import", str(tmp_path / "x"), "--format", "rba", "--out", str(tmp_path / "y"))

    assert said.code == 3
