"""Reduce documents in a process of its own, which is asked over its standard input and answers on its output.

A long document keeps an interpreter busy for a tenth of a second and more, and the node decides in another one. Each
frame is four bytes of length and so many bytes. First comes one with the keys as a JSON list in base64; then, for each
document, an order in JSON and the document. The answer is an outcome in JSON and what is left of the document.
"""

from __future__ import annotations

import json
import resource
import sys
from base64 import b64decode
from datetime import datetime
from typing import Any, BinaryIO, Final

from watchword.enforcement.bodies.errors import BodyRefusedError
from watchword.enforcement.bodies.filtering import filter_for
from watchword.enforcement.bodies.values import ValueKeys
from watchword.enforcement.bodies.watermarks import Watermark
from watchword.kernel import BodyRules, from_wire, to_wire

LENGTH: Final = 4
_MEMORY_BYTES: Final = 1024 * 1024 * 1024


def frame(content: bytes) -> bytes:
    """Return the form in which something travels."""
    return len(content).to_bytes(LENGTH) + content


def order(rules: BodyRules, watermark: Watermark | None) -> bytes:
    """Say what to do with a document."""
    mark = [watermark.subject, watermark.decision, watermark.at.isoformat()] if watermark is not None else None
    return json.dumps({"rules": to_wire(rules), "mark": mark}).encode()


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until whoever asks is gone."""
    secrets = [b64decode(key) for key in json.loads(_read(source))]
    keys = ValueKeys(*secrets) if secrets else None
    while True:
        outcome, left = _carry_out(json.loads(_read(source)), _read(source), keys)
        sink.write(frame(json.dumps(outcome).encode()) + frame(left))
        sink.flush()


def _carry_out(ordered: dict[str, Any], body: bytes, keys: ValueKeys | None) -> tuple[dict[str, Any], bytes]:
    mark = ordered["mark"]
    watermark = Watermark(mark[0], mark[1], datetime.fromisoformat(mark[2])) if mark else None
    try:
        reduced = filter_for(from_wire(ordered["rules"]), keys).apply(body, watermark)
    except BodyRefusedError as error:
        return {"refused": error.message}, b""
    except MemoryError:
        return {"refused": "the body takes too much memory"}, b""
    return {"counts": dict(reduced.counts)}, reduced.body


def _read(source: BinaryIO) -> bytes:
    head = source.read(LENGTH)
    if len(head) < LENGTH:
        raise EOFError
    return source.read(int.from_bytes(head))


def main() -> None:
    """Set the bounds, then serve."""
    # Prevents: a document that unfolds to all the memory of the machine; keys and documents in a file after a crash.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
