"""Templates and links against the reference: both read the templates and fill the slots for themselves."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_cases import Drawn, Seeded
from policy_links import compare_links

from watchword.policy import Effect

patient = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@given(st.data())
@settings(patient, max_examples=15)
def test_linked_templates_answer_as_the_references_own_links_do(data: st.DataObject) -> None:
    compare_links(Drawn(data.draw))


def test_seventy_seeded_directories_of_templates_and_links_answer_as_the_reference_does() -> None:
    found = {compare_links(Seeded(seed)) for seed in range(70)}
    assert {Effect.PERMIT, Effect.FORBID, Effect.SILENT} <= found
