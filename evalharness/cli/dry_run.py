"""Prints what `evalharness run --dry-run` shows: first prompts, and numbers of requests and tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.util.text import counted

if TYPE_CHECKING:
    from evalharness.pipeline.config import RunConfig
    from evalharness.pipeline.dry_run import RunPlan, TokenPrices
    from evalharness.records import Prompt

PROMPTS = 2
"""Number of prompts that are printed of each task."""


def print_run_plans(
    configs: Sequence["RunConfig"], out: Path | None, is_single_run: bool, prices: "TokenPrices | None"
) -> None:
    """Prints the first prompts of each task, and what each run needs: requests, tokens and cost."""
    from evalharness import api
    from evalharness.pipeline.dry_run import plan_runs

    jobs = [(config, api.choose_run_folder(config, out, is_single_run=is_single_run)) for config in configs]
    plans = plan_runs(jobs, PROMPTS)
    for plan in plans:
        for request in plan.first_requests:
            print_prompt(request.problem.task_id, request.problem.prompt)
    for plan in plans:
        print(format_run_plan(plan, prices))
    if len(plans) > 1 and prices:
        costs = [cost for plan in plans if (cost := plan.max_cost(prices)) is not None]
        print(f"cost of all tasks: at most {sum(costs):.2f}")
    print("nothing was run; leave --dry-run out to start the run")


def print_prompt(task_id: str, prompt: "Prompt") -> None:
    """Prints a problem's prompt, each part (such as prefix or chat message) with a heading, and its stop sequences."""
    from evalharness.report.prompt_text import list_named_prompt_parts

    for name, text in list_named_prompt_parts(prompt):
        print(f"--- {task_id}, {name} ---\n{text}")
    if prompt.stops:
        print(f"--- {task_id}, stop sequences: {', '.join(map(repr, prompt.stops))} ---")
    print()


def format_run_plan(plan: "RunPlan", prices: "TokenPrices | None") -> str:
    """Returns a line about what a run would need: problems, requests, tokens and cost."""
    extent = f"{plan.task}: {counted(plan.problems, 'problem')}, {counted(plan.samples, 'sample')}, into {plan.folder}"
    if not plan.requests:
        return f"{extent}; no requests: all completions exist"
    existing = f" ({plan.samples - plan.requests} exist already)" if plan.requests < plan.samples else ""
    prompt_tokens = "" if plan.prompt_tokens is None else f", about {plan.prompt_tokens:,} prompt tokens"
    output_tokens = f"at most {plan.max_output_tokens_of_run:,} output tokens ({plan.max_output_tokens:,} each)"
    cost = plan.max_cost(prices) if prices else None
    price = f", at most {cost:.2f} at these prices" if cost is not None else ""
    return f"{extent}; {counted(plan.requests, 'request')}{existing}{prompt_tokens}, {output_tokens}{price}"
