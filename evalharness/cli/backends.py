"""The command `backends`."""

import sys

from evalharness.cli.common import make_table, print_table


def backends() -> None:
    """Lists the backends and their options."""
    from evalharness.backends import backend_names, find_backend, option_names

    table = make_table("backend", "description", "options")
    for name in backend_names():
        backend = find_backend(name)
        description = (sys.modules[backend.__module__].__doc__ or "").split("\n\n")[0].replace("\n", " ")
        table.add_row(name, description, ", ".join(sorted(option_names(backend))))
    print_table(table)
