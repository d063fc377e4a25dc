"""Why an answer is withheld."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class BodyRefusedError(WatchwordError):
    """An answer cannot be reduced to what its reader may see, so nothing of it is shown; never holds a value of it."""

    code: ClassVar[str] = "enforcement.body_refused"
    status: ClassVar[int] = 502
