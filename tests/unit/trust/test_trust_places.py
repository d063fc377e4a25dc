"""Where an address is: the shipped table, country centres, and what happens to damaged files."""

from __future__ import annotations

import hashlib
import importlib.util
import ipaddress
import json
import os
import random
import struct
import subprocess
import sys
import time
import tomllib
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.trust import AddressKind, ContextSource, PlaceDataError, TrustSettings, attributions
from watchword.trust.context import DATA, read_centres
from watchword.trust.placetable import PlaceTable

PACKAGE = DATA.parent.parent
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def source() -> ContextSource:
    return ContextSource.open()


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("places_builder", ROOT / "tools" / "places.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what we ship ---------------------------------------------------------------------------------------------------


MANIFEST = tomllib.loads((PACKAGE / "vendored.toml").read_text())


def _vendored() -> list[dict[str, str]]:
    files: list[dict[str, str]] = MANIFEST["file"]
    return files


def test_every_vendored_file_is_the_one_that_was_reviewed() -> None:
    for file in _vendored():
        digest = hashlib.sha256((PACKAGE / file["path"]).read_bytes()).hexdigest()
        assert digest == file["sha256"], file["path"]


def test_every_vendored_file_names_its_package_version_licence_and_source() -> None:
    for file in _vendored():
        for key in ("path", "packages", "licence", "source"):
            assert file.get(key), f"{file.get('path')}: {key}"


def test_every_data_file_of_this_room_is_in_the_manifest() -> None:
    listed = {file["path"] for file in _vendored()}
    assert {path.relative_to(PACKAGE).as_posix() for path in DATA.iterdir()} <= listed


def test_every_vendored_file_is_credited_and_every_credit_says_all_that_cc_by_asks_for() -> None:
    assert {path for credit in MANIFEST["credit"] for path in credit["files"]} == {f["path"] for f in _vendored()}
    for credit in MANIFEST["credit"]:
        for key in ("words", "holder", "url", "licence", "licence_url", "work", "changes", "asks"):
            assert credit.get(key), f"{credit.get('words')}: {key}"
        assert credit["url"].startswith("https://")


def test_address_data_is_shipped_under_licences_that_were_read_only() -> None:
    for file in _vendored():
        if "ip-location-db" in str(file["packages"]):
            assert file["licence"] == "PDDL-1.0 AND CC-BY-4.0"


def test_the_packages_of_the_manifest_are_those_that_the_builder_fetches(builder: ModuleType) -> None:
    pinned = {f"npm:{source[0]}@{source[1]}" for source in (builder.COUNTRIES, builder.NUMBERS)}
    (table,) = [file for file in _vendored() if file["path"] == "trust/data/places.bin"]
    assert set(table["packages"]) == pinned
    assert PlaceTable(DATA / "places.bin").source == ", ".join(
        f"{source[0]} {source[1]}" for source in (builder.COUNTRIES, builder.NUMBERS)
    )


@pytest.mark.parametrize("holder", ["https://www.routeviews.org/", "https://www.nro.net/", "https://db-ip.com"])
def test_each_holder_of_the_networks_is_named_with_a_link_its_licence_and_that_it_was_changed(holder: str) -> None:
    (owed,) = [item for item in attributions() if item.url == holder]
    assert (owed.licence, owed.licence_url) == ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
    assert owed.is_adapted


def test_db_ip_is_named_in_its_own_words() -> None:
    assert "IP Geolocation by DB-IP" in {item.words for item in attributions()}


def test_the_notice_says_what_the_manifest_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "notice.py", "--check"], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_notice_names_every_holder_and_licence() -> None:
    text = " ".join((ROOT / "NOTICE").read_text().split())
    for credit in MANIFEST["credit"]:
        for key in ("words", "holder", "url", "licence", "licence_url", "changes"):
            assert credit[key] in text, credit[key]


