"""`watchword risk feedback`: verdicts on decisions, what was held back, and what is all right for a while."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, shell_of
from watchword.cli.users import find_user

app = typer.Typer(help="Say of decisions who it was; the score learns.", no_args_is_help=True)

_DAYS = 30.0
_WIDE = 120
_HELD = {
    "disputed": "waits: another source says the contrary",
    "bulk": "waits: one of many against a sure score",
    "user_cap": "this account has said enough",
    "giver_cap": "whoever gave it has said enough that day",
    "rejected": "rejected",
    "unreadable": "cannot be learned from",
}


@app.command("give")
def give(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(help="The reference of a decision, or of a sign-in as `risk batch` lists it.")
    ],
    *,
    attack: Annotated[bool, typer.Option("--attack", help="It was somebody else.")] = False,
    owner: Annotated[bool, typer.Option("--owner", help="It was the owner of the account.")] = False,
) -> None:
    """Give a verdict on one decision."""
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # quick help
    from watchword.trust.learning import Feedback, KeptModels, judged_of  # noqa: PLC0415  # as above

    if attack == owner:
        raise ConfigurationError("a verdict is one of two", hint="say --attack or --owner")
    shell = shell_of(context)
    settings = shell.settings()
    record = _decision_of(settings.journal_directory, reference)
    about = judged_of(record, KeptModels.of(settings.data))

    async def act(services: Any) -> Any:
        feedback = Feedback(services.database, services.clock, services.entropy)
        return await feedback.verdict(about, is_attack=attack, actor=shell.actor)

    label = shell.run(act)
    word = "an attacker's" if attack else "its owner's"
    shell.say(
        f"noted that it was {word}; `watchword risk train` learns from it",
        label=label.id,
        act=label.act,
        user=label.user,
        session=record.get("session"),
    )
    if attack and record.get("session") and not shell.is_json:
        # A label stops nobody, and whoever gives this one wants somebody stopped.
        print(f"  that ends nothing by itself: `watchword sessions end {record['session']}`")


@app.command("list")
def list_labels(
    context: typer.Context,
    *,
    held: Annotated[
        bool, typer.Option("--held", help="Only what does not count, with the reason; 4 if any waits.")
    ] = False,
) -> None:
    """List what was said of decisions."""
    from watchword.trust.learning import Feedback  # noqa: PLC0415  # quick help

    shell = shell_of(context)

    async def act(services: Any) -> Any:
        feedback = Feedback(services.database, services.clock, services.entropy)
        return await feedback.admitted(), await _names(services)

    found, names = shell.run(act)
    rows = [] if held else [_row(label, "", names) for label in found.counted]
    rows += [_row(each.label, each.why.value, names) for each in found.held]
    empty = "nothing is held back" if held else "nobody has said anything: `watchword risk feedback give`"
    shell.show(rows, *_columns("label", "name", "said", "why", wide=("by", "act", "at")), empty=empty)
    if held and found.for_review:
        raise typer.Exit(EXIT_FOUND_WRONG)


@app.command("release")
def release(context: typer.Context, label: Annotated[str, typer.Argument(help="As `list --held` shows it.")]) -> None:
    """Let a label count that was held back."""
    _review(context, label, is_released=True)


@app.command("reject")
def reject(context: typer.Context, label: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """Let a label count no more."""
    _review(context, label, is_released=False)


@app.command("suppress")
def suppress(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="USER", help="Name or identifier.")],
    *,
    network: Annotated[str, typer.Option(help="A network, or an address in it.")] = "",
    device: Annotated[str, typer.Option(help="The identifier of a device.")] = "",
    country: Annotated[str, typer.Option(help="Two letters, such as FR.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")],
    days: Annotated[float, typer.Option(min=0.01, max=90, help="How long.")] = _DAYS,
) -> None:
    """Say that something is all right for one user.

    One network, device or country, for a while; what it adds to their risk is silent until then.
    """
    from watchword.kernel import ConfigurationError, DeviceId  # noqa: PLC0415  # quick help
    from watchword.trust import network_of  # noqa: PLC0415  # as above
    from watchword.trust.learning import Feedback, Scope  # noqa: PLC0415  # as above

    given = [(Scope.NETWORK, network), (Scope.DEVICE, device), (Scope.COUNTRY, country.upper())]
    chosen = [(scope, value) for scope, value in given if value]
    if len(chosen) != 1:
        raise ConfigurationError("a suppression has one scope", hint="name one of --network, --device and --country")
    scope, value = chosen[0]
    if scope is Scope.DEVICE:
        value = DeviceId(value)
    if scope is Scope.NETWORK:
        address, is_network, _ = value.partition("/")
        value = network_of(address)
        if not value:
            raise ConfigurationError(f"`{network}` is no network", hint="write an address, such as 203.0.113.7")
        # Prevents: a wider network, or a narrower one, being meant than what is silenced.
        if is_network and network.lower() != value:
            raise ConfigurationError(f"`{network}` cannot be silenced", hint=f"networks are as wide as `{value}`")
    shell = shell_of(context)

    async def act(services: Any) -> Any:
        user = await find_user(services, person)
        feedback = Feedback(services.database, services.clock, services.entropy)
        return await feedback.suppress(user.id, scope, value, days=days, reason=reason, actor=shell.actor)

    found = shell.run(act)
    shell.say(
        f"`{found.value}` is all right for {person} until {found.until:%Y-%m-%d %H:%M}",
        id=found.id,
        scope=scope.value,
        value=found.value,
        until=found.until,
    )


@app.command("suppressions")
def suppressions(context: typer.Context) -> None:
    """List what is all right for whom, and until when."""
    from watchword.trust.learning import Feedback  # noqa: PLC0415  # quick help

    shell = shell_of(context)

    async def act(services: Any) -> Any:
        feedback = Feedback(services.database, services.clock, services.entropy)
        return await feedback.suppressions(), await _names(services)

    found, names = shell.run(act)
    rows = [
        {
            "id": each.id,
            "user": each.user,
            "name": names.get(each.user, each.user),
            "scope": each.scope.value,
            "value": each.value,
            "until": f"{each.until:%Y-%m-%d %H:%M}",
            "by": each.given_by,
            "reason": each.reason,
        }
        for each in found
    ]
    shell.show(rows, *_columns("id", "name", "value", "until", wide=("reason", "by")), empty="nothing is suppressed")


@app.command("unsuppress")
def unsuppress(
    context: typer.Context, suppression: Annotated[str, typer.Argument(help="As `suppressions` shows it.")]
) -> None:
    """Take a suppression back before its time."""
    from watchword.trust.learning import Feedback  # noqa: PLC0415  # quick help

    shell = shell_of(context)

    async def act(services: Any) -> None:
        feedback = Feedback(services.database, services.clock, services.entropy)
        await feedback.unsuppress(suppression, actor=shell.actor)

    shell.run(act)
    shell.say(f"`{suppression}` is taken back", id=suppression)


def _review(context: typer.Context, label: str, *, is_released: bool) -> None:
    from watchword.trust.learning import Feedback  # noqa: PLC0415  # quick help

    shell = shell_of(context)

    async def act(services: Any) -> Any:
        feedback = Feedback(services.database, services.clock, services.entropy)
        return await feedback.review(label, is_released=is_released, actor=shell.actor)

    found = shell.run(act)
    shell.say(f"`{found.id}` is {found.review.value}", label=found.id, review=found.review.value)


def _decision_of(directory: Path, reference: str) -> Mapping[str, Any]:
    """Return the record of a decision; of a sign-in the newest decision of its session that behaviour weighed."""
    from watchword.audit import find_decision, last  # noqa: PLC0415  # quick help
    from watchword.kernel import DecisionId, NotFoundError  # noqa: PLC0415  # as above

    if not reference.startswith("evt_"):
        return find_decision(directory, DecisionId(reference)).fields
    hint = "give the reference of a decision: `watchword decisions tail` lists the newest"
    begun = last(directory, 1, where=lambda record: record.fields.get("id") == reference)
    if not begun or begun[0].type != "identity.session.started":
        raise NotFoundError(f"the journal holds no sign-in `{reference}`", hint=hint)
    session = begun[0].fields.get("subject")
    found = last(
        directory, 1, where=lambda record: record.fields.get("session") == session and "behaviour" in record.fields
    )
    if not found:
        raise NotFoundError("nothing that this session did was weighed by behaviour", hint=hint)
    return found[0].fields


async def _names(services: Any) -> dict[str, str]:
    """Return what people are called, by identifier."""
    return {each.id: each.name for each in await services.identity.reader.users()}


def _columns(*names: str, wide: tuple[str, ...]) -> tuple[str, ...]:
    """Choose columns: identifiers that are cut over lines can be copied by nobody."""
    is_narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < _WIDE
    return names if is_narrow else (*names, *wide)


def _row(label: Any, held: str, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "label": label.id,
        "act": label.act,
        "user": label.user,
        "name": names.get(label.user, label.user),
        "said": "attack" if label.is_attack else "owner",
        "source": label.source.value,
        "by": label.given_by,
        "at": f"{label.given_at:%Y-%m-%d %H:%M}",
        "weight": round(label.weight, 3),
        "held": held or None,
        "why": _HELD.get(held, held) or None,
    }
