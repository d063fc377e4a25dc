"""What MaxMind's own test databases say networks are, when they are beside the project; and damaged ones."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watchword.trust import PlaceDataError
from watchword.trust.feeds import Reputation, TraitsDatabase, open_traits
from watchword.trust.observation import NO_TRAITS, NetworkTraits

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "maxmind"
pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the published MaxMind test databases are not here")
ANONYMOUS, PLUS, RISK, ENTERPRISE = (
    VECTORS / f"{name}-Test.mmdb"
    for name in ("GeoIP2-Anonymous-IP", "GeoIP-Anonymous-Plus", "GeoIP2-IP-Risk", "GeoIP2-Enterprise")
)
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "address", "traits"),
    [
        (ANONYMOUS, "1.2.0.1", NetworkTraits(is_vpn=True)),
        (ANONYMOUS, "1.124.213.1", NetworkTraits(is_vpn=True, is_tor=True)),
        (ANONYMOUS, "6.1.0.2", NetworkTraits(is_hosting=True)),
        (PLUS, "1.2.0.1", NetworkTraits(is_vpn=True)),
        (PLUS, "6.1.0.4", NetworkTraits(is_vpn=True)),
        (RISK, "7.1.2.2", NetworkTraits(is_hosting=True)),
        (RISK, "214.2.3.4", NetworkTraits(is_vpn=True, is_tor=True)),
        (ENTERPRISE, "1.124.213.1", NetworkTraits(is_mobile=True)),
        (ENTERPRISE, "214.214.214.220", NetworkTraits(is_hosting=True)),
        (ENTERPRISE, "1.231.232.1", NO_TRAITS),
        (ANONYMOUS, "8.8.8.8", NO_TRAITS),
    ],
)
def test_each_trait_is_read_as_published(path: Path, address: str, traits: NetworkTraits) -> None:
    found = Reputation(open_traits([str(path)])).of(address, AT)
    assert found.traits == traits
    assert (found.hits, found.finding.value, found.standing) == ((), 0.0, None)


def test_databases_complete_one_another_also_inside_a_tunnel() -> None:
    reputation = Reputation(open_traits([str(ANONYMOUS), str(ENTERPRISE)]))
    found = reputation.of("1.124.213.1", AT).traits
    assert (found.is_tor, found.is_mobile) == (True, True)
    assert reputation.of("2002:017c:d501::1", AT).traits.is_tor  # 6to4 of the same address


def test_a_database_that_says_nothing_of_traits_has_none() -> None:
    reputation = Reputation(open_traits([str(VECTORS / "GeoLite2-ASN-Test.mmdb")]))
    assert reputation.of("1.128.0.1", AT).traits == NO_TRAITS


def test_a_missing_or_truncated_database_is_refused_when_opened(tmp_path: Path) -> None:
    with pytest.raises(PlaceDataError):
        open_traits([str(tmp_path / "none.mmdb")])
    whole, path = ANONYMOUS.read_bytes(), tmp_path / "cut.mmdb"
    for length in range(0, len(whole), 397):
        path.write_bytes(whole[:length])
        with pytest.raises(PlaceDataError):
            TraitsDatabase(path)


def test_a_damaged_database_is_refused_or_answers_but_never_raises_at_a_look_up(tmp_path: Path) -> None:
    whole, chance, path = ANONYMOUS.read_bytes(), random.Random(5), tmp_path / "damaged.mmdb"  # noqa: S311  # reproducible damage
    for _ in range(40):
        altered = bytearray(whole)
        for _ in range(chance.choice((1, 4, 64))):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        path.write_bytes(bytes(altered))
        try:
            reputation = Reputation(open_traits([str(path)]))
        except PlaceDataError:
            continue
        for address in ("1.2.0.1", "1.124.213.1", "6.1.0.2", "8.8.8.8", "2a02:d300::1"):
            assert reputation.of(address, AT).hits == ()
