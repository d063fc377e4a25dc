"""What is said to be all right for a while silences every habit of its kind."""

from __future__ import annotations

from watchword.trust.behaviour.likelihood import AGENT, NETWORK
from watchword.trust.learning.suppressions import SILENCES, Scope


def test_a_device_that_is_all_right_silences_everything_new_about_its_browser() -> None:
    assert {AGENT.name, *(first.name for first in AGENT.firsts)} <= SILENCES[Scope.DEVICE]


def test_a_network_that_is_all_right_silences_everything_new_about_the_place() -> None:
    assert {NETWORK.name, *(first.name for first in NETWORK.firsts)} <= SILENCES[Scope.NETWORK]
