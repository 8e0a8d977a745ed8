"""The target's own answers to prompts, generated in batches whose rows are refilled as they end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.forward import Segment, causal_segment, forward_segments, gather_states
from evalharness.diffusion.network import Transformer
from evalharness.generation.stopping import StopChecker
from evalharness.training.drafting.prompts import DraftPrompt
from evalharness.training.drafting.shards import Text


@dataclass
class Job:
    """A prompt in token ids and what decides where its answer ends."""

    source: DraftPrompt
    prompt: list[int]
    stop: StopChecker
    answer: list[int] = field(default_factory=list)

    def push(self, token: int) -> bool:
        """Takes the answer's next token, end tokens included; whether the answer has ended with it."""
        self.answer.append(token)
        return self.stop.push(token)

    def text(self) -> Text:
        """The job as a text of a shard."""
        return Text(self.source.kind, tuple(self.prompt), tuple(self.answer))


class Slots:
    """Rows of one cache that jobs take and leave. A job's prompt is computed apart and copied into its slot."""

    def __init__(self, model: Transformer, count: int, capacity: int) -> None:
        """`count` jobs at a time, of at most `capacity` tokens each."""
        weight = model.embed.weight
        self._model, self._capacity = model, capacity
        self._cache = KVCache(model.config, count, capacity, weight.dtype, weight.device)
        self._jobs: list[Job | None] = [None] * count

    @property
    def free(self) -> int:
        """Slots without a job."""
        return self._jobs.count(None)

    @torch.inference_mode()
    def start(self, jobs: Sequence[Job]) -> None:
        """Puts jobs into free slots and generates the first token of each."""
        weight = self._model.embed.weight
        size = max(len(job.prompt) for job in jobs)
        prompts = KVCache(self._model.config, len(jobs), size, weight.dtype, weight.device)
        hidden = forward_segments(self._model, [causal_segment(0, job.prompt) for job in jobs], prompts)
        tokens = self._choose(gather_states(hidden, [(row, len(job.prompt) - 1) for row, job in enumerate(jobs)]))
        slots = [number for number, job in enumerate(self._jobs) if job is None][: len(jobs)]
        for layer in range(self._model.config.layers):
            for kept, new in zip(self._cache.layer(layer), prompts.layer(layer), strict=True):
                kept[slots, :, :size] = new
        for slot, job, token in zip(slots, jobs, tokens, strict=True):
            self._jobs[slot] = job
            job.push(token)

    @torch.inference_mode()
    def step(self) -> list[Job]:
        """Generates one more token of each job; the jobs that have ended, whose slots are free again."""
        ended = self._release()
        rows = [
            causal_segment(0, [0])
            if job is None
            else causal_segment(len(job.prompt) + len(job.answer) - 1, job.answer[-1:])
            for job in self._jobs
        ]
        if all(job is None for job in self._jobs):
            return ended
        tokens = self._choose(forward_segments(self._model, rows, self._cache)[:, 0])
        for job, token in zip(self._jobs, tokens, strict=True):
            if job is not None:
                job.push(token)
        return ended + self._release()

    def _release(self) -> list[Job]:
        ended = [job for job in self._jobs if job is not None and job.stop.reason]
        self._jobs = [None if job is not None and job.stop.reason else job for job in self._jobs]
        return ended

    def _choose(self, hidden: torch.Tensor) -> list[int]:
        tokens: list[int] = self._model.logits(hidden).max(dim=-1).indices.tolist()
        return tokens


def _last_token(job: Job | None) -> Segment:
    """The input of a job's next step; of an empty slot, a token that nobody reads."""
    if job is None:
        return causal_segment(0, [0])
    return causal_segment(len(job.prompt) + len(job.answer) - 1, job.answer[-1:])


def generate_answers(
    model: Transformer, jobs: Iterator[Job], slots: int, capacity: int, stop: Callable[[], bool]
) -> Iterator[Job]:
    """Yields jobs as they end, in no particular order, until the jobs end or `stop()` is true."""
    table = Slots(model, slots, capacity)
    refill = max(1, slots // 8)
    waiting = True
    while not stop():
        # Several prompts at a time cost less per token than one.
        if waiting and table.free >= refill:
            chunk = [job for _, job in zip(range(refill), jobs, strict=False)]
            waiting = bool(chunk)
            if chunk:
                table.start(chunk)
                continue
        if table.free == slots and not waiting:
            return
        yield from table.step()
