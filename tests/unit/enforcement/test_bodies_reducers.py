"""Long documents are reduced in processes of their own; one that dies or hangs shows nothing and is replaced."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from watchword.enforcement.bodies import BodyRefusedError, Exchange, Means, ValueKeys, Visitor
from watchword.enforcement.bodies import worker as program
from watchword.enforcement.envoy.reducers import Reducers
from watchword.kernel import EXCLUDE, Hash, Mark, Note, body_rules, parse_path

KEY = b"k" * 32
RULES = body_rules(
    fields=[(parse_path("[*].ssn"), EXCLUDE), (parse_path("[*].name"), Hash("name"))],
    notes=[Note("answer", parse_path("[*].name"))],
)
MANY = [{"ssn": "123-45-6789", "name": "Ada", "n": n} for n in range(500)]
BODY = json.dumps(MANY).encode()


class Silent:
    """Keeps nothing."""

    async def record(self, access: Any) -> None: ...

    async def notify(self, notice: Any) -> None: ...


def exchange(rules: Any = RULES) -> Exchange:
    return Exchange(rules, Visitor("dec_1", "crm", "usr_1"), Means(ValueKeys(KEY), Silent()))


@pytest.fixture
async def reducers() -> AsyncIterator[Reducers]:
    found = Reducers([KEY])
    yield found
    await found.close()


async def test_a_process_reduces_as_this_one_does(reducers: Reducers) -> None:
    here = exchange()
    expected = here.filter.apply(BODY)
    assert await reducers.reduce(here, BODY) == expected
    assert b"123-45" not in expected.body
    both = await asyncio.gather(*(reducers.reduce(here, BODY) for _ in range(3)))
    assert both == [expected] * 3
    for refused in (b"[" * 99, b'[{"ssn":1,"ssn":2}]', b"{}"):
        with pytest.raises(BodyRefusedError, match="the body"):
            await reducers.reduce(here, refused)
    assert await reducers.reduce(here, BODY) == expected  # a refusal does not end a process


async def test_a_process_that_dies_at_work_shows_nothing_and_is_replaced(reducers: Reducers) -> None:
    here = exchange()
    await reducers.reduce(here, BODY)
    [process] = reducers._idle
    os.kill(process.pid, signal.SIGSTOP)
    asked = asyncio.create_task(reducers.reduce(here, BODY))
    await asyncio.sleep(0)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(BodyRefusedError, match="died"):
        await asked
    assert len((await reducers.reduce(here, BODY)).body) > 1000


async def test_a_process_that_died_idle_is_not_asked(reducers: Reducers) -> None:
    here = exchange()
    await reducers.reduce(here, BODY)
    [process] = reducers._idle
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert len((await reducers.reduce(here, BODY)).body) > 1000
    assert process not in reducers._idle


async def test_a_process_that_takes_too_long_is_ended() -> None:
    hasty = Reducers([KEY], within_s=0.0)
    with pytest.raises(BodyRefusedError, match="in time"):
        await hasty.reduce(exchange(), BODY)
    assert hasty._idle == []


async def test_where_no_process_can_be_had_nothing_is_shown(
    reducers: Reducers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.enforcement.envoy.reducers.sys.executable", "/nowhere/python")
    with pytest.raises(BodyRefusedError, match="no process"):
        await reducers.reduce(exchange(), BODY)


def said_to(*frames: bytes) -> list[bytes]:
    source = io.BytesIO(b"".join(map(program.frame, (json.dumps([b64encode(KEY).decode()]).encode(), *frames))))
    sink = io.BytesIO()
    with pytest.raises(EOFError):
        program.serve(source, sink)
    sink.seek(0)
    found = []
    while head := sink.read(program.LENGTH):
        found.append(sink.read(int.from_bytes(head)))
    return found


def test_the_program_marks_and_counts_and_says_why_it_refuses() -> None:
    marked = exchange(body_rules(watermarks=[Mark("header"), Mark("member", "_for")]))
    assert marked.watermark is not None
    ordered = program.order(marked.rules, marked.watermark)
    outcome, left, refusal, nothing = said_to(ordered, b'{"a":1}', program.order(RULES, None), b"{}")
    assert json.loads(outcome) == {"counts": {}}
    assert json.loads(left)["_for"]["subject"] == marked.watermark.subject
    assert datetime.fromisoformat(json.loads(left)["_for"]["at"]) <= datetime.now(UTC)
    assert "shape" in json.loads(refusal)["refused"]
    assert nothing == b""
