"""The target's own answers to prompts, generated in batches whose rows are refilled as they end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.forward import Segment, causal_segment, forward_segments
from evalharness.diffusion.network import Transformer
from evalharness.generation.stopping import StopChecker
from evalharness.training.drafting.prompts import DraftPrompt, Kind
from evalharness.training.drafting.shards import Text


@dataclass
class Job:
    """A prompt in token ids and what decides where its answer ends."""

    source: DraftPrompt
    prompt: list[int]
    stop: StopChecker
    answer: list[int] = field(default_factory=list)

    def push(self, token: int) -> bool:
        """Takes the answer's next token, end tokens included; returns whether the answer has ended."""
        self.answer.append(token)
        return self.stop.push(token)

    def text(self) -> Text:
        """Returns the job as a text of a shard."""
        return Text(self.source.kind, tuple(self.prompt), tuple(self.answer))


class Slots:
    """Rows of one cache that jobs take and leave. A job's prompt is computed separately and copied into its slot."""

    def __init__(self, model: Transformer, count: int, capacity: int) -> None:
        """Holds `count` jobs at a time, of at most `capacity` tokens each."""
        weight = model.embed.weight
        self._model, self._capacity = model, capacity
        self._cache = KVCache(model.config, count, capacity, weight.dtype, weight.device)
        self._jobs: list[Job | None] = [None] * count
        self._latest: dict[Kind, tuple[list[int], KVCache]] = {}
        """For each kind, the latest prompt and its keys and values."""

    @property
    def free(self) -> int:
        """Slots without a job."""
        return self._jobs.count(None)

    @torch.inference_mode()
    def start(self, job: Job) -> None:
        """Puts a job into a free slot and generates its first token.

        What its prompt has in common with the latest one of its kind, such as the system message, is reused.
        """
        model, prompt, weight = self._model, job.prompt, self._model.embed.weight
        cache = KVCache(model.config, 1, len(prompt), weight.dtype, weight.device)
        shared = 0
        if job.source.kind in self._latest:
            before, before_cache = self._latest[job.source.kind]
            # The last token is always computed: its state predicts the first token of the answer.
            shared = min(_common_length(before, prompt), len(prompt) - 1)
            self._copy(before_cache, cache, 0, shared)
        hidden = forward_segments(model, [causal_segment(shared, prompt[shared:])], cache)
        self._latest[job.source.kind] = prompt, cache
        slot = self._jobs.index(None)
        self._copy(cache, self._cache, slot, len(prompt))
        self._jobs[slot] = job
        job.push(self._choose(hidden[:, -1])[0])

    @torch.inference_mode()
    def step(self) -> list[Job]:
        """Generates one more token of each job; returns the jobs that have ended and frees their slots."""
        ended = self._release()
        if all(job is None for job in self._jobs):
            return ended
        tokens = self._choose(
            forward_segments(self._model, [_last_token(job) for job in self._jobs], self._cache)[:, 0]
        )
        for job, token in zip(self._jobs, tokens, strict=True):
            if job is not None:
                job.push(token)
        return ended + self._release()

    def _copy(self, source: KVCache, target: KVCache, row: int, size: int) -> None:
        """Copies the first `size` positions of a cache of one row into a row of another cache."""
        for layer in range(self._model.config.layers):
            for kept, new in zip(target.layer(layer), source.layer(layer), strict=True):
                kept[row, :, :size] = new[0, :, :size]

    def _release(self) -> list[Job]:
        ended = [job for job in self._jobs if job is not None and job.stop.reason]
        self._jobs = [None if job is not None and job.stop.reason else job for job in self._jobs]
        return ended

    def _choose(self, hidden: torch.Tensor) -> list[int]:
        tokens: list[int] = self._model.logits(hidden).max(dim=-1).indices.tolist()
        return tokens


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Returns the number of tokens with which both begin."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(first), len(second)))


def _last_token(job: Job | None) -> Segment:
    """Returns the input of a job's next step; of an empty slot, a token that nobody reads."""
    if job is None:
        return causal_segment(0, [0])
    return causal_segment(len(job.prompt) + len(job.answer) - 1, job.answer[-1:])


def generate_answers(
    model: Transformer, jobs: Iterator[Job], slots: int, capacity: int, stop: Callable[[], bool]
) -> Iterator[Job]:
    """Yields jobs as they end, in no particular order, until the jobs end or `stop()` is true."""
    table = Slots(model, slots, capacity)
    waiting = True
    while not stop():
        while waiting and table.free:
            job = next(jobs, None)
            waiting = job is not None
            if job is not None:
                table.start(job)
        if table.free == slots:
            return
        yield from table.step()
