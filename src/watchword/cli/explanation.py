"""Say in plain words what a recorded decision stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from watchword.kernel import Reason

if TYPE_CHECKING:
    from watchword.policy.telling import Recollection

_BY_POLICY = {Reason.POLICY_FORBIDS, Reason.POLICY_SILENT, Reason.POLICY_ASKS_STEP_UP}
_REASONS = {reason.code: reason for reason in Reason}
_VERDICTS = {
    "allow": "was let in",
    "step_up": "was asked for a second factor",
    "approval": "needs somebody's approval",
    "deny": "was refused",
}
_BAR = 20


def explain_record(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of an explanation, most important first."""
    who = record.get("user") or "somebody unknown"
    where = f"{record['method']} {record['host']}{record['path']}"
    yield f"{who} {_VERDICTS.get(record['answer'], record['answer'])}: {where}"
    yield f"at {record['at']}, decided in {record.get('cost_us', 0)} us, reference {record['id']}"
    if record.get("repeats"):
        yield f"on the facts of {record['repeats']}, all of which still held"
    if record.get("leased"):
        yield f"for {record['leased']:,} requests, the same to the letter, that the edge let in by itself meanwhile"
    yield ""
    yield "Why"
    for code in record.get("reasons") or ():
        reason = _REASONS.get(code)
        yield f"  {code}: {reason.words if reason else ''}"
    for name, words in record.get("policies") or ():
        yield f"  policy `{name}`" + (f": {words}" if words else "")
    for error in record.get("policy_errors") or ():
        yield f"  policy error: {error}"
    remedies = [
        _REASONS[code].remedy for code in record.get("reasons") or () if code in _REASONS and _REASONS[code].remedy
    ]
    if remedies and record["answer"] != "allow":
        yield ""
        yield "What would help"
        yield from (f"  {remedy}" for remedy in dict.fromkeys(remedies))
        if record.get("step_up"):
            minutes = record["step_up"]["max_age_s"] // 60
            yield f"  a second factor shown within {minutes} minutes, from the same network"
    personal = record.get("personal") or {}
    details = personal.get("details") or {}
    yield from _score("Risk", record.get("risk"), record.get("contributions") or (), details)
    behaviour = record.get("behaviour") or {}
    if behaviour:
        yield f"  {behaviour['log_odds']:>+6.2f} log-odds, probability of somebody else {behaviour['probability']:.4f}"
    yield from _score("Trust", record.get("trust"), record.get("trust_contributions") or (), details)
    yield ""
    yield "What was read"
    values = personal.get("facts") or {}
    for name, public, age_s in record.get("facts") or ():
        value = values.get(name, public)
        age = f"{_age(age_s)} old" if age_s is not None else ""
        yield f"  {name:<20} {'unknown' if value is None else value!s:<34} {age}".rstrip()
    yield f"  {'policies':<20} {str(record.get('policy_version') or '')[:12] or 'none'}"


def told_to_the_person(record: Mapping[str, Any], found: Recollection | None) -> Iterator[str]:
    """Yield what the person who asked may read: no policy, no clause, no fact.

    Args:
        found: what the policies say to it now; it gives a hint only where they are those that decided.
    """
    from watchword.policy.telling import ASK_SOMEBODY, for_the_refused  # noqa: PLC0415  # quick help

    if record["answer"] == "allow":
        return
    reasons = [_REASONS[code] for code in record.get("reasons") or () if code in _REASONS]
    own = [words for _, words in record.get("policies") or () if words]
    remedies = [reason.remedy for reason in reasons if reason.remedy]
    is_by_policy = bool(reasons) and reasons[0] in _BY_POLICY
    hints = for_the_refused(found.said) if found and not found.reservation and is_by_policy else ()
    said = own or [reason.words for reason in reasons[:1]]
    yield from dict.fromkeys([*said, *remedies, *(hint for hint in hints if hint != ASK_SOMEBODY)])


def _score(title: str, total: Any, parts: Any, details: Mapping[str, str]) -> Iterator[str]:
    if total is None:
        return
    yield ""
    yield f"{title} {total} of 100 {'#' * round(int(total) / 100 * _BAR):.<{_BAR}}"
    for indicator, points in parts:
        shown = f"{points:>+4}" if isinstance(points, int) else f"{points:>+6.2f}"
        yield f"  {shown} {indicator:<20} {details.get(indicator, '')}"


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
