"""Attack: signals, at any moment. Everything stops together, and starts again on the same state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from siege import Citizen, SiegeNode, processes_of, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
MakeNode = Callable[..., SiegeNode]
NAMES = ("control plane", "envoy", "notes")


def _inhabited(node: SiegeNode) -> Citizen:
    node.start()
    root = Citizen(node, "root", "198.51.100.7")
    root.enrol(node.up["link"])
    root.enter(f"{node.notes}/")
    return root


def test_a_session_survives_an_orderly_restart(make_node: MakeNode) -> None:
    node = make_node()
    root = _inhabited(node)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(node.pid, number)
        assert node._process is not None
        assert node._process.wait(20) == 0
        node.stop()
        assert not processes_of(node)
        node.start()
        assert node.up["link"] == ""
        assert root.browser.get(f"{node.notes}/", follow=False).status == 200
        assert root.browser.get(f"{node.portal}/account", follow=False).status == 200
    assert node.command("audit", "verify")["ok"] is not False
    assert node.errors.read_text() == ""


def test_an_open_websocket_does_not_hold_up_the_end(make_node: MakeNode) -> None:
    node = make_node()
    root = _inhabited(node)
    with root.browser.websocket(f"{node.notes.replace('https', 'wss')}/ws") as websocket:
        websocket.recv(timeout=10)
        assert node.stop() == 0
        assert not processes_of(node)


def test_a_killed_supervisor_takes_everything_with_it(make_node: MakeNode) -> None:
    node = make_node()
    root = _inhabited(node)
    os.kill(node.pid, signal.SIGKILL)
    until(lambda: not processes_of(node))
    node.stop()
    node.start()
    assert root.browser.get(f"{node.notes}/", follow=False).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_part_comes_back_and_sessions_live_on(make_node: MakeNode, name: str) -> None:
    node = make_node()
    root = _inhabited(node)
    before = node.pid_of(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: _status(root, node) == 200 and node.pid_of(name) != before)
    others = [other for other in NAMES if other != name]
    assert all(node.starts_of(other) == 1 for other in others)


def test_a_control_plane_that_cannot_come_back_denies_until_it_can(make_node: MakeNode) -> None:
    node = make_node()
    root = _inhabited(node)
    key = node.data / "keys" / "master.key"
    kept = key.rename(key.with_suffix(".kept"))
    os.kill(node.pid_of("control plane"), signal.SIGKILL)
    until(lambda: any(event.get("state") == "cannot start" for event in node.events))
    assert _status(root, node) == 503
    kept.rename(key)
    until(lambda: _status(root, node) == 200)
    assert node.starts_of("envoy") == 1


def test_the_link_for_the_first_administrator_outlives_a_crash(make_node: MakeNode) -> None:
    node = make_node()
    node.start()
    os.kill(node.pid_of("control plane"), signal.SIGKILL)
    link = until(lambda: next((event["detail"] for event in node.events if event.get("name") == "invitation"), ""))
    root = Citizen(node, "root", "198.51.100.7")
    assert root.enrol(link).status == 200
    root.enter(f"{node.notes}/")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_in_the_middle_of_starting_leaves_nothing(make_node: MakeNode, number: signal.Signals) -> None:
    node = make_node()
    # After the first part has reported, before the last: Envoy has been asked for by then.
    for part in ("control plane", "database", "envoy", "journal"):
        process = subprocess.Popen(
            [sys.executable, "-m", "watchword", "--output", "json", "up"],
            env=node.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if f'"{part}"' in line:
                    break
            process.send_signal(number)
            process.stdout.read()
        code = process.wait(20)
        assert code == (-9 if number == signal.SIGKILL else 0)
        until(lambda: not processes_of(node))
    node.start()
    assert node.up["link"]


def test_nobody_reading_its_words_does_not_leave_half_of_it(make_node: MakeNode) -> None:
    node = make_node()
    process = subprocess.Popen(
        [sys.executable, "-m", "watchword", "up"],
        env=node.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.wait(30)
    until(lambda: not processes_of(node))


def _status(citizen: Citizen, node: SiegeNode) -> int:
    try:
        return citizen.browser.get(f"{node.notes}/", follow=False).status
    except OSError:
        return 0
