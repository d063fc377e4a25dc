"""The annotations that mean something here, and what may stand in them; all others are for people.

A misspelt one is a problem with its place when a set is loaded, not a surprise on the day somebody needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from watchword.kernel import Acr
from watchword.policy import text
from watchword.policy.errors import Problem
from watchword.policy.obligations import ANNOTATION
from watchword.policy.templates import Est

MODE: Final = "mode"
ENFORCE, REPORT_ONLY = "enforce", "report_only"
STEP_UPS: Final[Mapping[str, Acr]] = {"mfa": Acr.MULTI_FACTOR, "phishing_resistant": Acr.PHISHING_RESISTANT}
_SPAN: Final = re.compile(r"(\d{1,5})([smh])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
# What softens a denial, and so says nothing where nothing is denied.
_OF_FORBIDS: Final = ("step_up", "max_age", "approval")


def mode_of(est: Est) -> str:
    """Return whether a policy decides or only reports."""
    return str(est.get("annotations", {}).get(MODE, ENFORCE))


def span_s(written: str) -> int | None:
    """Return the seconds of `90s`, `15m` or `2h`; nothing for any other text."""
    found = _SPAN.fullmatch(written)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def refuse_wrong(policies: Iterable[tuple[Est, str, Problem]]) -> Iterator[Problem]:
    """Yield a problem for each annotation that cannot mean what its author believes.

    Args:
        policies: each in Cedar's JSON form and as it was written, with a problem that says where it begins.
    """
    for est, written, begins in policies:
        said: Mapping[str, Any] = est.get("annotations", {})
        for name, message, expected, known in _wrong(est["effect"] == "forbid", {k: v or "" for k, v in said.items()}):
            near = text.nearest(said[name] or "", frozenset(known))
            yield replace(_placed(name, written, begins), message=message, expected=expected, nearest=near)


def _wrong(is_forbid: bool, said: Mapping[str, str]) -> Iterator[tuple[str, str, str, Iterable[str]]]:  # noqa: FBT001  # the effect, and nothing else
    """Yield what is wrong: the annotation, the message, what was expected, the known values."""
    # Prevents: `@mode("report-only")` on a policy that everybody believes to watch.
    if said.get(MODE, ENFORCE) not in {ENFORCE, REPORT_ONLY}:
        yield MODE, f"no mode `{said[MODE][:40]}`", f"{ENFORCE} or {REPORT_ONLY}", (ENFORCE, REPORT_ONLY)
    # Prevents: `@step_up("mfa") permit (...)`, which permits without asking for anything.
    for name in _OF_FORBIDS if not is_forbid else ():
        if name in said:
            yield name, f"`@{name}` says nothing on a permit", "it on a `forbid` that holds until then", ()
    if not is_forbid:
        return
    if ANNOTATION in said:
        yield ANNOTATION, f"`@{ANNOTATION}` says nothing on a forbid", "it on the permits that carry it", ()
    if "step_up" in said and said["step_up"] not in STEP_UPS:
        wanted = " or ".join(f"`{one}`" for one in STEP_UPS)
        yield "step_up", f"no step-up `{said['step_up'][:40]}`", wanted, STEP_UPS
    if "max_age" in said and span_s(said["max_age"]) is None:
        yield "max_age", f"no span `{said['max_age'][:40]}`", "a span such as `90s`, `15m` or `2h`", ()
    elif "max_age" in said and "step_up" not in said:
        yield "max_age", "`@max_age` says nothing without `@step_up`", '`@step_up("mfa")` beside it', ()


def _placed(name: str, written: str, begins: Problem) -> Problem:
    """Say where an annotation stands in the file."""
    pairs = pairwise(text.tokens_of(written))
    at = next((sign.start for sign, word in pairs if sign.text == "@" and word.text == name), 0)
    line, column = text.line_and_column(written, at)
    return replace(begins, line=begins.line + line - 1, column=column + (begins.column - 1 if line == 1 else 0))
