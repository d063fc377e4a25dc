"""The obligations of one set of policies, ready for decisions: a name in, what to do out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from watchword.kernel import Obligation, to_wire

ANNOTATION: Final = "obligation"


@lru_cache(maxsize=4096)
def attached_names(annotation: str) -> tuple[str, ...]:
    """Split `@obligation("mask_pii, hide_payment")`; an empty part is a name, too, one that nobody defines."""
    return tuple(dict.fromkeys(name.strip() for name in annotation.split(",")))


class ObligationBook:
    """What each obligation of a policy directory asks for. Immutable.

    Attributes:
        is_written: the directory defines obligations, so that each name a policy uses must be among them.
    """

    def __init__(self, defined: Mapping[str, Obligation] | None = None) -> None:
        self.is_written = defined is not None
        self._defined = dict(defined or {})

    def __iter__(self) -> Iterator[str]:
        """Name what is defined, in order."""
        return iter(sorted(self._defined))

    def __len__(self) -> int:
        return len(self._defined)

    def named(self, name: str) -> Obligation:
        """Return an obligation; one that nobody defined says nothing of what to do, so that whoever meets it denies."""
        return self._defined.get(name) or Obligation(name)

    def attached(self, annotations: Iterable[Mapping[str, str]]) -> tuple[Obligation, ...]:
        """Return what satisfied permits attach, all of them together, each once, in the order of names.

        Args:
            annotations: of each satisfied permit.
        """
        written = [each[ANNOTATION] for each in annotations if ANNOTATION in each]
        if not written:
            return ()
        return tuple(self.named(name) for name in sorted({name for text in written for name in attached_names(text)}))

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells one book from another: names and what they ask for, the same for equal books."""
        return {name: _asked(found) for name, found in sorted(self._defined.items())}


def _asked(found: Obligation) -> Any:
    if found.limits is not None:
        return [found.limits.lease_s, found.limits.session_s]
    return to_wire(found.rules) if found.rules is not None else None
