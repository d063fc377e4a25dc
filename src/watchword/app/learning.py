"""Say what a node has to learn: what some application's profile, or the sign-in, compares with, and no more."""

from __future__ import annotations

from collections.abc import Sequence

from watchword.decision import Application
from watchword.trust import ADDITIVE, LEARNING, TrustSettings


def portal_profile(settings: TrustSettings) -> str:
    """Name the profile of sign-ins: what people need to sign in is asked for by risk; trust is earned behind it."""
    return settings.profile if settings.profile in LEARNING else ADDITIVE


def learning_profiles(applications: Sequence[Application], settings: TrustSettings) -> frozenset[str]:
    """Name the profiles that a node learns for."""
    used = {portal_profile(settings), *(app.profile for app in applications), *settings.learn_ahead}
    return frozenset(LEARNING) & used
