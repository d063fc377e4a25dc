"""`watchword authzen`: a key is shown once, its hash is what the configuration gets."""

from __future__ import annotations

from typing import Any

from watchword.enforcement.authzen import hash_of


def test_a_new_key_is_printed_with_the_hash_that_knows_it(cli: Any) -> None:
    made = cli.json("authzen", "new-key", "orders")
    assert made["name"] == "orders"
    assert hash_of(made["key"]).hex() == made["key_sha256"]
    said = cli("authzen", "new-key", "orders")
    assert said.out.count("wwpep_") == 1
    assert 'name = "orders"' in said.out


def test_a_name_that_the_configuration_would_refuse_gets_no_key(cli: Any) -> None:
    said = cli("authzen", "new-key", "My Shop")
    assert said.code == 2
    assert "wwpep_" not in said.out + said.err
