"""Prints problems whose result changed between two runs: the prompt, and a sample of each run with its verdict."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent

from evalharness.data.runs import Run
from evalharness.records import Completion, Key, Prompt, Verdict
from evalharness.report.compare.comparison import Comparison, PassRateChange
from evalharness.report.problems import load_problems


def changed_problem_lines(comparison: Comparison, max_problems: int, data_source: str | None) -> Iterator[str]:
    """Yields text lines about up to `max_problems` problems whose result changed: prompt, and a sample of each run.

    `data_source` is where to read the prompts: a folder, "hub", "sample", or None for the default (see
    `load_problems`).
    """
    chosen = choose_changed_problems(comparison, max_problems)
    task_ids = {problem.task_id for problem in chosen}
    samples = [RunSamples(run, task_ids) for run in comparison.runs]
    problems = load_problems(comparison.first, data_source)
    if problems.missing:
        yield f"  (without prompts: {problems.missing})"
    for changed in chosen:
        yield ""
        yield f"  --- {changed.task_id}: {changed.first:.0%} -> {changed.second:.0%} of its samples pass"
        if problem := problems.by_id.get(changed.task_id):
            yield "  prompt:"
            yield indent(printable_prompt(problem.prompt), "    | ")
        pass_rates = (changed.first, changed.second)
        for name, pass_rate, run_samples in zip(comparison.names, pass_rates, samples, strict=True):
            yield from _lines_about_sample_of_run(
                name, run_samples, changed.task_id, passed=pass_rate == max(pass_rates)
            )


def choose_changed_problems(comparison: Comparison, max_problems: int) -> list[PassRateChange]:
    """Returns up to `max_problems` changed problems: half with a lower and half with a higher rate in the second run.

    If there are too few of one kind, more of the other kind are returned.
    """
    worse, better = comparison.worsened_problems, comparison.improved_problems[::-1]
    worse_count = max(max_problems - len(better), min(len(worse), (max_problems + 1) // 2))
    return [*worse[:worse_count], *better[: max_problems - min(worse_count, len(worse))]]


class RunSamples:
    """The completions and verdicts of a run for the problems with the ids `task_ids`."""

    def __init__(self, run: Run, task_ids: set[str]):
        self.completions: Mapping[str, list[Completion]] = defaultdict(list)
        for completion in run.completions():
            if completion.task_id in task_ids:
                self.completions[completion.task_id].append(completion)
        self.verdicts: dict[Key, Verdict] = {row.key: row for row in run.verdicts() if row.task_id in task_ids}

    def find_completion_with_outcome(self, task_id: str, passed: bool) -> Completion | None:
        """Returns the first completion of a problem with the given outcome; if there is none, its first completion.

        `passed` is whether the completion is to have passed. Returns None for a problem without completions.
        """
        completions: Sequence[Completion] = self.completions.get(task_id, [])
        verdicts = ((completion, self.verdicts.get(completion.key)) for completion in completions)
        matching = [completion for completion, verdict in verdicts if verdict and verdict.passed == passed]
        return next(iter([*matching, *completions]), None)


def _lines_about_sample_of_run(run_name: str, run_samples: RunSamples, task_id: str, passed: bool) -> Iterator[str]:
    completion = run_samples.find_completion_with_outcome(task_id, passed)
    if completion is None:
        yield f"  {run_name}: no completion in the run directory"
        return
    yield f"  {run_name}, sample {completion.sample_id}: {_verdict_text(run_samples.verdicts.get(completion.key))}"
    yield indent(completion.text.rstrip("\n") or "(empty)", "    | ", lambda line: True)


def _verdict_text(verdict: Verdict | None) -> str:
    """Returns a verdict as one line: its status, the last line of its detail, and the CPU time in seconds."""
    if verdict is None:
        return "no verdict"
    lines = verdict.detail.strip().splitlines()
    return verdict.status + (f": {lines[-1]}" if lines else "") + f" ({verdict.cpu_s:.2f} s)"


def printable_prompt(prompt: Prompt) -> str:
    """Returns a prompt as one printable text; in an infilling prompt `<middle>` marks the text to generate."""
    messages = [f"[{message.role}]\n{message.content}" for message in prompt.messages]
    text = "\n".join([*messages, *([prompt.text] if prompt.text is not None else [])]) + prompt.prefill
    return text + (f"<middle>{prompt.suffix}" if prompt.suffix is not None else "")
