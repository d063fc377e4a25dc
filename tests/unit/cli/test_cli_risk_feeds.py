"""`watchword risk feeds`: fetch, list, show, and decide about what waits; and what the doctor says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from watchword.app.doctor import examine
from watchword.settings import load

if TYPE_CHECKING:
    from conftest import CommandLine


@pytest.fixture
def feed(cli: CommandLine, tmp_path: Path) -> Path:
    """A plain list of ten networks and one that is refused, configured as `drop`."""
    path = tmp_path / "drop.txt"
    path.write_text("".join(f"45.1.{number}.0/24\n" for number in range(10)) + "10.0.0.1\n")
    cli.data.mkdir(mode=0o700, exist_ok=True)
    (cli.data / "watchword.toml").write_text(
        f'[[trust.feeds]]\nname = "drop"\nformat = "plain"\nfile = "{path}"\nmeaning = "block"\n'
    )
    return path


def _row(said: Any) -> dict[str, Any]:
    (row,) = json.loads(said.out)
    assert isinstance(row, dict)
    return row


def test_a_feed_is_fetched_listed_shown_and_reviewed(cli: CommandLine, feed: Path) -> None:
    assert _row(cli("--output", "json", "risk", "feeds", "list"))["state"] == "never fetched"
    fetched = cli("risk", "feeds", "fetch")
    assert (fetched.code, "no node runs on this data directory" in fetched.out) == (0, True)
    listed = cli("--output", "json", "risk", "feeds", "list")
    assert (listed.code, _row(listed)["entries"], _row(listed)["refused"]) == (0, 10, ["private: 1"])
    shown = cli("risk", "feeds", "show", "drop", "--address", "45.1.3.7", "--limit", "2").out
    assert "refused, private: 1 (such as 10.0.0.1)" in shown
    assert "45.1.1.0/24" in shown
    assert "45.1.2.0/24" not in shown
    assert "lists 45.1.3.7 by 45.1.3.0/24, confidence 75 of 100 today" in shown
    asked = cli("--output", "json", "risk", "feeds", "ask", "good.example", "45.1.3.7", "\x1b[2J")
    assert (asked.code, _row(asked)["value"], _row(asked)["feed"]) == (4, "45.1.3.7", "drop")
    assert asked.err.count("is no address, domain, URL or hash") == 1
    assert "\x1b" not in asked.err
    assert "no feed lists any of it" in cli("risk", "feeds", "ask", "good.example").out

    feed.write_text("45.1.1.0/24\n")
    refused = cli("--output", "json", "risk", "feeds", "fetch", "drop")
    assert refused.code == 4
    assert _row(refused)["problem"] == "it shrank from 10 to 1 entries and waits for review"
    assert (
        cli("--output", "json", "risk", "feeds", "show", "drop", "--waiting").json["listed"][0]["value"]
        == "45.1.1.0/24"
    )
    accepted = cli("risk", "feeds", "review", "accept", "drop")
    assert "1 entries are in force" in accepted.out
    again = cli("risk", "feeds", "review", "reject", "drop")
    assert (again.code, "nothing of the feed `drop` waits" in again.err) == (3, True)


def test_what_waits_is_shown_as_a_difference_and_accepted_by_its_digest(cli: CommandLine, feed: Path) -> None:
    cli("risk", "feeds", "fetch")
    feed.write_text(feed.read_text() + "64.0.0.0/8\n")
    fetched = cli("risk", "feeds", "fetch", "drop")
    assert (fetched.code, "drop: look at it: watchword risk feeds show drop --waiting" in fetched.out) == (4, True)
    shown = cli("risk", "feeds", "show", "drop", "--waiting").out
    assert "covers 2,560 addresses of IPv4" in shown
    assert "new in what waits: 1 entries, the broadest of them:\n  address  64.0.0.0/8 " in shown
    row = cli("--output", "json", "risk", "feeds", "show", "drop", "--waiting").json
    assert (row["new"]["entries"], row["gone"]) == (1, {"entries": 0, "broadest": []})
    other = cli("risk", "feeds", "review", "accept", "drop", "--digest", "another")
    assert (other.code, "something else of the feed `drop` waits" in other.err) == (3, True)
    accepted = cli("--output", "json", "risk", "feeds", "review", "accept", "drop", "--digest", row["review_digest"])
    assert (accepted.code, accepted.json["covers"]) == (0, "16,779,776 addresses of IPv4")


def test_nothing_is_fetched_where_one_name_is_unknown(cli: CommandLine, feed: Path) -> None:
    assert feed.exists()
    assert cli("risk", "feeds", "fetch", "drop", "other").code == 3
    listed = cli("risk", "feeds", "list")
    assert (listed.code, "drop: fetch it: watchword risk feeds fetch drop" in listed.out) == (4, True)


def test_a_feed_nobody_configured_is_not_found(cli: CommandLine) -> None:
    said = cli("risk", "feeds", "show", "other")
    assert (said.code, "no feed is called `other`" in said.err) == (3, True)
    assert "no feed is configured" in cli("risk", "feeds", "list").out


def test_what_strangers_wrote_cannot_colour_the_terminal(cli: CommandLine, feed: Path) -> None:
    feed.write_text("".join(f"45.1.{number}.0/24\n" for number in range(20)) + "45.1.1.\x1b[31m1\n")
    cli("risk", "feeds", "fetch")
    shown = cli("risk", "feeds", "show", "drop").out
    assert "refused, malformed: 1" in shown
    assert "\x1b" not in shown


async def test_the_doctor_tells_of_every_feed(tmp_path: Path) -> None:
    file = tmp_path / "watchword.toml"
    file.write_text('[[trust.feeds]]\nname = "drop"\nformat = "plain"\nfile = "x"\n')
    settings = load(file, data=tmp_path / "data", environment={})

    async def finding(status: dict[str, Any] | None) -> Any:
        return next(each for each in await examine(settings, status) if each.check == "feed drop")

    at_rest = await finding(None)
    assert (at_rest.is_well, at_rest.detail) == (True, "never fetched, 0 entries")
    row = {"feed": "drop", "state": "stale", "entries": 9, "problem": "it is stale", "hint": ""}
    running = {"snapshot_age_s": 0.1, "sessions": 0, "feeds": [row]}
    found = await finding(running)
    assert (found.is_well, found.detail) == (False, "it is stale")
    assert found.remedy == "look at it: watchword risk feeds show drop"
    assert (await finding(running | {"feeds": [row | {"problem": ""}]})).is_well
