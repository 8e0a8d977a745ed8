"""User errors end with exit code 2 and one line that says what to do, and write nothing."""

import contextlib
import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from evalharness.cli.main import main
from evalharness.data.cards import task_groups
from evalharness.sandbox.engines import images
from evalharness.util.version import __version__

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SAMPLE = ("run", "--data", "sample", "--out", "out")
GRADE = ("grade", "--task", "humaneval", "--data", "sample", "--out", "out", "--samples")
TASK = ("--task", "humaneval")
LINE = '{"task_id": "Sample/0", "solution": "x"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.delenv("EVALHARNESS_DATA", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def assert_refused(done: "subprocess.CompletedProcess[str]", folder: Path, *words: str) -> None:
    """Requires exit code 2, one line on stderr with these words, no other output and no files."""
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("error: "), done.stderr
    for word in words:
        assert word in lines[-1]
    assert not list(folder.iterdir())
    assert done.stdout == ""
    assert len(lines) == 1, lines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*SAMPLE, "--task", "humanevl"), ["task 'humanevl'", "did you mean humaneval"]),
        ((*SAMPLE, "--task", "mbpp,evalpluss"), ["task 'evalpluss'", "did you mean evalplus"]),
        ((*SAMPLE, "--task", "quite-another"), ["task 'quite-another'", "known: ", "humaneval", "mbpp"]),
        ((*SAMPLE, "--task", ""), ["--task is empty", "humaneval"]),
        ((*SAMPLE, *TASK, "--backend", "transformer"), ["backend 'transformer'", "did you mean transformers"]),
        ((*SAMPLE, *TASK, "--option", "vresion=1"), ["option 'vresion'", "did you mean version"]),
        (
            (*SAMPLE, *TASK, "--backend", "ar", "--option", "thresold=1"),
            ["option 'thresold' of backend ar", "backend diffusion has an option threshold"],
        ),
        ((*SAMPLE, *TASK, "--backend", "ar", "--option", "thread=1"), ["option 'thread'", "did you mean threads"]),
        (
            (*SAMPLE, *TASK, "--backend", "ar", "--option", "dtype=float23"),
            ["dtype of backend ar 'float23'", "did you mean float32"],
        ),
        ((*SAMPLE, *TASK, "--option", "version"), ["--option 'version' is not key=value"]),
        ((*SAMPLE, *TASK, "--option", "=1"), ["--option '=1' is not key=value"]),
        ((*SAMPLE, *TASK, "--option", "recipe=chatty"), ["recipe of humaneval 'chatty'", "did you mean chat"]),
        ((*SAMPLE, *TASK, "--option", "version=v1.1"), ["version of humaneval 'v1.1'", "v1.0"]),
        ((*SAMPLE, "--task", "mbpp", "--option", "split=tests"), ["split of mbpp 'tests'", "did you mean test"]),
        ((*SAMPLE, *TASK, "--option", "split=test"), ["split of humaneval 'test'", "there are none, so leave it out"]),
        (
            (*SAMPLE, *TASK, "--k", "10", "--n", "1"),
            ["needs 10 samples per problem, not 1; set --n 10"],
        ),
        (
            (*SAMPLE, *TASK, "--k", "1;10"),
            ["--k '1;10' is not a list of numbers; give numbers separated by commas, such as 1,10"],
        ),
        ((*SAMPLE, *TASK, "--k", "0"), ["--k", "at least 1"]),
        ((*SAMPLE, *TASK, "--backend", "openai", "--model", "m", "--n", "2"), ["--n 2", "--temperature"]),
        ((*SAMPLE, *TASK, "--limit", "0"), ["--limit 0 is not possible; it must be at least 1"]),
        ((*SAMPLE, *TASK, "--only", "Sample/99"), ["humaneval has no problem 'Sample/99'", "such as Sample/0"]),
        ((*SAMPLE, *TASK, "--n", "0"), ["--n", "at least 1"]),
        ((*SAMPLE, *TASK, "--workers", "-1"), ["--workers", "at least 1"]),
        ((*SAMPLE, *TASK, "--workers", "0"), ["--workers 0 is not possible; it must be at least 1"]),
        ((*SAMPLE, *TASK, "--replicas", "2"), ["--replicas", "--executor ray"]),
        ((*SAMPLE, *TASK, "--ray-address", "auto"), ["--ray-address", "--executor ray"]),
        (
            (*SAMPLE, *TASK, "--executor", "ray", "--replicas", "0"),
            ["--replicas 0 is not possible; it must be at least 1"],
        ),
        ((*SAMPLE, *TASK, "--max-new-tokens", "0"), ["--max-new-tokens 0 is not possible; it must be"]),
        ((*SAMPLE, *TASK, "--temperature", "-1"), ["--temperature -1.0 is not possible; it must be at least 0"]),
        ((*SAMPLE, *TASK, "--backend", "transformers"), ["transformers needs a model", "--model"]),
        ((*SAMPLE, *TASK, "--model", "m"), ["backend reference uses no model; leave --model out", "--backend"]),
        ((*SAMPLE, *TASK, "--backend", "openai"), ["openai needs a model", "--model"]),
        ((*SAMPLE, *TASK, "--backend", "replay"), ["--option samples=FILE"]),
        (
            ("run", *TASK, "--data", "nowhere", "--out", "out"),
            ["data folder nowhere (--data or $EVALHARNESS_DATA) does not exist"],
        ),
        (("run", *TASK, "--data", "..", "--out", "out"), ["HumanEval.jsonl.gz is missing", "--data"]),
        (("sandbox", "build", "pithon"), ["sandbox image 'pithon'", "did you mean python"]),
        (("sandbox", "check", "--option", "memory=1"), ["--option memory", "use one of runtime, memory_gb"]),
        (("serve-sandbox", "--port", "99999"), ["--port 99999", "65535"]),
        (
            ("leaderboard", "..", "--out", "table.pdf"),
            ["the format of table.pdf is unknown", "md, csv, json, latex"],
        ),
    ],
    ids=" ".join,
)
def test_an_invalid_value_is_refused(arguments: tuple[str, ...], words: list[str], folder: Path, cli: Command) -> None:
    assert_refused(cli(*arguments), folder, *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*SAMPLE, *TASK, "--temprature", "1"), ["--temprature", "--temperature"]),
        ((*SAMPLE, *TASK, "--limit", "many"), ["--limit", "integer"]),
        (("run", "--data", "sample"), ["--task"]),
        (("rum",), ["'rum'", "run"]),
    ],
    ids=" ".join,
)
def test_an_invalid_option_or_command_is_refused(
    arguments: tuple[str, ...], words: list[str], folder: Path, cli: Command
) -> None:
    assert_refused(cli(*arguments), folder, *words)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["samples.jsonl", "does not exist"]),
        ("", ["contains no samples"]),
        (LINE + '{"task_id": \n', ["line 2", "not JSON"]),
        (LINE + "[1]\n", ["line 2", "no task_id"]),
        ("[" + LINE + "]", ["is a JSON array"]),
        ('{"solution": "x"}\n', ["line 1", "no task_id"]),
        (LINE + '\n{"task_id": "Sample/99", "solution": "x"}\n', ["line 3", "'Sample/99'", "--task"]),
        (LINE + LINE.replace("}", ', "sample_id": 0}'), ["line 2", "is already in line 1"]),
        ('{"task_id": "Sample/0"}\n', ["line 1", "the sample has no solution, completion or answer"]),
        ('{"task_id": "Sample/0", "solution": 1}\n', ["line 1", "the sample has no solution, completion or answer"]),
        ('{"task_id": "Sample/0", "solution": "", "sample_id": "a"}\n', ["line 1", "sample_id 'a'"]),
    ],
)
def test_an_invalid_samples_file_is_refused(
    content: str | None, words: list[str], folder: Path, engine: None, tmp_path: Path, cli: Command
) -> None:
    path = tmp_path / "samples.jsonl"
    if content is not None:
        path.write_text(content)
    assert_refused(cli(*GRADE, path), folder, str(path), *words)


