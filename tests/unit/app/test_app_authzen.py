"""The AuthZEN API in a node's configuration: off by default, on an address of its own, one key a caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchword.app.authzen import entities_path, origin, published_apis
from watchword.enforcement.authzen import Callers, hash_of
from watchword.enforcement.envoy import TcpAddress
from watchword.kernel import ConfigurationError
from watchword.settings import Settings, load

_KEY = "wwpep_a-key-that-nobody-has"
_CALLER = f"""
[[authzen.callers]]
name = "orders"
key_sha256 = ["{hash_of(_KEY).hex()}"]
namespaces = ["Shop"]
reasons = "user"
obligations = ["custom"]
"""


def _load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "watchword.toml").write_text(text)
    return load(data=tmp_path, environment={})


def test_nothing_listens_until_it_is_turned_on(tmp_path: Path) -> None:
    assert published_apis(_load(tmp_path, ""), tmp_path) == ()


def test_a_configured_api_has_an_address_and_knows_its_callers(tmp_path: Path) -> None:
    settings = _load(
        tmp_path, f'[authzen]\nenabled = true\nlisten = "127.0.0.1:9444"\nentities_file = "e.json"\n{_CALLER}'
    )
    (api,) = published_apis(settings, tmp_path)
    assert (api.address, api.socket) == (TcpAddress("127.0.0.1", 9444), tmp_path / "authzen.sock")
    assert api.max_body_bytes > settings.authzen.max_body_kb * 1024
    assert origin(settings) == "https://watchword.localhost:9444"
    assert entities_path(settings) == tmp_path / "e.json"
    caller = Callers(settings.authzen.callers).recognise(f"Bearer {_KEY}")
    assert (caller.name, caller.namespaces, caller.told, caller.obligations) == (
        "orders",
        ("Shop",),
        "user",
        ("custom",),
    )


def test_the_address_that_callers_use_may_be_another_one(tmp_path: Path) -> None:
    assert origin(_load(tmp_path, "[authzen]\npublic_port = 443")) == "https://watchword.localhost"


@pytest.mark.parametrize(
    "text",
    [
        '[authzen]\nlisten = "somewhere"',
        "[authzen]\nmax_body_kb = 0",
        "[authzen]\nport = 1",
        '[[authzen.callers]]\nname = "orders"',
        f'[[authzen.callers]]\nname = "orders"\nkey_sha256 = ["{_KEY}"]',
        f"{_CALLER}{_CALLER}",
        _CALLER.replace('"user"', '"everything"'),
        _CALLER.replace('"custom"', '"notification"'),
    ],
)
def test_what_cannot_be_meant_is_refused_without_repeating_a_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, text)
    assert _KEY not in f"{caught.value} {caught.value.hint}"
