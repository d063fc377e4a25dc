"""The layout of the public login data set."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import pytest

from watchword.trust.importers import MOST_REFUSED, ImportRefusedError, Layout, Reading, Tally, read
from watchword.trust.observation import Act

HEADING = (
    "index,Login Timestamp,User ID,Round-Trip Time [ms],IP Address,Country,Region,City,ASN,User Agent String,"
    "Browser Name and Version,OS Name and Version,Device Type,Login Successful,Is Attack IP,Is Account Takeover\n"
)
OWNER = (
    '0,2020-02-03 12:43:30.772,-4324475583306591935,,10.0.65.171,NO,-,-,29695,"Mozilla/5.0 (iPhone, like Gecko)",'
    "Firefox 20.0.0.1618,iOS 13.4,mobile,True,False,False\n"
)
THIEF = (
    "1,2020-02-03 12:45:00.000,-4324475583306591935,1200,194.87.207.6,AU,Victoria,Melbourne,60117,curl/7.1,"
    "Chrome Mobile 46.0.2490,Android 4.1,unknown,True,True,True\n"
)


def read_all(text: str, tally: Tally | None = None, reading: Reading | None = None) -> list:
    return list(read(BytesIO(text.encode()), Layout.RBA, tally=tally, reading=reading))


def test_a_row_becomes_a_sign_in_with_its_label() -> None:
    owner, thief = read_all(HEADING + OWNER + THIEF)

    assert (owner.attacker, owner.is_listed, owner.is_labelled) == (None, False, True)
    assert (thief.attacker, thief.is_listed, thief.incident) == ("account_takeover", True, "rba-1")
    seen = owner.observation
    assert (seen.id, seen.at, seen.user) == ("rba-0", 1580733810.772, "-4324475583306591935")
    assert (seen.act, seen.is_success, seen.ip, seen.network) == (Act.SIGN_IN, True, "10.0.65.171", "10.0.65.0/24")
    assert (seen.place.country, seen.place.city, seen.place.asn) == ("NO", None, 29695)
    assert (seen.agent.full, seen.agent.browser) == ("Mozilla/5.0 (iPhone, like Gecko)", "Firefox 20")
    assert (seen.agent.system, seen.agent.kind) == ("iOS 13", "mobile")
    assert thief.observation.agent.browser == "Chrome Mobile 46"
    assert (thief.observation.agent.kind, thief.observation.place.city) == ("", "Melbourne")


def test_a_time_may_be_milliseconds_since_1970() -> None:
    (one,) = read_all(HEADING + OWNER.replace("2020-02-03 12:43:30.772", "1580733810772"))

    assert one == read_all(HEADING + OWNER)[0]


def test_nothing_counts_as_verified_unless_the_reader_says_so() -> None:
    assert not read_all(HEADING + OWNER)[0].observation.is_verified
    assert read_all(HEADING + OWNER, reading=Reading(trusts_success=True))[0].observation.is_verified


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (OWNER.replace("2020-02-03 12:43:30.772", "yesterday"), "`Login Timestamp` is no time"),
        (OWNER.replace("2020-02-03 12:43:30.772", "9" * 4_000), "`Login Timestamp` is out of range"),
        (OWNER.replace("2020-02-03", "1066-10-14"), "`Login Timestamp` is out of range"),
        (OWNER.replace("10.0.65.171", "10.0.65.999"), "the address cannot be read"),
        (OWNER.replace("10.0.65.171", ""), "`IP Address` is missing"),
        (OWNER.replace("-4324475583306591935", ""), "`User ID` is missing"),
        (OWNER.replace("29695", "lots"), "`ASN` is no number"),
        (OWNER.replace("True", "Maybe"), "`Login Successful` is neither True nor False"),
        (OWNER.replace(",NO,", ","), "it has 15 columns in place of 16"),
        (OWNER.replace('Gecko)"', "Gecko)"), "a quotation mark is not closed on the line"),
    ],
)
def test_a_wrong_row_is_refused_with_line_and_reason_and_the_next_is_read(row: str, reason: str) -> None:
    tally = Tally()

    found = read_all(HEADING + row + THIEF, tally)

    assert [one.observation.id for one in found] == ["rba-1"]
    assert [(one.line, one.reason) for one in tally.first] == [(2, reason)]
    assert (tally.taken, tally.refused) == (1, 1)


def test_a_row_that_is_not_utf_8_is_refused() -> None:
    tally = Tally()

    found = list(read(BytesIO((HEADING + OWNER).encode() + b"1,\xff\xfe\n" + THIEF.encode()), Layout.RBA, tally=tally))

    assert [(one.line, one.reason) for one in tally.first] == [(3, "it is not in UTF-8")]
    assert len(found) == 2


def test_a_line_without_an_end_is_refused_in_bounded_memory_and_the_next_is_read() -> None:
    content = BytesIO((HEADING + "x" * 5_000_000 + "\n" + THIEF).encode())
    tally = Tally()
    tracemalloc.start()

    found = list(read(content, Layout.RBA, tally=tally))

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(one.line, one.reason) for one in tally.first] == [(2, "it is longer than 1048576 characters")]
    assert len(found) == 1
    assert most < 5_000_000


def test_a_file_without_the_heading_is_refused_at_once() -> None:
    with pytest.raises(ImportRefusedError, match="line 1: the column `index` is missing"):
        read_all(OWNER + THIEF)


def test_a_file_with_too_many_wrong_rows_is_refused_whole() -> None:
    with pytest.raises(ImportRefusedError, match="the first on line 2"):
        read_all(HEADING + "wrong\n" * (MOST_REFUSED + 1))


def test_columns_may_stand_in_another_order() -> None:
    names = HEADING.strip().split(",")
    cells = THIEF.strip().split(",")

    found = read_all(",".join(reversed(names)) + "\n" + ",".join(reversed(cells)) + "\n")

    assert found == read_all(HEADING + THIEF)