@pytest.mark.docker
@pytest.mark.parametrize("content", [LINE.encode(), gzip.compress(LINE.encode())[:-9]], ids=["plain", "cut"])
def test_a_damaged_gz_file_is_refused(content: bytes, folder: Path, engine: None, tmp_path: Path, cli: Command) -> None:
    (tmp_path / "samples.jsonl.gz").write_bytes(content)
    assert_refused(cli(*GRADE, tmp_path / "samples.jsonl.gz"), folder, "samples.jsonl.gz", "cannot be read")


@pytest.mark.docker
def test_k_above_the_samples_of_a_problem_is_refused(folder: Path, engine: None, tmp_path: Path, cli: Command) -> None:
    (tmp_path / "samples.jsonl").write_text(LINE)
    assert_refused(cli(*GRADE, tmp_path / "samples.jsonl", "--k", 2), folder, "pass@2 needs 2 samples of every problem")


@pytest.mark.docker
@pytest.mark.parametrize("name", ["file", "file/run"])
def test_an_out_that_cannot_be_written_is_refused(
    name: str, folder: Path, engine: None, tmp_path: Path, cli: Command
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / name
    assert_refused(cli("run", *TASK, "--data", "sample", "--out", out), folder, f"cannot write to {out}", "--out")


@pytest.mark.docker
@pytest.mark.parametrize(("name", "words"), [("none", ["does not exist"]), ("empty", ["cannot be loaded"])])
def test_a_model_that_cannot_be_loaded_is_refused(
    name: str, words: list[str], folder: Path, engine: None, tmp_path: Path, cli: Command
) -> None:
    (tmp_path / "empty").mkdir()
    model = tmp_path / name
    assert_refused(
        cli(*SAMPLE, *TASK, "--backend", "transformers", "--model", model), folder, str(model), "--model", *words
    )


@pytest.mark.parametrize("arguments", [(*SAMPLE, *TASK), ("sandbox", "build")])
def test_without_a_container_engine_commands_say_how_to_install_one(
    arguments: tuple[str, ...], folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    assert_refused(command(*arguments), folder, "no container engine answers at unix:///nonexistent", "apt-get install")


@pytest.mark.docker
def test_an_image_that_is_not_built_is_built_on_first_use(
    folder: Path, engine: None, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "image_tag", lambda name: f"evalharness/{name}:test-not-built")
    client = docker.from_env()
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.remove("evalharness/python:test-not-built", force=True)
    done = cli("doctor")
    assert done.returncode == 0
    [note] = [line for line in done.stdout.splitlines() if "sandbox images not built" in line]
    assert note.startswith("note    sandbox images not built yet: ")
    assert "python" in note
    assert note.endswith("; they are built on first use, or by: evalharness sandbox build NAME")
    done = cli(*SAMPLE, *TASK)
    assert done.returncode == 0
    assert "building evalharness/python:test-not-built" in done.stderr
    client.images.remove("evalharness/python:test-not-built", force=True)


def test_doctor_without_a_container_engine(folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    done = command("doctor")
    assert (done.returncode, done.stderr) == (2, "")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("MISSING")]
    assert "no container engine answers" in line
    assert "apt-get install docker.io" in line


@pytest.mark.docker
def test_doctor_on_a_complete_machine_and_with_wrong_data_folders(
    folder: Path, engine: None, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALHARNESS_DATA", str(folder))
    (folder / "humaneval").mkdir()
    done = cli("doctor")
    assert done.returncode == 0
    assert "MISSING" not in done.stdout
    for word in ("Python 3.", "package torch", "container engine", "sandbox image python", str(folder)):
        assert word in done.stdout
    monkeypatch.setenv("EVALHARNESS_DATA", "nowhere")
    done = cli("doctor")
    assert done.returncode == 2
    finding = "MISSING benchmark data in EVALHARNESS_DATA"
    assert f"{finding}=nowhere is not a folder; run: evalharness data pull --dir nowhere\n" in done.stdout
    (folder / "empty").mkdir()
    monkeypatch.setenv("EVALHARNESS_DATA", "empty")
    done = cli("doctor")
    assert done.returncode == 2
    assert f"{finding}=empty is empty; run: evalharness data pull --dir empty\n" in done.stdout


@pytest.mark.docker
def test_a_full_disk_is_reported_in_one_line_and_nothing_is_lost(folder: Path, engine: None, cli: Command) -> None:
    """A limit on the size of files simulates the full disk."""
    run = (*SAMPLE, *TASK, "--n", "5")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        done = cli(*run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "completions.jsonl" in done.stderr.splitlines()[-1]
    assert cli(*run).returncode == 0
    assert len((folder / "out" / "verdicts.jsonl").read_text().splitlines()) == 80


@pytest.mark.docker
def test_a_cache_that_cannot_be_written_is_reported(
    folder: Path, engine: None, tmp_path: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "file"))
    done = cli(*SAMPLE, "--task", "humaneval-plus", "--limit", "1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert str(tmp_path / "file") in done.stderr


def test_tasks_backends_and_version_print_their_lists(folder: Path, cli: Command) -> None:
    assert cli("version").stdout == cli("--version").stdout == f"{__version__}\n"
    tasks = cli("tasks")
    assert tasks.returncode == 0
    assert all(name in tasks.stdout for name in task_groups())
    assert all(word in tasks.stdout for word in ("164", "google-3shot", "on the hub", "python: "))
    backends = cli("backends")
    assert backends.returncode == 0
    assert all(word in backends.stdout for word in ("reference", "replay", "openai", "base_url", "samples", "dtype"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), ["run", "grade", "tasks", "backends", "doctor", "sandbox", "data", "version", "serve-sandbox", "train"]),
        (("run",), ["--task", "--backend", "--model", "--limit", "--n", "--k", "--temperature", "--top-p", "--seed"]),
        (("run",), ["--max-new-tokens", "--batch-size", "--workers", "--data", "--out", "--option"]),
        (("grade",), ["--task", "--samples", "--model", "--k", "--workers", "--data", "--out", "--option"]),
        (("sandbox",), ["build"]),
        (("sandbox", "build"), ["Names of images"]),
        (("tasks",), ["Lists the tasks", "NAME"]),
        (("data", "pull"), ["--dir", "--all-versions", "Tasks or task groups"]),
        (("doctor",), ["Checks this machine"]),
    ],
)
def test_help_names_commands_and_options(arguments: tuple[str, ...], shown: list[str], cli: Command) -> None:
    done = cli(*arguments, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in shown:
        assert word in done.stdout


@pytest.mark.parametrize("arguments", [(), ("sandbox",), ("data",)], ids=" ".join)
def test_a_group_without_a_command_prints_its_help(arguments: tuple[str, ...], cli: Command) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == cli(*arguments, "--help").stdout == cli(*arguments, "-h").stdout
    assert "..." not in done.stdout.partition("Commands:")[2], "a summary is cut"


@pytest.mark.parametrize("arguments", [("tasks",), ("version",), ("--help",)], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_stdout_ends_quietly(unbuffered: str, arguments: tuple[str, ...], folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = Path(sys.executable).with_name("evalharness")
    done = subprocess.run(
        [program, *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_renamed_option_works_under_its_old_name_with_a_note(folder: Path, cli: Command) -> None:
    done = cli(*SAMPLE, *TASK, "--engine", "rai")
    note, error = done.stderr.splitlines()
    assert note == "note: --engine was renamed --executor; use that, since the next version rejects --engine"
    assert error.startswith("error: unknown executor 'rai'")
    assert cli(*SAMPLE, *TASK, "--engine=rai").stderr == done.stderr


def test_an_interruption_before_the_run_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evalharness.cli.options.parse_key_values", interrupted)
    with pytest.raises(SystemExit) as exited:
        main(["run", "--task", "humaneval", "--data", "sample"])
    assert exited.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
