"""Any causal language model that transformers can load, from a local folder or the hub, in batches.

A sample's draws depend on the seed and its key alone (`drawing`), a row ends at its own stop sequence (`stopping`),
and nothing that a checkpoint recommends for decoding is used (`causal_lm`). Those modules import torch and are
themselves imported when the model is first needed.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness.backends import BackendConfig, nothing, parse_options
from evalharness.errors import UserError
from evalharness.generation.infilling import NAMES, find_infilling, require_free_middle
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.transformers.causal_lm import CausalLM
    from evalharness.generation.stopping import RowResult


class Options(BaseModel):
    """The backend's `--option key=value` pairs."""

    model_config = ConfigDict(extra="forbid")

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    revision: str | None = None
    attn: str | None = None
    """Attention implementation, as transformers names it: eager, sdpa, flash_attention_2, ..."""
    chat_template: str | None = None
    """Path of a Jinja file that replaces the tokenizer's chat template."""
    fim: Literal["auto", *NAMES] = "auto"  # type: ignore[valid-type]
    """How to ask for what is in a gap; auto: by the sentinel tokens in the tokenizer's vocabulary."""
    trust_remote_code: bool = False
    compile: bool = False
    """Compile the forward pass. Shapes first met during a run are compiled on that run's time."""


@dataclass(frozen=True)
class _Row:
    """A request with its prompt's token ids and the number of tokens it may get, or why nothing can be generated."""

    request: Request
    ids: list[int] = field(default_factory=list)
    limit: int = 0
    error: str = ""

    def nothing(self, error: str) -> Completion:
        """An empty answer: the model's failure to take the prompt or, with `error`, the machine's to run it."""
        return nothing(self.request, len(self.ids), error)


class TransformersBackend:
    """Generates with a causal language model in this process; loads nothing before it is needed."""

    name = "transformers"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for a missing model, a bad option or a batch size below 1."""
        if not config.model:
            raise UserError("backend transformers needs a model: --model FOLDER or --model HUB-ID")
        if config.batch_size < 1:
            raise UserError(f"batch size {config.batch_size}: give --batch-size a number of at least 1")
        self._model = config.model
        self._options = parse_options(Options, self.name, config.options)
        self._asked = config.batch_size
        self._rows = config.batch_size
        self._loaded: CausalLM | None = None
        self._tokenizer: Any = None

    def accept(self, prompt: Prompt) -> None:
        """Takes any text, and a gap where the tokenizer has sentinel tokens for it; loads no more than that.

        Raises UserError for a gap that it cannot take. What a chat template takes is seen when it is used.
        """
        if prompt.suffix is None:
            return
        require_free_middle(self.name, prompt)
        if find_infilling(self._load_tokenizer(), self._options.fim) is None:
            raise UserError(
                f"the tokenizer of model {self._model} has no sentinel tokens for infilling that are known "
                f"({', '.join(NAMES)}); use a model that was trained to infill, or --option recipe=suffix-first"
            )

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, a batch at a time, pulling one batch of requests at a time.

        A prompt that leaves room for fewer than `max_new_tokens` gets as many as fit, and one that leaves none an
        empty answer: the model's own limit, so its failure. A single row that does not fit the device's memory is
        yielded with `error`. Raises UserError for a model that does not load and a chat prompt it cannot take.
        """
        lm = self._load()
        waiting = iter(requests)
        while chunk := list(islice(waiting, self._rows)):
            yield from self._chunk(lm, [_encode(lm, request, sampling) for request in chunk], sampling)

    def describe(self) -> Mapping[str, Any]:
        """Model, weights, precision, device, options and versions. Loads the model; raises UserError as that does."""
        from evalharness.backends.transformers import causal_lm

        options = self._options.model_dump(exclude={"dtype", "device", "attn"})
        return {**causal_lm.describe(self._model, self._load()), "batch_size": self._asked, "options": options}

    def close(self) -> None:
        """Frees the model and its device memory."""
        if self._loaded is not None:
            self._loaded = None
            _free()

    def _load(self) -> CausalLM:
        from evalharness.backends.transformers import causal_lm

        if self._loaded is None:
            self._loaded = causal_lm.load(self._model, self._load_tokenizer(), self._options, self._rows)
        return self._loaded

    def _load_tokenizer(self) -> Any:
        from evalharness.backends.transformers import causal_lm

        if self._tokenizer is None:
            self._tokenizer = causal_lm.load_tokenizer(self._model, self._options)
        return self._tokenizer

    def _chunk(self, lm: CausalLM, rows: list[_Row], sampling: Sampling) -> Iterator[Completion]:
        """The completions of encoded rows in order: those that can be generated share one batch where it fits."""
        batched = self._batches(lm, [row for row in rows if row.limit], sampling)
        for row in rows:
            yield next(batched) if row.limit else row.nothing(row.error)

    def _batches(self, lm: CausalLM, rows: list[_Row], sampling: Sampling) -> Iterator[Completion]:
        """One completion per row, in order. Smaller batches from the first that runs out of memory on."""
        import torch

        while rows:
            part = rows[: self._rows]
            try:
                done = _run_batch(lm, part, sampling)
            except torch.cuda.OutOfMemoryError as error:
                done, reason = [], str(error).partition("\n")[0]
            if not done:
                # Outside the handler, where the exception's frames no longer hold the tensors.
                _free()
                if len(part) == 1:
                    done = [part[0].nothing(f"out of device memory with one row: {reason}")]
                else:
                    self._rows = len(part) // 2
                    warnings.warn(f"batch of {len(part)} does not fit; going on with {self._rows}", stacklevel=2)
            yield from done
            rows = rows[len(done) :]


