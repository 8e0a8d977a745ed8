"""Generates the target's answers to training prompts, with continuous batching."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import RowInput, forward_rows, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.generation.stopping import StopChecker
from evalharness.training.drafting.features import FeatureBuffer, find_most_probable_tokens
from evalharness.training.drafting.prompts import Kind, TrainingPrompt
from evalharness.training.drafting.shards import TrainingText


@dataclass(eq=False)
class AnswerJob:
    """A tokenized prompt, the answer that is being generated, and the checker that decides when the answer ends."""

    source: TrainingPrompt
    prompt: list[int]
    stop: StopChecker
    answer: list[int] = field(default_factory=list)
    features: FeatureBuffer | None = None
    """The target's features of the text so far; None if they are not recorded."""

    def append_token_and_check_end(self, token_id: int) -> bool:
        """Appends the answer's next token, which may be an end token; returns whether the answer has ended with it."""
        self.answer.append(token_id)
        return self.stop.add_token_and_check_end(token_id)

    def to_training_text(self) -> TrainingText:
        """Returns the prompt and the finished answer as a training text."""
        return TrainingText(self.source.kind, tuple(self.prompt), tuple(self.answer))


@dataclass(frozen=True)
class _ReusablePrompt:
    """The latest prompt of one kind, such as chat, with the target's hidden states, keys and values for its tokens.

    A later prompt of this kind reuses them for the tokens with which both prompts begin.
    """

    prompt: list[int]
    states: Tensor
    cache: KVCache


class GenerationSlots:
    """Generates answers with continuous batching: each running job has a slot, which is a row of one KV cache.

    A job's prompt is prefilled in a separate KV cache, whose row is then copied to the job's slot.
    """

    def __init__(
        self, model: Transformer, count: int, capacity: int, recorder: HiddenStateRecorder | None = None
    ) -> None:
        """Allocates slots for `count` jobs at a time, of at most `capacity` tokens each.

        With a recorder, each job keeps the target's states and most probable tokens.
        """
        weight = model.embed.weight
        self._model, self._recorder = model, recorder
        self._cache = KVCache(model.config, count, capacity, weight.dtype, weight.device)
        self._jobs: list[AnswerJob | None] = [None] * count
        self._latest: dict[Kind, _ReusablePrompt] = {}

    @property
    def free_slot_count(self) -> int:
        """The number of free slots."""
        return self._jobs.count(None)

    @torch.inference_mode()
    def start_jobs(self, jobs: Sequence[AnswerJob]) -> None:
        """Assigns jobs to free slots, prefills their prompts in one forward pass, and generates each job's first token.

        The keys and values of the prefix that a prompt shares with the latest prompt of its kind, such as the system
        message, are reused.
        """
        model, weight = self._model, self._model.embed.weight
        shared = [self._reusable_prefix_length(job) for job in jobs]
        inputs = [make_causal_input(size, job.prompt[size:]) for job, size in zip(jobs, shared, strict=True)]
        room = max(shared) + max(len(row_input.tokens) for row_input in inputs)
        cache = KVCache(model.config, len(jobs), room, weight.dtype, weight.device)
        for row, (job, size) in enumerate(zip(jobs, shared, strict=True)):
            if size:
                self._copy_row(self._latest[job.source.kind].cache, 0, cache, row, size)
        hidden = forward_rows(model, inputs, cache)
        ends = torch.stack([hidden[row, len(row_input.tokens) - 1] for row, row_input in enumerate(inputs)])
        for row, (job, size) in enumerate(zip(jobs, shared, strict=True)):
            if self._recorder is not None:
                states = self._recorder.states[row, : len(inputs[row].tokens)]
                job.features = FeatureBuffer(len(job.prompt), job.stop.limit + 1, states.shape[-1])
                if size:
                    job.features.append_states(self._latest[job.source.kind].states[:size])
                job.features.append_states(states)
            slot = self._jobs.index(None)
            self._copy_row(cache, row, self._cache, slot, len(job.prompt))
            self._jobs[slot] = job
        for job in {job.source.kind: job for job in jobs}.values():
            prompt_cache = KVCache(model.config, 1, len(job.prompt), weight.dtype, weight.device)
            self._copy_row(cache, jobs.index(job), prompt_cache, 0, len(job.prompt))
            states = job.features.states[: len(job.prompt)] if job.features else torch.empty(0)
            self._latest[job.source.kind] = _ReusablePrompt(job.prompt, states.clone(), prompt_cache)
        self._append_most_probable_tokens(ends, jobs)

    @torch.inference_mode()
    def decode_and_pop_ended_jobs(self) -> list[AnswerJob]:
        """Generates the next token of each running job; returns the jobs that have ended, whose slots are then free."""
        ended = self._pop_ended_jobs()
        if all(job is None for job in self._jobs):
            return ended
        hidden = forward_rows(self._model, [_make_next_input(job) for job in self._jobs], self._cache)
        if self._recorder is not None:
            for job, states in zip(self._jobs, self._recorder.states, strict=True):
                if job is not None and job.features is not None:
                    job.features.append_states(states)
        self._append_most_probable_tokens(hidden[:, 0], self._jobs)
        return ended + self._pop_ended_jobs()

    def _append_most_probable_tokens(self, hidden: Tensor, jobs: Sequence[AnswerJob | None]) -> None:
        """Appends to each job the most probable next token, given final hidden states [jobs, hidden size]."""
        logits = self._model.logits(hidden)
        ids, probabilities = find_most_probable_tokens(logits) if self._recorder is not None else (None, None)
        for number, (job, token) in enumerate(zip(jobs, logits.max(dim=-1).indices.tolist(), strict=True)):
            if job is not None:
                job.append_token_and_check_end(token)
                if job.features is not None and ids is not None and probabilities is not None:
                    job.features.append_top_tokens(ids[number], probabilities[number])

    def _reusable_prefix_length(self, job: AnswerJob) -> int:
        """Returns how many tokens a job's prompt shares, from its start, with the latest prompt of the same kind.

        The prompt's last token does not count: it must be processed again to predict the answer's first token.
        """
        latest = self._latest.get(job.source.kind)
        return min(_common_prefix_length(latest.prompt, job.prompt), len(job.prompt) - 1) if latest else 0

    def _copy_row(self, source: KVCache, source_row: int, target: KVCache, target_row: int, length: int) -> None:
        """Copies the first `length` positions of a row of the KV cache `source` to a row of the KV cache `target`."""
        for layer in range(self._model.config.layers):
            for target_tensor, source_tensor in zip(
                target.layer_keys_and_values(layer), source.layer_keys_and_values(layer), strict=True
            ):
                target_tensor[target_row, :, :length] = source_tensor[source_row, :, :length]

    def _pop_ended_jobs(self) -> list[AnswerJob]:
        ended = [job for job in self._jobs if job is not None and job.stop.reason]
        self._jobs = [None if job is not None and job.stop.reason else job for job in self._jobs]
        return ended


