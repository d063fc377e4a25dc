"""Follow a folder of MISP events: `manifest.json` names them and says when each was changed, and each is a file.

Source: the MISP core format (draft-dulaunoy-misp-core-format), section 4 (manifest); the folders that CIRCL and others
publish are of this form.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from watchword.trust.feeds.document import parse, table, text
from watchword.trust.feeds.errors import FeedError, FeedMalformedError, FeedTooLargeError, FeedUnreachableError
from watchword.trust.feeds.intake import Intake
from watchword.trust.feeds.misp import read_misp
from watchword.trust.feeds.misp_known import KnownEvent, Listed
from watchword.trust.feeds.model import Refusal
from watchword.trust.feeds.web import SlowDownError, Web

MANIFEST: Final = "manifest.json"
WHOLE: Final = "whole"
MORE: Final = "more"
_MOST_EVENTS: Final = 100_000
_MOST_FETCHED: Final = 1_000
_FAILURES_IN_A_ROW: Final = 10
# A folder whose every tenth event cannot be read is not one to be believed.
_DAMAGED_SHARE: Final = 10
_AHEAD_MIN: Final = 24 * 60
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Walked:
    """What a folder holds now.

    Attributes:
        is_whole: false where the rest is for the next look.
        tag: entity tag of the manifest; `modified` its date.
    """

    events: Mapping[str, KnownEvent]
    is_whole: bool
    tag: str = ""
    modified: str = ""


def walk(
    web: Web,
    url: str,
    intake: Intake,
    *,
    known: Mapping[str, KnownEvent],
    is_over: Callable[[], bool],
    tag: str = "",
    modified: str = "",
) -> Walked | None:
    """Take every event of a folder, and fetch those that changed, the newest first; nothing if the manifest did not.

    Args:
        url: of the folder or of its manifest.
        known: events as they were read before.
        is_over: whether the time for fetching is.
        tag: of the manifest that `known` is all of; `modified` its date.

    Raises:
        FeedUnreachableError: the manifest, or ten events in a row, cannot be had.
        FeedMalformedError: it is no manifest, or too many events cannot be read.
        FeedTooLargeError: more events, entries or bytes than allowed.
    """
    manifest = url if url.endswith(f"/{MANIFEST}") else f"{url.rstrip('/')}/{MANIFEST}"
    answer = web.get(manifest, tag=tag, modified=modified)
    if answer.body is None:
        return None
    events: dict[str, KnownEvent] = {}
    fetching = _Fetching(web, manifest, is_over)
    for listed in _listed(answer.body, intake):
        former = known.get(listed.uuid)
        event = former if former is not None and former.listed == listed else fetching.event(listed, former)
        if event is not None:
            events[listed.uuid] = event
            event.tell(intake)
    for uuid in fetching.damaged:
        intake.refuse(Refusal.MALFORMED, uuid)
    if len(fetching.damaged) * _DAMAGED_SHARE > len(events) + len(fetching.damaged):
        raise FeedMalformedError(f"{len(fetching.damaged)} events cannot be read, and {len(events)} can")
    is_whole = not fetching.is_cut and not fetching.damaged
    return Walked(events, is_whole, tag=answer.tag, modified=answer.modified)


def _listed(content: bytes, intake: Intake) -> Iterable[Listed]:
    """Return the events that may still count, newest first; whatever is in them ended before, or will, is refused."""
    document = parse(content)
    if not isinstance(document, dict):
        raise FeedMalformedError("it is no manifest of MISP events", hint="look at `url` of the feed: it is a folder")
    # Prevents: a folder of millions of events.
    if len(document) > _MOST_EVENTS:
        raise FeedTooLargeError(f"the folder has more than {_MOST_EVENTS} events")
    found: list[Listed] = []
    for name, about in document.items():
        listed = _read(name, table(about))
        if listed is None:
            intake.refuse(Refusal.MALFORMED, name)
        elif listed.minute > intake.now + _AHEAD_MIN:
            intake.refuse(Refusal.FUTURE, name)
        # Nothing in an event is newer than its last change.
        elif listed.minute + intake.expiry_min <= intake.now:
            intake.refuse(Refusal.EXPIRED, name)
        else:
            found.append(listed)
    return sorted(found, key=lambda each: (-each.minute, each.uuid))


def _read(name: str, about: Mapping[str, Any]) -> Listed | None:
    changed, sha256 = about.get("timestamp"), text(about.get("integrity:sha256")).lower()
    changed = str(changed) if type(changed) is int else text(changed)
    # Prevents (path traversal): an "event" `../../x` or `https://elsewhere/x`, of which an address would be made.
    if not _UUID.fullmatch(name.lower()) or not _SECONDS.fullmatch(changed):
        return None
    if sha256 and not _SHA256.fullmatch(sha256):
        return None
    return Listed(name, changed, sha256)


class _Fetching:
    """Fetch events within bounds; one that cannot be read is noted, and the rest goes on.

    Attributes:
        is_cut: some are left for the next look.
        damaged: those that could not be read.
    """

    def __init__(self, web: Web, manifest: str, is_over: Callable[[], bool]) -> None:
        self._web = web
        self._manifest = manifest
        self._is_over = is_over
        self._asked = self._in_a_row = 0
        self.is_cut = False
        self.damaged: list[str] = []

    def event(self, listed: Listed, former: KnownEvent | None) -> KnownEvent | None:
        """Return an event as it is now; where it cannot be had, as it was."""
        if self.is_cut or self._asked >= _MOST_FETCHED or self._is_over():
            self.is_cut = True
            return former
        try:
            found = self._read(listed)
        except (SlowDownError, FeedTooLargeError):
            # What came is kept; one that can never be had stands first the next time, and is told then.
            if not self._asked:
                raise
            self.is_cut = True
            return former
        except FeedError as error:
            self.damaged.append(listed.uuid)
            self._asked, self._in_a_row = self._asked + 1, self._in_a_row + 1
            if self._in_a_row >= _FAILURES_IN_A_ROW and isinstance(error, FeedUnreachableError):
                raise
            return former
        self._asked, self._in_a_row = self._asked + 1, 0
        return found

    def _read(self, listed: Listed) -> KnownEvent:
        content = self._web.get(urljoin(self._manifest, f"{listed.uuid}.json")).body or b""
        # Prevents: a file that was swapped on the way or by a mirror.
        if listed.sha256 and hashlib.sha256(content).hexdigest() != listed.sha256:
            raise FeedMalformedError("an event is not what the manifest says")
        # Prevents: one file under many names, each of which would count.
        if text(table(table(parse(content)).get("Event")).get("uuid")).lower() != listed.uuid.lower():
            raise FeedMalformedError("an event is another one than its name says")
        made = KnownEvent(listed)
        read_misp(content, made)
        return made
