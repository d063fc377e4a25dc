"""The example of docs/how-to/authzen.md beside the default policies, asked as the page asks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from authzen_world import AuthzenWorld, question

from watchword.kernel import FrozenClock
from watchword.policy import DEFAULT_DIRECTORY

_EXAMPLES = Path(__file__).parents[3] / "docs" / "how-to" / "examples"


@pytest.fixture
def shop(clock: FrozenClock, entropy: Any, tmp_path: Path) -> AuthzenWorld:
    policies = tmp_path / "policies"
    shutil.copytree(DEFAULT_DIRECTORY / "policies", policies)
    for name in ("shop.cedarschema", "50-shop.cedar"):
        shutil.copy(_EXAMPLES / name, policies)
    world = AuthzenWorld(clock, entropy, policies, namespaces=["Shop"])
    world.people.add("ada", groups=["support"])
    return world


def _order(**properties: Any) -> dict[str, Any]:
    return {"type": "order", "id": "17", "properties": properties}


async def test_the_example_answers_as_the_page_says(shop: AuthzenWorld) -> None:
    bob = shop.people.add("bob")
    said = await shop.decides(question("user/ada", "cancel", _order(total=5000)))
    assert said["context"]["reason_admin"] == {"403": "policy_forbids: `large-orders-are-not-cancelled`"}
    assert said["context"]["reason_user"] == {"403": "Orders of more than 1000 are cancelled by the management alone."}
    why = {"name": "cancel", "properties": {"reason": "ordered twice"}}
    assert await shop.decides(question("user/ada", why, _order(total=50))) == {"decision": True}
    assert (await shop.decides(question("user/ada", "cancel", _order(total=50))))["decision"] is False
    assert await shop.decides(question("user/ada", "view", "order/17")) == {"decision": True}
    assert await shop.decides(question("user/bob", "view", _order(owner=bob.id))) == {"decision": True}
    assert (await shop.decides(question("user/bob", "view", "order/17")))["decision"] is False
