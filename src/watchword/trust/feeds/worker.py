"""Fetch and read one feed in a process of its own: the job comes on standard input, the outcome leaves as one line.

A stranger's bytes are parsed here and nowhere else, with bounds on memory, time and files, and without the node's
environment. What leaves is a table that the node maps and checks.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from watchword.kernel.settings import convert
from watchword.trust.feeds.coverage import check_coverage, coverage_of, size_of
from watchword.trust.feeds.errors import (
    FeedError,
    FeedKeptError,
    FeedMalformedError,
    FeedTooLargeError,
    FeedUnreachableError,
)
from watchword.trust.feeds.index import FeedIndex, write_index
from watchword.trust.feeds.intake import Intake, Vouched
from watchword.trust.feeds.kept import EVENTS, STATEMENTS, TABLE
from watchword.trust.feeds.misp_folder import MORE, WHOLE, walk
from watchword.trust.feeds.misp_known import KnownEvent, read_events, write_events
from watchword.trust.feeds.model import Indicator, IndicatorKind, Refusal
from watchword.trust.feeds.reading import intake_for, read_content
from watchword.trust.feeds.settings import FeedFormat, FeedSettings
from watchword.trust.feeds.stix import Statement, take_all
from watchword.trust.feeds.taxii import Harvest, harvest
from watchword.trust.feeds.web import Credential, SlowDownError, Web

_MEGABYTE: Final = 1 << 20
_NICE: Final = 10
_MOST_FILE: Final = 2 << 30
_WHOLE_EVERY_MIN: Final = 1440
_MOST_EXAMPLES: Final = 12
# Of the time that a look may take; the rest is for reading and writing.
_FETCHING_S: Final = 150.0
_OUT_OF_MEMORY: Final = FeedTooLargeError(
    "the feed needs more memory than it may have",
    hint="take a smaller one; a lower `max_mb` or `max_entries` refuses it sooner",
)


def perform(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job: fetch, read, write the table into the staging folder; say what came of it."""
    settings: FeedSettings = convert(job["feed"], FeedSettings, where="feed", environment={})
    try:
        return _performed(settings, job)
    except SlowDownError as error:
        return {**_failed(error), "wait_s": error.wait_s}
    except FeedError as error:
        return _failed(error)
    except OSError as error:
        return _failed(FeedKeptError(f"the table cannot be written ({error.strerror})", hint="look at the free space"))
    except MemoryError:
        return _failed(_OUT_OF_MEMORY)


