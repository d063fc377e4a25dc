"""Windows' log-on events, as XML and in three layouts of JSON."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from windows_logon import DATA

from watchword.trust.importers import Layout, Reading, Tally, read
from watchword.trust.observation import Act

TIME = "2026-01-05T08:30:00.1234567Z"
AT = 1767601800.123456


def xml(event_id: int = 4624, record: int = 1, **changes: str) -> str:
    data = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in {**DATA, **changes}.items())
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>{event_id}</EventID>"
        f"<TimeCreated SystemTime='{TIME}'/><EventRecordID>{record}</EventRecordID>"
        f"<Computer>srv.corp.example</Computer></System><EventData>{data}</EventData></Event>\n"
    )


def read_all(content: str | bytes, tally: Tally | None = None, reading: Reading | None = None) -> list[Any]:
    data = content if isinstance(content, bytes) else content.encode()
    return list(read(BytesIO(data), Layout.WINDOWS, tally=tally, reading=reading))


def test_somebody_who_logged_on_becomes_a_sign_in() -> None:
    (one,) = read_all(xml())

    seen = one.observation
    assert not one.is_labelled
    assert (seen.id, seen.at, seen.user) == ("srv.corp.example/1", AT, "corp\\ada")
    assert (seen.act, seen.is_success, seen.is_verified) == (Act.SIGN_IN, True, False)
    assert (seen.ip, seen.network, seen.device) == ("203.0.113.9", "203.0.113.0/24", "laptop-7")
    assert (seen.application, seen.action) == ("srv.corp.example", "remote interactive")
    assert seen.session == "srv.corp.example/0x3e7a1"


def test_a_failure_is_one_and_a_name_that_does_not_exist_is_nobodys() -> None:
    wrong, unknown = read_all(xml(4625, SubStatus="0xC000006A") + xml(4625, 2, SubStatus="0xC0000064"))

    assert (wrong.observation.is_success, wrong.observation.user) == (False, "corp\\ada")
    assert (unknown.observation.is_success, unknown.observation.user) == (False, "")
    assert wrong.observation.session == ""


@pytest.mark.parametrize(
    "event",
    [
        xml(LogonType="5"),
        xml(TargetUserName="SRV$"),
        xml(TargetUserSid="S-1-5-18"),
        xml(TargetUserSid="S-1-5-90-0-1"),
        xml(4672),
    ],
    ids=["service", "machine", "system", "window manager", "another event"],
)
def test_what_no_person_did_is_skipped(event: str) -> None:
    tally = Tally()

    assert read_all(event, tally) == []
    assert (tally.skipped, tally.refused) == (1, 0)


SYSTEM = {"EventID": 4624, "EventRecordID": 1, "Computer": "srv.corp.example"}
READER = {"Event": {"System": {**SYSTEM, "TimeCreated": {"#attributes": {"SystemTime": TIME}}}, "EventData": DATA}}
BEAT = {
    "@timestamp": TIME,
    "winlog": {"event_id": "4624", "record_id": 1, "computer_name": "srv.corp.example", "event_data": DATA},
}
FLAT = {"EventID": 4624, "EventRecordID": 1, "Computer": "srv.corp.example", "TimeCreated": TIME, **DATA}


@pytest.mark.parametrize(
    "content",
    [
        f"<?xml version='1.0' encoding='utf-16'?><Events>{xml()}</Events>".encode("utf-16"),
        f"\n<Events>{xml()}</Events>",
        json.dumps(READER),
        json.dumps([BEAT]),
        json.dumps(FLAT, indent=2),
    ],
    ids=["utf-16", "in one element", "event file reader", "Winlogbeat", "flat"],
)
def test_every_layout_gives_the_same_sign_in(content: str | bytes) -> None:
    assert read_all(content) == read_all(xml())


def test_a_reader_may_take_a_success_for_verified() -> None:
    (one,) = read_all(xml(), reading=Reading(trusts_success=True))

    assert one.observation.is_verified


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (xml(IpAddress="10.0.0.1.2"), "the address cannot be read"),
        (xml(LogonType="ten"), "`LogonType` is no number"),
        (xml().replace(TIME, "noon"), "`TimeCreated` is no time"),
        (xml().replace("<EventRecordID>1</EventRecordID>", ""), "`EventRecordID` is missing"),
    ],
)
def test_a_wrong_event_is_refused_with_line_and_reason_and_the_next_is_read(event: str, reason: str) -> None:
    tally = Tally()

    found = read_all(xml(record=7) + event + xml(record=9), tally)

    assert [one.observation.id for one in found] == ["srv.corp.example/7", "srv.corp.example/9"]
    assert [(one.line, one.reason) for one in tally.first] == [(2, reason)]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("<Event><System>", "it is no XML from here on"),
        ("</Event>", "it is no XML from here on"),
        ("<Event>&unknown;</Event>", "it is no XML from here on"),
        ("<a>" * 50, "it is nested too deeply"),
        ("<Event><EventData><Data Name='x'>" + "y" * 200_000, "a field is too long"),
        ("<Event a='" + "y" * 3_000_000, "a tag or a comment is too long"),
        ("<!--" + "y" * 3_000_000, "a tag or a comment is too long"),
        ("<Event><EventData>" + "".join(f"<Data Name='n{n}'/>" for n in range(200)), "an event has too many fields"),
    ],
)
def test_damaged_or_monstrous_xml_gives_what_stands_before_it_and_says_so(end: str, reason: str) -> None:
    tally = Tally()

    found = read_all(xml() + end, tally)

    assert len(found) == 1
    assert [one.reason for one in tally.first] == [reason]


def test_entities_that_unfold_are_refused() -> None:
    tally = Tally()

    assert read_all(f"<?xml version='1.0'?>{BOMB}<Events>{xml()}</Events>", tally) == []
    assert [one.reason for one in tally.first] == ["it is no XML from here on"]
