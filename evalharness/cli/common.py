"""Helpers of all commands: printing, exit codes, and the translation of exceptions into an error line and a code."""

import logging
import os
import select
import sys
import traceback
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NoReturn

import typer

from evalharness.errors import InfrastructureError, UserError
from evalharness.metrics.reasons import format_failure_reason
from evalharness.util.plugins import find_plugin_position, logger
from evalharness.util.text import counted
from evalharness.util.visible import escape_standard_streams

CLICK_ERROR: Any = typer.BadParameter.__mro__[1]
"""click's `UsageError`, by a path that exists in every version of typer."""


RENAMED_OPTIONS = {"--engine": "--executor"}
"""Old names of command-line options, which still work in this version, and the new ones."""


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    INFRASTRUCTURE = 1
    """The work is done, but some samples have no verdict because the infrastructure failed."""
    USER = 2
    """The user must change something."""
    CRASH = 3
    """A bug in evalharness or in a plug-in."""
    INTERRUPTED = 130
    """As shells report SIGINT."""
    BROKEN_PIPE = 141
    """As shells report SIGPIPE: the reader of stdout has gone."""


def log(text: str) -> None:
    """Prints a note or an error to stderr, since stdout is for the command's result."""
    print(text, file=sys.stderr, flush=True)


class StderrLogHandler(logging.Handler):
    """A logging handler that prints the package's log messages to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        log(record.getMessage())


def exit_with_message(text: str, code: ExitCode) -> NoReturn:
    """Prints one line to stderr and ends the command with the exit code `code`."""
    print(text, file=sys.stderr)
    raise typer.Exit(code)


def show_help(context: typer.Context) -> None:
    """Prints the help of a command group, such as `evalharness arena`, if it was called without a command."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def exit_if_verdicts_missing(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Exits with code 1 and a message if samples of these runs have no verdict because the infrastructure failed."""
    missing = sum(
        summary["asked"] - summary["samples"] + _count_infrastructure_failures(summary) for summary in summaries
    )
    if missing:
        reasons = [reason for summary in summaries for reason in summary.get("without_verdict", [])]
        example = f" ({format_failure_reason(reasons[0])})" if reasons else ""
        unanswered = any("without_completion" in summary for summary in summaries)
        remedy = ", or with --settle-failures to count prompts that fail again as not solved" if unanswered else ""
        exit_with_message(
            f"{counted(missing, 'sample')} without a verdict: the infrastructure failed{example}; run the same command "
            f"again to retry them{remedy}",
            ExitCode.INFRASTRUCTURE,
        )


def _count_infrastructure_failures(summary: Mapping[str, Any]) -> int:
    return int(summary["statuses"].get("infrastructure", 0))


def run_app(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Runs a command line and returns its exit code; prints errors of the user or the machine as one line on stderr."""
    with escape_standard_streams():
        return _run_app_and_report_errors(app, arguments)


def _run_app_and_report_errors(app: typer.Typer, arguments: Sequence[str]) -> int:
    if not any(isinstance(handler, StderrLogHandler) for handler in logger.handlers):
        logger.addHandler(StderrLogHandler())
    try:
        code = _run_command(app, arguments)
        sys.stdout.flush()
    except UserError as error:
        log(f"error: {_join_lines(str(error))}")
        return ExitCode.USER
    except BrokenPipeError as error:
        if not _stdout_reader_has_ended():
            return _report_crash(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        return ExitCode.BROKEN_PIPE
    except Exception as error:
        return _report_crash(error)
    return code


def _report_crash(error: Exception) -> ExitCode:
    """Prints the traceback of an unexpected exception, and a line with its source position; returns the exit code."""
    traceback.print_exception(error)
    message = _join_lines(str(error))
    if plugin := find_plugin_position(error):
        package, position = plugin
        log(f"{package} crashed: {type(error).__name__} at {position}: {message}; fix or uninstall this plug-in")
        return ExitCode.CRASH
    frames = traceback.extract_tb(error.__traceback__)
    line = f" at {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    log(
        f"evalharness crashed: {type(error).__name__}{line}: {message}; this is a bug in evalharness or a plug-in; "
        "please report it with the lines above"
    )
    return ExitCode.CRASH


def _run_command(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Runs a command line; returns its exit code. Prints errors that the user can fix as one line on stderr."""
    command = typer.main.get_command(app)
    try:
        # `command.main` would handle KeyboardInterrupt differently from one version of typer to the next.
        with command.make_context("evalharness", _replace_renamed_options(arguments)) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except CLICK_ERROR as error:
        log(f"error: {_join_lines(error.format_message()).rstrip('.')}; see --help")
        return ExitCode.USER
    except UserError as error:
        log(f"error: {_join_lines(str(error))}")
        return ExitCode.USER
    except InfrastructureError as error:
        log(f"the infrastructure failed: {_join_lines(str(error))}; run the same command again")
        return ExitCode.INFRASTRUCTURE
    except (KeyboardInterrupt, typer.Abort):
        log("interrupted")
        return ExitCode.INTERRUPTED
    return code if isinstance(code, int) else ExitCode.OK


def _replace_renamed_options(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with old names of options replaced by the new names; prints a note for each."""
    renamed = []
    for argument in arguments:
        name, sign, value = argument.partition("=")
        if name in RENAMED_OPTIONS:
            log(f"note: {name} was renamed {RENAMED_OPTIONS[name]}; use that, since the next version rejects {name}")
        renamed.append(RENAMED_OPTIONS.get(name, name) + sign + value)
    return renamed


def _stdout_reader_has_ended() -> bool:
    """Returns whether stdout is a pipe that its reader has closed, as in `evalharness ... | head`."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _join_lines(text: str) -> str:
    return " ".join(text.split())
