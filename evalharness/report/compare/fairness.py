"""Finds what makes a comparison of two runs unfair: differences besides the model and its decoding."""

from collections import defaultdict
from typing import Any

from evalharness.data.run_types import AnswerCounts, AnswerKind
from evalharness.data.runs import Run
from evalharness.metrics.answer_counts import KINDS
from evalharness.report.answer_remarks import WORDS
from evalharness.util.differences import find_differences

TASK_PARTS = {
    "data": "data", "version": "data", "split": "data", "problems": "data", "options": "data", "recipe": "recipe",
    "rules": "grading", "grading": "grading", "image": "grading", "commands": "grading",
}  # fmt: skip
"""The subject, for messages, of each key under `task` in a manifest. The other keys follow from these."""
PROSE = ("recipe.description", "grading.notes")
"""Texts in a manifest that do not change a result."""
SUBJECTS = ("data", "recipe", "token limit", "samples", "sampling", "grading", "answers", "speed")
"""Subjects in which a difference is unfair, most serious first."""


def find_unfair_differences(first_run: Run, second_run: Run, run_names: tuple[str, str]) -> list[str]:
    """Returns the differences that make a comparison of two runs unfair, one line per subject such as data or sampling.

    `run_names` are the display names of the two runs.
    """
    by_subject: dict[str, list[str]] = defaultdict(list)
    for key_path, old, new in find_differences(first_run.config.get("task", {}), second_run.config.get("task", {})):
        subject = None if key_path in PROSE else TASK_PARTS.get(key_path.partition(".")[0])
        if subject == "recipe":
            recipes = (first_run.summary.get("recipe"), second_run.summary.get("recipe"))
            same_name = recipes[0] == recipes[1]
            by_subject[subject] = ["its text differs" if same_name else f"{recipes[0]} vs {recipes[1]}"]
        elif subject:
            by_subject[subject].append(_describe_setting_difference(key_path, old, new))
    for section, subject in (("samples", "samples"), ("sampling", "sampling"), ("sandbox", "grading")):
        for key_path, old, new in find_differences(
            first_run.config.get(section, {}), second_run.config.get(section, {})
        ):
            if key_path == "max_new_tokens":
                by_subject["token limit"] = [_describe_setting_difference("", old, new)]
            elif key_path != "seed":
                by_subject[subject].append(_describe_setting_difference(key_path, old, new))
    by_subject["answers"] = _describe_abnormal_answer_differences(first_run, second_run)
    by_subject["speed"] = _describe_speed_condition_differences(first_run, second_run, run_names)
    return [f"{subject}: {'; '.join(by_subject[subject])}" for subject in SUBJECTS if by_subject[subject]]


def _describe_setting_difference(
    setting_path: str, first_value: str, second_value: str, text_if_absent: str = "none"
) -> str:
    """Returns "SETTING VALUE vs VALUE" for a setting that differs between the first and the second run.

    `text_if_absent` is the text for the run in which the setting is not set.
    """
    values = [text_if_absent if value == "null" else value for value in (first_value, second_value)]
    return f"{setting_path} {values[0]} vs {values[1]}".strip()


def _describe_abnormal_answer_differences(first_run: Run, second_run: Run) -> list[str]:
    """Returns a text for each kind of abnormal answers, such as empty ones, whose fraction differs between the runs."""
    first, second = first_run.summary.get("answers"), second_run.summary.get("answers")
    if not first or not second:
        return []
    return [
        f"{_abnormal_answer_count_text(first, kind)} vs {_abnormal_answer_count_text(second, kind)} {WORDS[kind]}"
        for kind in KINDS
        if first["rates"].get(kind, 0.0) != second["rates"].get(kind, 0.0)
    ]


def _abnormal_answer_count_text(answers: AnswerCounts, kind: AnswerKind) -> str:
    """Returns how many of a run's answers are of an abnormal kind, as in "3 of 164"; "unknown" if not counted."""
    count = answers["counts"].get(kind)
    return "unknown" if count is None else f"{count} of {answers['answers']}"


def _describe_speed_condition_differences(first_run: Run, second_run: Run, run_names: tuple[str, str]) -> list[str]:
    """Returns a text for each condition of the speed measurement, such as batch size, that differs between two runs.

    If the speed of only one run was measured, returns a single text, which names the other run.
    """
    unmeasured = [name for run, name in zip((first_run, second_run), run_names, strict=True) if not run.speed]
    if unmeasured:
        return [f"not measured for {unmeasured[0]}"] if len(unmeasured) == 1 else []
    different = find_differences(_read_speed_conditions(first_run), _read_speed_conditions(second_run))
    return [
        _describe_setting_difference(key_path.replace("_", " "), old, new, "not stated")
        for key_path, old, new in different
    ]


def _read_speed_conditions(run: Run) -> dict[str, Any]:
    """Returns the conditions under which a run's speed was measured, except for clock rates, which always vary."""
    speed = run.speed
    conditions = {key: value for key, value in speed.get("conditions", {}).items() if key not in ("clocks", "endpoint")}
    steady = speed.get("steady")
    concurrency = steady.get("concurrency") if steady else None
    return {**conditions, "concurrency": concurrency, "batch": speed.get("batch")}
