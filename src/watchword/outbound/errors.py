"""Why an answer of a server elsewhere is not taken; whoever asked says it in words of their own."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class AnswerRefusedError(WatchwordError):
    """What a server elsewhere answers is not taken."""

    code: ClassVar[str] = "outbound.answer_refused"


class AnswerTooLongError(AnswerRefusedError):
    """An answer has more bytes than it may have."""

    code: ClassVar[str] = "outbound.answer_too_long"


class AnswerCompressedError(AnswerRefusedError):
    """An answer is compressed although nobody asked for that."""

    code: ClassVar[str] = "outbound.answer_compressed"
