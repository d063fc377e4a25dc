"""Attack: the disk is full. Requests are denied and the refusal says why, nothing is lost, all goes on by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from siege import Citizen, SiegeNode, until

from watchword.demo.node import NodeFailedError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root (CAP_SYS_ADMIN)")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_denies_says_so_loses_nothing_and_recovers(
    small_disk: Path, make_node: Callable[..., SiegeNode]
) -> None:
    node = make_node(data=small_disk / "data")
    node.start()
    root = Citizen(node, "root", "198.51.100.7")
    root.enrol(node.up["link"])
    root.enter(f"{node.notes}/")
    ballast = small_disk / "ballast"
    try:
        _fill(ballast)
        refused = until(lambda: _refused(root))
        assert "journal_unwritable" in refused
        status = node.status()
        assert status is not None
        assert "full" in status["journal_problem"]
        page = root.browser.get(f"{node.notes}/")
        assert page.status == 403
        assert "could not be recorded" in page.text.lower() or "journal" in page.text.lower()
        # Whoever is not let in is not told less, and nothing half-done is kept.
        with pytest.raises(NodeFailedError, match=r"full|space|database"):
            node.command("users", "create", "late")
        stranger = root.fresh_browser()
        assert stranger.get(f"{node.notes}/", follow=False, accept="application/json").status in {401, 403}
        assert stranger.get(f"{node.portal}/sign-in").status in {200, 500, 503}
        assert all(node.starts_of(name) == 1 for name in ("control plane", "envoy", "notes"))
    finally:
        ballast.unlink()
    until(lambda: root.browser.get(f"{node.notes}/", follow=False).status == 200)
    status = node.status()
    assert status is not None
    assert status["journal_problem"] is None
    node.command("users", "create", "later")
    names = [user["user"] for user in node.command("users", "list")]
    assert "later" in names
    assert "late" not in names
    node.command("audit", "verify")
    assert node.records("journal.recovered")
    assert node.stop() == 0
    node.start()
    assert root.browser.get(f"{node.notes}/", follow=False).status == 200
    node.command("audit", "verify")


def test_a_full_disk_at_the_start_is_one_clear_sentence(small_disk: Path, make_node: Callable[..., SiegeNode]) -> None:
    node = make_node(data=small_disk / "data")
    ballast = small_disk / "ballast"
    _fill(ballast)
    with pytest.raises(NodeFailedError, match=r"full|cannot be written"):
        node.start()
    ballast.unlink()
    node.stop()
    node.start()


def _fill(ballast: Path) -> None:
    """Take every byte that is left, with whatever was freed meanwhile."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(size))


def _refused(citizen: Citizen) -> str:
    page = citizen.browser.get(f"{citizen.node.notes}/", follow=False, accept="application/json")
    return page.text if page.status == 403 else ""
