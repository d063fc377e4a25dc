"""What can be wrong with a recorded request."""

from __future__ import annotations

from typing import ClassVar

from watchword.policy.errors import PolicyError


class MalformedRecordError(PolicyError):
    """A recorded request is not of the form that is written, or a request holds what no record can hold."""

    code: ClassVar[str] = "policy.malformed_record"
    status: ClassVar[int] = 422