@pytest.mark.parametrize(
    ("ip", "asn"),
    [("8.8.8.8", 15169), ("1.1.1.1", 13335), ("193.0.6.139", 3333), ("2001:200::1", 2500), ("2003::1", 3320)],
)
def test_well_known_addresses_are_in_their_autonomous_systems(source: ContextSource, ip: str, asn: int) -> None:
    assert source.place_of(ip).asn == asn


@pytest.mark.parametrize(
    ("ip", "country"),
    [("193.0.6.139", "NL"), ("8.8.8.8", "US"), ("2a02:8109::1", "DE"), ("133.11.0.1", "JP"), ("2001:da8::1", "CN")],
)
def test_well_known_addresses_are_where_they_are(source: ContextSource, ip: str, country: str) -> None:
    place = source.place_of(ip)
    assert place.country == country
    assert place.latitude is not None
    assert place.radius_km is not None
    assert any("iptoasn" in name for name in place.sources)


@pytest.mark.parametrize(
    "ip", ["10.0.0.1", "127.0.0.1", "203.0.113.9", "100.64.3.2", "fd00::1", "", "x", "\0", "9" * 10_000]
)
def test_what_has_no_place_has_no_place(source: ContextSource, ip: str) -> None:
    place = source.place_of(ip)
    assert place.country is None
    assert place.latitude is None


@pytest.mark.parametrize("ip", ["::ffff:193.0.6.139", "2002:c100:68b::1", "64:ff9b::c100:68b"])
def test_an_ipv4_address_inside_ipv6_has_the_place_of_the_ipv4_address(source: ContextSource, ip: str) -> None:
    assert source.place_of(ip).country == "NL"


@given(st.text(max_size=80))
def test_no_text_makes_looking_up_a_place_fail(text: str) -> None:
    _SOURCE.place_of(text)


_SOURCE = ContextSource.open()


class OwnDatabase:
    """Stands for an operator's database."""

    source = "own"
    problem = "something failed"

    def find(self, bits: int, number: int) -> dict[str, Any]:
        return {"country": "JP", "asn": 64500} if (bits, number) == (32, 0x08080808) else {}


def test_what_the_operator_brings_stands_over_what_we_ship_field_by_field() -> None:
    own = ContextSource(PlaceTable(DATA / "places.bin"), read_centres(DATA / "countries.csv"), (OwnDatabase(),))  # type: ignore[arg-type]  # answers alike
    place = own.place_of("8.8.8.8")
    assert (place.country, place.asn) == ("JP", 64500)
    assert place.latitude is not None
    assert 30 < place.latitude < 45  # the centre of the operator's country, not of ours
    assert own.place_of("8.8.4.4").country == "US"
    assert own.problems == ("something failed",)
    assert own.sources[0] == "own"


def test_a_place_found_through_a_tunnel_says_so(source: ContextSource) -> None:
    assert source.place_of("2002:c100:68b::1").kind is AddressKind.SIX_TO_FOUR
    assert source.place_of("193.0.6.139").kind is AddressKind.PUBLIC


def test_every_country_centre_lies_on_the_globe() -> None:
    centres = read_centres(DATA / "countries.csv")
    assert len(centres) > 230
    for latitude, longitude, radius in centres.values():
        assert -90 <= latitude <= 90
        assert -180 <= longitude <= 180
        assert 25 <= radius < 6000


def test_capitals_lie_within_the_radius_of_their_country() -> None:
    from watchword.trust.geometry import great_circle_km  # noqa: PLC0415  # used by this test alone

    centres = read_centres(DATA / "countries.csv")
    capitals = {
        "DE": (52.52, 13.40), "FR": (48.86, 2.35), "US": (38.90, -77.04), "JP": (35.68, 139.69), "AU": (-35.28, 149.13),
        "RU": (55.75, 37.62), "CA": (45.42, -75.70), "BR": (-15.79, -47.88), "GB": (51.51, -0.13),
        "NZ": (-41.29, 174.78), "FJ": (-18.14, 178.44), "SG": (1.29, 103.85), "ZA": (-25.75, 28.19),
        "IN": (28.61, 77.21), "NO": (59.91, 10.75),
    }  # fmt: skip
    for country, (latitude, longitude) in capitals.items():
        centre = centres[country]
        assert great_circle_km(latitude, longitude, centre[0], centre[1]) <= centre[2] + 20, country


