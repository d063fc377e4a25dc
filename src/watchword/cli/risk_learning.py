"""`watchword risk train | evaluate | rollback`: make the score better, and know by how much."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.risk_figures import tell_evaluation
from watchword.cli.risk_files import check_writable, write_private
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, shell_of
from watchword.kernel import ConfigurationError

if TYPE_CHECKING:
    from watchword.trust.labelled import Labelled
    from watchword.trust.learning import Trained


# Of each attacker: fewer would make figures of a few accidents, and too few labels.
_LEAST_INCIDENTS = 24
_LABELS = 50


class Kind(StrEnum):
    """Whose traffic is made."""

    WORKFORCE = "workforce"
    PUBLIC = "public"


def train(
    context: typer.Context,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Try the new score, and leave the old one in force.")
    ] = False,
    held_out_days: Annotated[int, typer.Option(min=1, max=90, help="So many days are kept for the trial.")] = 7,
) -> None:
    """Refit the score on feedback, on trial first.

    The new score takes over only if it finds no fewer attacks; exit code 4 if it would do harm.
    """
    from datetime import timedelta  # noqa: PLC0415  # quick help

    from watchword.trust.learning import KeptModels, Rules, Training  # noqa: PLC0415  # as above

    shell = shell_of(context)
    rules = Rules(held_out=timedelta(days=held_out_days))

    async def act(services: Any) -> Trained:
        kept = KeptModels.of(services.settings.data)
        training = Training(services.database, services.clock, services.entropy, kept)
        return await training.train(actor=shell.actor, is_dry=dry_run, rules=rules)

    trained = shell.run(act)
    if shell.is_json:
        shell.say("risk training", **_trained(trained))
    else:
        _print_trained(trained, is_dry=dry_run)
    if trained.trial.is_worse:
        raise typer.Exit(EXIT_FOUND_WRONG)


def rollback(
    context: typer.Context,
    *,
    to: Annotated[
        int | None, typer.Option(min=0, help="A kept version; 0 is the shipped score. Else the last.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the kept versions and change nothing.")] = False,
) -> None:
    """Put the score of before in force again."""
    from watchword.trust.learning import KeptModels, Training  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    if list_:
        _list_versions(shell)
        return

    async def act(services: Any) -> tuple[int, int]:
        kept = KeptModels.of(services.settings.data)
        training = Training(services.database, services.clock, services.entropy, kept)
        return await training.rollback(actor=shell.actor, to=to)

    version, former = shell.run(act)
    shell.say(f"version {version} is in force again, not {former}", version=version, former=former)


def evaluate(  # noqa: PLR0913  # each is an option that somebody may want
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Labelled observations as `risk synthesize` and `risk import` write them.")
    ] = None,
    *,
    users: Annotated[int, typer.Option(min=1, help="Without a file: people of the invented organisation.")] = 100,
    days: Annotated[int, typer.Option(min=2, help="Without a file: days.")] = 60,
    seed: Annotated[int, typer.Option(help="Without a file: of the organisation; and of what is drawn.")] = 1001,
    profile: Annotated[Kind, typer.Option(help="Without a file: people at work, or customers.")] = Kind.WORKFORCE,
    labels: Annotated[
        int | None,
        typer.Option(min=0, help="Measure a refit on so many labels as well; else 50, where there are so many."),
    ] = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="The shipped score, not the one in force.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Isolation forest, HBOS and ECOD as well; needs scikit-learn and PyOD.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report, with pictures, as one HTML file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the pictures as one PNG file; needs Pillow.")] = None,
    least_auc: Annotated[float, typer.Option(min=0.0, max=1.0, help="Exit with code 4 below this.")] = 0.0,
) -> None:
    """Measure how well the score tells attackers from owners.

    On traffic of which it is known who made it: a file, or an invented organisation.
    """
    from watchword.trust.behaviour import Freeman, Model  # noqa: PLC0415  # quick help
    from watchword.trust.learning import (  # noqa: PLC0415  # as above
        KeptModels,
        Plan,
        figures,
        generic_detectors,
        read_observations,
    )
    from watchword.trust.learning import evaluate as measured  # noqa: PLC0415  # as above
    from watchword.trust.learning.report import page, require_pillow, sheet  # noqa: PLC0415  # as above

    shell = shell_of(context)
    _check_labels(labels)
    check_writable(html, png)
    model = Model() if shipped else KeptModels.of(shell.settings().data).current()
    others = generic_detectors(seed=seed) if compare else None
    if png is not None:
        require_pillow()
    traffic = read_observations(file) if file is not None else _invented(users, days, seed, profile)
    source = file.name if file is not None else f"an invented organisation, {users} people, {days} days, seed {seed}"
    with progress(shell, "acts judged") as tell:
        plan = Plan(labels=_LABELS if labels is None else labels, seed=seed, needs_labels=labels is not None)
        found = measured(traffic, model, plan, rivals={"freeman": Freeman()}, generic=others, tell=tell)
    if html is not None:
        write_private(html, page(found, source=source).encode())
    if png is not None:
        write_private(png, sheet(found))
    reached = found.own.by_attacker["all"].auc if "all" in found.own.by_attacker else 0.0
    if shell.is_json:
        shell.say("risk evaluation", model=model.label, **figures(found))
    else:
        tell_evaluation(found, source=source, asked_labels=plan.labels)
        for path in (html, png):
            if path is not None:
                print(f"written to {path}")
        if reached < least_auc:
            print(f"the area under the curve is {reached:.4f}, less than the {least_auc} that was asked for")
    if reached < least_auc or found.unreadable:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _check_labels(labels: int | None) -> None:
    from watchword.trust.learning import Recipe  # noqa: PLC0415  # quick help

    least = Recipe().least_labels
    if labels is not None and 0 < labels < least:
        raise ConfigurationError(
            f"a refit on {labels} labels cannot be measured", hint=f"it needs {least}; `--labels 0` leaves it out"
        )


def _invented(users: int, days: int, seed: int, profile: Kind) -> Iterable[Labelled]:
    from watchword.trust.synthesis import OrganisationSpec, Profile, generate  # noqa: PLC0415  # quick help

    spec = OrganisationSpec(
        users=users,
        days=days,
        profile=Profile(profile.value),
        incidents=max(_LEAST_INCIDENTS, users // 8),
        requests_a_session=2.0,
    )
    return generate(spec, seed=seed)


@contextmanager
def progress(shell: Shell, words: str) -> Iterator[Callable[[int], None]]:
    """Show how many there were, to people at a terminal only; how many there will be nobody knows."""
    if shell.is_json or not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console  # noqa: PLC0415  # quick help
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415  # as above

    columns = (TextColumn("{task.completed:,.0f} {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda count: bar.update(task, completed=count)


def _trained(trained: Trained) -> dict[str, Any]:
    trial = trained.trial
    return {
        "promoted": trial.is_promoted,
        "version": trained.version,
        "former": trained.former,
        "why": trial.why,
        "labels": trial.learned,
        "held": trained.held,
        "attacks": trial.attacks,
        "owners": trial.owners,
        "champion": {name: round(getattr(trial.champion, name), 4) for name in _OUTCOMES},
        "challenger": {name: round(getattr(trial.challenger, name), 4) for name in _OUTCOMES},
        "weights": {name: round(weight, 4) for name, weight in sorted(trained.model.weights.items())},
    }


_OUTCOMES = ("detection", "reauthentication", "brier")


def _print_trained(trained: Trained, *, is_dry: bool) -> None:
    trial = trained.trial
    print(
        f"{trial.learned} labels learned from, {trained.held} held back; "
        f"tried on {trial.attacks} attacks and {trial.owners} owners of the last days"
    )
    if not trial.is_promoted:
        print(f"version {trained.version} stays in force: {trial.why}")
    elif is_dry:
        print(f"the new score would take over: {trial.why}")
    else:
        print(f"version {trained.version} is in force, not {trained.former}: {trial.why}")
        print("`watchword risk rollback` goes back")


def _list_versions(shell: Shell) -> None:
    from watchword.trust.learning import KeptModels  # noqa: PLC0415  # quick help

    kept = KeptModels.of(shell.settings().data)
    now = kept.state().version
    rows = [
        {"version": version, "hash": digest[:12], "in_force": version == now}
        for version, digest in kept.versions().items()
    ]
    shell.show(rows, "version", "hash", "in_force")
