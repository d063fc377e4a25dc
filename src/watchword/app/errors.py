"""Why a node cannot start, each in one clear sentence."""

from __future__ import annotations

from watchword.kernel import WatchwordError


class NodeError(WatchwordError):
    """The node cannot start."""

    code = "app.node"
