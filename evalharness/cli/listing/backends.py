"""The command `evalharness backends`, which lists the backends, or the options of one."""

import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from evalharness.cli.tables import make_table, print_option_descriptions, print_paragraphs, print_table


def backends(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Backend to describe. [default: list all]")] = None,
) -> None:
    """Lists the backends, or describes the options of one."""
    from evalharness.backends import find_backend, option_names, usable_backends
    from evalharness.backends.factory import find_option_schema
    from evalharness.backends.options import describe_options

    if name is not None:
        backend = find_backend(name)
        print_paragraphs([f"{name}: {describe_backend_in_one_line(backend)}"])
        schema = find_option_schema(backend)
        print_option_descriptions(describe_options(schema) if schema else [], f"backend {name}")
        return
    table = make_table("backend", "description", "options")
    for backend_name, backend in usable_backends().items():
        table.add_row(backend_name, describe_backend_in_one_line(backend), ", ".join(sorted(option_names(backend))))
    print_table(table, keep_words_whole=True)
    print("`evalharness backends NAME` describes the options of one.")


def describe_backend_in_one_line(backend: Callable[..., Any]) -> str:
    """Returns a one-line description of a backend: the first paragraph of its module's docstring."""
    text = getattr(sys.modules.get(backend.__module__), "__doc__", None) or inspect.getdoc(backend) or ""
    return " ".join(text.split("\n\n")[0].split())
