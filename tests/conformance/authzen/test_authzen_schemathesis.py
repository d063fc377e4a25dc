"""Schemathesis against the API's own OpenAPI document, in process.

`WATCHWORD_AUTHZEN_EXAMPLES=200` makes the run longer: it is the number of examples for each endpoint and phase.
"""

from __future__ import annotations

import os
from collections import Counter

import schemathesis
from authzen_world import AuthzenWorld
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import NonFatalError, ScenarioFinished

_EXAMPLES = int(os.environ.get("WATCHWORD_AUTHZEN_EXAMPLES", "4"))


def test_schemathesis_finds_nothing_against_the_openapi_document(records: AuthzenWorld) -> None:
    config = SchemathesisConfig.from_dict(
        {
            "seed": 20261122,
            "headers": {"Authorization": f"Bearer {records.keys['shop']}"},
            "generation": {"max-examples": _EXAMPLES},
            "phases": {"stateful": {"enabled": False}},
        }
    )
    schema = schemathesis.openapi.from_asgi("/access/v1/openapi.json", records.app, config=config)
    calls: Counter[str] = Counter()
    found = []
    for event in from_schema(schema).execute():
        assert not isinstance(event, NonFatalError), event
        if isinstance(event, ScenarioFinished):
            calls[str(event.label)] += len(event.recorder.interactions)
            found += [
                f"{event.label}: {check.name}: {check.failure_info.failure.title}\n{check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.status is Status.FAILURE and check.failure_info is not None
            ]
    assert found == []
    # It did ask: each endpoint, well and badly formed.
    assert all(calls[f"POST /access/v1/{path}"] > 20 for path in ("evaluation", "evaluations", "search/subject"))
    assert {record["answer"] for record in records.journal.records if record["type"] == "decision"} == {"deny"}
