from __future__ import annotations

from pathlib import Path

import pytest
from relation_cases import EXPLAINED, FGA, differences

pytestmark = pytest.mark.skipif(not FGA.exists(), reason="needs the fga command line")


# Found by longer runs: assumptions that outlived their operand once made a "no" of a "yes".
ONCE_WRONG = (1033, 1114, 1116, 1195, 1206)


def test_checks_are_answered_as_the_reference_answers_them(tmp_path: Path) -> None:
    wrong, met = differences((*range(80), *ONCE_WRONG), tmp_path)
    assert wrong == []
    # A comparison in which nobody ever says yes, or nothing ever fails, would compare nothing.
    assert met["both say True"] > 250
    assert met["both say False"] > 1000
    assert met["both fail"] > 30
    assert met["the same objects"] > 40
    assert met["the same users"] > 30
    assert met.get("other users", 0) < 20
    assert sum(met.get(kind, 0) for kind in EXPLAINED[3:]) < 40
