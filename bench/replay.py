"""Measure the replay of 100,000 recorded decisions: a real journal, made by the real procedure and the real writer.

10,000 users, 1,000 policies; each decision has its own path, so that nearly no two are alike. The draft changes one
policy in ten, adds obligations and a forbid that reads the path. What is timed is what `watchword policies replay` does
after it was told its options: find the span, load the draft, read the journal, ask again, join the figures.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.decision import FEW, World
from bench.figures import show
from watchword.app.recorded import span_of
from watchword.app.rehearsal import Trial, rehearse
from watchword.audit import Journal
from watchword.decision import DecisionPoint, Procedure
from watchword.kernel import KeyId, SystemClock, SystemEntropy
from watchword.keys import Algorithm, Signer
from watchword.policy.relations import Graph
from watchword.storage import Database

DECISIONS, AT_ONCE = 100_000, 500


def main(json: bool) -> None:  # noqa: FBT001 (the contract of `python -m bench NAME --json`)
    with tempfile.TemporaryDirectory() as place:
        show(asyncio.run(_measure(Path(place))), as_json=json)


async def _measure(place: Path) -> dict[str, Any]:
    live, draft = place / "live", place / "draft"
    live.mkdir()
    world = World()
    policies = world.policies(live, FEW, with_relations=False)
    _write_draft(live, draft)
    database = Database(f"sqlite:///{place}/bench.db")
    await _write_journal(place / "journal", world, await world.procedure(policies, database, Graph()))
    await database.close()
    size = sum(path.stat().st_size for path in (place / "journal").iterdir())
    figures: dict[str, Any] = {"decisions": DECISIONS, "journal_mb": round(size / 1e6, 1), "policies": len(policies)}
    for name, processes in (("replay_100k_s", 2), ("replay_100k_one_process_s", 1)):
        report, took = await asyncio.to_thread(_timed, place / "journal", draft, processes)
        figures[name] = round(took, 2)
    if report.decisions != DECISIONS or report.compared != DECISIONS or not report.flips:
        raise SystemExit(f"this would measure something else: {report.as_json(most=1)}")
    same, _ = await asyncio.to_thread(_timed, place / "journal", live, 2)
    if same.flips:
        raise SystemExit(f"the policies that decided change {same.flips} decisions")
    return {
        "replay_100k_s": figures.pop("replay_100k_s"),
        **figures,
        "flips": report.flips,
        "cores": os.cpu_count(),
    }


def _timed(journal: Path, draft: Path, processes: int) -> tuple[Any, float]:
    began = time.perf_counter()
    report = rehearse(Trial(draft), span_of(journal), processes=processes)
    return report, time.perf_counter() - began


def _write_draft(live: Path, draft: Path) -> None:
    draft.mkdir()
    for path in live.glob("*.cedar"):
        text = path.read_text()
        if path.name == "50-grants.cedar":
            lines = text.splitlines()
            lines[::10] = [line.replace("permit (", '@obligation("mask") permit (', 1) for line in lines[::10]]
            text = "\n".join(lines)
        (draft / path.name).write_text(text)
    (draft / "60-new.cedar").write_text(
        '@id("no-round-files") forbid (principal, action, resource) when { context.http.path like "*00" };'
    )


async def _write_journal(directory: Path, world: World, procedure: Procedure) -> None:
    clock = SystemClock()
    signer = Signer.generate(KeyId.new(clock.now(), SystemEntropy()), Algorithm.ED25519)
    journal = Journal.open(directory, signer=signer, clock=clock)
    point = DecisionPoint(procedure, journal)
    for _ in range(DECISIONS // AT_ONCE):
        requests = world.requests(AT_ONCE)
        await asyncio.gather(*(point.authorize(request) for request in requests))
    await journal.close()
