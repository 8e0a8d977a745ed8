"""DiffusionGemma through transformers, with transformers' own sampler: the backend `diffusion` for such checkpoints.

Its temperatures are a schedule of its own, which a run's temperature and top_p do not reach; the manifest names it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from evalharness.backends.network import completion, encode_text
from evalharness.diffusion.checkpoints.families import Family
from evalharness.diffusion.checkpoints.loading import end_tokens, open_tokenizer, read_json
from evalharness.diffusion.rows import Row, record_times
from evalharness.errors import UserError
from evalharness.generation.devices import select_device, select_dtype
from evalharness.generation.fingerprints import weights_digest
from evalharness.generation.sampling import sample_seed
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.records import Completion, Request, Sampling
from evalharness.util.clock import now

if TYPE_CHECKING:
    from evalharness.backends.diffusion.backend import Options

FAMILY = Family("diffusion_gemma", "transformers models/diffusion_gemma/generation_diffusion_gemma.py")


@dataclass(frozen=True)
class Gemma:
    """A loaded model. `steps` is the most passes per canvas, where the user says."""

    name: str
    model: Any
    tokenizer: Any
    decoder: Detokenizer
    ends: frozenset[int]
    steps: int | None


@dataclass
class Watcher:
    """Streamer and stopping criterion of one generation: counts passes, keeps drafts, ends the row."""

    row: Row
    start: float
    drafts: list[list[int]] = field(default_factory=list)
    """What each pass since the last finished canvas would write."""
    canvases: int = 0
    steps: int = 0

    def put(self, value: torch.Tensor) -> None:
        """The prompt, or a finished canvas; `__call__` has seen that already."""

    def end(self) -> None:
        """Nothing is left to do."""

    def put_draft(self, value: torch.Tensor) -> None:
        """A pass has ended."""
        self.drafts.append(value[0].tolist())
        self.row.forward_passes += 1

    def encoded(self, *_: Any) -> None:
        """The prompt, or a finished canvas, has been read; the pass over a canvas counts."""
        if self.row.prefill_s is None:
            self.row.prefill_s = time.perf_counter() - self.start
        else:
            self.row.forward_passes += 1

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Takes the canvas that `ids` [1, length] ends with; whether the row has ended, bool [1]."""
        canvas, before = self.drafts[-1], self.row.forward_passes - len(self.drafts)
        for place, token in enumerate(canvas):
            changed = [step for step, draft in enumerate(self.drafts) if draft[place] != token]
            if self.row.push(token, before + (changed[-1] + 1 if changed else 0), self.canvases):
                break
        self.drafts = []
        self.canvases += 1
        record_times([self.row], self.start)
        return torch.tensor([self.row.ended], device=ids.device)


def load(name: str, folder: Path, options: Options) -> Gemma:
    """The model of that folder. Raises UserError where it cannot be read, and for options that it has no use for."""
    unused = [key for key in ("rule", "threshold", "block", "bound") if getattr(options, key) is not None]
    unused += ["kernels"] if options.kernels == "fused" else []
    unused += ["weights"] if options.weights != "network" else []
    if unused:
        raise UserError(f"option {unused[0]}: model {name} has a sampler of its own; leave it out")
    device = select_device(options.device)
    try:
        model = transformers.DiffusionGemmaForBlockDiffusion.from_pretrained(
            folder, dtype=select_dtype(options.dtype, device)
        )
    except Exception as error:  # what a broken checkpoint raises has no common type
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"model {name} cannot be loaded: {reason}; it needs transformers 5.24 or later") from None
    tokenizer = open_tokenizer(name, folder)
    values = read_json(folder / "config.json")
    ends = end_tokens(folder, values.get("text_config") or values, tokenizer, FAMILY)
    return Gemma(name, model.to(device).eval(), tokenizer, Detokenizer(tokenizer), ends, options.steps)


def generate(gemma: Gemma, requests: Iterable[Request], sampling: Sampling, trace: bool) -> Iterator[Completion]:
    """Yields completions in the order of the requests, one at a time."""
    for request in requests:
        prompt = request.problem.prompt
        ids = encode_text(gemma.tokenizer, gemma.name, prompt)
        room = gemma.model.config.get_text_config().max_position_embeddings - len(ids)
        limit = max(0, min(sampling.max_new_tokens, room))
        row = Row(ids, StopChecker(gemma.decoder, gemma.ends, prompt.stops, limit))
        started_at = now()
        if ids and limit:
            _run(gemma, row, sample_seed(sampling.seed, request.key))
        yield completion(gemma.decoder, request, row, started_at, 1, trace)


def _run(gemma: Gemma, row: Row, seed: int) -> None:
    device = gemma.model.device
    watcher = Watcher(row, time.perf_counter())
    hook = gemma.model.model.encoder.register_forward_hook(watcher.encoded)
    steps = {} if gemma.steps is None else {"max_denoising_steps": gemma.steps}
    devices = [device] if device.type == "cuda" else []
    try:
        # The sampler draws from PyTorch's common generator.
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            gemma.model.generate(
                torch.tensor([row.prompt], device=device), max_new_tokens=row.watch.limit, streamer=watcher,
                stopping_criteria=transformers.StoppingCriteriaList([watcher]), eos_token_id=sorted(gemma.ends),
                **steps,
            )  # fmt: skip
    finally:
        hook.remove()
    row.ended_s = row.ended_s or time.perf_counter() - watcher.start


def describe(gemma: Gemma) -> dict[str, Any]:
    """Model, weights, sampler and versions, as plain values for the manifest."""
    model = gemma.model
    settings = {key: str(value) for key, value in sorted(vars(model.generation_config).items()) if value is not None}
    return {
        "model": gemma.name,
        "family": FAMILY.name,
        "sampler": settings | ({} if gemma.steps is None else {"max_denoising_steps": str(gemma.steps)}),
        "canvas_length": model.config.canvas_length,
        "weights_sample_sha256": weights_digest(model),
        "parameters": sum(p.numel() for p in model.parameters()),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "end_tokens": sorted(gemma.ends),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