def _common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Returns the length of the common prefix of two token sequences."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(first), len(second)))


def _make_next_input(job: AnswerJob | None) -> RowInput:
    """Returns the input of a job's next decoding step, its last token; for an empty slot (None), an arbitrary token."""
    if job is None:
        return make_causal_input(0, [0])
    return make_causal_input(len(job.prompt) + len(job.answer) - 1, job.answer[-1:])


def generate_answers(
    model: Transformer,
    jobs: Iterator[AnswerJob],
    slot_count: int,
    max_prompt_and_answer_tokens: int,
    should_stop: Callable[[], bool],
    taps: Sequence[int] = (),
    prompts_per_prefill: int = 1,
) -> Iterator[AnswerJob]:
    """Yields each job when its answer has ended, in any order, until all have ended or `should_stop()` is true.

    Up to `slot_count` jobs run concurrently; a job's prompt and answer together have at most
    `max_prompt_and_answer_tokens` tokens. Up to `prompts_per_prefill` prompts share a prefill pass; on a CPU 1 is
    faster, because a prompt then reuses more of the previous one. With `taps` (layer numbers), jobs record the hidden
    states of these layers, so that the target need not process the texts again.
    """
    with HiddenStateRecorder(model, taps) if taps else nullcontext() as recorder:
        table = GenerationSlots(model, slot_count, max_prompt_and_answer_tokens, recorder)
        while not should_stop():
            while started := list(itertools.islice(jobs, min(prompts_per_prefill, table.free_slot_count))):
                table.start_jobs(started)
            if table.free_slot_count == slot_count:
                return
            yield from table.decode_and_pop_ended_jobs()
