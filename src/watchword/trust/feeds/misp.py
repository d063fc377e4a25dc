"""Read MISP JSON: one event, several, or the answer of a search.

Source: the MISP core format (draft-dulaunoy-misp-core-format), sections 2.2 to 2.5, and the taxonomy `misp`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from watchword.trust.feeds.document import entries, is_set, parse, table, text
from watchword.trust.feeds.errors import FeedMalformedError
from watchword.trust.feeds.intake import Vouched, minute_of
from watchword.trust.feeds.model import IndicatorKind, Refusal

_ADDRESS, _DOMAIN, _URL, _FILE = IndicatorKind
# What each type holds, part by part; `None` is a part that names nothing, such as a port.
_TYPES: Mapping[str, tuple[IndicatorKind | None, ...]] = MappingProxyType(
    {
        "ip-src": (_ADDRESS,),
        "ip-dst": (_ADDRESS,),
        "ip-src|port": (_ADDRESS, None),
        "ip-dst|port": (_ADDRESS, None),
        "domain": (_DOMAIN,),
        "hostname": (_DOMAIN,),
        "hostname|port": (_DOMAIN, None),
        "domain|ip": (_DOMAIN, _ADDRESS),
        "url": (_URL,),
        "md5": (_FILE,),
        "sha1": (_FILE,),
        "sha256": (_FILE,),
        "sha384": (_FILE,),
        "sha512": (_FILE,),
        "filename|md5": (None, _FILE),
        "filename|sha1": (None, _FILE),
        "filename|sha256": (None, _FILE),
        "filename|sha384": (None, _FILE),
        "filename|sha512": (None, _FILE),
    }
)
_CONFIDENCE: Mapping[str, float] = MappingProxyType(
    {
        'misp:confidence-level="completely-confident"': 100.0,
        'misp:confidence-level="usually-confident"': 75.0,
        'misp:confidence-level="fairly-confident"': 50.0,
        'misp:confidence-level="rarely-confident"': 25.0,
        'misp:confidence-level="unconfident"': 0.0,
    }
)
_MOST_TAGS: Final = 200


class Taking(Protocol):
    """What values are told to; an `Intake` is one."""

    def take(self, kind: IndicatorKind, text: str, vouched: Vouched = ..., /) -> None:
        """Take a value."""
        ...

    def refuse(self, why: Refusal, text: str = ..., /) -> None:
        """Count what is not taken."""
        ...


def read_misp(content: bytes, intake: Taking) -> None:
    """Take every attribute that is meant for detection, of events and of the objects in them.

    Raises:
        FeedMalformedError: it is no MISP document.
    """
    document = parse(content)
    found = table(document).get("response", document)
    if isinstance(found, dict) and "Attribute" in found and "Event" not in found:
        for attribute in entries(found["Attribute"]):
            _take(table(attribute), None, intake)
        return
    events = [found] if isinstance(found, dict) else entries(found)
    if not isinstance(found, list) and "Event" not in table(found):
        raise FeedMalformedError("it is no MISP event", hint="look at `format` of the feed")
    for each in events:
        event = table(table(each).get("Event"))
        if not event:
            intake.refuse(Refusal.MALFORMED)
            continue
        trust = _confidence(event)
        for attribute in _attributes(event):
            _take(attribute, trust, intake)


def _attributes(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from map(table, entries(event.get("Attribute")))
    for held in entries(event.get("Object")):
        if not is_set(table(held).get("deleted")):
            yield from map(table, entries(table(held).get("Attribute")))


def _take(attribute: Mapping[str, Any], trust: float | None, intake: Taking) -> None:
    kind, value = text(attribute.get("type")), text(attribute.get("value")).strip()
    if is_set(attribute.get("deleted")):
        return intake.refuse(Refusal.REVOKED)
    # `to_ids` says whether its author means it for detection; much of an event is context.
    if not is_set(attribute.get("to_ids")):
        return intake.refuse(Refusal.NOT_FOR_DETECTION)
    parts = _TYPES.get(kind)
    if parts is None:
        return intake.refuse(Refusal.UNKNOWN_TYPE, kind)
    # One part more than is meant stays with the last, so that it is refused as malformed there.
    values = value.split("|", len(parts) - 1) if len(parts) > 1 else [value]
    if len(values) != len(parts):
        return intake.refuse(Refusal.MALFORMED, value)
    own = _confidence(attribute)
    first, last = minute_of(attribute.get("first_seen")), minute_of(attribute.get("last_seen"))
    stamped = minute_of(attribute.get("timestamp"))
    seen = max(filter(None, (first, last, stamped)), default=None)
    vouched = Vouched(own if own is not None else trust, first or stamped, seen)
    for part, piece in zip(parts, values, strict=True):
        if part is not None:
            intake.take(part, piece, vouched)
    return None


def _confidence(tagged: Mapping[str, Any]) -> float | None:
    names = (text(table(tag).get("name")) for tag in entries(tagged.get("Tag"))[:_MOST_TAGS])
    return next((_CONFIDENCE[name] for name in names if name in _CONFIDENCE), None)
