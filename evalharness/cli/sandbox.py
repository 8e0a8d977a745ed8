"""The commands `evalharness sandbox build|check|clean`: images, isolation tests and cleaning up."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from evalharness.cli import options as opt
from evalharness.cli.common import ExitCode, show_help
from evalharness.errors import UserError
from evalharness.util.text import counted
from evalharness.util.visible import escape_control_characters, unwrap_stream

app = typer.Typer(help="Builds and checks the sandbox's images.", callback=show_help, invoke_without_command=True)

CHECK_OPTIONS = ("runtime", "memory_gb")

ImageNamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Names of images. [default: python, cpp, java, js, php, sh and ts]",
    ),
]
AllImagesOption = Annotated[
    bool, typer.Option("--all", help="Every image that has a folder in sandboxes/. [default: no]")
]


def print_unbuffered(text: str) -> None:
    """Prints a line immediately (unbuffered), since building an image takes minutes."""
    print(text, flush=True)


@app.command()
def build(
    names: ImageNamesArgument = None, all_images: AllImagesOption = False, sandbox: opt.SandboxOption = "docker"
) -> None:
    """Builds the sandbox's images; unchanged images are kept."""
    from evalharness.sandbox.engines import images
    from evalharness.sandbox.factory import engine_class

    selected = select_image_names(names, all_images)
    engine = engine_class(sandbox)(log=print_unbuffered)
    failed = []
    for name in selected:
        try:
            print_unbuffered(f"{name}: {engine.prepare(name)['id']}")
        except UserError as error:
            if not all_images:
                raise
            print_unbuffered(f"{name}: {error}")
            failed.append(name)
    if any(not images.needs_image_registry(name) for name in failed):
        raise typer.Exit(ExitCode.USER)


def select_image_names(requested_names: list[str] | None, all_images: bool) -> list[str]:
    """Returns the names of the sandbox images to use: all, the requested ones, or the default ones.

    Raises UserError for an unknown name.
    """
    from evalharness.sandbox.engines import images

    selected = images.image_names() if all_images else requested_names or list(images.DEFAULT)
    for name in selected:
        images.image_folder(name)
    return selected


@app.command()
def check(
    names: ImageNamesArgument = None,
    all_images: AllImagesOption = False,
    sandbox: opt.SandboxOption = "docker",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="runtime= (docker only: another container runtime, such as runsc) or memory_gb= (memory of all "
            "containers together); may be repeated. [default: none]",
        ),
    ] = None,
) -> None:
    """Tests the sandbox's isolation guarantees on this machine.

    Also grades a correct and a wrong program of each language. Exits 1 if one of the tests fails.
    """
    from evalharness.sandbox import conformance
    from evalharness.sandbox.engines import images
    from evalharness.sandbox.engines.guarantees import GUARANTEES
    from evalharness.sandbox.factory import open_sandbox
    from evalharness.sandbox.languages import languages_by_image

    selected = [name for name in select_image_names(names, all_images) if name in languages_by_image()]
    options = opt.parse_key_values(option)
    if unknown := sorted(set(options) - set(CHECK_OPTIONS)):
        raise UserError(
            f"--option {unknown[0]} is not an option of sandbox check; use one of {', '.join(CHECK_OPTIONS)}"
        )
    pool = open_sandbox(sandbox, 1, {**options, "allow": ",".join(GUARANTEES)}, print_unbuffered)
    all_good = True
    console = Console(file=unwrap_stream(sys.stdout), soft_wrap=True, highlight=False)

    def print_check_result(check_result: conformance.EngineCheck) -> None:
        nonlocal all_good
        all_good = all_good and check_result.passed
        mark = "[green]yes[/]" if check_result.passed else "[red]NO [/]"
        console.print(f"{mark}  {escape(escape_control_characters(check_result.text))}", end="")
        console.print(
            f"\n     {escape_control_characters(check_result.reason)}" if check_result.reason else "", markup=False
        )

    try:
        pool.prepare(["python"])
        console.print(f"{pool.describe()['engine']}")
        for finding in conformance.check_guarantees(pool.engine, "python"):
            print_check_result(finding)
        for finding in conformance.check_hostile_programs(pool, "python"):
            print_check_result(finding)
        for name in selected:
            if all_images and images.needs_image_registry(name) and not images.is_image_built(name):
                console.print(
                    f"-    {languages_by_image()[name].language}: not checked; building its image needs a container "
                    "registry"
                )
            else:
                print_check_result(conformance.check_language(pool, name))
    finally:
        pool.close()
    if not all_good:
        raise typer.Exit(ExitCode.INFRASTRUCTURE)


@app.command()
def clean(
    old_images: Annotated[
        bool, typer.Option("--images", help="Also remove the images of earlier versions. [default: no]")
    ] = False,
) -> None:
    """Removes the containers and control groups of killed runs."""
    from evalharness.sandbox.engines import cgroups, images, rootfs
    from evalharness.sandbox.engines.docker import connect_to_engine, remove_orphaned_containers

    client = connect_to_engine()
    print_unbuffered(f"{counted(remove_orphaned_containers(client), 'container')} removed")
    print_unbuffered(f"{counted(cgroups.remove_orphaned_groups(), 'control group')} removed")
    if old_images:
        print_unbuffered(f"{counted(images.remove_old_images(client), 'image')} of earlier versions removed")
        print_unbuffered(
            f"{counted(rootfs.remove_old_root_file_systems(), 'root file system')} of earlier versions removed"
        )
