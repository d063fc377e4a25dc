"""The journal of a node: its decisions as requests, its sign-ins and second factors as proofs.

What it tells of people it tells by their identifiers, so that what is found in it fits the node that wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import RawIOBase
from typing import Any, BinaryIO, Final, cast

from watchword.kernel import Acr
from watchword.trust.agents import agent_of
from watchword.trust.importers.fields import moment, needed, part, text, where
from watchword.trust.importers.model import Reading, Record, RecordMalformedError, Refusal
from watchword.trust.importers.reading import lines
from watchword.trust.labelled import Labelled
from watchword.trust.observation import Act, Observation

_PROOFS: Final = {
    "identity.session.started": Act.SIGN_IN,
    "identity.session.stepped_up": Act.PROMPT,
    "identity.sign_in.failed": Act.SIGN_IN,
}
_FAILED: Final = "identity.sign_in.failed"
# As the node itself takes it: what is wrong after the password was right is a refused prompt.
_SECOND_FACTORS: Final = frozenset({"totp", "recovery_code"})
_PASSWORDS: Final = frozenset({"password", "new_password"})


class Journal:
    """Lines of a segment of the journal."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each line, up to the zeros that a node writes ahead of itself."""
        return lines(cast("BinaryIO", _UpToZeros(file)))

    def observe(self, record: Record, reading: Reading) -> Labelled | None:
        """Understand one line."""
        try:
            found = json.loads(record.value)
        except (ValueError, RecursionError):
            raise RecordMalformedError("it is no JSON") from None
        if not isinstance(found, dict):
            raise RecordMalformedError("it is no JSON object")
        kind = text(found, "type")
        if kind == "decision":
            return _request(found, reading)
        return _proof(found, kind, reading) if kind in _PROOFS else None


def _request(found: dict[str, Any], reading: Reading) -> Labelled | None:
    if not (text(found, "user") and text(found, "session") and text(found, "application")):
        return None
    is_success = text(found, "answer") == "allow"
    # As the node itself takes it: policies allowed it at a low risk, in a session with a second factor.
    is_verified = is_success and text(found, "level") == "low" and _has_factor(found)
    return _labelled(
        found,
        reading,
        user=text(found, "user"),
        act=Act.REQUEST,
        is_success=is_success,
        is_verified=is_verified,
        device=text(found, "device"),
        session=text(found, "session"),
        application=text(found, "application"),
        resource=text(found, "resource"),
        action=text(found, "action"),
    )


def _has_factor(found: dict[str, Any]) -> bool:
    facts = found.get("facts")
    if not isinstance(facts, list):
        return False
    return any(isinstance(fact, list) and fact[:1] == ["mfa"] and fact[-1] is not None for fact in facts)


def _proof(found: dict[str, Any], kind: str, reading: Reading) -> Labelled:
    return _labelled(
        found,
        reading,
        user=text(found, "data", "user"),
        act=Act.PROMPT if kind == _FAILED and text(found, "data", "factor") in _SECOND_FACTORS else _PROOFS[kind],
        is_success=kind != _FAILED,
        is_verified=kind != _FAILED and _is_strong(found),
        device=text(found, "data", "device"),
        session=text(found, "data", "session"),
    )


def _is_strong(found: dict[str, Any]) -> bool:
    # The session's best proof is told; a password that was all that was shown this time vouches for nothing.
    if text(found, "data", "factor") in _PASSWORDS:
        return False
    try:
        return Acr(text(found, "data", "acr")).strength >= Acr.MULTI_FACTOR.strength
    except ValueError:
        return False


def _labelled(found: dict[str, Any], reading: Reading, **about: Any) -> Labelled:
    personal = part(found, "personal")
    ip, network, place = where(text(personal, "ip"), reading)
    observation = Observation(
        id=needed(text(found, "id"), "id"),
        at=moment(text(found, "at"), "at"),
        ip=ip,
        network=network,
        place=place,
        agent=agent_of(text(personal, "user_agent")),
        **about,
    )
    return Labelled(observation, is_labelled=False)


class _UpToZeros(RawIOBase):
    """A binary file that ends at its first zero."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some more."""
        piece = b"" if self._is_over else self._file.read(len(buffer))
        end = piece.find(b"\0")
        if end >= 0:
            piece, self._is_over = piece[:end], True
        buffer[: len(piece)] = piece
        return len(piece)
