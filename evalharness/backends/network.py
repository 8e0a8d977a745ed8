"""A network of `evalharness.diffusion` with its tokenizer: from prompts to rows, and from rows to completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from evalharness.backends import nothing
from evalharness.backends.network_options import NetworkOptions
from evalharness.diffusion.checkpoints.families import Family
from evalharness.diffusion.checkpoints.loading import open_checkpoint
from evalharness.diffusion.kernels.kernel_options import Precision, fallback_hint, fused_kernels_option
from evalharness.diffusion.kernels.select import KernelSelection, select_kernels
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.packing import can_pack, pack
from evalharness.diffusion.rows import Row, Sampler
from evalharness.errors import UserError
from evalharness.generation.devices import select_device, select_dtype
from evalharness.generation.fingerprints import sha256, weights_digest
from evalharness.generation.infilling import Infilling, find_infilling
from evalharness.generation.sampling import sample_seed
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.records import Completion, Prompt, Request, Sampling, Trace
from evalharness.util.paths import BUNDLED_NETWORK
from evalharness.util.text import one_line

if TYPE_CHECKING:
    from evalharness.diffusion.denoising import Denoising
    from evalharness.diffusion.kernels.engine import Engine

SMALL = 100_000_000
"""Parameters below which a second thread brings little and is missed by the sandbox, and a second copy costs little."""


@dataclass(frozen=True)
class Network:
    """A loaded network. `infilling` is None where its tokenizer has no sentinel tokens for that."""

    name: str
    model: Transformer
    tokenizer: Any
    family: Family
    decoder: Detokenizer
    ends: frozenset[int]
    infilling: Infilling | None
    kernels: KernelSelection
    engine: Engine | None
    """What decodes where the fused kernels were chosen."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.model.embed.weight.device


def load_network(name: str | None, options: NetworkOptions) -> Network:
    """The network of that folder or hub id; without a name the bundled one.

    Raises UserError where it cannot be had, is of no family that is known, or cannot run on the kernels asked for.
    """
    if name is None and not (BUNDLED_NETWORK / "model.safetensors").is_file():
        raise UserError(
            "this installation has no bundled weights; give --model a checkpoint folder, such as one that "
            "`evalharness train` wrote"
        )
    device = select_device(options.device)
    loaded = open_checkpoint(
        name or str(BUNDLED_NETWORK), select_dtype(options.dtype, device), device, options.revision
    )
    kernels = select_kernels(options.kernels, loaded.model, options.weights)
    parameters = sum(p.numel() for p in loaded.model.parameters())
    if options.threads or (device.type == "cpu" and parameters < SMALL):
        torch.set_num_threads(options.threads or 1)
    if parameters < SMALL and can_pack(loaded.model):
        pack(loaded.model)
    decoder = Detokenizer(loaded.tokenizer)
    infilling = find_infilling(loaded.tokenizer, "auto")
    shown = name or "bundled"
    engine = _open_engine(loaded.model, options.precision()) if kernels.name == "fused" else None
    return Network(
        shown, loaded.model, loaded.tokenizer, loaded.family, decoder, loaded.ends, infilling, kernels, engine
    )


def without_engine(network: Network, options: NetworkOptions, what: str) -> Network:
    """The network for `what` runs on torch alone. Raises UserError where an option insists on the fused kernels."""
    if insists := fused_kernels_option(options.kernels, options.weights):
        raise UserError(f"{insists}: {what} run on torch; leave them out, or {fallback_hint(options.weights)}")
    return replace(network, kernels=KernelSelection("torch", f"{what} run on torch"), engine=None)


def _open_engine(model: Transformer, precision: Precision) -> Engine:
    """Imports Triton, which needs a device."""
    from evalharness.diffusion.kernels.engine import Engine

    return Engine(model, precision)


def engine_for(
    network: Network, options: NetworkOptions, sampler: Sampler, denoising: Denoising | None = None
) -> Engine | None:
    """The network's engine, where it has one that decodes this way.

    Raises UserError where it does not and an option insists on the fused kernels.
    """
    engine = network.engine
    if engine is None or engine.supports(sampler, denoising):
        return engine
    if insists := fused_kernels_option(options.kernels, options.weights):
        raise UserError(
            f"{insists}: the fused kernels draw from all tokens, rewrite none and take blocks of up to 1024; use "
            f"--top-p 1 and another rule than editing, a shorter block, --temperature 0, or "
            f"{fallback_hint(options.weights)}"
        )
    return None


def make_sampler(network: Network, sampling: Sampling, banned: Sequence[int] = ()) -> Sampler:
    """How tokens are chosen: never a mask."""
    masks = [network.model.config.mask_id] if network.model.config.mask_id >= 0 else []
    return Sampler(sampling.temperature, sampling.top_p, (*masks, *banned))