def _encode(lm: CausalLM, request: Request, sampling: Sampling) -> _Row:
    """The request as a row, with as many new tokens as fit behind its prompt."""
    from evalharness.backends.transformers import causal_lm

    ids = causal_lm.encode(lm, request.problem.prompt)
    if not ids:
        return _Row(request, ids, error="the prompt has no tokens")
    room = sampling.max_new_tokens if lm.positions is None else lm.positions - len(ids)
    return _Row(request, ids, limit=max(0, min(sampling.max_new_tokens, room)))


def _run_batch(lm: CausalLM, rows: list[_Row], sampling: Sampling) -> list[Completion]:
    """Generates the rows in the same forward passes. Times count from before the prompts go to the device."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    from evalharness.generation.sampling import SeededSampler, sample_seed
    from evalharness.generation.stopping import BatchStopChecker, StopChecker

    watches = [StopChecker(lm.decoder, *_ends(lm, row.request.problem.prompt), row.limit) for row in rows]
    processors = LogitsProcessorList()
    if sampling.temperature > 0:
        seeds = [sample_seed(sampling.seed, row.request.key) for row in rows]
        processors.append(SeededSampler(seeds, sampling.temperature, sampling.top_p))
    config = GenerationConfig(
        max_new_tokens=max(row.limit for row in rows), do_sample=False, num_beams=1, use_cache=True,
        pad_token_id=lm.pad, eos_token_id=sorted(lm.ends) or None,
    )  # fmt: skip
    started_at, start = now(), time.perf_counter()
    watch = BatchStopChecker(watches, start)
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[lm.pad] * (width - len(row.ids)) + row.ids for row in rows], device=lm.device)
    mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows], device=lm.device)
    lm.model.generate(
        ids, attention_mask=mask, generation_config=config,
        logits_processor=processors, stopping_criteria=StoppingCriteriaList([watch]),
    )  # fmt: skip
    return [_completion(row, end, started_at, len(rows)) for row, end in zip(rows, watch.results(), strict=True)]


def _ends(lm: CausalLM, prompt: Prompt) -> tuple[frozenset[int], tuple[str, ...]]:
    """The tokens that end the answer, and the texts before which it is cut."""
    if prompt.suffix is None or lm.infilling is None:
        return lm.ends, prompt.stops
    return lm.ends | lm.infilling.ends, prompt.stops + lm.infilling.stops


def _completion(row: _Row, end: RowResult, started_at: float, batch: int) -> Completion:
    return Completion(
        *row.request.key,
        text=end.text,
        prompt_tokens=len(row.ids),
        output_tokens=end.tokens,
        characters=len(end.text),
        started_at=started_at,
        first_output_s=end.first_s,
        first_output_tokens=min(1, end.tokens),
        total_s=end.ended_s,
        batch=batch,
        finish_reason=end.reason,
    )


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
