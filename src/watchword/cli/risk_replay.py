"""`watchword risk replay`: score recorded decisions again, from what they were read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, shell_of

if TYPE_CHECKING:
    from watchword.trust import Replayed
    from watchword.trust.behaviour import Model

_MOST_SHOWN = 12


def replay(
    context: typer.Context,
    reference: Annotated[str | None, typer.Argument(help="One decision; else the newest of the journal.")] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most so many.")] = 1_000,
) -> None:
    """Score decisions again: the same bits, or why not.

    Each with the versions of everything that it names; exit code 4 if any differs.
    """
    shell = shell_of(context)
    found = _replayed(shell, _records(shell, reference, limit))
    counts = Counter(each.outcome.value for each in found)
    others = [each for each in found if each.outcome.value != "same"]
    if shell.is_json:
        rows = [{"id": each.id, "outcome": each.outcome.value, "why": each.why} for each in others]
        shell.say("risk replay", decisions=len(found), same=counts["same"], others=rows)
    else:
        _print(found, others, counts["same"])
    if others:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _records(shell: Shell, reference: str | None, limit: int) -> Sequence[Any]:
    from watchword.audit import find_decision, last  # noqa: PLC0415  # quick help
    from watchword.kernel import DecisionId, NotFoundError  # noqa: PLC0415  # as above

    directory = shell.settings().journal_directory
    if reference is None:
        newest = last(directory, limit, where=lambda record: record.type == "decision" and "behaviour" in record.fields)
        return [record.fields for record in newest]
    fields = find_decision(directory, DecisionId(reference)).fields
    if "behaviour" not in fields:
        raise NotFoundError(
            "the risk of this decision was not computed from behaviour",
            hint="`watchword risk explain` shows the points that were added",
        )
    return [fields]


def _replayed(shell: Shell, records: Sequence[Any]) -> list[Replayed]:
    import sys  # noqa: PLC0415  # as above

    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.progress import track  # noqa: PLC0415  # as above

    from watchword.trust import ContextSource, replay  # noqa: PLC0415  # as above

    places, model_of = ContextSource.open(shell.settings().trust), _models(shell)
    is_quiet = shell.is_json or not sys.stderr.isatty()
    shown = track(records, "replaying", console=Console(stderr=True), transient=True, disable=is_quiet)
    return [replay(record, places, model_of) for record in shown]


def _models(shell: Shell) -> Callable[[str], Model | None]:
    """Return what finds the weights that have a label, among those that are kept."""
    from watchword.trust.learning import KeptModels, ModelKeptError  # noqa: PLC0415  # as above

    kept = KeptModels.of(shell.settings().data)
    versions = kept.versions()

    @cache
    def find(label: str) -> Model | None:
        digest = label.rpartition("/")[2]
        for version, name in versions.items():
            if digest and name.startswith(digest):
                try:
                    model = kept.read(version)
                except ModelKeptError:
                    return None
                return model if model.label == label else None
        return None

    return find


def _print(found: Sequence[Replayed], others: Sequence[Replayed], same: int) -> None:
    if not found:
        print("no decision of the journal was scored by behaviour: see the profiles `statistical` and `freeman`")
        return
    decisions = "decision" if len(found) == 1 else "decisions"
    print(f"{len(found):,} {decisions} scored again: {same:,} with the same bits, {len(others):,} not")
    alike: dict[tuple[str, str], list[str]] = {}
    for each in others:
        alike.setdefault((each.outcome.value, each.why), []).append(each.id)
    for (outcome, why), ids in list(alike.items())[:_MOST_SHOWN]:
        more = f"{len(ids):,} of them, the last" if len(ids) > 1 else ""
        print(one_line(f"  {outcome}: {why}"))
        print(one_line(f"    {f'{more} {ids[-1]}'.strip()}"))
    if others:
        print("  --output json names each of them")
