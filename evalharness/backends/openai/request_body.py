"""The JSON body of a request to an OpenAI-compatible endpoint."""

import hashlib
import json
from typing import Any

from evalharness.backends.openai.options import OpenAIOptions
from evalharness.errors import UserError
from evalharness.generation.infilling_formats import find_infilling_format
from evalharness.records import Prompt, Request, Sampling

SEED_HEADER = "x-evalharness-seed"
"""HTTP header with the sample's full 63-bit seed; the field `seed` has only 31 bits, because some endpoints take no
more. `evalharness serve` reads it, so that sampled texts equal those of the backend that it serves.
"""


def uses_chat_api(prompt: Prompt, options: OpenAIOptions) -> bool:
    """Returns whether the prompt is sent to the chat API rather than the completions API."""
    return options.api == "chat" or (options.api == "auto" and bool(prompt.messages))


def collect_stop_sequences(prompt: Prompt, options: OpenAIOptions) -> tuple[str, ...]:
    """Returns the stop sequences at which an answer to the prompt is cut.

    If the prompt asks for infilling by sentinel tokens, the texts that end a middle are stop sequences, too: the
    endpoint does not know that the request is one for infilling.
    """
    infills_by_sentinels = prompt.suffix is not None and options.fim != "suffix"
    ends = find_infilling_format(options.fim).end_texts if infills_by_sentinels else ()
    return tuple(dict.fromkeys(filter(None, (*prompt.stops, *ends))))


def make_body_fields(model_name: str, request: Request, sampling: Sampling, options: OpenAIOptions) -> dict[str, Any]:
    """Returns the JSON fields of an HTTP request's body.

    Raises UserError for a prompt that the selected API (chat or completions) cannot send.
    """
    prompt = request.problem.prompt
    if prompt.prefill and not options.prefill:
        raise UserError(
            "the recipe has a prefill (the beginning of the answer), which most endpoints reject; use a recipe without "
            "prefill, such as --option recipe=chat, or --option prefill=true if the endpoint continues an assistant's "
            "message"
        )
    stops = collect_stop_sequences(prompt, options)[: options.max_stops]
    fields = {
        "model": model_name,
        **_make_prompt_fields(prompt, options),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        options.max_tokens_field: sampling.max_new_tokens,
        "seed": derive_endpoint_seed(sampling.seed, request),
        "stream": options.stream,
        **({"stop": stops} if stops else {}),
        **({"stream_options": {"include_usage": True}} if options.stream and options.include_usage else {}),
        **options.extra,
    }
    return {name: value for name, value in fields.items() if value is not None}


def derive_endpoint_seed(run_seed: int, request: Request) -> int:
    """Returns the 31-bit seed of one request, derived from the run's seed, task_id and sample_id.

    Each sample needs its own seed: with equal seeds, all samples of a problem could have the same text.
    """
    text = json.dumps([run_seed, *request.key]).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") & 0x7FFFFFFF


def _make_prompt_fields(prompt: Prompt, options: OpenAIOptions) -> dict[str, Any]:
    """Returns the JSON fields of a request's body that contain the prompt."""
    if uses_chat_api(prompt, options):
        return {"messages": _make_chat_messages(prompt)}
    if prompt.suffix is not None:
        prefix = prompt.text or ""
        if options.fim == "suffix":
            return {"prompt": prefix, "suffix": prompt.suffix}
        return {"prompt": find_infilling_format(options.fim).format_prompt(prefix, prompt.suffix)}
    if prompt.text is None:
        raise UserError(
            "the prompts are chat messages, which --option api=completions cannot send; use api=chat or api=auto"
        )
    return {"prompt": prompt.text + prompt.prefill}


def _make_chat_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Returns the prompt as chat messages: a text as one user message, a prefill as an assistant message."""
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    if prompt.text is not None:
        messages = [{"role": "user", "content": prompt.text}]
    if prompt.prefill:
        messages.append({"role": "assistant", "content": prompt.prefill})
    return messages
