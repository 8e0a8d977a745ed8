"""The backend `openai`: completions from any endpoint that implements the OpenAI API."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, ClassVar

from pydantic import BaseModel

from evalharness.backends.factory import BackendConfig
from evalharness.backends.openai.address import resolve_address
from evalharness.backends.openai.answer import Answer
from evalharness.backends.openai.client import Client, EndpointRequest
from evalharness.backends.openai.event_loop import EventLoopThread, as_completed
from evalharness.backends.openai.failures import PromptRefused, RequestNotSent
from evalharness.backends.openai.options import OpenAIOptions, check_extra_fields
from evalharness.backends.openai.request_body import (
    SEED_HEADER,
    collect_stop_sequences,
    make_body_fields,
    uses_chat_api,
)
from evalharness.backends.options import parse_options
from evalharness.errors import InfrastructureError, UserError
from evalharness.generation.chat_template import why_chat_is_expected
from evalharness.generation.infilling import refuse_fixed_middle_length
from evalharness.generation.sampling import derive_sample_seed
from evalharness.records import Completion, Prompt, Request, Sampling
from evalharness.util.text import shortened


class OpenAIBackend:
    """The backend `openai`: chat or text completions of an endpoint, streamed or not.

    Token counts come from the field `usage` of the endpoint's answer. They include reasoning tokens, and may include
    tokens of the stop sequence at which the endpoint stopped. If the endpoint reports no count, or its count includes
    text that this client cut off at a stop sequence, `--option tokenizer` counts the tokens of text and reasoning;
    without this option, `output_tokens` is None.

    A prompt that the endpoint refuses gets an empty completion with the `finish_reason` "refused". If a prompt has more
    stop sequences than the endpoint accepts (`--option max_stops`), this client cuts the answer at the first one; while
    streaming it also closes the connection there, so that the endpoint reports no token count.

    Times are those of the successful attempt. They begin when the request is sent (connecting included), and end at the
    first chunk of text and at the end of the answer. Without streaming, the time of the first output is None; the total
    time is None, too, if this client cut the answer, because the time of its last token is unknown.
    """

    name = "openai"
    Options: ClassVar[type[BaseModel]] = OpenAIOptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for an invalid option of backend `openai`. Sends no request."""
        if not config.model:
            raise UserError("backend openai needs a model; give --model NAME, the model's name at the endpoint")
        self._model = config.model
        self._options = parse_options(OpenAIOptions, self.name, config.options)
        check_extra_fields(self._options.extra)
        self._address = resolve_address(self._options)
        self._client = Client(self._address, self._options)
        self._tokenizer: Any = None

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError for an infilling prompt if option `api` is chat or the length of the middle is fixed."""
        if prompt.suffix is None:
            return
        refuse_fixed_middle_length(self.name, prompt)
        if self._options.api == "chat":
            raise UserError(
                "the chat API cannot infill; leave out --option api=chat, and if the endpoint's completions API does "
                "not accept the request field 'suffix', give the model's FIM format with --option fim=FORMAT"
            )

    def why_chat_is_expected(self) -> str:
        """Returns the reason to send chat messages rather than plain text to this model; "" if there is none.

        Reasons are `--option api=chat`, and a chat template of the tokenizer that `--option tokenizer` names.
        """
        if self._options.api == "chat":
            return "option api=chat sends the text as a user's message"
        self._load_tokenizer()
        return why_chat_is_expected(self._tokenizer)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions as they finish, with at most `concurrency` requests in flight.

        Closing the iterator cancels the requests in flight. If a request fails with a UserError, the completions that
        are finished are yielded before it is raised.
        """
        self._load_tokenizer()
        http = self._client.open_http_client()

        async def send_or_catch_failure(request: Request) -> Answer | InfrastructureError | PromptRefused:
            try:
                return await self._client.send(http, self._make_endpoint_request(request, sampling))
            except (InfrastructureError, PromptRefused) as error:
                return error

        with (
            EventLoopThread(http.aclose) as thread,
            closing(as_completed(requests, send_or_catch_failure, self._options.concurrency, thread)) as results,
        ):
            for request, result in results:
                yield self._make_completion(request, result)

    def describe(self) -> Mapping[str, Any]:
        """Returns model, base URL (without login and query) and options (without `api_key_env`), for a manifest."""
        options = self._options.model_dump(exclude={"base_url", "api_key_env"})
        return {
            "model": self._model,
            "base_url": self._address.display_url,
            **self._address.secrets.mask_json(options),
        }

    def adjusted_options(self) -> Mapping[str, str]:
        """Returns the values, by option name, that this client uses because the endpoint rejected the user's values."""
        changed = self._client.token_limit_field != self._options.max_tokens_field
        return {"max_tokens_field": self._client.token_limit_field} if changed else {}

    def close(self) -> None:
        """Does nothing: each call of `generate` closes its own connections and thread."""

    def _make_endpoint_request(self, request: Request, sampling: Sampling) -> EndpointRequest:
        prompt, options = request.problem.prompt, self._options
        url = self._address.route_url("/chat/completions" if uses_chat_api(prompt, options) else "/completions")
        stops = collect_stop_sequences(prompt, options)
        fields = make_body_fields(self._model, request, sampling, options)
        headers = {SEED_HEADER: str(derive_sample_seed(sampling.seed, request.key))}
        return EndpointRequest(url, fields, headers, stops, options.stream, stop_early=len(stops) > options.max_stops)

    def _make_completion(self, request: Request, result: Answer | InfrastructureError | PromptRefused) -> Completion:
        task_id, sample_id = request.key
        if isinstance(result, InfrastructureError):
            reason = "not_sent" if isinstance(result, RequestNotSent) else "error"
            return Completion(task_id, sample_id, text="", finish_reason=reason, error=str(result))
        if isinstance(result, PromptRefused):
            return Completion(task_id, sample_id, text="", finish_reason="refused", refusal=str(result))
        output_tokens = self._count_output_tokens(result)
        refused = bool(result.refusal and not result.text)
        return Completion(
            task_id,
            sample_id,
            text=result.text,
            prompt_tokens=result.prompt_tokens,
            output_tokens=output_tokens,
            characters=len(result.text),
            started_at=result.started_at,
            first_output_s=result.first_output_s,
            first_output_tokens=self._estimate_first_output_token_count(result, output_tokens),
            total_s=result.total_s,
            reasoning=result.reasoning or None,
            reasoning_tokens=self._count_reasoning_tokens(result),
            finish_reason="refused" if refused else result.finish_reason,
            refusal=result.refusal if refused else None,
        )

    def _count_output_tokens(self, answer: Answer) -> int | None:
        """Returns the token count of an answer's text and reasoning, from the endpoint or else from the tokenizer."""
        if answer.output_tokens is not None or self._tokenizer is None:
            return answer.output_tokens
        reasoning = self._count_reasoning_tokens(answer)
        return self._count_tokens(answer.text) + (reasoning or 0)

    def _count_reasoning_tokens(self, answer: Answer) -> int | None:
        """Returns the token count of an answer's reasoning, from the endpoint or else from the tokenizer."""
        if answer.reasoning_tokens is not None or not answer.reasoning or self._tokenizer is None:
            return answer.reasoning_tokens
        return self._count_tokens(answer.reasoning)

    def _estimate_first_output_token_count(self, answer: Answer, output_tokens: int | None) -> int | None:
        """Returns how many tokens an answer's first burst has: the chunks that arrived together at its beginning.

        This is the endpoint's count if it reports one per chunk. Otherwise it is an estimate: `output_tokens`, the
        count of the whole answer, times the burst's share of the text, measured in tokens (with `--option tokenizer`)
        or in characters. The result is None without `output_tokens`, and for an answer with reasoning, because
        `output_tokens` also counts the reasoning.
        """
        if output_tokens is None or not output_tokens or answer.has_reasoning or not answer.first_text:
            return None
        if answer.first_tokens is not None:
            return min(answer.first_tokens, output_tokens)
        size = len if self._tokenizer is None else self._count_tokens
        return min(output_tokens, max(1, round(output_tokens * size(answer.first_text) / size(answer.text))))

    def _count_tokens(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _load_tokenizer(self) -> None:
        """Loads the tokenizer that option `tokenizer` names, if any. Raises UserError if it cannot be loaded."""
        if self._options.tokenizer is None or self._tokenizer is not None:
            return
        try:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self._options.tokenizer)
        except Exception as error:  # what transformers and the hub client raise has no common type
            reason = shortened(str(error), 200)
            raise UserError(
                f"option tokenizer={self._options.tokenizer} cannot be loaded: {reason}; give a tokenizer's folder or "
                "hub id"
            ) from None