def _performed(settings: FeedSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    staged, now = Path(job["staged"]), int(job["now"])
    intake = intake_for(settings, now)
    about: dict[str, Any] = {"whole_at": now}
    if settings.file:
        read_content(settings, _file(settings), intake)
    elif settings.format is FeedFormat.TAXII:
        about |= _taxii(settings, job, intake, staged)
    elif settings.format is FeedFormat.MISP_FEED:
        found = _folder(settings, job, intake, staged)
        if found is None:
            return {"status": "unchanged"}
        about |= found
    else:
        answer = _web(settings, job).get(settings.url, tag=job["tag"], modified=job["modified"])
        if answer.body is None:
            return {"status": "unchanged"}
        about |= {"tag": answer.tag, "modified": answer.modified}
        read_content(settings, answer.body, intake)
    former = _former(job["former"])
    rows = intake.finish()
    covers = coverage_of(rows)
    check_coverage(covers, settings.most_percent)
    if former is not None:
        _age(rows, former)
        live = size_of(former.live(now))
        about |= {"former_live": live.entries, "former_covers": list(live.covers)}
    with (staged / TABLE).open("wb") as file:
        digest = write_index(file, rows, {"feed": settings.name})
        file.flush()
        os.fsync(file.fileno())
    return {
        "status": "fetched",
        "digest": digest,
        "fingerprint": _fingerprint(rows),
        "entries": len(rows),
        "covers": list(covers),
        "size_bytes": (staged / TABLE).stat().st_size,
        "refused": {why.value: count for why, count in intake.refused.most_common()},
        "examples": {why.value: shown for why, shown in list(intake.examples.items())[:_MOST_EXAMPLES]},
        **about,
    }


def _web(settings: FeedSettings, job: Mapping[str, Any]) -> Web:
    secret = job["credential"]
    return Web(
        settings.url,
        credential=Credential.of(settings.auth, settings.auth_header, secret) if secret else None,
        ca_file=settings.ca_file,
        allow_private=settings.allow_private,
        most_bytes=settings.max_mb * _MEGABYTE,
    )


def _file(settings: FeedSettings) -> bytes:
    try:
        with Path(settings.file).open("rb") as file:
            before = os.fstat(file.fileno())
            content = file.read(settings.max_mb * _MEGABYTE + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise FeedKeptError(
            f"the file of the feed cannot be read ({error.strerror})", hint="look at `file` of the feed"
        ) from error
    if len(content) > settings.max_mb * _MEGABYTE:
        raise FeedTooLargeError(f"the file has more than {settings.max_mb} MB", hint="set `max_mb` if that is meant")
    # Prevents: half of a file that is just being written being taken for the whole.
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FeedUnreachableError(
            "the file of the feed was written while it was read", hint="put a new file in its place by renaming it"
        )
    return content


# --- TAXII: what was there, and what was added ---------------------------------------------------------------------


def _taxii(settings: FeedSettings, job: Mapping[str, Any], intake: Intake, staged: Path) -> dict[str, Any]:
    """Add what is new to what is known; once a day everything is read, so that what the server removed goes."""
    now, whole_at = int(job["now"]), int(job["whole_at"])
    known = Harvest()
    if job["cursor"] and job["former"] and 0 <= now - whole_at < _WHOLE_EVERY_MIN:
        # What cannot be read is fetched again.
        with suppress(OSError, ValueError, TypeError):
            known = Harvest(_statements(Path(job["former"]) / STATEMENTS), job["cursor"])
    whole_at = whole_at if known.cursor else now
    found = harvest(_web(settings, job), settings.url, settings.collection, known=known, most=settings.max_entries)
    with (staged / STATEMENTS).open("wb") as file:
        for statement in found.found.values():
            file.write(_line(statement))
    take_all(found.found.values(), intake)
    return {"cursor": found.cursor, "whole_at": whole_at}


def _line(statement: Statement) -> bytes:
    vouched = statement.vouched
    return (
        orjson.dumps(
            [
                statement.id,
                statement.modified,
                statement.values,
                [vouched.confidence, vouched.first_seen, vouched.seen, vouched.until],
                statement.why,
                statement.shown,
            ]
        )
        + b"\n"
    )


def _statements(path: Path) -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    with path.open("rb") as lines:
        for line in lines:
            key, modified, values, vouched, why, shown = orjson.loads(line)
            found[key or f"#{len(found)}"] = Statement(
                key,
                modified,
                tuple((IndicatorKind(kind), value) for kind, value in values),
                Vouched(*vouched),
                Refusal(why) if why else None,
                shown,
            )
    return found


# --- a folder of MISP events: what is listed, and what changed -----------------------------------------------------


def _folder(settings: FeedSettings, job: Mapping[str, Any], intake: Intake, staged: Path) -> dict[str, Any] | None:
    """Fetch what changed; what a look could not fetch in time is left for the next, whatever the manifest's tag."""
    known = _events(job)
    is_whole = bool(known) and job["cursor"] == WHOLE
    over_at = time.monotonic() + _FETCHING_S
    found = walk(
        _web(settings, job),
        settings.url,
        intake,
        known=known,
        is_over=lambda: time.monotonic() > over_at,
        tag=job["tag"] if is_whole else "",
        modified=job["modified"] if is_whole else "",
    )
    if found is None:
        return None
    with (staged / EVENTS).open("wb") as file:
        file.writelines(write_events(found.events.values()))
    return {"cursor": WHOLE if found.is_whole else MORE, "tag": found.tag, "modified": found.modified}


def _events(job: Mapping[str, Any]) -> dict[str, KnownEvent]:
    """Return what is known of the events; nothing where it cannot be read, which is fetched again."""
    if not (job["cursor"] and job["latest"]):
        return {}
    with suppress(OSError, ValueError, TypeError), (Path(job["latest"]) / EVENTS).open("rb") as lines:
        return read_events(lines)
    return {}


# --- first sight -----------------------------------------------------------------------------------------------------


def _age(rows: list[Indicator], former: FeedIndex) -> None:
    """Give each entry that the table in force has, too, the earlier time of its first sight; in place, for its size."""
    known = former.rows()
    old = next(known, None)
    for at, row in enumerate(rows):
        key = (row.family, row.start, row.length)
        while old is not None and (old.family, old.start, old.length) < key:
            old = next(known, None)
        is_known = old is not None and (old.family, old.start, old.length) == key
        if old is not None and is_known and old.first_seen < row.first_seen:
            rows[at] = row._replace(first_seen=old.first_seen)


def _former(folder: str | None) -> FeedIndex | None:
    with suppress(FeedKeptError):
        return FeedIndex(Path(folder) / TABLE) if folder else None
    return None


def _fingerprint(rows: Iterable[Indicator]) -> str:
    made = hashlib.sha256()
    for row in rows:
        made.update(b"%d %x/%d %d\n" % (row.family, row.start, row.length, row.confidence))
    return made.hexdigest()


def _failed(error: FeedError) -> dict[str, Any]:
    return {"status": "failed", "code": error.code, "message": error.message, "hint": error.hint or ""}


def _end_with_the_node() -> None:
    """Wait until standard input ends, as it does when whoever started us is killed.

    # Prevents: a process that goes on, with a credential and an open line, for a node that is no more.
    """
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Read the job, do it within bounds, print the outcome."""
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_node, daemon=True).start()
    bounds = (
        (resource.RLIMIT_CORE, 0),
        # Prevents: a document that unfolds into more than the machine has.
        (resource.RLIMIT_AS, int(job["most_memory"])),
        # Prevents: a table that fills the disk.
        (resource.RLIMIT_FSIZE, _MOST_FILE),
        # Prevents: a document that takes for ever to read.
        (resource.RLIMIT_CPU, int(job["whole_s"]) + 1),
    )
    for kind, most in bounds:
        with suppress(ValueError, OSError):  # a system that cannot bound this one bounds the others
            resource.setrlimit(kind, (most, most))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's interrupt is for the node, which ends us
    signal.alarm(int(job["whole_s"]) + 5)
    os.nice(_NICE)  # requests go first
    gc.disable()  # what a document unfolds into is not garbage, and looking for some takes most of the time
    try:
        outcome = perform(job)
    except SystemError:  # how the parser says that there is no memory left
        outcome = _failed(_OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001  # whatever a feed does to its reader, the node is told
        outcome = _failed(FeedMalformedError(f"the feed cannot be read ({type(error).__name__})"))
    sys.stdout.buffer.write(orjson.dumps(outcome))


if __name__ == "__main__":
    main()
