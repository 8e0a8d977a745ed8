from pathlib import Path

import pytest

from evalharness.training.corpus.decontamination import (
    BenchmarkExcerpts,
    collect_benchmark_excerpts,
    read_benchmark_excerpts,
)

PROBLEM = '''from typing import List


def widest_interval(marks: List[int], least: int = 0) -> int:
    """ The marks of a ruler are given in any order, and some of them may be missing altogether.
    Return the widest interval.
    >>> widest_interval([1, 9, 4])
    5
    """
    ordered = sorted(marks)
    widest = least
    for left, right in zip(ordered, ordered[1:]):
        widest = max(widest, right - left)
    return widest
'''


@pytest.fixture(scope="module")
def benchmarks() -> BenchmarkExcerpts:
    return collect_benchmark_excerpts([PROBLEM])


def test_a_copied_solution_is_found_in_any_layout(benchmarks: BenchmarkExcerpts) -> None:
    code = "x = sorted(marks)\nordered  =  sorted( marks )\nwidest = least\n"
    code += "for left, right in zip(ordered, ordered[1:]): pass"
    assert benchmarks.find_overlap(code) == "run"


def test_a_copied_sentence_is_found_when_wrapped_and_in_capitals(benchmarks: BenchmarkExcerpts) -> None:
    text = (
        "THE MARKS of a ruler are given\n    in any order, and some of them may be\n    missing altogether. Add them."
    )
    assert benchmarks.find_overlap(text) == "sentence"


def test_a_copied_signature_is_found_without_its_types(benchmarks: BenchmarkExcerpts) -> None:
    assert benchmarks.find_overlap("def widest_interval(marks, least):\n    return 0\n") == "signature"


def test_smaller_overlaps_are_allowed(benchmarks: BenchmarkExcerpts) -> None:
    assert benchmarks.find_overlap("def widest_interval(values):\n    return max(values)\n") is None
    assert benchmarks.find_overlap('"""Return the widest interval."""') is None
    assert benchmarks.find_overlap("ordered = sorted(marks)\nwidest = least\n") is None
    assert benchmarks.find_overlap("") is None


def test_nested_values_of_benchmark_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jsonl").write_text('{"deep": [{"code": "def one_two(first_name, other):\\n    pass"}]}\n')
    assert read_benchmark_excerpts([tmp_path]).find_overlap("def one_two(first_name: str, other=3): ...") == "signature"


@pytest.mark.data
@pytest.mark.slow
def test_benchmark_problems_overlap_with_themselves(datasets_dir: Path) -> None:
    from evalharness.data.files import read_records

    folder = datasets_dir / "humaneval"
    benchmarks = read_benchmark_excerpts([folder])
    records = read_records(folder / "HumanEval.jsonl.gz")
    assert all(benchmarks.find_overlap(record["prompt"] + record["canonical_solution"]) for record in records)
