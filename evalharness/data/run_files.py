"""Reads a run directory: manifest.json, completions.jsonl, verdicts.jsonl and summary.json."""

import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from evalharness.data.run_types import Manifest, Summary
from evalharness.errors import UserError
from evalharness.records import Completion, DecodingTrace, DraftCounts, RejectedDraft, Verdict
from evalharness.records.row_checks import check_field_values, repeated_row_error
from evalharness.util.jsonl import read_complete_lines
from evalharness.util.sample_key_set import SampleKeySet

MANIFEST, SUMMARY = "manifest.json", "summary.json"
COMPLETIONS, VERDICTS = "completions.jsonl", "verdicts.jsonl"

Row = TypeVar("Row", Completion, Verdict)


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a run directory. Raises UserError if it is missing or damaged."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
        required = {"config": dict(content["config"]), "environment": dict(content["environment"])}
        stretches = {"stretches": list(content["stretches"])} if "stretches" in content else {}
        return cast(Manifest, {**required, **stretches})
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} is not a run directory (no {MANIFEST}); give the folder of a run") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; make the file readable") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is damaged: not a JSON object with the keys 'config' and 'environment'; restore the file, or "
            "repeat the run with another --out"
        ) from None


def read_summary(folder: Path) -> Summary | None:
    """Returns the summary of a run directory; None for an unfinished run. Raises UserError if it is damaged."""
    path = folder / SUMMARY
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: not a JSON object; run the command of this run again to rewrite the file")
    return cast(Summary, content)


def read_completions(folder: Path) -> Iterator[Completion]:
    """Yields a run's completions in the order of writing. Raises UserError at a damaged line."""
    return read_completions_or_verdicts(folder / COMPLETIONS, Completion)


def read_verdicts(folder: Path) -> Iterator[Verdict]:
    """Yields a run's verdicts in the order of writing. Raises UserError at a damaged line."""
    return read_completions_or_verdicts(folder / VERDICTS, Verdict)


def read_completions_or_verdicts(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """Yields the completions or verdicts in a run's .jsonl file; yields nothing if the file does not exist.

    `row_type` is Completion or Verdict. Unknown fields are ignored, so that files of later versions of evalharness can
    be read. Raises UserError, with the line number, at an invalid line and at a second line for the same sample.
    """
    field_names = {field.name for field in fields(row_type)}
    keys = SampleKeySet()
    for number, line in read_complete_lines(path):
        try:
            content = json.loads(line)
            row = row_type(
                **{key: _field_value_from_json(key, value) for key, value in content.items() if key in field_names}
            )
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            raise UserError(
                f"{path}, line {number} is damaged: not the JSON object of a {row_type.__name__.lower()}; fix or "
                "remove the line"
            ) from None
        try:
            check_field_values(row)
        except ValueError as error:
            name = row_type.__name__.lower()
            raise UserError(f"{path}, line {number} is not a valid {name}: {error}; remove the line") from None
        if not keys.add(row.key):
            raise repeated_row_error(f"{path}, line {number}", row)
        yield row


def _field_value_from_json(field_name: str, json_value: Any) -> Any:
    """Returns a field of a completion or verdict, converted from its JSON value; task ids become interned strings."""
    if field_name == "task_id":
        return sys.intern(json_value)
    if field_name == "trace" and json_value is not None:
        return _trace_from_json(json_value)
    if field_name == "drafts" and json_value is not None:
        return tuple(
            DraftCounts(part["source"], part["passes"], tuple(part["drafted"]), tuple(part["accepted"]))
            for part in json_value
        )
    return json_value


def _trace_from_json(json_value: Any) -> DecodingTrace:
    rejected = tuple(
        RejectedDraft(draft["step"], draft["position"], tuple(draft["tokens"]))
        for draft in json_value.get("rejected", ())
    )
    return DecodingTrace(tuple(json_value["tokens"]), tuple(json_value["steps"]), tuple(json_value["blocks"]), rejected)
