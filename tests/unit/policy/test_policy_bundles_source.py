"""A node that follows bundles: what it takes, what it refuses, what it remembers."""

from __future__ import annotations

from pathlib import Path

from bundle_world import FILES, OTHER, Node, bundle, follows

from watchword.policy.bundles import Form, write


async def test_a_node_without_a_bundle_denies_and_says_why(tmp_path: Path) -> None:
    node = Node(tmp_path, follows(tmp_path / "policies.tar"))
    await node.source.reload()
    assert len(node.source.current) == 0
    assert "there is no bundle" in (node.source.problem or "")


async def test_a_signed_bundle_is_put_in_force_in_every_form(tmp_path: Path) -> None:
    for number, form in enumerate(Form):
        place = tmp_path / form
        write(bundle(), place, form)
        node = Node(tmp_path / str(number), follows(place))
        assert await node.source.reload() is True, node.source.problem
        assert [policy.id for policy in node.source.current.bundle.policies] == ["members"]
        assert node.source.problem is None
        assert node.alarm.types == ["policy.bundle.accepted"]
        write(bundle(2, FILES | {"20-others.cedar": OTHER}), place, form)
        assert await node.source.reload() is True, node.source.problem
        assert node.version == 2
