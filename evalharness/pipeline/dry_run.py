"""Counts the requests and tokens that a run would need, without a container engine, a model or a run directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalharness.data.run_files import read_completions
from evalharness.pipeline.unanswered import is_unanswered
from evalharness.pipeline.validate import ConfigAndFolder, PreparedRun, validate_runs
from evalharness.records import Prompt, Request
from evalharness.util.sample_key_set import SampleKeySet

TokenPrices = tuple[float, float]
"""The price of a million prompt tokens, and of a million output tokens."""


@dataclass(frozen=True)
class RunPlan:
    """What `--dry-run` prints about a run: the number of requests and tokens that it would need.

    Prompt tokens are counted by the common tokenizer (--tokenizer), without a chat template.
    """

    task: str
    folder: Path
    problems: int
    samples: int
    requests: int
    """Completions that are still to be generated; 0 where the backend's completions exist already."""
    prompt_tokens: int | None
    """Prompt tokens of all requests; None without a tokenizer."""
    max_output_tokens: int
    """The token limit of a completion."""
    first_requests: tuple[Request, ...]
    """The first requests, of different problems."""

    @property
    def max_output_tokens_of_run(self) -> int:
        """The maximum number of tokens that all requests of the run together can generate."""
        return self.requests * self.max_output_tokens

    def max_cost(self, prices: TokenPrices) -> float | None:
        """Returns the maximum cost of all requests of the run, in the currency of the prices.

        Returns None if the number of prompt tokens is not known.
        """
        if self.prompt_tokens is None:
            return None
        return (self.prompt_tokens * prices[0] + self.max_output_tokens_of_run * prices[1]) / 1e6


def plan_runs(configs_and_folders: Sequence[ConfigAndFolder], prompts_to_show: int) -> list[RunPlan]:
    """Returns a plan of each run: its number of requests and tokens, and its first `prompts_to_show` prompts.

    `configs_and_folders` has a pair (configuration, run directory) for each run. Raises UserError if a configuration is
    not valid.
    """
    notes: list[str] = []
    prepared = validate_runs(configs_and_folders, notes.append)
    try:
        return [
            _plan_run(run, prompts_to_show, completions_exist=prepared.backend_with_stored_completions is not None)
            for run in prepared.runs
        ]
    finally:
        if prepared.backend_with_stored_completions:
            prepared.backend_with_stored_completions.close()


def _plan_run(run: PreparedRun, prompts_to_show: int, completions_exist: bool) -> RunPlan:
    asks_again = run.prepared.config.ask_again
    completed = SampleKeySet(row.key for row in read_completions(run.folder) if not (asks_again and is_unanswered(row)))
    missing = [] if completions_exist else [request for request in run.requests if request.key not in completed]
    tokenizer = run.prepared.tokenizer
    counts = {
        request.problem.task_id: tokenizer.count(join_prompt_parts(request.problem.prompt)) if tokenizer else 0
        for request in missing
    }
    first = {request.problem.task_id: request for request in reversed(run.requests)}
    order = dict.fromkeys(request.problem.task_id for request in run.requests)
    return RunPlan(
        task=run.prepared.task.name,
        folder=run.folder,
        problems=len(order),
        samples=len(run.requests),
        requests=len(missing),
        prompt_tokens=sum(counts[request.problem.task_id] for request in missing) if tokenizer else None,
        max_output_tokens=run.prepared.sampling.max_new_tokens,
        first_requests=tuple(first[task_id] for task_id in list(order)[:prompts_to_show]),
    )


def join_prompt_parts(prompt: Prompt) -> str:
    """Returns all parts of a prompt (such as chat messages, or prefix and suffix) as one string, for token counts."""
    messages = "\n".join(message.content for message in prompt.messages)
    return "".join(filter(None, [messages, prompt.prefill, prompt.text, prompt.suffix]))
