"""Converts the parameters of an HTTP request to generation jobs of the engine."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalharness.errors import UserError
from evalharness.generation.sampling import derive_sample_seed
from evalharness.model_server.api.answer import JsonFormat
from evalharness.model_server.api.parameters import AR_OPTIONS, DIFFUSION_OPTIONS, RequestParameters
from evalharness.model_server.engine.job import GenerationJob
from evalharness.model_server.engine.protocol import Engine
from evalharness.records import Prompt
from evalharness.util.http.refusals import RequestRefused


@dataclass(frozen=True)
class ServedModel:
    """The served model, and the model ids by which requests select its decoding method."""

    name: str
    decoding_methods: tuple[str, ...]
    """Decoding methods of the model (`ar`, `diffusion`), the default first."""

    @property
    def selectable_model_ids(self) -> tuple[str, ...]:
        """The model ids that a request may give: NAME for the default decoding method, NAME:METHOD for each method."""
        return (self.name, *(f"{self.name}:{decoding_method}" for decoding_method in self.decoding_methods))

    def select_decoding_method(self, requested_model_id: str | None, decoding_options: Mapping[str, str]) -> str:
        """Returns the decoding method that a request selects by its model id or, if that names none, by its options.

        Raises RequestRefused for an unknown model id, and for options that the decoding method does not use.
        """
        if requested_model_id is not None and requested_model_id not in self.selectable_model_ids:
            raise RequestRefused(
                404,
                f"model {requested_model_id!r} is not served; set model to one of: "
                f"{', '.join(self.selectable_model_ids)}",
                parameter="model",
                code="model_not_found",
            )
        decoding_method = self.decoding_methods[0]
        if requested_model_id is not None and requested_model_id != self.name:
            decoding_method = requested_model_id.rpartition(":")[2]
        elif decoding_options and not self._names_of_unsupported_options(decoding_method, decoding_options):
            pass
        elif decoding_options:
            decoding_method = next(
                (
                    other
                    for other in self.decoding_methods
                    if not self._names_of_unsupported_options(other, decoding_options)
                ),
                decoding_method,
            )
        if foreign := self._names_of_unsupported_options(decoding_method, decoding_options):
            raise RequestRefused(
                400,
                f"parameter {foreign[0]} has no effect with decoding method {decoding_method}; leave it out, or set "
                f"model to one of: {', '.join(self.selectable_model_ids)}",
                parameter=foreign[0],
            )
        return decoding_method

    @staticmethod
    def _names_of_unsupported_options(decoding_method: str, decoding_options: Mapping[str, str]) -> list[str]:
        supported = {"ar": AR_OPTIONS, "diffusion": DIFFUSION_OPTIONS}.get(decoding_method, ())
        return [name for name in decoding_options if name not in supported]


@dataclass(frozen=True)
class AnswerWrapping:
    """The texts that the server adds before and after the model's output in an answer."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class AnswerRequest:
    """A validated request: the generation jobs for the engine, and the format and wrapping of the answer."""

    json_format: JsonFormat
    model: str
    """The model's name as the request gave it; the answer repeats it."""
    jobs: Sequence[GenerationJob]
    parameters: RequestParameters
    wrapping: AnswerWrapping = field(default_factory=AnswerWrapping)


@dataclass(frozen=True)
class RequestDefaults:
    """Values for parameters that a request leaves out."""

    max_new_tokens: int
    exact_seed: int | None = None
    """The 63-bit seed in the HTTP header that the harness's own client sends; the parameter has fewer bits."""


def make_answer_request(
    json_format: JsonFormat,
    prompts: Sequence[Prompt],
    parameters: RequestParameters,
    engine: Engine,
    defaults: RequestDefaults,
    wrapping: AnswerWrapping | None = None,
) -> AnswerRequest:
    """Returns a validated request with its generation jobs, `parameters.n` for each prompt.

    `wrapping`: texts to add around the model's output. Raises RequestRefused for an unknown model or an invalid
    combination of parameters.
    """
    served = ServedModel(engine.name, engine.decoding_methods)
    options = parameters.decoding_options()
    decoding_method = served.select_decoding_method(parameters.model, options)
    if "" in parameters.stop_sequences:
        raise RequestRefused(400, "parameter stop contains an empty string; remove it", parameter="stop")
    stream_parameters = {
        "diffusing": parameters.diffusing,
        "denoising_frames": parameters.denoising_frames,
        "stream_options": parameters.stream_options.include_usage,
    }
    for name, is_requested in stream_parameters.items():
        if is_requested and not parameters.stream:
            raise RequestRefused(
                400, f"parameter {name} needs a streamed answer; send stream: true as well", parameter=name
            )
    seed = parameters.seed
    if defaults.exact_seed is not None and seed is not None:
        seed = defaults.exact_seed
    elif seed is None:
        seed = secrets.randbits(31)
    jobs = [
        GenerationJob(
            prompt,
            decoding_method,
            parameters.token_limit or defaults.max_new_tokens,
            parameters.temperature or 0.0,
            1.0 if parameters.top_p is None else parameters.top_p,
            seed if number == 0 else derive_sample_seed(seed, ("", number)),
            options,
            traced=parameters.diffusing or parameters.denoising_frames or parameters.wants_logprobs,
            streamed=parameters.stream,
        )
        for prompt in prompts
        for number in range(parameters.n)
    ]
    return AnswerRequest(json_format, parameters.model or engine.name, jobs, parameters, wrapping or AnswerWrapping())


def make_rejected_option_http_error(error: UserError, job: GenerationJob) -> RequestRefused:
    """Returns the HTTP 400 error for a decoding option of `job` that was rejected with `error`."""
    # A message about an option begins with it; others that it mentions come later.
    named = sorted((str(error).find(name), name) for name in job.options if name in str(error))
    return RequestRefused(400, str(error), parameter=named[0][1] if named else None)
