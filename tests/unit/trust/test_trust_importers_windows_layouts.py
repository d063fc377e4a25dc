"""Windows' events as the programs that read them write them, of domain controllers too, and hostile names in them."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from windows_logon import DATA

from watchword.trust.importers import ImportRefusedError, Layout, Tally, read
from watchword.trust.observation import Act

TIME = "2026-01-05T08:30:00.500000Z"
SYSTEM = {"EventID": 4624, "EventRecordID": 1, "Computer": "srv", "TimeCreated": {"#attributes": {"SystemTime": TIME}}}
LISTED = {"Data": [{"@Name": name, "#text": value} for name, value in DATA.items()]}
PLAIN = {"Event": {"System": SYSTEM, "EventData": DATA}}
BEAT = {"event_id": 4624, "computer_name": "srv", "event_data": DATA}
LAYOUTS: dict[str, Any] = {
    "Velociraptor": {
        "System": {**SYSTEM, "EventID": {"Value": 4624}, "TimeCreated": {"SystemTime": 1767601800.5}},
        "EventData": {**DATA, "LogonType": 10},
    },
    "XML turned into JSON": {
        "Event": {
            "System": {**SYSTEM, "EventID": {"@Qualifiers": "", "#text": "4624"}, "TimeCreated": {"@SystemTime": TIME}},
            "EventData": LISTED,
        }
    },
    "EvtxECmd": {
        "EventId": 4624,
        "EventRecordId": "1",
        "Computer": "srv",
        "TimeCreated": "2026-01-05T08:30:00.5000000+00:00",
        "Payload": json.dumps({"EventData": LISTED}),
    },
    "Elasticsearch": {"_index": "winlogbeat", "_source": {"@timestamp": TIME, "winlog": {**BEAT, "record_id": 1}}},
    "Winlogbeat 6": {"@timestamp": TIME, "record_number": "1", **BEAT},
    "PowerShell's time": {
        "Id": 4624,
        "RecordId": 1,
        "MachineName": "srv",
        "TimeCreated": "/Date(1767601800500)/",
        **DATA,
    },
}


def xml(event_id: int = 4624, record: int = 1, **changes: str) -> str:
    data = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in {**DATA, **changes}.items())
    return (
        f"<Event><System><EventID>{event_id}</EventID><TimeCreated SystemTime='{TIME}'/>"
        f"<EventRecordID>{record}</EventRecordID><Computer>srv</Computer></System><EventData>{data}</EventData></Event>\n"
    )


def read_all(content: str | bytes, tally: Tally | None = None) -> list[Any]:
    data = content if isinstance(content, bytes) else content.encode()
    return [one.observation for one in read(BytesIO(data), Layout.WINDOWS, tally=tally)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_sign_in(layout: str) -> None:
    assert read_all(json.dumps(LAYOUTS[layout])) == read_all(json.dumps(PLAIN)) == read_all(xml())


def test_headings_between_events_are_passed_over() -> None:
    """`evtx_dump -o json` numbers what it writes."""
    tally = Tally()
    content = "".join(f"Record {number}\n{json.dumps(PLAIN, indent=2)}\n" for number in range(1, 200))

    assert len(read_all(content, tally)) == 199
    assert tally.refused == 0


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"Id": 4624, "RecordId": 5, "Properties": [{"Value": "S-1-5-18"}]}, "`LogonType` is missing"),
        ({"Event": {"System": SYSTEM, "EventData": {}}}, "`EventData` is missing"),
        ({"message": "An account was successfully logged on."}, "`EventID` is missing"),
    ],
    ids=["fields without names", "no fields", "no number"],
)
def test_an_event_of_a_layout_that_is_not_known_is_refused_and_not_passed_over(event: Any, reason: str) -> None:
    tally = Tally()

    assert read_all(json.dumps(event), tally) == []
    assert [one.reason for one in tally.first] == [reason]


@pytest.mark.parametrize("domain", ["CORP", "corp.example.com", "CORP.EXAMPLE.COM"])
def test_a_domain_in_short_and_in_full_is_the_same(domain: str) -> None:
    (one,) = read_all(xml(TargetDomainName=domain))

    assert one.user == "corp\\ada"


def test_a_name_with_its_domain_behind_it_is_the_same_account() -> None:
    (one,) = read_all(xml(4625, TargetUserName="ada@corp.example.com", TargetDomainName="-"))

    assert one.user == "corp\\ada"


def test_an_unknown_name_may_stand_in_the_status_alone() -> None:
    (one,) = read_all(xml(4625, Status="0xC0000064", SubStatus="0x0"))

    assert (one.user, one.is_success) == ("", False)


@pytest.mark.parametrize("kind", [2, 3, 7, 8, 9, 10, 11, 12, 13])
def test_every_kind_of_log_on_with_a_person_behind_it_is_taken(kind: int) -> None:
    assert len(read_all(xml(LogonType=str(kind)))) == 1


def test_the_scope_of_an_address_is_not_part_of_it() -> None:
    (one,) = read_all(xml(IpAddress="fe80::1%12"))

    assert one.ip == "fe80::1"


def controller(event_id: int, **data: str) -> str:
    return json.dumps({"Event": {"System": {**SYSTEM, "EventID": event_id}, "EventData": data}})


ADA, HERS = {"TargetUserName": "Ada", "TargetDomainName": "CORP"}, "corp\\ada"
OF_ADA = {"TargetUserName": "ada@CORP.EXAMPLE", "TargetDomainName": "CORP.EXAMPLE"}
BY_ADA = {"SubjectUserName": "ada", "SubjectDomainName": "CORP", "TargetUserName": "root"}


@pytest.mark.parametrize(
    ("event", "act", "user", "is_success", "application"),
    [
        (controller(4768, **ADA, Status="0x0", IpAddress="::ffff:10.1.1.5"), Act.SIGN_IN, HERS, True, "srv"),
        (controller(4768, **ADA, Status="0x6"), Act.SIGN_IN, "", False, "srv"),
        (
            controller(4771, TargetUserName="ada", ServiceName="krbtgt/CORP", Status="0x18"),
            Act.SIGN_IN,
            HERS,
            False,
            "srv",
        ),
        (controller(4776, TargetUserName="ada", Status="0xc000006a"), Act.SIGN_IN, "ada", False, "srv"),
        (controller(4769, **OF_ADA, ServiceName="FILES$", Status="0x0"), Act.REQUEST, HERS, True, "files"),
        (controller(4648, **BY_ADA, TargetServerName="db7.corp"), Act.REQUEST, HERS, True, "db7.corp"),
    ],
    ids=["ticket", "ticket for nobody", "wrong password", "password checked", "ticket for a service", "other account"],
)
def test_domain_controllers_tell_of_sign_ins_and_of_services(
    event: str,
    act: Act,
    user: str,
    is_success: bool,  # noqa: FBT001
    application: str,
) -> None:
    (one,) = read_all(event)

    assert (one.act, one.user, one.is_success, one.application) == (act, user, is_success, application)
    assert not one.is_verified


@pytest.mark.parametrize(
    "event",
    [
        controller(4769, TargetUserName="PC7$@CORP.EXAMPLE", ServiceName="FILES$"),
        controller(4769, **OF_ADA, ServiceName="krbtgt"),
        controller(4768, TargetUserName="PC7$", TargetDomainName="CORP"),
        controller(4648, SubjectUserSid="S-1-5-18", SubjectUserName="PC7", TargetUserName="ada"),
    ],
    ids=["a machine's", "for more tickets", "a machine", "the system"],
)
def test_what_machines_ask_controllers_for_is_skipped(event: str) -> None:
    tally = Tally()

    assert read_all(event, tally) == []
    assert (tally.skipped, tally.refused) == (1, 0)


@pytest.mark.parametrize(
    "name",
    ["a\x01b", "&#x1;", "&#0;", "&#xD800;", "&#55296;", "&#xFFFF;", "&#x110000;", "&#00000031;", "\uffff"],
    ids=["control", "reference", "zero", "half", "half, decimal", "no letter", "beyond", "long", "no letter itself"],
)
@pytest.mark.parametrize("at", [0, 1, 5, 9])
def test_a_name_that_xml_cannot_hold_does_not_hide_what_comes_after(name: str, at: int) -> None:
    """Anybody can try to sign in with such a name."""
    tally = Tally()
    hostile = xml(4625, 2, TargetUserName=name)
    before = "<!--" + "x" * ((1 << 16) - 7 - at - hostile.index(name) - len(xml())) + "-->"  # a piece ends within it

    found = read_all(xml() + before + hostile + xml(record=3), tally)

    assert [one.id for one in found] == ["srv/1", "srv/2", "srv/3"]
    assert tally.refused == 0


def test_a_name_in_another_encoding_costs_its_event_only() -> None:
    tally = Tally()
    content = xml().encode() + xml(record=2, TargetUserName="m\xfcller").encode("cp1252") + xml(record=3).encode()

    assert [one.id for one in read_all(content, tally)] == ["srv/1", "srv/3"]
    assert [one.reason for one in tally.first] == ["it is not in UTF-8"]


def test_letters_of_the_private_use_area_in_a_sound_file_are_no_damage() -> None:
    (one,) = read_all(xml(TargetUserName="ada\ue000"))

    assert one.user == "corp\\ada\ue000"


@pytest.mark.parametrize("layout", [one for one in Layout if one is not Layout.JOURNAL])  # which ends at a zero
@pytest.mark.parametrize(
    ("begins", "name"),
    [(b"ElfFile\0", "event file"), (b"PAR1", "Parquet"), (b"PK\x03\x04", "zip"), (b"\x1f\x8b\x08", "gzip")],
)
def test_a_file_that_is_no_text_is_refused_by_what_it_is(layout: Layout, begins: bytes, name: str) -> None:
    with pytest.raises(ImportRefusedError, match=name) as refused:
        list(read(BytesIO(begins + bytes(100)), layout))
    assert refused.value.hint


def test_references_to_letters_are_read_as_these() -> None:
    (one,) = read_all(xml(TargetUserName="&#x41;d&#97;&amp;#x1;&#x1F600;"))

    assert one.user == "corp\\ada&#x1;\U0001f600"
