"""Plug-ins that were written for version 0.1 load, and a backend of that version runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

BACKEND = '''
from evalharness.backends import BackendConfig, parse_options
from evalharness.errors import UserError
from evalharness.records import Backend, Completion, Prompt, Request, Sampling
from pydantic import BaseModel, ConfigDict


class Echo:
    """Answers every request with the same text."""

    name = "echo"

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        text: str = "    return 1"

    def __init__(self, config: BackendConfig):
        self.options = parse_options(self.Options, self.name, config.options)

    def generate(self, requests, sampling):
        for request in requests:
            yield Completion(*request.key, self.options.text, form="completion", characters=len(self.options.text))

    def accept(self, prompt):
        if prompt.suffix is not None:
            raise UserError("echo cannot infill")

    def describe(self):
        return {"text": self.options.text}

    def close(self):
        pass
'''
IMPORTS = """
from evalharness.adapters import TaskContext
from evalharness.adapters.context import TaskContext
from evalharness.adapters.judging import verdict_of
from evalharness.adapters.prompting import build_prompt, solution
from evalharness.records import Checks, Completion, Execution, Limits, Outcome, Problem, Program, Verdict
from evalharness.records import CallRules, Cases, Oracle, Reference, Trace
from evalharness.sandbox.container import Channel, Container, Engine
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder with the module `echo_plugin` and the entry point of its backend."""
    (tmp_path / "echo_plugin.py").write_text(BACKEND)
    info = tmp_path / "echo_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[evalharness.backends]\necho = echo_plugin:Echo\n")
    return tmp_path


@pytest.mark.docker
def test_a_backend_runs(engine: None, plugin: Path, tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(plugin)!r}); from evalharness.cli.main import main; main()"
    run = ["run", "--task", "humaneval", "--data", "sample", "--limit", "2", "--backend", "echo"]
    out = ["--out", str(tmp_path / "run"), "--option", "text=    return 2"]
    done = subprocess.run([sys.executable, "-c", code, *run, *out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "echo" in done.stdout


def test_imports_of_adapters_and_engines_load() -> None:
    exec(compile(IMPORTS, "plugin", "exec"), {})
