"""The backend `transformers`: any causal language model from a local folder or the hub, in batches.

A sample's random numbers depend only on the run's seed and the sample's key (`generation.sampling`), a row ends at its
own stop sequence (`generation.stopping`), and decoding settings that a checkpoint recommends are not used
(`causal_lm`). Modules that import torch are imported when the model is first needed.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from evalharness.backends.factory import BackendConfig
from evalharness.backends.options import parse_options
from evalharness.backends.transformers.options import TransformersOptions
from evalharness.errors import UserError
from evalharness.generation.batching import check_batch_size
from evalharness.generation.chat_template import why_chat_is_expected
from evalharness.generation.infilling import find_infilling_encoder, refuse_fixed_middle_length
from evalharness.generation.infilling_formats import FORMAT_NAMES
from evalharness.records import Completion, Prompt, Request, Sampling

if TYPE_CHECKING:
    from evalharness.backends.transformers.batch import Row
    from evalharness.backends.transformers.causal_lm import CausalLM


class TransformersBackend:
    """The backend `transformers`: a causal language model in this process. Loads the model at the first use."""

    name = "transformers"
    Options: ClassVar[type[BaseModel]] = TransformersOptions

    def __init__(self, config: BackendConfig) -> None:
        """Raises UserError for a missing model, an invalid option or a batch size below 1."""
        if not config.model:
            raise UserError("backend transformers needs a model; give --model FOLDER or --model HUB-ID")
        check_batch_size(config.batch_size)
        self._model = config.model
        self._options = parse_options(TransformersOptions, self.name, config.options)
        self._requested_batch_size = config.batch_size
        self._batch_size = config.batch_size
        self._lm: CausalLM | None = None
        self._tokenizer: Any = None

    def check_prompt(self, prompt: Prompt) -> None:
        """Raises UserError for an infilling prompt that the model cannot complete. Other prompts are accepted.

        Infilling needs a tokenizer with FIM sentinel tokens; a middle of a fixed length is not possible. Loads only the
        tokenizer. A chat prompt that the chat template rejects is reported by `generate`.
        """
        if prompt.suffix is None:
            return
        refuse_fixed_middle_length(self.name, prompt)
        if find_infilling_encoder(self._load_tokenizer(), self._options.fim) is None:
            raise UserError(
                f"the tokenizer of model {self._model} has the sentinel tokens of no known FIM format "
                f"({', '.join(FORMAT_NAMES)}); use a model that was trained to infill, or --option recipe=suffix-first"
            )

    def why_chat_is_expected(self) -> str:
        """Returns the reason to send chat messages rather than plain text to this model; "" if there is none.

        The reason is that the model's tokenizer has a chat template. Loads the tokenizer.
        """
        return why_chat_is_expected(self._load_tokenizer())

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yields completions in the order of the requests, generated one batch at a time.

        If the model's context has room for fewer than `max_new_tokens` tokens after a prompt, fewer are generated;
        without any room, the completion is empty but has no error, because the context length is a property of the
        model. A completion has `error` set if its request exceeds the device memory even in a batch of one. Raises
        UserError if the model cannot be loaded, or its chat template is missing or rejects a prompt.
        """
        from evalharness.backends.transformers.batch import tokenize_request

        lm = self._load_model()
        waiting = iter(requests)
        while chunk := list(islice(waiting, self._batch_size)):
            yield from self._generate_rows(lm, [tokenize_request(lm, request, sampling) for request in chunk], sampling)

    def describe(self) -> Mapping[str, Any]:
        """Returns model, weights digest, precision, device, options and versions for a manifest. Loads the model.

        Raises UserError if the model cannot be loaded.
        """
        from evalharness.backends.transformers.causal_lm import describe_causal_lm

        options = self._options.model_dump(exclude={"dtype", "device", "attn"})
        return {**describe_causal_lm(self._load_model()), "batch_size": self._requested_batch_size, "options": options}

    def close(self) -> None:
        """Frees the model and its device memory."""
        if self._lm is not None:
            self._lm = None
            _free_device_memory()

    def _load_model(self) -> CausalLM:
        from evalharness.backends.transformers.causal_lm import load_causal_lm

        if self._lm is None:
            self._lm = load_causal_lm(self._model, self._load_tokenizer(), self._options, self._batch_size)
        return self._lm

    def _load_tokenizer(self) -> Any:
        from evalharness.backends.transformers.causal_lm import load_tokenizer

        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self._model, self._options)
        return self._tokenizer

    def _generate_rows(self, lm: CausalLM, rows: list[Row], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per row, in order: an empty completion if the row has no room for output."""
        generated = self._generate_batches(lm, [row for row in rows if row.limit], sampling)
        for row in rows:
            yield next(generated) if row.limit else row.make_empty_completion(row.error)

    def _generate_batches(self, lm: CausalLM, rows: list[Row], sampling: Sampling) -> Iterator[Completion]:
        """Yields one completion per row, in order; halves the batch size if a batch exceeds the device memory."""
        import torch

        from evalharness.backends.transformers.batch import generate_batch

        while rows:
            batch = rows[: self._batch_size]
            try:
                completions = generate_batch(lm, batch, sampling)
            except torch.cuda.OutOfMemoryError as error:
                completions, reason = [], str(error).partition("\n")[0]
            if not completions:
                # Outside the handler, where the exception's frames no longer reference the tensors.
                _free_device_memory()
                if len(batch) == 1:
                    advice = "lower --max-new-tokens, or use a device with more memory"
                    error_message = f"out of device memory with a batch size of 1: {reason}; {advice}"
                    completions = [batch[0].make_empty_completion(error_message)]
                else:
                    self._batch_size = len(batch) // 2
                    warnings.warn(
                        f"a batch of {len(batch)} samples exceeds the device memory; continuing with --batch-size "
                        f"{self._batch_size}",
                        stacklevel=2,
                    )
            yield from completions
            rows = rows[len(completions) :]


def _free_device_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
