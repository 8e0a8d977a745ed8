"""Sorts problem ids such as HumanEval/10 by their numbers, and reads these."""

import re


def natural_sort_key(task_id: object) -> list[tuple[str, int]]:
    """Returns the key that sorts task ids by the values of their numbers: HumanEval/2 comes before HumanEval/10."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", str(task_id))]


def problem_number(task_id: object) -> int:
    """Returns the last number in a task id, such as 10 for HumanEval/10; -1 if it contains no number."""
    numbers = re.findall(r"[0-9]+", str(task_id))
    return int(numbers[-1]) if numbers else -1
