"""The loop with its state in the real PostgreSQL, over a restart."""

from __future__ import annotations

import secrets

import pytest

from watchword.demo.client import Browser
from watchword.demo.node import DemoNode
from watchword.demo.person import Person

pytestmark = pytest.mark.e2e


def test_a_node_on_postgresql_signs_in_allows_revokes_and_remembers(postgres_url: str) -> None:
    node = DemoNode(extra={"WATCHWORD_STORAGE__URL": postgres_url})
    try:
        node.start()
        link = node.command("users", "create", "ada", "--group", "members")["link"]
        ada = Person("ada", Browser(node.proxy_port, node.authority, "81.2.69.142"), password=secrets.token_urlsafe(18))
        ada.enrol(link)
        assert ada.browser.get(f"{node.notes}/").status == 200

        assert node.stop() == 0
        node.start()

        assert ada.browser.get(f"{node.notes}/").status == 200
        assert "link" in node.up
        (session,) = node.command("sessions", "list")
        node.command("sessions", "end", session["session"])
        refused = ada.browser.get(f"{node.notes}/", accept="application/json")
        assert refused.status == 401
        assert "session_ended" in refused.text
        assert node.command("audit", "verify")["ok"] is True
        assert not (node.data / "watchword.db").exists()
    finally:
        node.close()
