"""The `evalharness sandbox` commands."""

from typing import Annotated, Any

import typer
from rich.console import Console

from evalharness.cli.arguments import show_help
from evalharness.util.text import counted

app = typer.Typer(help="The containers that samples run in.", callback=show_help, invoke_without_command=True)

Names = Annotated[list[str] | None, typer.Argument(help="Image names. [default: Python and the six of `multipl-e`]")]
All = Annotated[bool, typer.Option("--all", help="Every image that there is a folder for.")]
EngineOption = Annotated[str, typer.Option("--sandbox", help="docker or bubblewrap.")]
Options = Annotated[list[str] | None, typer.Option("--option", help="runtime=, memory_gb= (key=value)")]


def say(text: str) -> None:
    """A line for the person who waits."""
    print(text, flush=True)


@app.command()
def build(names: Names = None, everything: All = False, sandbox: EngineOption = "docker") -> None:
    """Builds images; what is unchanged is kept."""
    from evalharness.errors import UserError
    from evalharness.sandbox.engines import images
    from evalharness.sandbox.factory import find_engine

    chosen = choose(names, everything)
    engine = find_engine(sandbox)(log=say)
    failed = []
    for name in chosen:
        try:
            say(f"{name}: {engine.prepare(name)['id']}")
        except UserError as error:
            if not everything:
                raise
            say(f"{name}: {error}")
            failed.append(name)
    if any(not images.needs_registry(name) for name in failed):
        raise typer.Exit(2)


def choose(names: list[str] | None, everything: bool) -> list[str]:
    """The images that are meant. Raises UserError for an unknown one."""
    from evalharness.sandbox.engines import images

    chosen = images.image_names() if everything else names or list(images.DEFAULT)
    for name in chosen:
        images.image_folder(name)
    return chosen


@app.command()
def check(
    names: Names = None, everything: All = False, sandbox: EngineOption = "docker", option: Options = None
) -> None:
    """Tries the engine and prints what it guarantees here.

    Exits 1 if anything does not hold.
    """
    from evalharness.cli.arguments import parse_key_values
    from evalharness.errors import UserError
    from evalharness.sandbox import conformance
    from evalharness.sandbox.engines import images
    from evalharness.sandbox.engines.guarantees import GUARANTEES
    from evalharness.sandbox.factory import open_sandbox
    from evalharness.sandbox.languages import languages

    chosen = [name for name in choose(names, everything) if name in languages()]
    options = parse_key_values(option or [])
    if unknown := sorted(set(options) - {"runtime", "memory_gb"}):
        raise UserError(f"option {unknown[0]} is none of a check's; known: runtime, memory_gb")
    pool = open_sandbox(sandbox, 1, {**options, "allow": ",".join(GUARANTEES)}, say)
    good, said = True, Console(soft_wrap=True, highlight=False)

    def show(finding: conformance.Finding) -> None:
        nonlocal good
        good = good and finding.good
        mark = "[green]yes[/]" if finding.good else "[red]NO [/]"
        said.print(f"{mark}  {finding.text}", end="")
        said.print(f"\n     {finding.reason}" if finding.reason else "", markup=False)

    try:
        pool.prepare(["python"])
        said.print(f"{pool.describe()['engine']}")
        for finding in conformance.check_guarantees(pool.engine, "python"):
            show(finding)
        for finding in conformance.check_trials(pool, "python"):
            show(finding)
        for name in chosen:
            if everything and images.needs_registry(name) and not images.is_built(name):
                said.print(f"-    {languages()[name].language}: its image needs a registry, and is not built")
            else:
                show(conformance.check_language(pool, name))
    finally:
        pool.close()
    if not good:
        raise typer.Exit(1)


@app.command()
def clean(
    built: Annotated[bool, typer.Option("--images", help="Remove images of earlier versions, too.")] = False,
) -> None:
    """Removes what killed harnesses left behind.

    These are containers and control groups.
    """
    from evalharness.sandbox.engines import bubblewrap, cgroups, images, rootfs
    from evalharness.sandbox.engines.docker import connect, remove_orphans

    client: Any = connect()
    say(f"{counted(remove_orphans(client), 'container')} removed")
    say(f"{counted(cgroups.remove_left(bubblewrap.living()), 'control group')} removed")
    if built:
        say(f"{counted(images.remove_old(client), 'image')} of earlier versions removed")
        say(f"{counted(rootfs.remove_old(), 'root file system')} of earlier versions removed")
