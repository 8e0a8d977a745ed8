"""Generates the target's answers to training prompts, with continuous batching."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.drafting.taps import TapRecorder
from evalharness.diffusion.forward import Segment, causal_segment, forward_segments
from evalharness.diffusion.network import Transformer
from evalharness.generation.stopping import StopChecker
from evalharness.training.drafting.features import RecordedFeatures, top_tokens
from evalharness.training.drafting.prompts import DraftPrompt, Kind
from evalharness.training.drafting.shards import TrainingText


@dataclass(eq=False)
class AnswerJob:
    """A tokenized prompt, the answer that is being generated, and the rule that ends the answer."""

    source: DraftPrompt
    prompt: list[int]
    stop: StopChecker
    answer: list[int] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    """Hidden states of the tapped layers for the prompt [tokens, taps * hidden], then those of each token of the
    answer.
    """
    tops: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """For each token of the answer, ids and probabilities of the most probable ones."""

    def push(self, token: int) -> bool:
        """Takes the answer's next token, end tokens included; returns whether the answer has ended."""
        self.answer.append(token)
        return self.stop.push(token)

    def text(self) -> TrainingText:
        """Returns prompt and finished answer as a training text."""
        return TrainingText(self.source.kind, tuple(self.prompt), tuple(self.answer))

    def observed(self) -> RecordedFeatures:
        """Returns the target's features of the text, recorded during generation.

        The hidden states of the answer's last token, which was in no forward pass, are 0.
        """
        states = [*self.states, torch.zeros_like(self.states[0][:1])]
        ids, probabilities = zip(*self.tops, strict=True)
        return RecordedFeatures(torch.cat(states), torch.stack(ids), torch.stack(probabilities))


@dataclass(frozen=True)
class _LatestJob:
    """The latest job of a kind of prompts, and its prompt's keys and values.

    A later prompt reuses those of the prefix that both prompts have in common.
    """

    job: AnswerJob
    cache: KVCache