def test_opening_is_quick_and_small() -> None:
    started = time.perf_counter()
    ContextSource.open()
    assert time.perf_counter() - started < 0.15
    tracemalloc.start()
    kept = ContextSource.open()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept.place_of("8.8.8.8").country == "US"
    assert size < 1e6  # the table is mapped, not read


# --- the form of the table ------------------------------------------------------------------------------------------


def test_the_table_answers_as_the_ranges_it_was_made_from(builder: ModuleType, tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311  # reproducible ranges
    v4, v6, asn4 = [], [], []
    for ranges, bits, shift in ((v4, 32, 0), (v6, 128, 64), (asn4, 32, 0)):
        edges = sorted({chance.randrange(1 << bits) >> shift << shift for _ in range(400)})
        for start, stop in zip(edges[::2], edges[1::2], strict=False):
            value = chance.randrange(1, 99999) if ranges is asn4 else chance.choice(["DE", "FR", "JP", "US"])
            ranges.append((start, stop - 1, value))
    path = tmp_path / "t.bin"
    builder.write_table(path, (v4, v6), (asn4, []), source="made here")
    table = PlaceTable(path)

    def reference(ranges: list[tuple[int, int, object]], number: int) -> object:
        return next((value for start, stop, value in ranges if start <= number <= stop), None)

    edges4 = [n + d for start, stop, _ in (*v4, *asn4) for n in (start, stop) for d in (-1, 0, 1)]
    for number in edges4:
        if 0 <= number < 1 << 32:
            assert table.find(32, number) == (reference(v4, number), reference(asn4, number))
    for start, stop, _ in v6:
        for number in (start, stop, start - 1, stop + 1):
            if 0 <= number < 1 << 128:
                assert table.find(128, number)[0] == reference(v6, number)


def test_a_range_that_ends_inside_a_64_does_not_run_on_behind_it(builder: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "t.bin"
    first = 0x2A00 << 112
    builder.write_table(
        path, ([], []), ([], [(first, first + 1, 64500), (first + (5 << 64) + 7, first + (6 << 64), 64501)]), source="x"
    )
    table = PlaceTable(path)
    assert table.find(128, first) == (None, 64500)
    assert table.find(128, first + (1 << 64)) == (None, None)
    assert table.find(128, first + (5 << 64)) == (None, None)
    assert table.find(128, first + (6 << 64)) == (None, 64501)
    assert table.find(128, first + (7 << 64)) == (None, None)


def test_an_open_table_outlives_its_replacement(builder: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "t.bin"
    builder.write_table(path, ([(0x08080000, 0x0808FFFF, "JP")], []), ([], []), source="old")
    table = PlaceTable(path)
    builder.write_table(path, ([], []), ([], []), source="new")
    assert table.find(32, 0x08080808) == ("JP", None)
    assert PlaceTable(path).source == "new"


def test_a_table_of_the_operators_own_takes_the_place_of_the_shipped_one(builder: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "own.bin"
    builder.write_table(
        path, ([(0x08080000, 0x0808FFFF, "JP")], []), ([(0x08080000, 0x0808FFFF, 64500)], []), source="own"
    )
    place = ContextSource.open(TrustSettings(place_file=str(path))).place_of("8.8.8.8")
    assert (place.country, place.asn) == ("JP", 64500)
    assert "own" in place.sources


def test_both_ends_of_the_address_space_have_an_answer(source: ContextSource) -> None:
    table = PlaceTable(DATA / "places.bin")
    for bits in (32, 128):
        table.find(bits, 0)
        table.find(bits, (1 << bits) - 1)
    assert source.place_of(str(ipaddress.IPv6Address((1 << 128) - 1))).country is None


@pytest.fixture(scope="module")
def small_table(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("table") / "t.bin"
    builder.write_table(path, ([(0x08080808, 0x08080808, "US")], [(1 << 100, 1 << 101, "DE")]), ([], []), source="x")
    return path.read_bytes()


def test_a_table_cut_off_anywhere_is_refused(small_table: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    for length in range(len(small_table)):
        path.write_bytes(small_table[:length])
        with pytest.raises(PlaceDataError, match=r"damaged|no place table"):
            PlaceTable(path)


def test_a_table_with_one_altered_byte_is_refused_or_is_the_same(small_table: bytes, tmp_path: Path) -> None:
    path = tmp_path / "altered.bin"
    path.write_bytes(small_table)
    answer = PlaceTable(path).find(32, 0x08080808)
    header_end = small_table.index(b"}") + 1
    for at in [*range(12), *range(header_end, len(small_table))]:
        altered = bytearray(small_table)
        altered[at] ^= 0x41
        path.write_bytes(bytes(altered))
        with pytest.raises(PlaceDataError):
            PlaceTable(path)
    assert answer == ("US", None)


@pytest.mark.parametrize("later", [b"", b"\0" * 10, b"x" * 4096])
def test_a_table_that_somebody_writes_into_answers_as_before(later: bytes, small_table: bytes, tmp_path: Path) -> None:
    """Reading a mapped file that was cut would end the process."""
    path = tmp_path / "written.bin"
    path.write_bytes(small_table)
    table = PlaceTable(path)
    path.write_bytes(later)
    assert table.find(32, 0x08080808) == ("US", None)
    assert table.find(128, 1 << 100) == ("DE", None)


def test_a_table_with_a_country_that_has_no_name_is_refused(small_table: bytes, tmp_path: Path) -> None:
    start = struct.unpack_from("<I", small_table, 8)[0] + 12
    header = json.loads(small_table[12:start])
    body = bytearray(small_table[start:])
    body[4 * header["v4"]] = 200  # the first country of the first column
    header["sha256"] = hashlib.sha256(body).hexdigest()
    written = json.dumps(header).encode()
    path = tmp_path / "nameless.bin"
    path.write_bytes(small_table[:8] + struct.pack("<I", len(written)) + written + body)
    with pytest.raises(PlaceDataError, match="damaged"):
        PlaceTable(path)


@pytest.mark.parametrize("header", ["[" * 100_000, '{"v4": 1e999}', '{"v4": -1}', "[]", "7"])
def test_a_table_whose_header_is_monstrous_is_refused(header: str, tmp_path: Path) -> None:
    written = header.replace("{", f'{{"sha256": "{hashlib.sha256(b"").hexdigest()}", "source": "x", "countries": "", ')
    path = tmp_path / "header.bin"
    path.write_bytes(b"WWPLACE1" + struct.pack("<I", len(written)) + written.encode())
    with pytest.raises(PlaceDataError, match="damaged"):
        PlaceTable(path)


def test_a_pipe_in_place_of_a_table_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PlaceDataError, match="no file"):
        PlaceTable(tmp_path / "pipe")


def test_a_missing_table_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(PlaceDataError, match="cannot be read"):
        PlaceTable(tmp_path / "none.bin")


@pytest.mark.parametrize("content", [b"", b"not a database", b"\xab\xcd\xefMaxMind.com", b"\0" * 100_000])
def test_an_operators_file_that_is_no_database_is_refused_when_opened(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"
    path.write_bytes(content)
    with pytest.raises(PlaceDataError, match="damaged"):
        ContextSource.open(TrustSettings(city_file=str(path)))


def test_an_operators_file_that_is_missing_is_refused_when_opened(tmp_path: Path) -> None:
    with pytest.raises(PlaceDataError, match="cannot be read"):
        ContextSource.open(TrustSettings(city_file=str(tmp_path / "none.mmdb")))
