"""DiffusionGemma checkpoints in the backend `diffusion`: decoded by transformers with the model's own sampler.

The sampler has its own temperature schedule, which a run's temperature and top_p do not affect; the manifest lists it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers

from evalharness.backends.diffusion.options import DiffusionOptions
from evalharness.backends.network.rows import make_completion
from evalharness.diffusion.checkpoints.families import ModelFamily
from evalharness.diffusion.checkpoints.loading import find_end_token_ids, open_tokenizer, read_json_object
from evalharness.diffusion.rows import Row, record_output_times
from evalharness.errors import UserError
from evalharness.generation.chat_template import encode_prompt
from evalharness.generation.devices import select_device, select_dtype
from evalharness.generation.fingerprints import weights_digest
from evalharness.generation.sampling import derive_sample_seed
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.records import Completion, Request, Sampling
from evalharness.util.clock import now
from evalharness.util.text import shortened

FAMILY = ModelFamily("diffusion_gemma", "transformers models/diffusion_gemma/generation_diffusion_gemma.py")


@dataclass(frozen=True)
class DiffusionGemma:
    """A loaded DiffusionGemma model with its tokenizer and EOS token ids."""

    name: str
    model: Any
    tokenizer: Any
    detokenizer: Detokenizer
    end_tokens: frozenset[int]
    steps: int | None
    """Maximum denoising steps per canvas; None: as the checkpoint's generation config says."""


@dataclass
class CanvasStreamer:
    """The streamer and stopping criterion that transformers calls during one `generate` call.

    Counts the forward passes, stores the canvas (block of tokens) that each pass predicts, and ends the generation at a
    stop sequence.
    """

    row: Row
    start: float
    """The `time.perf_counter()` value from which times are counted."""
    drafts: list[list[int]] = field(default_factory=list)
    """Token ids predicted for the current canvas, one list per denoising pass."""
    canvases: int = 0
    """Number of finished canvases."""

    def put(self, value: torch.Tensor) -> None:
        """Does nothing. `value` is the prompt or a finished canvas, which `__call__` also receives."""

    def end(self) -> None:
        """Does nothing. transformers calls this method at the end of the generation."""

    def put_draft(self, value: torch.Tensor) -> None:
        """Counts one denoising pass and stores `value`: the token ids [1, length] that the pass predicts."""
        self.drafts.append(value[0].tolist())
        self.row.forward_passes += 1

    def count_encoder_pass(self, *_: Any) -> None:
        """Counts one forward pass of the encoder (called as its forward hook); times the first pass, the prefill."""
        if self.row.prefill_s is None:
            self.row.prefill_s = time.perf_counter() - self.start
        else:
            self.row.forward_passes += 1

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Records the finished canvas at the end of `ids` [1, length]; returns bool [1], whether the row ended."""
        canvas, forwards_before = self.drafts[-1], self.row.forward_passes - len(self.drafts)
        for position, token in enumerate(canvas):
            # The token is final after the pass that follows the last pass that predicted another one.
            differing = [step for step, draft in enumerate(self.drafts) if draft[position] != token]
            step = forwards_before + (differing[-1] + 1 if differing else 0)
            if self.row.append_token(token, step, self.canvases):
                break
        self.drafts = []
        self.canvases += 1
        record_output_times([self.row], self.start)
        return torch.tensor([self.row.ended], device=ids.device)


def load_diffusion_gemma(model_name: str, checkpoint_folder: Path, options: DiffusionOptions) -> DiffusionGemma:
    """Loads the DiffusionGemma model `model_name` from a checkpoint folder.

    Raises UserError if the model cannot be loaded, or if an option is set that has no effect on a DiffusionGemma.
    """
    unused = [key for key in ("rule", "threshold", "block", "bound") if getattr(options, key) is not None]
    unused += ["hold_end"] if options.hold_end else []
    unused += ["kernels"] if options.kernels == "fused" else []
    unused += ["weights"] if options.weights != "network" else []
    if unused:
        raise UserError(
            f"option {unused[0]} has no effect on model {model_name} (DiffusionGemma), which has its own sampler; "
            "leave the option out"
        )
    device = select_device(options.device)
    try:
        model = transformers.DiffusionGemmaForBlockDiffusion.from_pretrained(
            checkpoint_folder, dtype=select_dtype(options.dtype, device)
        )
    except Exception as error:  # what a broken checkpoint raises has no common type
        reason = shortened(str(error), 300)
        raise UserError(
            f"model {model_name} cannot be loaded: {reason}; DiffusionGemma models need transformers 5.24 or later"
        ) from None
    tokenizer = open_tokenizer(model_name, checkpoint_folder)
    values = read_json_object(checkpoint_folder / "config.json")
    ends = find_end_token_ids(checkpoint_folder, values.get("text_config") or values, tokenizer, FAMILY)
    return DiffusionGemma(model_name, model.to(device).eval(), tokenizer, Detokenizer(tokenizer), ends, options.steps)


def generate_completions(
    gemma: DiffusionGemma, requests: Iterable[Request], sampling: Sampling, with_trace: bool
) -> Iterator[Completion]:
    """Yields the completions of a DiffusionGemma in the order of the requests, one request at a time."""
    for request in requests:
        prompt = request.problem.prompt
        ids = encode_prompt(gemma.tokenizer, gemma.name, prompt)
        room = gemma.model.config.get_text_config().max_position_embeddings - len(ids)
        limit = max(0, min(sampling.max_new_tokens, room))
        row = Row(ids, StopChecker(gemma.detokenizer, gemma.end_tokens, prompt.stops, limit))
        started_at = now()
        if ids and limit:
            _decode_row(gemma, row, derive_sample_seed(sampling.seed, request.key))
        yield make_completion(gemma.detokenizer, request, row, started_at, 1, with_trace)


def _decode_row(gemma: DiffusionGemma, row: Row, seed: int) -> None:
    """Generates a row's output, in place, with the model's own sampler; `seed` seeds its random numbers."""
    device = gemma.model.device
    streamer = CanvasStreamer(row, time.perf_counter())
    hook = gemma.model.model.encoder.register_forward_hook(streamer.count_encoder_pass)
    steps = {} if gemma.steps is None else {"max_denoising_steps": gemma.steps}
    devices = [device] if device.type == "cuda" else []
    try:
        # The sampler draws from PyTorch's global generator.
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            gemma.model.generate(
                torch.tensor([row.prompt], device=device), max_new_tokens=row.stop_checker.limit, streamer=streamer,
                stopping_criteria=transformers.StoppingCriteriaList([streamer]), eos_token_id=sorted(gemma.end_tokens),
                **steps,
            )  # fmt: skip
    finally:
        hook.remove()
    row.ended_s = row.ended_s or time.perf_counter() - streamer.start


def describe_diffusion_gemma(gemma: DiffusionGemma) -> dict[str, Any]:
    """Returns a DiffusionGemma's name, weights digest, sampler settings and library versions, for a manifest."""
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
        "end_tokens": sorted(gemma.end_tokens),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
