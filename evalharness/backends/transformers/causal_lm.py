"""Loads a causal language model with its tokenizer through transformers, tokenizes prompts, describes the model."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from evalharness.backends.transformers.options import TransformersOptions
from evalharness.diffusion.checkpoints.loading import gguf_manifest_entries, is_gguf
from evalharness.errors import UserError
from evalharness.generation.chat_template import encode_prompt
from evalharness.generation.devices import select_device, select_dtype
from evalharness.generation.fingerprints import sha256, weights_digest
from evalharness.generation.infilling import InfillingEncoder, find_infilling_encoder
from evalharness.generation.stopping import Detokenizer
from evalharness.records import Prompt
from evalharness.util.text import error_text


@dataclass(frozen=True)
class CausalLM:
    """A causal language model loaded by transformers, with its tokenizer."""

    name: str
    """The folder or hub id as the user gave it."""
    model: Any
    tokenizer: Any
    detokenizer: Detokenizer
    device: torch.device
    end_tokens: frozenset[int]
    pad: int
    """Token id that pads the shorter prompts of a batch."""
    positions: int | None
    """Context length in tokens, prompt included; None if the configuration sets no limit."""
    infilling: InfillingEncoder | None
    """The FIM format of the model; None if its tokenizer has no sentinel tokens."""


def load_tokenizer(model_name: str, options: TransformersOptions) -> Any:
    """Returns the tokenizer of a model folder, GGUF file or hub id.

    Raises UserError if the tokenizer, or the file of option `chat_template`, cannot be loaded.
    """
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with _turn_loading_errors_into_user_errors(model_name):
        if is_gguf(model_name):
            from evalharness.backends.transformers.gguf_model import load_gguf_tokenizer

            tokenizer = load_gguf_tokenizer(Path(model_name).expanduser())
        else:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                _resolve_folder_or_hub_id(model_name), **_make_from_pretrained_arguments(options)
            )
    if options.chat_template is not None:
        tokenizer.chat_template = _read_chat_template(options.chat_template)
    return tokenizer


def load_causal_lm(model_name: str, tokenizer: Any, options: TransformersOptions, warm_up_rows: int) -> CausalLM:
    """Loads the causal language model of a folder, GGUF file or hub id.

    Generates a few tokens with a batch of `warm_up_rows` rows, so that later timings exclude one-time set-up. Raises
    UserError if the model cannot be loaded.
    """
    device = select_device(options.device)
    with _turn_loading_errors_into_user_errors(model_name):
        if is_gguf(model_name):
            from evalharness.backends.transformers.gguf_model import load_gguf_model

            dtype = select_dtype(options.dtype, device)
            model = load_gguf_model(Path(model_name).expanduser(), dtype, options.attn).model.to(device)
        else:
            model = _load_pretrained_model(_resolve_folder_or_hub_id(model_name), device, options)
    end_tokens = find_end_token_ids(model, tokenizer)
    pad = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, *sorted(end_tokens)) if i is not None), 0)
    # Decoding settings that a checkpoint recommends (penalties, temperatures, ...) must not affect a run.
    model.generation_config = transformers.GenerationConfig(eos_token_id=sorted(end_tokens) or None, pad_token_id=pad)
    if options.compile:
        model.forward = torch.compile(model.forward, dynamic=True)
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    _warm_up(model, torch.full((warm_up_rows, 8), pad, device=device))
    infilling = find_infilling_encoder(tokenizer, options.fim)
    return CausalLM(model_name, model, tokenizer, Detokenizer(tokenizer), device, end_tokens, pad, positions, infilling)


@contextlib.contextmanager
def _turn_loading_errors_into_user_errors(model_name: str) -> Iterator[None]:
    """A context manager: raises UserError, with advice, for any exception raised while a model is loaded."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # what a broken checkpoint, its own code or the hub client raises has no common type
        raise UserError(
            f"model {model_name!r} cannot be loaded: {error_text(error)}; {_advice_for_loading_error(error)}"
        ) from error


def _make_from_pretrained_arguments(options: TransformersOptions) -> dict[str, Any]:
    """Returns the keyword arguments of `from_pretrained`, for tokenizer and model: revision and trust_remote_code."""
    return {"revision": options.revision or "main", "trust_remote_code": options.trust_remote_code}


