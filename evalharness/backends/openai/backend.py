"""Completions from any endpoint that speaks the OpenAI API: chat or text, streamed or not."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from evalharness.backends import BackendConfig, parse_options
from evalharness.backends.openai.client import Client, Query
from evalharness.backends.openai.event_loop import LoopThread, as_finished
from evalharness.backends.openai.options import OpenAIOptions, check_extra, find_address
from evalharness.backends.openai.stream import Answer
from evalharness.errors import InfrastructureError, UserError
from evalharness.generation.infilling import find_format, require_free_middle
from evalharness.records import Completion, Prompt, Request, Sampling


class OpenAIBackend:
    """The `openai` backend.

    Token counts are the endpoint's `usage`: they include its reasoning tokens and, of a stop sequence at which the
    endpoint itself ended, whatever it counts. Where it gives none, or counts text that was dropped here because a
    stop sequence got through, `output_tokens` is None, or with `--option tokenizer` the number of tokens of the
    text (None if there was reasoning, whose length nobody told). When all stop sequences fit into the request, the
    endpoint is left to end the answer, so that its count arrives; else the connection is closed at the first one.

    Times are those of the attempt that succeeded, from its sending (connecting included) to the first piece of
    text and to the last piece or end of the answer. Without streaming, the first is None, and so is the total of
    an answer that was cut here, as the time of its last token is not known.
    """

    name = "openai"
    Options = OpenAIOptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for options that cannot work; nothing is sent yet."""
        if not config.model:
            raise UserError("backend openai needs a model; give --model the endpoint's name for it")
        self._model = config.model
        self._options = parse_options(OpenAIOptions, self.name, config.options)
        check_extra(self._options.extra)
        self._address = find_address(self._options)
        self._client = Client(self._address, self._options)
        self._tokenizer: Any = None

    def accept(self, prompt: Prompt) -> None:
        """Raises UserError for a gap that a chat API is to fill, or whose length the recipe fixes or searches."""
        if prompt.suffix is None:
            return
        require_free_middle(self.name, prompt)
        if self._options.api == "chat":
            raise UserError(
                "a chat API cannot infill; leave --option api=chat out, and add fim= with the model's family where the "
                "endpoint's completions API has no field suffix"
            )

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions as they finish; pulls a request only when fewer than `concurrency` are on their way.

        Closing the iterator abandons what is on its way. Raises UserError, after what had finished by then.
        """
        self._load_tokenizer()
        http = self._client.connect()

        async def work(request: Request) -> Answer | InfrastructureError:
            try:
                return await self._client.ask(http, self._query(request, sampling))
            except InfrastructureError as error:
                return error

        with (
            LoopThread(http.aclose) as thread,
            closing(as_finished(requests, work, self._options.concurrency, thread)) as results,
        ):
            for request, result in results:
                yield self._completion(request, result)

    def describe(self) -> Mapping[str, Any]:
        """The model, the address without userinfo and query, and every option but the key's variable."""
        options = self._options.model_dump(exclude={"base_url", "api_key_env"})
        return {"model": self._model, "base_url": self._address.shown, **self._address.secrets.clean(options)}

    def close(self) -> None:
        """Does nothing: connections and threads end with each call of `generate`."""

    def _query(self, request: Request, sampling: Sampling) -> Query:
        prompt, options = request.problem.prompt, self._options
        if prompt.prefill and not options.prefill:
            raise UserError(
                "the recipe opens the answer, and most endpoints refuse that; use another, such as --option "
                "recipe=chat, or --option prefill=true where the endpoint continues an assistant's turn"
            )
        gap = prompt.suffix is not None
        chat = options.api == "chat" or (options.api == "auto" and bool(prompt.messages))
        stops = tuple(dict.fromkeys(filter(None, (*prompt.stops, *self._ends(prompt)))))
        sent = stops[: options.max_stops]
        fields = {
            "model": self._model,
            **(_as_chat(prompt) if chat else _as_gap(prompt, options.fim) if gap else _as_text(prompt)),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            options.max_tokens_field: sampling.max_new_tokens,
            "seed": endpoint_seed(sampling.seed, request),
            "stream": options.stream,
            **({"stop": sent} if sent else {}),
            **({"stream_options": {"include_usage": True}} if options.stream and options.include_usage else {}),
            **options.extra,
        }
        body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        url = self._address.route("/chat/completions" if chat else "/completions")
        return Query(url, body, stops, options.stream, early=len(sent) < len(stops))

    def _ends(self, prompt: Prompt) -> tuple[str, ...]:
        """What ends a middle where the endpoint is not told that it infills."""
        if prompt.suffix is None or self._options.fim == "suffix":
            return ()
        return find_format(self._options.fim).ends

    def _completion(self, request: Request, result: Answer | InfrastructureError) -> Completion:
        task_id, sample_id = request.key
        if isinstance(result, InfrastructureError):
            return Completion(task_id, sample_id, text="", finish_reason="error", error=str(result))
        output_tokens = self._output_tokens(result)
        return Completion(
            task_id,
            sample_id,
            text=result.text,
            prompt_tokens=result.prompt_tokens,
            output_tokens=output_tokens,
            characters=len(result.text),
            started_at=result.started_at,
            first_output_s=result.first_output_s,
            first_output_tokens=self._first_output_tokens(result, output_tokens),
            total_s=result.total_s,
            finish_reason=result.finish_reason,
        )

    def _output_tokens(self, answer: Answer) -> int | None:
        if answer.output_tokens is not None or self._tokenizer is None or answer.reasoned:
            return answer.output_tokens
        return self._count(answer.text)

    def _first_output_tokens(self, answer: Answer, total: int | None) -> int | None:
        """Tokens of the first piece: the endpoint's count, else the share of `total` that the piece has of the text.

        The share is by tokens where there is a tokenizer, by characters where there is none; at least one token. None
        where there was reasoning before it, whose tokens are in the total.
        """
        if total is None or not total or answer.reasoned or not answer.first_text:
            return None
        if answer.first_tokens is not None:
            return min(answer.first_tokens, total)
        size = len if self._tokenizer is None else self._count
        return min(total, max(1, round(total * size(answer.first_text) / size(answer.text))))

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _load_tokenizer(self) -> None:
        if self._options.tokenizer is None or self._tokenizer is not None:
            return
        try:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self._options.tokenizer)
        except Exception as error:  # transformers raises many kinds; all mean that there is no tokenizer.
            why = " ".join(str(error).split())[:200]
            raise UserError(f"cannot load --option tokenizer={self._options.tokenizer}: {why}") from None


def endpoint_seed(seed: int, request: Request) -> int:
    """A seed of 31 bits for one sample, the same in every run: with one seed for all, n samples could be equal."""
    words = json.dumps([seed, *request.key]).encode()
    return int.from_bytes(hashlib.sha256(words).digest()[:4], "big") & 0x7FFFFFFF


def _as_chat(prompt: Prompt) -> dict[str, Any]:
    turns = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
    if prompt.text is not None:
        turns = [{"role": "user", "content": prompt.text}]
    if prompt.prefill:
        turns.append({"role": "assistant", "content": prompt.prefill})
    return {"messages": turns}


def _as_gap(prompt: Prompt, fim: str) -> dict[str, Any]:
    prefix, suffix = prompt.text or "", prompt.suffix or ""
    if fim == "suffix":
        return {"prompt": prefix, "suffix": suffix}
    return {"prompt": find_format(fim).text(prefix, suffix)}


def _as_text(prompt: Prompt) -> dict[str, Any]:
    if prompt.text is None:
        raise UserError(
            "the prompts are chat messages, which --option api=completions cannot send; use api=chat or auto"
        )
    return {"prompt": prompt.text + prompt.prefill}
