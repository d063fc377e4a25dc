"""MaxMind's own test databases, when they are beside the project: city, enterprise and ASN, whole and damaged."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path

import maxminddb
import pytest

from watchword.trust import ContextSource, PlaceDataError, TrustSettings
from watchword.trust.mmdb import OperatorDatabase

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "maxmind"
pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the published MaxMind test databases are not here")
CITY = VECTORS / "GeoIP2-City-Test.mmdb"
ASN = VECTORS / "GeoLite2-ASN-Test.mmdb"


def test_the_operators_city_database_gives_city_position_and_radius() -> None:
    place = ContextSource.open(TrustSettings(city_file=str(CITY))).place_of("81.2.69.142")
    assert (place.country, place.city) == ("GB", "London")
    assert place.latitude is not None
    assert abs(place.latitude - 51.5) < 0.1
    assert place.radius_km == 10
    assert place.sources[0].startswith("GeoIP2-City")


def test_the_operators_asn_database_gives_number_and_name() -> None:
    place = ContextSource.open(TrustSettings(asn_file=str(ASN))).place_of("1.128.0.1")
    assert (place.asn, place.organisation) == (1221, "Telstra Pty Ltd")
    assert place.country == "AU"  # from what we ship


def test_the_operators_country_wins_over_ours() -> None:
    place = ContextSource.open(TrustSettings(city_file=str(CITY))).place_of("2.125.160.216")
    assert place.country == "GB"


@pytest.mark.parametrize("name", ["GeoIP2-City-Test.mmdb", "GeoIP2-Enterprise-Test.mmdb", "GeoLite2-ASN-Test.mmdb"])
def test_every_network_of_the_published_databases_reads_as_published(name: str) -> None:
    ours = OperatorDatabase(VECTORS / name)
    with maxminddb.open_database(str(VECTORS / name)) as reader:
        for network, record in reader:
            assert isinstance(record, dict)
            found = ours.find(network.max_prefixlen, int(network.network_address))
            country = record.get("country", {}).get("iso_code")
            location = record.get("location", {})
            assert found.get("country") == country
            assert found.get("latitude") == location.get("latitude")
            if "accuracy_radius" in location:
                assert found["radius_km"] == location["accuracy_radius"]
            traits = record.get("traits", {})
            assert found.get("asn") == (record | traits).get("autonomous_system_number")
    assert ours.problem is None


def test_a_truncated_database_is_refused_when_opened(tmp_path: Path) -> None:
    whole = CITY.read_bytes()
    path = tmp_path / "cut.mmdb"
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(PlaceDataError):
            OperatorDatabase(path)


def test_a_database_without_all_of_its_tree_or_without_its_data_is_refused_when_opened(tmp_path: Path) -> None:
    whole = CITY.read_bytes()
    meta = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    with maxminddb.open_database(str(CITY)) as reader:
        tree = reader.metadata().node_count * reader.metadata().record_size // 4
    path = tmp_path / "gap.mmdb"
    for keep in (0, tree // 2, tree - (len(whole) - meta) - 1, tree, tree + 16, tree + 1000):
        path.write_bytes(whole[:keep] + whole[meta:])
        with pytest.raises(PlaceDataError, match="damaged"):
            OperatorDatabase(path)


def test_a_database_with_a_piece_cut_out_is_refused_or_knows_less_and_says_so(tmp_path: Path) -> None:
    whole = CITY.read_bytes()
    meta = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    path = tmp_path / "gap.mmdb"
    with maxminddb.open_database(str(CITY)) as reader:
        published = [(network, record) for network, record in reader if isinstance(record, dict)]
    for keep in range(0, meta - 1000, 1499):
        path.write_bytes(whole[:keep] + whole[meta:])
        try:
            database = OperatorDatabase(path)
        except PlaceDataError:
            continue
        for network, record in published:
            found = database.find(network.max_prefixlen, int(network.network_address))
            assert found.get("country") in {None, record.get("country", {}).get("iso_code")}
        assert database.problem is not None


def test_a_damaged_database_is_refused_or_answers_but_never_raises_at_a_look_up(tmp_path: Path) -> None:
    whole = CITY.read_bytes()
    chance = random.Random(3)  # noqa: S311  # reproducible damage
    path = tmp_path / "damaged.mmdb"
    addresses = [ipaddress.ip_address(text) for text in ("81.2.69.142", "2.125.160.216", "8.8.8.8", "2a02:d300::1")]
    refused = 0
    for _ in range(40):
        altered = bytearray(whole)
        for _ in range(chance.choice((1, 4, 64))):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        path.write_bytes(bytes(altered))
        try:
            database = OperatorDatabase(path)
        except PlaceDataError:
            refused += 1
            continue
        for address in addresses:
            found = database.find(address.max_prefixlen, int(address))
            assert abs(found.get("latitude", 0.0)) <= 90
    assert 0 < refused < 40


@pytest.mark.parametrize("later", [b"", ASN.read_bytes() if ASN.exists() else b"", b"\0" * 20_000])
def test_a_database_that_somebody_writes_into_answers_as_before(later: bytes, tmp_path: Path) -> None:
    """`cp` and `curl -o` do: reading a mapped file that was cut would end the process."""
    path = tmp_path / "written.mmdb"
    path.write_bytes(CITY.read_bytes())
    database = OperatorDatabase(path)
    path.write_bytes(later)
    for octet in range(256):
        database.find(32, int(ipaddress.ip_address(f"{octet}.2.69.142")))
    assert database.find(32, int(ipaddress.ip_address("81.2.69.142")))["city"] == "London"
    assert database.problem is None


def test_a_database_that_points_at_itself_or_unfolds_is_refused_or_unknown_in_bounded_time(tmp_path: Path) -> None:
    whole = CITY.read_bytes()
    with maxminddb.open_database(str(CITY)) as reader:
        data = reader.metadata().node_count * reader.metadata().record_size // 4 + 16
    meta = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    # Each of 60 arrays holds two pointers to the one before: 2 ** 60 values, were they all made.
    unfolding = b"".join(b"\x02\x04" + 2 * bytes([0x30, 0, 0, 0]) for _ in range(60))
    for hostile in (b"\x20\x00" * 400, unfolding, b"\xff" * 400, b"\x5f\xff\xff\xff" * 100):
        path = tmp_path / "hostile.mmdb"
        path.write_bytes(whole[:data] + hostile.ljust(meta - data, b"\x20")[: meta - data] + whole[meta:])
        try:
            database = OperatorDatabase(path)
        except PlaceDataError:
            continue
        assert database.find(32, int(ipaddress.ip_address("81.2.69.142"))) == {}


@pytest.mark.parametrize("entry", [b"\xff\xff\xff\xff", b"\x20\x00", b"\x5f\xff\xff\xff" * 50])
def test_a_database_with_metadata_beyond_measure_is_refused(entry: bytes, tmp_path: Path) -> None:
    path = tmp_path / "meta.mmdb"
    path.write_bytes(CITY.read_bytes() + b"\xab\xcd\xefMaxMind.com" + entry)
    with pytest.raises(PlaceDataError, match="damaged"):
        OperatorDatabase(path)


@pytest.mark.parametrize("name", ["GeoIP2-Anonymous-IP-Test.mmdb", "GeoIP2-IP-Risk-Test.mmdb"])
def test_a_database_of_something_else_is_refused_and_does_not_make_places_unknown(name: str) -> None:
    with pytest.raises(PlaceDataError, match="of the kind that is wanted"):
        ContextSource.open(TrustSettings(city_file=str(VECTORS / name)))


def test_hostile_values_in_a_database_are_not_believed() -> None:
    from watchword.trust.mmdb import _read  # noqa: PLC0415  # the parser alone

    hostile = {
        "country": {"iso_code": "<script>"},
        "city": {"names": {"en": "x" * 100_000}},
        "location": {"latitude": float("nan"), "longitude": 1e308, "accuracy_radius": -5},
        "autonomous_system_number": -1,
        "autonomous_system_organization": "y" * 100_000,
    }
    found = _read(hostile)
    assert set(found) == {"city"}
    assert len(found["city"]) <= 120
    assert _read({"country": "GB", "city": [], "location": "here", "traits": 7}) == {}
