"""Whatever a file contains, an importer answers with observations and refusals and never with anything else."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.importers import ImportRefusedError, Layout, Tally, read
from watchword.trust.importers.rba import COLUMNS
from watchword.trust.labelled import Labelled, decode, encode

HEADING = ",".join(COLUMNS).encode() + b"\n"
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = (
    "eventID eventTime eventName userIdentity sourceIPAddress type arn resources class_uid status_id activity_id "
    "metadata uid time user src_endpoint ip location lat long Event System EventData EventID winlog event_data id "
    "LogonType TargetUserName IpAddress at act place agent traits CloudTrailEvent api actor requestParameters "
    "Records detail logEvents message onBehalfOf userId serviceEventDetails Data Name #text @Name Value _source "
    "Payload TimeCreated #attributes SystemTime EventRecordID coordinates country status type_id invoked_by response "
    "domain name"
)
WORDS = st.sampled_from(NAMES.split())
USUAL = st.sampled_from(["2026-01-05T08:00:00Z", "ConsoleLogin", "198.51.100.7", "3002", "4624", "10", "sign_in"])
TREES = st.recursive(
    LEAVES | USUAL | st.sampled_from([1, 2, 3002, 6003, 4624, 4625]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=20,
)


def read_through(content: bytes, layout: Layout) -> None:
    try:
        found = list(read(BytesIO(content), layout, tally=Tally()))
    except ImportRefusedError:
        return
    for one in found:
        assert isinstance(one, Labelled)
        assert decode(encode(one)) == one


@pytest.mark.parametrize("layout", list(Layout))
@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=300))
def test_noise(layout: Layout, content: bytes) -> None:
    read_through((HEADING if layout is Layout.RBA else b"") + content, layout)


@pytest.mark.parametrize("layout", [Layout.CLOUDTRAIL, Layout.WINDOWS, Layout.OCSF, Layout.WATCHWORD])
@settings(max_examples=35, deadline=None)
@given(trees=st.lists(st.dictionaries(WORDS, TREES, max_size=8), max_size=3))
def test_json_of_the_right_words_in_wrong_places(layout: Layout, trees: list[object]) -> None:
    read_through("\n".join(json.dumps(tree) for tree in trees).encode(), layout)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(USUAL | st.text(max_size=12), min_size=16, max_size=16), max_size=3))
def test_rows_of_anything(rows: list[list[str]]) -> None:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    read_through(HEADING + "\n".join(lines).encode("utf-8", "surrogatepass"), Layout.RBA)


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="<>/'=\"& \nEventDaSysm", max_size=200))
def test_xml_of_sorts(text: str) -> None:
    read_through(b"<" + text.encode(), Layout.WINDOWS)
