"""Loads a causal language model with its tokenizer through transformers, and describes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from evalharness.errors import UserError
from evalharness.generation.devices import select_device, select_dtype
from evalharness.generation.fingerprints import sha256, weights_digest
from evalharness.generation.infilling import Infilling, find_infilling
from evalharness.generation.stopping import Detokenizer
from evalharness.records import Prompt
from evalharness.util.text import one_line

if TYPE_CHECKING:
    from evalharness.backends.transformers.backend import Options


@dataclass(frozen=True)
class CausalLM:
    """A loaded model. `ends` are its end tokens, `pad` fills short rows, `positions` is the longest sequence.

    `infilling` is None where its tokenizer has no sentinel tokens for that.
    """

    model: Any
    tokenizer: Any
    decoder: Detokenizer
    device: torch.device
    ends: frozenset[int]
    pad: int
    positions: int | None
    infilling: Infilling | None


def load_tokenizer(name: str, options: Options) -> Any:
    """The tokenizer of that folder or hub id. Raises UserError where it or a file it needs cannot be had."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with _loading(name):
        tokenizer = transformers.AutoTokenizer.from_pretrained(_place(name), **_shared(options))
    if options.chat_template is not None:
        tokenizer.chat_template = _read(options.chat_template)
    return tokenizer


def load(name: str, tokenizer: Any, options: Options, rows: int) -> CausalLM:
    """Loads the model of that folder or hub id, to generate `rows` rows at a time.

    Raises UserError where it or a file it needs cannot be had.
    """
    device = select_device(options.device)
    with _loading(name):
        model = _from_pretrained(_place(name), device, options)
    ends = end_tokens(model, tokenizer)
    pad = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, *sorted(ends)) if i is not None), 0)
    # What a checkpoint recommends (penalties, temperatures, ...) must not reach the decoding of a run.
    model.generation_config = transformers.GenerationConfig(eos_token_id=sorted(ends) or None, pad_token_id=pad)
    if options.compile:
        model.forward = torch.compile(model.forward, dynamic=True)
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    _warm_up(model, torch.full((rows, 8), pad, device=device))
    infilling = find_infilling(tokenizer, options.fim)
    return CausalLM(model, tokenizer, Detokenizer(tokenizer), device, ends, pad, positions, infilling)


@contextlib.contextmanager
def _loading(name: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # what a broken checkpoint, its own code or the hub client raises has no common type
        raise UserError(f"model {name!r} cannot be loaded: {one_line(error)}; {_advice(error)}") from error


def _shared(options: Options) -> dict[str, Any]:
    """What tokenizer and model are loaded with."""
    return {"revision": options.revision or "main", "trust_remote_code": options.trust_remote_code}


def _from_pretrained(place: str, device: torch.device, options: Options) -> Any:
    """The model, on its device and in evaluation mode."""
    dtype_key = "torch_dtype" if int(transformers.__version__.split(".")[0]) < 5 else "dtype"
    extra: dict[str, Any] = {dtype_key: select_dtype(options.dtype, device)}
    if options.attn is not None:
        extra["attn_implementation"] = options.attn
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        place, output_loading_info=True, **extra, **_shared(options)
    )
    if report["missing_keys"]:
        first = sorted(report["missing_keys"])[0]
        raise UserError(f"model {place!r} has no weights for {first}; give a complete checkpoint of a causal LM")
    return model.to(device).eval()


def _warm_up(model: Any, ids: torch.Tensor) -> None:
    """Generates a few tokens, so that the first measured batch does not pay for what a device sets up once."""
    # A batch that does not fit is met again, and said, in the run itself.
    with contextlib.suppress(torch.cuda.OutOfMemoryError):
        model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=4)


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The model's end tokens (its generation config's, else its config's) and the tokenizer's."""
    config = model.config.get_text_config()
    for source in (model.generation_config, config):
        ids = getattr(source, "eos_token_id", None)
        if ids is not None:
            break
    found = ids if isinstance(ids, list | tuple) else [ids]
    return frozenset(i for i in (*found, tokenizer.eos_token_id) if i is not None)


def encode(lm: CausalLM, prompt: Prompt) -> list[int]:
    """Token ids of the prompt. Raises UserError for a chat prompt that the chat template does not take.

    A gap needs a model with `infilling`.
    """
    if prompt.suffix is not None:
        assert lm.infilling is not None
        return lm.infilling.encode(prompt.text or "", prompt.suffix)
    if not prompt.messages:
        return list(lm.tokenizer((prompt.text or "") + prompt.prefill)["input_ids"])
    if lm.tokenizer.chat_template is None:
        raise UserError(
            "the model's tokenizer has no chat template, and the prompts are chat messages; "
            "use a base recipe: --option recipe=..., or give --option chat_template=FILE"
        )
    turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
    try:
        text = lm.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # templates raise whatever their author chose
        raise UserError(
            f"the chat template refuses the prompt: {one_line(error)}; give another with --option chat_template=FILE"
        ) from error
    # The template has written the special tokens that open a text; the tokenizer must not add them again.
    return list(lm.tokenizer(text + prompt.prefill, add_special_tokens=False)["input_ids"])


def describe(name: str, lm: CausalLM) -> dict[str, Any]:
    """Model, weights, precision, device and library versions, as plain values for the manifest."""
    parameter = next(lm.model.parameters())
    cuda = lm.device.type == "cuda"
    config = Path(_place(name)) / "config.json"
    return {
        "model": name,
        "commit": getattr(lm.model.config, "_commit_hash", None),
        "config_sha256": sha256(config.read_bytes()) if config.is_file() else None,
        "weights_sample_sha256": weights_digest(lm.model),
        "parameters": sum(p.numel() for p in lm.model.parameters()),
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "device": str(lm.device),
        "device_name": torch.cuda.get_device_name(lm.device) if cuda else lm.device.type,
        "attention": getattr(lm.model.config, "_attn_implementation", None),
        "end_tokens": sorted(lm.ends),
        "infilling": lm.infilling.describe() if lm.infilling else None,
        "chat_template_sha256": sha256(str(lm.tokenizer.chat_template).encode()),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _place(name: str) -> str:
    """The folder that `name` stands for, or `name` itself for a hub id."""
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path)
    if name.startswith(("/", ".", "~")):
        raise UserError(f"model folder {name} does not exist; give --model an existing folder or a hub id")
    return name


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"option chat_template={path} cannot be read: {one_line(error)}; give a Jinja file") from None


def _advice(error: Exception) -> str:
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "use a smaller dtype or another device: --option dtype=bfloat16, --option device=cuda:N"
    if "trust_remote_code" in str(error):
        return "if you trust its author, allow its code with --option trust_remote_code=true"
    return "check --model (a folder or hub id of a causal LM), --option revision and attn, and the network"