class GenerationSlots:
    """A KV cache for continuous batching: each running job has one of its rows (slots).

    A job's prompt is prefilled in a separate KV cache and then copied into the job's row.
    """

    def __init__(self, model: Transformer, count: int, capacity: int, recorder: TapRecorder | None = None) -> None:
        """Allocates slots for `count` jobs at a time, of at most `capacity` tokens each.

        With a recorder, each job keeps the target's states and most probable tokens.
        """
        weight = model.embed.weight
        self._model, self._recorder = model, recorder
        self._cache = KVCache(model.config, count, capacity, weight.dtype, weight.device)
        self._jobs: list[AnswerJob | None] = [None] * count
        self._latest: dict[Kind, _LatestJob] = {}

    @property
    def free(self) -> int:
        """The number of free slots."""
        return self._jobs.count(None)

    @torch.inference_mode()
    def start(self, jobs: Sequence[AnswerJob]) -> None:
        """Gives jobs free slots, prefills their prompts in one forward pass, and generates their first tokens.

        The keys and values of what a prompt has in common with the latest one of its kind, such as the system message,
        are reused.
        """
        model, weight = self._model, self._model.embed.weight
        shared = [self._reusable_length(job) for job in jobs]
        segments = [causal_segment(size, job.prompt[size:]) for job, size in zip(jobs, shared, strict=True)]
        room = max(shared) + max(len(segment.tokens) for segment in segments)
        cache = KVCache(model.config, len(jobs), room, weight.dtype, weight.device)
        for row, (job, size) in enumerate(zip(jobs, shared, strict=True)):
            if size:
                self._copy_row(self._latest[job.source.kind].cache, 0, cache, row, size)
        hidden = forward_segments(model, segments, cache)
        ends = torch.stack([hidden[row, len(segment.tokens) - 1] for row, segment in enumerate(segments)])
        for row, (job, size) in enumerate(zip(jobs, shared, strict=True)):
            if self._recorder is not None:
                known = [self._latest[job.source.kind].job.states[0][:size]] if size else []
                new = self._recorder.states[row, : len(segments[row].tokens)].to(torch.bfloat16)
                job.states = [torch.cat([*known, new])]
            slot = self._jobs.index(None)
            self._copy_row(cache, row, self._cache, slot, len(job.prompt))
            self._jobs[slot] = job
        for job in {job.source.kind: job for job in jobs}.values():
            kept = KVCache(model.config, 1, len(job.prompt), weight.dtype, weight.device)
            self._copy_row(cache, jobs.index(job), kept, 0, len(job.prompt))
            self._latest[job.source.kind] = _LatestJob(job, kept)
        self._append_tokens(ends, jobs)

    @torch.inference_mode()
    def step(self) -> list[AnswerJob]:
        """Generates one more token of each running job; returns the jobs that have ended and frees their slots."""
        ended = self._release_ended()
        if all(job is None for job in self._jobs):
            return ended
        hidden = forward_segments(self._model, [_last_token(job) for job in self._jobs], self._cache)
        if self._recorder is not None:
            states = self._recorder.states.to(torch.bfloat16)
            for job, state in zip(self._jobs, states, strict=True):
                if job is not None:
                    job.states.append(state)
        self._append_tokens(hidden[:, 0], self._jobs)
        return ended + self._release_ended()

    def _append_tokens(self, hidden: Tensor, jobs: Sequence[AnswerJob | None]) -> None:
        """Appends to each job the most probable token given its final hidden state in `hidden` [jobs, hidden]."""
        logits = self._model.logits(hidden)
        tops = list(zip(*top_tokens(logits), strict=True)) if self._recorder is not None else []
        for number, (job, token) in enumerate(zip(jobs, logits.max(dim=-1).indices.tolist(), strict=True)):
            if job is not None:
                job.push(token)
                if tops:
                    job.tops.append(tops[number])

    def _reusable_length(self, job: AnswerJob) -> int:
        """Returns the length of the common prefix of a job's prompt and the latest prompt of the same kind.

        The prompt's last token never counts, because its hidden state has to be computed to predict the first answer
        token.
        """
        latest = self._latest.get(job.source.kind)
        return min(_common_length(latest.job.prompt, job.prompt), len(job.prompt) - 1) if latest else 0

    def _copy_row(self, source: KVCache, source_row: int, target: KVCache, row: int, size: int) -> None:
        """Copies the first `size` positions of row `source_row` of one KV cache into row `row` of another one."""
        for layer in range(self._model.config.layers):
            for kept, new in zip(target.layer(layer), source.layer(layer), strict=True):
                kept[row, :, :size] = new[source_row, :, :size]

    def _release_ended(self) -> list[AnswerJob]:
        ended = [job for job in self._jobs if job is not None and job.stop.reason]
        self._jobs = [None if job is not None and job.stop.reason else job for job in self._jobs]
        return ended


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Returns the length of the common prefix of two token sequences."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(first), len(second)))


def _last_token(job: AnswerJob | None) -> Segment:
    """Returns the input of a job's next decoding step: its last token. For an empty slot it is any token."""
    if job is None:
        return causal_segment(0, [0])
    return causal_segment(len(job.prompt) + len(job.answer) - 1, job.answer[-1:])


def generate_answers(
    model: Transformer,
    jobs: Iterator[AnswerJob],
    slots: int,
    capacity: int,
    stop: Callable[[], bool],
    taps: Sequence[int] = (),
    together: int = 1,
) -> Iterator[AnswerJob]:
    """Yields jobs as their answers end, in no particular order, until all have ended or `stop()` is true.

    Up to `slots` jobs run at a time, with at most `capacity` tokens each. Up to `together` prompts share a prefill
    pass; on a CPU single prompts are faster, because they reuse more of earlier ones. With `taps` (layer numbers), jobs
    keep the hidden states of these layers, so that the target need not process their texts again.
    """
    with TapRecorder(model, taps) if taps else nullcontext() as recorder:
        table = GenerationSlots(model, slots, capacity, recorder)
        while not stop():
            while started := list(itertools.islice(jobs, min(together, table.free))):
                table.start(started)
            if table.free == slots:
                return
            yield from table.step()
