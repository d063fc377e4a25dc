"""How an evaluation is told in a terminal: two tables, and what their figures mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from watchword.cli.shell import one_line

if TYPE_CHECKING:
    from watchword.trust.learning import Evaluation, Measured

_EVERYBODY = "all"
_BAR = 12
_FULL, _EMPTY = "\N{FULL BLOCK}", "\N{LIGHT SHADE}"
_DOING = {"sign_in": "log-ins", "prompt": "prompts", "request": "requests"}
_MEANING = (
    "auc    how often an attack scores above an owner; 0.500 is chance, an empty bar",
    "found  attacks found where one in a hundred owners' acts raises an alarm",
    "asked  owners asked again in their first 12 or 39 log-ins, where 98% of naive",
    "       and VPN attackers are found",
)


def tell_evaluation(found: Evaluation, *, source: str, asked_labels: int) -> None:
    """Print the figures of an evaluation for people."""
    for line in lines(found, source=source, asked_labels=asked_labels):
        print(one_line(line).rstrip())


def lines(found: Evaluation, *, source: str, asked_labels: int = 0) -> Iterator[str]:
    """Yield what is printed; 80 columns are enough."""
    yield source
    yield f"{found.acts:,} acts, {len(found.scored):,} of them counted; judged by {found.model.label}"
    yield ""
    yield from _attackers(found)
    yield ""
    yield from _methods(found)
    if found.own.ece is not None:
        after = found.with_labels.ece if found.with_labels is not None else None
        more = f", and by {after:.3f} after {len(found.labels)} labels" if after is not None else ""
        yield ""
        yield f"probabilities are off by {found.own.ece:.3f} on average{more}"
    yield ""
    yield from _MEANING
    yield from _remarks(found, asked_labels)


def _attackers(found: Evaluation) -> Iterator[str]:
    after = found.with_labels
    later = f"  {f'{len(found.labels)} labels':>9}" if after else ""
    yield f"{'attacker':<18}{'auc':>6}  {'':<{_BAR}}{'found':>7}{'attacks':>9}  {'judged by':<9}{later}"
    names = sorted(found.own.by_attacker, key=lambda name: (name == _EVERYBODY, name))
    for name in names:
        quality = found.own.by_attacker[name]
        words = "all who sign in" if name == _EVERYBODY else name.replace("_", " ")
        later = f"{after.by_attacker[name].auc:>11.3f}" if after is not None and name in after.by_attacker else ""
        yield (
            f"{words:<18}{quality.auc:>6.3f}  {_bar(quality.auc)}{quality.tpr_at_1pct_fpr:>7.0%}"
            f"{quality.attacks:>9,}  {_DOING[quality.act.value]:<9}{later}"
        )


def _methods(found: Evaluation) -> Iterator[str]:
    from watchword.trust.learning.report import method_name  # noqa: PLC0415  # quick help

    shown: list[Measured] = [found.own, *([found.with_labels] if found.with_labels else []), *found.rivals.values()]
    shown = [each for each in shown if _EVERYBODY in each.by_attacker]
    counts: Sequence[int] = list(found.own.reauthentication)
    if not shown:
        return
    yield f"{'method':<36}{'auc':>6}{'found':>8}" + "".join(f"{f'asked/{count}':>11}" for count in counts)
    for each in shown:
        quality = each.by_attacker[_EVERYBODY]
        rates = [each.reauthentication.get(count) for count in counts]
        asked = "".join(f"{rate:>11.1%}" if rate is not None else f"{'':>11}" for rate in rates)
        yield f"{method_name(each.name):<36}{quality.auc:>6.3f}{quality.tpr_at_1pct_fpr:>8.0%}{asked}"


def _remarks(found: Evaluation, asked_labels: int) -> Iterator[str]:
    if asked_labels and found.with_labels is None:
        yield ""
        yield f"too few attacks before what was counted to measure a refit on {asked_labels} labels, so it is left out"
    if found.left_out:
        yield ""
        yield f"no act of an owner is like those of: {', '.join(found.left_out)}"
    if found.unreadable:
        yield ""
        yield f"{found.unreadable:,} acts could not be read by the score, which is a fault of it"


def _bar(area: float) -> str:
    """Draw what an area has above chance."""
    full = round(max(0.0, 2 * area - 1) * _BAR)
    return _FULL * full + _EMPTY * (_BAR - full)