def encode(network: Network, prompt: Prompt) -> list[int]:
    """Token ids of a prompt, by the sentinels where there is a gap. Raises UserError for a chat it cannot take."""
    if prompt.suffix is not None:
        assert network.infilling is not None
        return network.infilling.encode(prompt.text or "", prompt.suffix)
    if prompt.messages and network.family.user:
        opening = {"user": network.family.user, "system": network.family.user, "assistant": network.family.assistant}
        turns = "".join(opening[turn.role] + turn.content.rstrip("\n") + "\n" for turn in prompt.messages)
        return list(network.tokenizer(turns + network.family.assistant + prompt.prefill)["input_ids"])
    return encode_text(network.tokenizer, network.name, prompt)


def encode_text(tokenizer: Any, model: str, prompt: Prompt) -> list[int]:
    """Token ids of a text, or of chat messages by the tokenizer's template.

    Raises UserError where it has none, or one that refuses them.
    """
    if not prompt.messages:
        return list(tokenizer((prompt.text or "") + prompt.prefill)["input_ids"])
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            f"model {model} has no chat template, and the prompts are chat messages; use a base recipe: "
            "--option recipe=..."
        )
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    try:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # templates raise whatever their author chose
        raise UserError(f"the chat template of model {model} refuses the prompt: {one_line(error)}") from error
    # The template has written the special tokens that open a text; the tokenizer must not add them again.
    return list(tokenizer(text + prompt.prefill, add_special_tokens=False)["input_ids"])


def make_row(
    network: Network, request: Request, sampling: Sampling, ids: Sequence[int], limit: int, behind: int = 0
) -> Row:
    """The row of a request whose prompt has these ids, for `limit` tokens, or as many as the network has room for.

    `behind` tokens follow what is generated.
    """
    prompt = request.problem.prompt
    room = max(0, min(limit, network.model.config.max_length - len(ids) - behind))
    gap = network.infilling if prompt.suffix is not None else None
    ends, stops = network.ends | (gap.ends if gap else frozenset()), prompt.stops + (gap.stops if gap else ())
    row = Row(list(ids), StopChecker(network.decoder, ends, stops, room))
    if sampling.temperature > 0:
        row.generator = torch.Generator().manual_seed(sample_seed(sampling.seed, request.key))
    return row


def attempt(generate: Callable[[], None]) -> str:
    """Why a batch was not generated to its end; empty where it was."""
    try:
        generate()
    except torch.cuda.OutOfMemoryError as error:
        return f"out of device memory: {str(error).partition(chr(10))[0]}; use a smaller --batch-size"
    return ""


def completion(
    decoder: Detokenizer, request: Request, row: Row, started_at: float, batch: int, trace: bool, error: str = ""
) -> Completion:
    """What the row has come to. One that had no room is empty: the network's own limit, so its failure.

    `error` is what `attempt` says of its batch.
    """
    text, tokens = row.watch.result()
    if row.ended_s is None:
        reason = error if row.prompt and row.watch.limit else "" if row.prompt else "the prompt has no tokens"
        return nothing(request, len(row.prompt), reason)
    return Completion(
        *request.key,
        text=text,
        prompt_tokens=len(row.prompt),
        output_tokens=tokens,
        characters=len(text),
        started_at=started_at,
        first_output_s=row.first_s,
        first_output_tokens=row.first_tokens,
        prefill_s=row.prefill_s,
        total_s=row.ended_s,
        batch=batch,
        forwards=row.forward_passes,
        trace=make_trace(decoder, row) if trace else None,
        finish_reason=row.watch.reason,
    )


def make_trace(decoder: Detokenizer, row: Row) -> Trace:
    """The row's tokens as texts, with the pass and the block that fixed each.

    A character that several tokens make up together stands with the last of them.
    """
    texts, shown = [], ""
    for number in range(1, len(row.output) + 1):
        text = decoder.text(row.output[:number])
        if number < len(row.output) and text.endswith("\ufffd"):
            text = shown
        texts.append(text[len(shown) :])
        shown = text
    return Trace(tuple(texts), tuple(row.steps), tuple(row.blocks))


def describe(network: Network) -> dict[str, Any]:
    """Model, weights, precision, device and versions, as plain values for the manifest."""
    model, config = network.model, network.model.config
    precision = network.engine.weights.precision if network.engine else Precision()
    return {
        "model": network.name,
        "family": network.family.name,
        "config_sha256": sha256(repr(config).encode()),
        "weights_sample_sha256": weights_digest(model),
        "parameters": sum(p.numel() for p in model.parameters()),
        "dtype": str(model.embed.weight.dtype).removeprefix("torch."),
        "device": str(network.device),
        "device_name": torch.cuda.get_device_name(network.device) if network.device.type == "cuda" else "cpu",
        "kernels": network.kernels.name,
        "kernels_reason": network.kernels.reason,
        "weights": precision.weights,
        "w8a8_rows": precision.w8a8_rows if precision.weights == "fp8-w8a8" else None,
        "threads": torch.get_num_threads(),
        "attention": config.attention,
        "end_tokens": sorted(network.ends),
        "infilling": network.infilling.describe() if network.infilling else None,
        "torch": torch.__version__,
    }
