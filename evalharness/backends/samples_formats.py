"""Opens samples files as UTF-8 JSON lines, converting other harnesses' formats, compression, and stdin."""

import codecs
import json
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from evalharness.errors import UserError
from evalharness.util.jsonl import parse_json_line
from evalharness.util.limits.files import make_decompressing_reader

STDIN = Path("-")
GZIP = b"\x1f\x8b"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ACCEPTED_FORMATS = "JSON lines, an EvalPlus result folder, or outputs of lm-eval or bigcode-evaluation-harness"
PROBLEM_INDEX_PREFIX = "#"
"""Prefix of a task_id that is the problem's index in its task, from 0, instead of its id."""
EVALPLUS_FOLDER = re.compile(r"(?P<name>.+)_(?P<number>\d+)")


def open_samples(path: Path) -> IO[bytes]:
    """Opens a samples file (`-`: stdin) and returns a seekable binary file with one UTF-8 JSON object per line.

    Gzip, UTF-16, a UTF-8 byte order mark, `--log_samples` files of lm-eval and generations of
    bigcode-evaluation-harness are recognized by their content and converted. A folder must contain results of EvalPlus.
    Raises UserError if the file cannot be read.
    """
    try:
        if path.is_dir():
            return _write_rows_to_temporary_file(_read_evalplus_rows(path))
        return _convert_other_formats(path, _open_as_utf8(path))
    except FileNotFoundError:
        raise UserError(f"samples file {path} does not exist; give an existing file") from None
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise UserError(f"samples file {path} cannot be read: {error}; give {ACCEPTED_FORMATS}") from None


def _open_as_utf8(path: Path) -> IO[bytes]:
    """Opens a file and returns its content, decompressed and in UTF-8 without a byte order mark, as a binary file."""
    file: IO[bytes] = path.open("rb") if path != STDIN else _copy_to_temporary_file(sys.stdin.buffer)
    while file.read(2) == GZIP:
        file.seek(0)
        with make_decompressing_reader(path, file) as compressed:
            file = _copy_to_temporary_file(compressed)
    file.seek(0)
    if path.suffix == ".gz" and file.name == str(path):
        raise OSError("the file's name ends in .gz, but the content is not gzip-compressed")
    if (mark := file.read(2)) in UTF16:
        file.seek(0)
        text = codecs.getreader("utf-16")(file)
        return _write_lines_to_temporary_file(line.encode() for line in text)
    file.seek(0)
    if mark + b"\xbf" == codecs.BOM_UTF8 or file.read(3) == codecs.BOM_UTF8:
        file.seek(3)
        return _copy_to_temporary_file(file)
    file.seek(0)
    return file


def _convert_other_formats(path: Path, file: IO[bytes]) -> IO[bytes]:
    """Returns `file`, converted to a samples file if its format is that of lm-eval or bigcode-evaluation-harness."""
    first = next((line for line in file if line.strip()), b"").strip()
    file.seek(0)
    if first.startswith(b"["):
        return _write_rows_to_temporary_file(_read_bigcode_rows(path, file))
    if first.startswith(b"{") and b'"resps"' in first and b'"doc"' in first:
        return _write_rows_to_temporary_file(_read_lm_eval_rows(path, file))
    return file


def _read_lm_eval_rows(path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yields a row of a samples file (task_id, answer) for each model answer in a `--log_samples` file of lm-eval."""
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        row = parse_json_line(path, number, line)
        document = row.get("doc") if isinstance(row, dict) else None
        task_id = document.get("task_id") if isinstance(document, dict) else None
        if not isinstance(task_id, str | int):
            raise UserError(
                f"{path}, line {number}: this lm-eval sample has no doc.task_id, so its problem is not known; "
                "give the file of an lm-eval task whose documents have a task_id"
            )
        for text in _strings_in_nested_lists(row.get("resps")):
            yield {"task_id": str(task_id), "answer": text}


def _strings_in_nested_lists(json_value: Any) -> Iterator[str]:
    """Yields all strings in a JSON value: the value itself if it is a string, or the strings in nested lists."""
    if isinstance(json_value, str):
        yield json_value
    elif isinstance(json_value, list):
        for item in json_value:
            yield from _strings_in_nested_lists(item)


def _read_bigcode_rows(path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yields a row of a samples file for each program in a generations file of bigcode-evaluation-harness."""
    try:
        problems = json.load(file)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} begins like a JSON array but is not valid JSON ({error}); give {ACCEPTED_FORMATS}"
        ) from None
    is_generations = bool(problems) and all(
        isinstance(programs, list) and all(isinstance(program, str) for program in programs) for programs in problems
    )
    if not is_generations:
        raise UserError(
            f"{path} is a JSON array, but not of bigcode-evaluation-harness (a list of programs for each problem); "
            "write one JSON object per line"
        )
    for number, programs in enumerate(problems):
        for program in programs:
            yield {"task_id": f"{PROBLEM_INDEX_PREFIX}{number}", "solution": program}


def _read_evalplus_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields a row of a samples file for each program in a result folder of EvalPlus.

    For example, HumanEval_0/0.py is sample 0 of problem HumanEval/0.
    """
    has_programs = False
    for problem in sorted(folder.iterdir()):
        match = EVALPLUS_FOLDER.fullmatch(problem.name)
        if not match or not problem.is_dir():
            continue
        programs = [program for program in problem.glob("*.py") if program.stem.isdigit()]
        for program in sorted(programs, key=lambda file: int(file.stem)):
            has_programs = True
            text = program.read_text(encoding="utf-8", errors="surrogateescape")
            task_id = f"{match['name']}/{match['number']}"
            yield {"task_id": task_id, "sample_id": int(program.stem), "solution": text}
    if not has_programs:
        raise UserError(
            f"the folder {folder} has no EvalPlus results such as HumanEval_0/0.py; give {ACCEPTED_FORMATS}"
        )


def _write_rows_to_temporary_file(rows: Iterable[dict[str, Any]]) -> IO[bytes]:
    return _write_lines_to_temporary_file(json.dumps(row).encode() + b"\n" for row in rows)


def _write_lines_to_temporary_file(lines: Iterable[bytes]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.writelines(lines)
    file.seek(0)
    return file


def _copy_to_temporary_file(source_file: Any) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(source_file, file)
    file.seek(0)
    return file
