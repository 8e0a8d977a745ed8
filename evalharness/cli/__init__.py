"""The command line: thin typer commands above the Python API, one file per command group.

Commands import the pipeline, the reports and the sandbox inside their functions, so that `--help` is printed at once.
"""