def _load_pretrained_model(folder_or_id: str, device: torch.device, options: TransformersOptions) -> Any:
    """Loads a model with transformers and returns it on its device, in evaluation mode."""
    dtype_key = "torch_dtype" if int(transformers.__version__.split(".")[0]) < 5 else "dtype"
    arguments: dict[str, Any] = {dtype_key: select_dtype(options.dtype, device)}
    if options.attn is not None:
        arguments["attn_implementation"] = options.attn
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder_or_id, output_loading_info=True, **arguments, **_make_from_pretrained_arguments(options)
    )
    if report["missing_keys"]:
        missing_parameter = sorted(report["missing_keys"])[0]
        raise UserError(
            f"the checkpoint of model {folder_or_id!r} has no weights for {missing_parameter}; give --model a complete "
            "checkpoint of a causal LM"
        )
    return model.to(device).eval()


def _warm_up(model: Any, prompt_ids: torch.Tensor) -> None:
    """Generates a few tokens after `prompt_ids` [rows, length], so that later timings exclude one-time set-up."""
    # If the batch exceeds the device memory, the run itself handles and reports it.
    with contextlib.suppress(torch.cuda.OutOfMemoryError):
        model.generate(prompt_ids, attention_mask=torch.ones_like(prompt_ids), max_new_tokens=4)


def find_end_token_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Returns the EOS token ids of a model's generation config (or else its config) and of its tokenizer."""
    config = model.config.get_text_config()
    for source in (model.generation_config, config):
        ids = getattr(source, "eos_token_id", None)
        if ids is not None:
            break
    model_ends = ids if isinstance(ids, list | tuple) else [ids]
    return frozenset(i for i in (*model_ends, tokenizer.eos_token_id) if i is not None)


def tokenize_prompt(lm: CausalLM, prompt: Prompt) -> list[int]:
    """Returns the token ids of a prompt; those of an infilling prompt include FIM sentinel tokens.

    Raises UserError if the prompt is a chat and the chat template is missing or rejects it.
    """
    if prompt.suffix is not None:
        assert lm.infilling is not None
        return lm.infilling.encode(prompt.text or "", prompt.suffix)
    return encode_prompt(lm.tokenizer, lm.name, prompt, "give another template with --option chat_template=FILE")


def describe_causal_lm(lm: CausalLM) -> dict[str, Any]:
    """Returns the model's entry in the run's manifest: weights digest, precision, device, library versions, etc."""
    parameter = next(lm.model.parameters())
    cuda = lm.device.type == "cuda"
    config = Path(lm.name if is_gguf(lm.name) else _resolve_folder_or_hub_id(lm.name)) / "config.json"
    return {
        "model": lm.name,
        "commit": getattr(lm.model.config, "_commit_hash", None),
        "config_sha256": sha256(config.read_bytes()) if config.is_file() else None,
        "weights_sample_sha256": weights_digest(lm.model),
        "parameters": sum(p.numel() for p in lm.model.parameters()),
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "device": str(lm.device),
        "device_name": torch.cuda.get_device_name(lm.device) if cuda else lm.device.type,
        "attention": getattr(lm.model.config, "_attn_implementation", None),
        "end_tokens": sorted(lm.end_tokens),
        "infilling": lm.infilling.to_manifest() if lm.infilling else None,
        "chat_template_sha256": sha256(str(lm.tokenizer.chat_template).encode()),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        **gguf_manifest_entries(lm.name),
    }


def _resolve_folder_or_hub_id(model_name: str) -> str:
    """Returns the path if `model_name` is an existing folder ("~" expanded), else `model_name` itself: a hub id.

    Raises UserError for the path of a folder that does not exist.
    """
    path = Path(model_name).expanduser()
    if path.is_dir():
        return str(path)
    if model_name.startswith(("/", ".", "~")):
        raise UserError(f"model folder {model_name} does not exist; give --model an existing folder or a hub id")
    return model_name


def _read_chat_template(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"option chat_template={path} cannot be read: {error_text(error)}; give the path of a Jinja file"
        ) from None


def _advice_for_loading_error(error: Exception) -> str:
    """Returns what the user can do about `error`, which was raised while a model was loaded: the end of a message."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "use a smaller dtype or another device with --option dtype=bfloat16 or --option device=cuda:N"
    if "trust_remote_code" in str(error):
        return "if you trust its author, allow its code with --option trust_remote_code=true"
    return (
        "check --model (folder or hub id of a causal LM), --option revision, --option attn and the internet connection"
    )
