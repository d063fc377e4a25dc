"""The reference pages say what the code says."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.kernel import EventType, Reason
from watchword.settings import SLICES

_ROOT = Path(__file__).parents[2]
_REFERENCE = _ROOT / "docs" / "reference"


def _check(prelude: str) -> subprocess.CompletedProcess[str]:
    """Run the generator in a process of its own: what other tests declare must not reach the pages."""
    script = f"import sys; sys.path[:0] = ['src', 'tools']\n{prelude}\n"
    script += "import reference; sys.exit(reference.main(['--check']))"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=_ROOT, capture_output=True, text=True, check=False, timeout=100
    )


def test_no_generated_page_is_stale() -> None:
    done = _check("")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_event_without_words_is_noticed() -> None:
    done = _check("from watchword.kernel import EventType; EventType('docs.page.forgotten', '')")
    assert done.returncode != 0
    assert "docs.page.forgotten" in done.stderr


def test_a_new_event_makes_the_page_stale() -> None:
    done = _check("from watchword.kernel import EventType; EventType('docs.page.written', 'A page was written.')")
    assert (done.returncode, done.stdout.split(";")[0]) == (1, "stale: docs/reference/events.md")


def test_an_error_without_words_is_noticed() -> None:
    prelude = (
        "from watchword.kernel import WatchwordError\n"
        "Silent = type('SilentError', (WatchwordError,), {'code': 'docs.silent', '__module__': 'watchword.docs'})"
    )
    done = _check(prelude)
    assert done.returncode != 0
    assert "SilentError" in done.stderr


@pytest.mark.parametrize("name", sorted(SLICES))
def test_every_setting_has_words_of_its_own(name: str) -> None:
    page = (_REFERENCE / "settings.md").read_text()
    for field in dataclasses.fields(SLICES[name]):
        assert field.metadata.get("meaning"), f"{name}.{field.name}"
        assert f"`WATCHWORD_{name}__{field.name}`".upper() in page.upper()


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.code)
def test_every_reason_is_documented(reason: Reason) -> None:
    assert f"| `{reason.code}` | {reason.words} |" in (_REFERENCE / "reasons.md").read_text()


def test_an_event_type_cannot_be_declared_without_a_meaning() -> None:
    with pytest.raises(TypeError):
        EventType("docs.page.silent")  # type: ignore[call-arg]
