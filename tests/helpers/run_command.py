"""The command of a run in its own process, which tests kill."""

import sys

CLI = [sys.executable, "-c", "from evalharness.cli.main import main; main()"]
"""The command line, as a process without a shell or a script between, so that signals reach it."""
RUN = [*CLI, "run", "--task", "mbpp", "--data", "sample"]
