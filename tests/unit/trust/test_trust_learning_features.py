from __future__ import annotations

import math
from dataclasses import replace

import pytest

from watchword.trust import Place
from watchword.trust.learning.features import FEATURES, Features
from watchword.trust.observation import Act, Agent, NetworkTraits, Observation

_HOME = Place(country="DE", asn=64500, city="Mainz", latitude=50.0, longitude=8.0)
_NOON_SATURDAY = 2 * 86_400.0 + 43_200.0
_SEEN = Observation(
    id="obs_1",
    at=_NOON_SATURDAY,
    user="usr_ann",
    act=Act.SIGN_IN,
    is_verified=True,
    ip="203.0.113.7",
    network="203.0.113.0/24",
    place=_HOME,
    agent=Agent("F", "Firefox 128", "Windows 10", "desktop"),
    device="dev_1",
)


def _row(features: Features, seen: Observation) -> dict[str, float]:
    row = features.row(seen)
    assert all(map(math.isfinite, row))
    return dict(zip(FEATURES, row, strict=True))


def test_what_was_never_seen_is_new_and_what_was_learned_is_not() -> None:
    features = Features()
    before = _row(features, _SEEN)
    features.observe(_SEEN)
    after = _row(features, _SEEN)
    for key in ("network", "asn", "country", "city", "agent", "browser", "system", "device"):
        assert (before[f"new_{key}"], after[f"new_{key}"]) == (1.0, 0.0)
        assert after[f"own_rarity_{key}"] < before[f"own_rarity_{key}"]
        assert after[f"rarity_{key}"] < before[f"rarity_{key}"]


def test_what_is_not_verified_teaches_nothing_but_that_it_failed() -> None:
    features = Features()
    features.observe(replace(_SEEN, is_verified=False))
    assert _row(features, _SEEN)["new_network"] == 1.0
    features.observe(replace(_SEEN, is_success=False))
    found = _row(features, replace(_SEEN, at=_SEEN.at + 60.0))
    assert (found["failures"], found["network_failures"]) == (1.0, 1.0)
    assert _row(features, replace(_SEEN, at=_SEEN.at + 601.0))["failures"] == 0.0


def test_the_four_counts_of_a_log_in_anomaly() -> None:
    features = Features()
    for number, resource in enumerate(("a", "b", "b")):
        features.observe(replace(_SEEN, act=Act.REQUEST, resource=resource, id=f"r{number}"))
    features.observe(replace(_SEEN, ip="203.0.113.99"))
    found = _row(features, replace(_SEEN, at=_SEEN.at + 3600.0))
    assert (found["distinct_addresses"], found["resources"]) == (2.0, 2.0)
    assert found["hour_cos"] == pytest.approx(math.cos(13 / 24 * 2 * math.pi))
    assert found["hour_off"] == pytest.approx(2 * math.pi / 24)
    later = _row(features, replace(_SEEN, at=_SEEN.at + 90_000.0))
    assert (later["distinct_addresses"], later["resources"]) == (1.0, 0.0)


def test_a_journey_is_a_distance_and_a_speed() -> None:
    features = Features()
    features.observe(_SEEN)
    north = replace(_SEEN, at=_SEEN.at + 7200.0, place=replace(_HOME, latitude=51.0))
    found = _row(features, north)
    assert found["distance_km"] == pytest.approx(111.2, abs=0.1)
    assert found["speed_kmh"] == pytest.approx(55.6, abs=0.1)
    assert found["hours_since"] == pytest.approx(2.0)


def test_days_and_kinds_of_network() -> None:
    features = Features()
    assert _row(features, _SEEN)["is_weekend"] == 1.0
    assert _row(features, replace(_SEEN, at=_SEEN.at + 2 * 86_400.0))["is_weekend"] == 0.0
    traits = NetworkTraits(is_hosting=True, is_vpn=True, is_tor=True, is_mobile=True, is_shared=True)
    found = _row(features, replace(_SEEN, traits=traits))
    assert [found[f"is_{kind}"] for kind in ("hosting", "vpn", "tor", "mobile", "shared")] == [1.0] * 5
