"""How often paths lead somewhere in a document: what a record says of it, and all that it says.

The record holds paths as policies write them and numbers. Names and values of the document stay out of it: a member may
be named by somebody's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from watchword.enforcement.bodies.documents import Json
from watchword.enforcement.bodies.places import Place, start
from watchword.kernel import FieldPath


class Counter:
    """Paths, made ready to be counted in any number of documents."""

    def __init__(self, paths: Iterable[FieldPath]) -> None:
        self._places = {path.text: start([(path, None)]) for path in sorted(paths)}

    def count(self, document: Json) -> Mapping[str, int]:
        """Return how often each path leads to a value; null is one."""
        return {text: _count(document, place) for text, place in self._places.items()}


def _count(value: Json, place: Place) -> int:
    found = int(place.ends)
    if isinstance(value, dict):
        return found + sum(_count(item, into) for name, item in value.items() if (into := place.member(name)))
    if isinstance(value, list) and (below := place.element()) is not None:
        return found + sum(_count(item, below) for item in value)
    return found
