"""What keeps an analysis from being made."""

from __future__ import annotations

from typing import ClassVar

from watchword.policy.errors import PolicyError


class AnalysisUnavailableError(PolicyError):
    """The solver is not installed."""

    code: ClassVar[str] = "policy.analysis_unavailable"
    status: ClassVar[int] = 501

    def __init__(self) -> None:
        super().__init__(
            "the analysis needs the solver z3, which is not installed",
            hint="install it with: pip install 'watchword[analysis]'",
        )
