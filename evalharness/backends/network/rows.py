"""Converts requests to rows (sequences of a batch) for decoding, and decoded rows to completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from evalharness.backends.network.draft_records import count_drafts_by_source, list_rejected_drafts
from evalharness.backends.network.loading import Network
from evalharness.diffusion.rows import Row, Sampler
from evalharness.generation.chat_template import encode_prompt
from evalharness.generation.completions import EMPTY_PROMPT, make_empty_completion
from evalharness.generation.encoding import encode_text
from evalharness.generation.sampling import derive_sample_seed
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.records import Completion, DecodingTrace, Prompt, Request, Sampling


def make_sampler(network: Network, sampling: Sampling, banned_tokens: Sequence[int] = ()) -> Sampler:
    """Returns a sampler with the run's temperature and top_p that never chooses the mask token or `banned_tokens`."""
    masks = [network.model.config.mask_id] if network.model.config.mask_id >= 0 else []
    return Sampler(sampling.temperature, sampling.top_p, (*masks, *banned_tokens))


def tokenize_prompt(network: Network, prompt: Prompt) -> list[int]:
    """Returns the token ids of a prompt; those of an infilling prompt include FIM sentinel tokens.

    Raises UserError if the prompt is a chat and the chat template is missing or rejects it.
    """
    if prompt.suffix is not None:
        assert network.infilling is not None
        return network.infilling.encode(prompt.text or "", prompt.suffix)
    if prompt.messages and network.family.user_prefix:
        headers = {
            "user": network.family.user_prefix,
            "system": network.family.user_prefix,
            "assistant": network.family.assistant_prefix,
        }
        chat = "".join(headers[message.role] + message.content.rstrip("\n") + "\n" for message in prompt.messages)
        return encode_text(network.tokenizer, chat + network.family.assistant_prefix + prompt.prefill)
    return encode_prompt(network.tokenizer, network.name, prompt)


def make_row(
    network: Network,
    request: Request,
    sampling: Sampling,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    suffix_length: int = 0,
) -> Row:
    """Returns the row (one sequence of a batch) that generates the output for a request.

    `prompt_ids` are the token ids of the prompt. The row generates at most `max_new_tokens` tokens, and no more than
    fit into the network's context together with the prompt and a suffix of `suffix_length` tokens (0 if the
    prompt contains the suffix).
    """
    prompt = request.problem.prompt
    room = max(0, min(max_new_tokens, network.model.config.max_length - len(prompt_ids) - suffix_length))
    infilling = network.infilling if prompt.suffix is not None else None
    end_tokens = network.end_tokens | (infilling.end_tokens if infilling else frozenset())
    stops = prompt.stops + (infilling.stops if infilling else ())
    row = Row(list(prompt_ids), StopChecker(network.detokenizer, end_tokens, stops, room))
    if sampling.temperature > 0:
        row.generator = torch.Generator().manual_seed(derive_sample_seed(sampling.seed, request.key))
    return row


def can_generate(row: Row) -> bool:
    """Returns whether a row has a non-empty prompt and room for at least one output token."""
    return bool(row.prompt) and row.stop_checker.limit > 0


def run_and_return_out_of_memory_message(generate: Callable[[], object]) -> str:
    """Calls `generate`; returns an error message if the device runs out of memory, else ""."""
    try:
        generate()
    except torch.cuda.OutOfMemoryError as error:
        return f"out of device memory: {str(error).partition(chr(10))[0]}; use a smaller --batch-size"
    return ""


def make_completion(
    detokenizer: Detokenizer,
    request: Request,
    row: Row,
    started_at: float,
    batch_size: int,
    with_trace: bool,
    error: str = "",
) -> Completion:
    """Returns the completion of a decoded row.

    `started_at`: when the batch began, in seconds since the epoch. `batch_size`: number of rows decoded together.
    `error`: why the batch failed (see `run_and_return_out_of_memory_message`), or "". If the prompt fills the model's
    context, the completion is empty but has no error, so that it is graded as the model's failure.
    """
    text, tokens = row.stop_checker.kept_text_and_token_count()
    if row.ended_s is None:
        if not row.prompt:
            return make_empty_completion(request, 0, EMPTY_PROMPT)
        return make_empty_completion(request, len(row.prompt), error if row.stop_checker.limit else "")
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
        batch=batch_size,
        forwards=row.forward_passes,
        accepted_drafts=None if row.drafts is None else sum(draft.accepted for draft in row.drafts),
        rejected_drafts=None if row.drafts is None else sum(len(draft.tokens) - draft.accepted for draft in row.drafts),
        drafts=None if row.drafts is None else count_drafts_by_source(row.drafts),
        trace=make_decoding_trace(detokenizer, row) if with_trace else None,
        finish_reason=row.stop_checker.reason,
    )


def make_decoding_trace(detokenizer: Detokenizer, row: Row) -> DecodingTrace:
    """Returns, for each output token of a decoded row, its text, its block and the forward pass that wrote it.

    If several tokens form one character, the character is the text of the last of these tokens; the others have "".
    """
    texts, shown = [], ""
    for number in range(1, len(row.output) + 1):
        text = detokenizer.decode(row.output[:number])
        if number < len(row.output) and text.endswith("\ufffd"):
            text = shown
        texts.append(text[len(shown) :])
        shown = text
    rejected = list_rejected_drafts(row.drafts or (), detokenizer)
    return DecodingTrace(tuple(texts), tuple(row.steps), tuple(row.blocks), rejected)
