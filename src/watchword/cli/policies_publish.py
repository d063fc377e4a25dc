"""`watchword policies keygen`, `publish`, `sign`, `rollback`, `history` and `diff`: signed bundles of policies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal

import typer

from watchword.cli.force import ask_node
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, printable, shell_of

_FOLLOWS_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.05

Keys = Annotated[
    list[str], typer.Option("--key", help="Key file that signs, or `node` for the node's own; repeatable.")
]
To = Annotated[Path | None, typer.Option("--to", help="Where the bundle goes; else where this node looks for bundles.")]
FormOption = Annotated[
    Literal["tar", "oci", "directory"] | None,
    typer.Option("--form", help="A tar, an OCI image layout or a signed directory; else what is there, else a tar."),
]
Days = Annotated[int, typer.Option("--days", help="After so many days the bundle may not be in force any more.")]


def keygen(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="New file for the private key, mode 0600.")],
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Seal it under this data directory's sealing key: of use only here.")
    ] = False,
) -> None:
    """Make a key that signs bundles, and print its public half for `policy.keys`."""
    from watchword.policy.bundles import FileKey  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    key = FileKey.generate()

    async def act(services: Any) -> None:
        key.write(file, sealer=services.sealer)

    if sealed:
        shell.run(act)
    else:
        key.write(file)
    shell.say(
        f"the private key is in {file}; nodes that name its public half in `policy.keys` take what it signs:\n"
        f"{key.public}",
        file=str(file),
        public=str(key.public),
        key=key.public.id,
    )


def publish(  # noqa: PLR0913  # each is an option that somebody may want
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Directory of policies.", exists=True, file_okay=False)],
    *,
    key: Keys,
    to: To = None,
    form: FormOption = None,
    days: Days = 90,
    cosigner: Annotated[
        list[str] | None, typer.Option("--cosigner", help="Public key of somebody who will sign later; repeatable.")
    ] = None,
    version: Annotated[int | None, typer.Option("--version", help="Another version than the next one.")] = None,
    expect_gain: Annotated[int | None, typer.Option(min=0, help="So many recorded decisions may gain.")] = None,
    expect_lose: Annotated[int | None, typer.Option(min=0, help="So many may lose.")] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Stop as well where an invariant is not proved, or nothing can prove it.")
    ] = False,
) -> None:
    """Check a directory, sign it and publish it as the next version; exit code 4 when a gate finds something wrong."""
    shell = shell_of(context)
    order = replace(
        _order(key, to=to, form=form, days=days, cosigner=cosigner, version=version),
        expect_gain=expect_gain,
        expect_lose=expect_lose,
        needs_proof=prove,
    )

    async def act(services: Any) -> tuple[Any, str]:
        from watchword.app import publish  # noqa: PLC0415  # quick help

        with _steps(shell) as begun:
            made = await publish(services, directory, order, actor=shell.actor, begun=begun)
        return made, await _in_force(services, made)

    made, words = shell.run(act)
    _tell(shell, made, words)


def sign(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="Bundle that somebody else built.", exists=True)],
    key: Keys,
    to: Annotated[Path | None, typer.Option("--to", help="Where it goes; else it stays where it is.")] = None,
) -> None:
    """Add a signature to a bundle that needs more than one."""
    shell = shell_of(context)
    order = _order(key, to=to)

    async def act(services: Any) -> tuple[Any, str]:
        from watchword.app import add_signatures  # noqa: PLC0415  # quick help

        made = await add_signatures(services, bundle, order, actor=shell.actor)
        return made, await _in_force(services, made)

    made, words = shell.run(act)
    _tell(shell, made, words)


def rollback(
    context: typer.Context,
    key: Keys,
    version: Annotated[int | None, typer.Argument(help="Kept version; else the one before the newest.")] = None,
    to: To = None,
    form: FormOption = None,
    days: Days = 90,
) -> None:
    """Publish the contents of an older version as a new one; versions only ever grow."""
    shell = shell_of(context)
    order = _order(key, to=to, form=form, days=days)

    async def act(services: Any) -> tuple[int, Any, str]:
        from watchword.app import roll_back  # noqa: PLC0415  # quick help

        with _steps(shell) as begun:
            older, made = await roll_back(services, version, order, actor=shell.actor, begun=begun)
        return older, made, await _in_force(services, made)

    older, made, words = shell.run(act)
    _tell(shell, made, words, older=older)


def history(context: typer.Context) -> None:
    """List the versions that are kept on this machine, the newest first."""
    from watchword.app import history  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    rows = [
        {
            "version": manifest.version,
            "is_the_last_in_force": is_last,
            "created": f"{manifest.created:%Y-%m-%d %H:%M}",
            "expires": f"{manifest.expires:%Y-%m-%d %H:%M}",
            "files": len(manifest.files),
            "digest": manifest.digest[:12],
        }
        for manifest, is_last in history(shell.settings())
    ]
    columns = ("version", "is_the_last_in_force", "created", "expires", "files", "digest")
    shell.show(rows, *columns, empty="no version is kept on this machine")


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="Directory, bundle, number of a kept version, or `current`.")],
    after: Annotated[str, typer.Argument(help="The same.")],
) -> None:
    """Show what changes from one set of policies to another: effects first, then policies, then the other files."""
    from watchword.app import contents_of  # noqa: PLC0415  # quick help
    from watchword.policy import PolicyLoadError  # noqa: PLC0415  # as above
    from watchword.policy.bundles import compare  # noqa: PLC0415  # as above

    shell = shell_of(context)
    settings = shell.settings()
    try:
        found = compare(contents_of(settings, before), contents_of(settings, after))
    except PolicyLoadError as error:
        _print_problems(shell, error.problems)
        raise typer.Exit(EXIT_FOUND_WRONG) from None
    if shell.is_json:
        shell.show([*map(_policy_row, found.policies), *map(_file_row, found.files)])
    else:
        _print_difference(found)


def is_bundle(path: Path) -> bool:
    """Tell whether `check` was given a bundle; a signed directory is one only where somebody asks for signatures."""
    return path.is_file() or (path / "oci-layout").exists()


def check_bundle(shell: Shell, path: Path) -> None:
    """Check a bundle as this node would, but for its version; a refusal is an error."""

    async def act(services: Any) -> Any:
        from watchword.app import examined  # noqa: PLC0415  # quick help

        return await asyncio.to_thread(examined, services, path)

    made, problems = shell.run(act)
    if problems:
        _print_problems(shell, problems)
        raise typer.Exit(EXIT_FOUND_WRONG)
    by = f"signed by {made.signed} of {made.needed} needed" if made.needed else "nobody's signature was asked for"
    shell.say(
        f"bundle version {made.manifest.version} is right; {by}; expires {made.manifest.expires:%Y-%m-%d %H:%M} UTC",
        version=made.manifest.version,
        digest=made.manifest.digest,
        signed=made.signed,
        needed=made.needed,
        expires_at=made.manifest.expires,
    )


def _order(
    key: Sequence[str],
    *,
    to: Path | None,
    form: str | None = None,
    days: int = 90,
    cosigner: Sequence[str] | None = None,
    version: int | None = None,
) -> Any:
    from watchword.app import Order  # noqa: PLC0415  # quick help
    from watchword.policy.bundles import Form  # noqa: PLC0415  # as above

    return Order(
        keys=tuple(key),
        cosigners=tuple(cosigner or ()),
        to=to.absolute() if to else None,
        form=Form(form) if form else None,
        days=days,
        version=version,
    )


def _tell(shell: Shell, made: Any, words: str, *, older: int | None = None) -> None:
    if made.problems:
        _print_problems(shell, made.problems)
        raise typer.Exit(EXIT_FOUND_WRONG)
    lines = [f"version {made.manifest.version} is in {made.path}"]
    if older is not None:
        lines[0] += f", with the contents of version {older}"
    lines[0] += f"; {words}"
    lines += [one_line(note) for note in made.notes]
    lines += [f"left out, since no policy engine reads it: {one_line(name)}" for name in made.left_out]
    shell.say(
        "\n".join(lines),
        version=made.manifest.version,
        digest=made.manifest.digest,
        file=made.path,
        signed=made.signed,
        needed=made.needed,
        expires_at=made.manifest.expires,
        left_out=made.left_out,
        notes=made.notes,
        contents_of=older,
    )


async def _in_force(services: Any, made: Any) -> str:
    """Wait until the node on this machine follows, if it looks there; say how that went."""
    if made.manifest is None:
        return ""
    if made.signed < made.needed:
        return (
            f"signed by {made.signed} of {made.needed} needed: another key holder runs `watchword policies sign` on it"
        )
    if not made.is_followed:
        return "bring it to where your nodes look"
    begun = monotonic()
    while monotonic() - begun < _FOLLOWS_WITHIN_S:
        status = await ask_node(services.settings.data)
        if status is None:
            return "no node runs on this data directory, so it is in force when one starts"
        if (status.get("policy_bundle") or {}).get("digest") == made.manifest.digest:
            return f"in force after {(monotonic() - begun) * 1000:.0f} ms"
        await asyncio.sleep(_LOOK_EVERY_S)
    return f"the running node has not taken it: {(status or {}).get('policy_problem') or 'look again in a moment'}"


@contextmanager
def _steps(shell: Shell) -> Iterator[Callable[[str], None]]:
    """Show which gate is at work; a gate may take minutes."""
    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  # as above

    console = Console(stderr=True)
    if shell.is_json or not console.is_terminal:
        yield lambda _name: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading")
        yield lambda name: progress.update(task, description=name)


def _print_problems(shell: Shell, problems: Sequence[Any]) -> None:
    if shell.is_json:
        shell.show([{"place": problem.place, "problem": str(problem)} for problem in problems])
        return
    for problem in problems:
        print(printable(str(problem)))


def _policy_row(change: Any) -> dict[str, Any]:
    return {
        "policy": change.id,
        "change": change.change.word,
        "before": change.before or None,
        "after": change.after or None,
        "place": change.place,
        "may_permit_more": change.may_permit_more,
        "lines": list(change.lines),
    }


def _file_row(change: Any) -> dict[str, Any]:
    return {
        "file": change.path,
        "part": change.part,
        "change": change.change.word,
        "lines": list(change.lines),
    }


def _print_difference(found: Any) -> None:
    if not found:
        print("nothing changes")
        return
    for change in found.policies:
        effect = " -> ".join(filter(None, dict.fromkeys((change.before, change.after))))
        more = "; may permit more" if change.may_permit_more else ""
        print(one_line(f"policy {change.id}: {change.change.word} ({effect}, {change.place}){more}"))
        _print_lines(change.lines)
    for change in found.files:
        print(one_line(f"{change.part} {change.path}: {change.change.word}"))
        _print_lines(change.lines)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(one_line(f"  {line}".replace("\t", "    ")))
    print()
