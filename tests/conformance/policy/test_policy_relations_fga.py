from __future__ import annotations

from pathlib import Path

import pytest
from relation_cases import EXPLAINED, FGA, differences

pytestmark = pytest.mark.skipif(not FGA.exists(), reason="needs the fga command line")


def test_checks_are_answered_as_the_reference_answers_them(tmp_path: Path) -> None:
    wrong, met = differences(range(100), tmp_path)
    assert wrong == []
    # A comparison in which nobody ever says yes, or nothing ever fails, would compare nothing.
    assert met["both say True"] > 300
    assert met["both say False"] > 1000
    assert met["both fail"] > 40
    assert sum(met.get(kind, 0) for kind in EXPLAINED[3:]) < 40
