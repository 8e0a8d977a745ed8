"""Generates one batch with a causal language model: from tokenized requests (rows) to timed completions."""

import time
from dataclasses import dataclass, field

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from evalharness.backends.transformers.causal_lm import CausalLM, tokenize_prompt
from evalharness.generation.completions import EMPTY_PROMPT, make_empty_completion
from evalharness.generation.sampling import SeededSampler, derive_sample_seed
from evalharness.generation.stopping import BatchStopChecker, GeneratedRow, StopChecker
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now


@dataclass(frozen=True)
class Row:
    """A tokenized request: one row (sequence) of a batch."""

    request: Request
    ids: list[int] = field(default_factory=list)
    """Token ids of the prompt."""
    limit: int = 0
    """Maximum number of tokens to generate; 0 if the prompt leaves no room."""
    error: str = ""
    """The reason why the row cannot be generated; "" if it can, or if only `limit` is 0."""

    def make_empty_completion(self, error: str) -> Completion:
        """Returns a completion without text for the row's request.

        `error` says why the request failed; "" if only the prompt was too long for the model's context.
        """
        return make_empty_completion(self.request, len(self.ids), error)


def tokenize_request(lm: CausalLM, request: Request, sampling: Sampling) -> Row:
    """Returns a request as a tokenized row; its `limit` is `max_new_tokens`, or fewer if the context has less room."""
    ids = tokenize_prompt(lm, request.problem.prompt)
    if not ids:
        return Row(request, ids, error=EMPTY_PROMPT)
    room = sampling.max_new_tokens if lm.positions is None else lm.positions - len(ids)
    return Row(request, ids, limit=max(0, min(sampling.max_new_tokens, room)))


def generate_batch(lm: CausalLM, rows: list[Row], sampling: Sampling) -> list[Completion]:
    """Generates all rows of a batch together; returns one completion per row, in order.

    The completions' times are counted from just before the prompts are copied to the device.
    """
    checkers = []
    for row in rows:
        end_tokens, stops = _find_end_tokens_and_stop_sequences(lm, row.request.problem.prompt)
        checkers.append(StopChecker(lm.detokenizer, end_tokens, stops, row.limit))
    processors = LogitsProcessorList()
    if sampling.temperature > 0:
        seeds = [derive_sample_seed(sampling.seed, row.request.key) for row in rows]
        processors.append(SeededSampler(seeds, sampling.temperature, sampling.top_p))
    config = GenerationConfig(
        max_new_tokens=max(row.limit for row in rows), do_sample=False, num_beams=1, use_cache=True,
        pad_token_id=lm.pad, eos_token_id=sorted(lm.end_tokens) or None,
    )  # fmt: skip
    started_at, start = now(), time.perf_counter()
    stop_checker = BatchStopChecker(checkers, start)
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[lm.pad] * (width - len(row.ids)) + row.ids for row in rows], device=lm.device)
    mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows], device=lm.device)
    lm.model.generate(
        ids, attention_mask=mask, generation_config=config,
        logits_processor=processors, stopping_criteria=StoppingCriteriaList([stop_checker]),
    )  # fmt: skip
    results = stop_checker.generated_rows()
    return [_make_completion(row, result, started_at, len(rows)) for row, result in zip(rows, results, strict=True)]


def _find_end_tokens_and_stop_sequences(lm: CausalLM, prompt: Prompt) -> tuple[frozenset[int], tuple[str, ...]]:
    """Returns (end token ids, stop sequences): the tokens and texts that end an answer to the prompt."""
    if prompt.suffix is None or lm.infilling is None:
        return lm.end_tokens, prompt.stops
    return lm.end_tokens | lm.infilling.end_tokens, prompt.stops + lm.infilling.stops


def _make_completion(row: Row, result: GeneratedRow, started_at: float, batch_size: int) -> Completion:
    return Completion(
        *row.request.key,
        text=result.text,
        prompt_tokens=len(row.ids),
        output_tokens=result.tokens,
        characters=len(result.text),
        started_at=started_at,
        first_output_s=result.first_s,
        first_output_tokens=min(1, result.tokens),
        total_s=result.ended_s,
        batch=batch_size,
        finish_reason=result.reason,
    )
