"""`watchword risk unusual`: the forest of a night judges the newest log-ins, with none of its libraries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from behaviour_cases import AT_WORK, DAY_S, SYDNEY, event

from watchword.trust.labelled import Labelled, encode
from watchword.trust.learning.batch import Forest, Night, keep

if TYPE_CHECKING:
    from conftest import CommandLine

# One tree: whoever comes from far away is alone soon, everybody else is many steps down.
FOREST = Forest(
    names=("distance_km", "failures"),
    roots=(0,),
    feature=(0, -1, -1),
    threshold=(500.0, 8.0, 1.0),
    child=(1, -1, -1),
    scale=4.0,
    quantiles=tuple(0.25 for _ in range(100)),
)


@pytest.fixture
def log_ins(tmp_path: Path) -> Path:
    """A fortnight at work, of which the first day and the last were begun far away."""
    acts = [event(number) for number in range(14)]
    for number in (1, 13):
        acts[number] = replace(acts[number], place=SYDNEY, ip="203.0.113.7", network="203.0.113.0/24")
    file = tmp_path / "log-ins.jsonl"
    file.write_bytes(b"".join(encode(Labelled(each)) + b"\n" for each in acts))
    return file


def test_without_a_forest_it_says_how_to_fit_one(cli: CommandLine, log_ins: Path) -> None:
    said = cli("risk", "unusual", str(log_ins))
    assert said.code != 0
    assert "watchword risk batch" in said.err


def test_the_newest_log_ins_are_listed_the_most_unusual_first(cli: CommandLine, log_ins: Path) -> None:
    keep(cli.data / "trust" / "batch", Night(FOREST, None, (), (), 14))
    found = cli.json("risk", "unusual", str(log_ins), "--hours", "73")["unusual"]
    assert found[0]["id"] == "event-13"
    assert {each["id"] for each in found} == {f"event-{number}" for number in (10, 11, 12, 13)}
    assert found[0]["isolation"] == pytest.approx(2 ** (-1 / 4), abs=1e-4)
    assert found[0]["words"].startswith("only 0.5% of log-ins are as unusual")
    assert {each["words"] for each in found[1:]} == {"as log-ins usually are, taken together"}
    said = cli("risk", "unusual", str(log_ins), "--top", "1")
    assert said.code == 0
    assert "event-13" in said.out
    assert "event-12" not in said.out


@pytest.mark.parametrize("names", [("distance_km", "height"), ("a", "b")])
def test_a_forest_that_goes_by_something_else_is_refused(
    cli: CommandLine, log_ins: Path, names: tuple[str, str]
) -> None:
    keep(cli.data / "trust" / "batch", Night(replace(FOREST, names=names), None, (), (), 14))
    said = cli("risk", "unusual", str(log_ins))
    assert said.code != 0
    assert "another release" in said.err


def test_acts_out_of_order_are_refused(cli: CommandLine, tmp_path: Path) -> None:
    keep(cli.data / "trust" / "batch", Night(FOREST, None, (), (), 14))
    file = tmp_path / "turned.jsonl"
    turned = [replace(AT_WORK, id="later", at=AT_WORK.at + DAY_S), AT_WORK]
    file.write_bytes(b"".join(encode(Labelled(each)) + b"\n" for each in turned))
    said = cli("risk", "unusual", str(file))
    assert said.code != 0
    assert "older than what stands before it" in said.err
