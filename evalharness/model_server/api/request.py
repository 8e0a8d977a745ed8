"""Converts the parameters of an HTTP request to generation jobs of the engine."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalharness.errors import UserError
from evalharness.generation.sampling import sample_seed
from evalharness.model_server.api.answer import Form
from evalharness.model_server.api.parameters import AR_OPTIONS, DIFFUSION_OPTIONS, Parameters
from evalharness.model_server.engine.job import Job
from evalharness.model_server.engine.protocol import Engine
from evalharness.records import Prompt
from evalharness.util.http.refusals import RequestRefused


@dataclass(frozen=True)
class ServedModel:
    """The served model, and the names by which requests select it and its decoding method."""

    name: str
    ways: tuple[str, ...]
    """Decoding methods of the model (`ar`, `diffusion`), the default first."""

    @property
    def ids(self) -> tuple[str, ...]:
        """All names of the model: its own, and one with each decoding method."""
        return (self.name, *(f"{self.name}:{way}" for way in self.ways))

    def way_of(self, asked: str | None, options: Mapping[str, str]) -> str:
        """Returns the decoding method that a request selects, by the model's name or by its options.

        Raises RequestRefused for an unknown model, and for options of another decoding method.
        """
        if asked is not None and asked not in self.ids:
            raise RequestRefused(
                404,
                f"model {asked!r} is not served; the models are: {', '.join(self.ids)}",
                parameter="model",
                code="model_not_found",
            )
        way = self.ways[0]
        if asked is not None and asked != self.name:
            way = asked.rpartition(":")[2]
        elif options and not self._options_of_other_methods(way, options):
            pass
        elif options:
            way = next((other for other in self.ways if not self._options_of_other_methods(other, options)), way)
        if foreign := self._options_of_other_methods(way, options):
            raise RequestRefused(
                400,
                f"parameter {foreign[0]} has no effect on decoding by {way}; leave it out, or ask for a model of: "
                f"{', '.join(self.ids)}",
                parameter=foreign[0],
            )
        return way

    @staticmethod
    def _options_of_other_methods(way: str, options: Mapping[str, str]) -> list[str]:
        known = {"ar": AR_OPTIONS, "diffusion": DIFFUSION_OPTIONS}.get(way, ())
        return [name for name in options if name not in known]


@dataclass(frozen=True)
class Wrapping:
    """Text that an answer has before and after what the model generates."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class AnswerRequest:
    """A validated request, ready for the engine."""

    form: Form
    model: str
    """The model's name as the request gave it; the answer repeats it."""
    jobs: Sequence[Job]
    parameters: Parameters
    wrapping: Wrapping = field(default_factory=Wrapping)


@dataclass(frozen=True)
class Defaults:
    """Values for parameters that a request leaves out."""

    max_new_tokens: int
    exact_seed: int | None = None
    """The 63-bit seed in the HTTP header that the harness's own client sends; the parameter has fewer bits."""


def make_request(
    form: Form,
    prompts: Sequence[Prompt],
    parameters: Parameters,
    engine: Engine,
    defaults: Defaults,
    wrapping: Wrapping | None = None,
) -> AnswerRequest:
    """Returns the engine's jobs for a request: `n` completions of each prompt. Raises RequestRefused if invalid."""
    served = ServedModel(engine.name, engine.ways)
    options = parameters.decoding_options()
    way = served.way_of(parameters.model, options)
    if "" in parameters.stops:
        raise RequestRefused(400, "parameter stop contains an empty text; remove it", parameter="stop")
    of_streams = {
        "diffusing": parameters.diffusing,
        "denoising_frames": parameters.denoising_frames,
        "stream_options": parameters.stream_options.include_usage,
    }
    for name, asked in of_streams.items():
        if asked and not parameters.stream:
            raise RequestRefused(
                400, f"parameter {name} works only in a stream; send stream: true, too", parameter=name
            )
    seed = parameters.seed
    if defaults.exact_seed is not None and seed is not None:
        seed = defaults.exact_seed
    elif seed is None:
        seed = secrets.randbits(31)
    jobs = [
        Job(
            prompt,
            way,
            parameters.token_limit or defaults.max_new_tokens,
            parameters.temperature or 0.0,
            1.0 if parameters.top_p is None else parameters.top_p,
            seed if number == 0 else sample_seed(seed, ("", number)),
            options,
            traced=parameters.diffusing or parameters.denoising_frames or parameters.wants_logprobs,
            streamed=parameters.stream,
        )
        for prompt in prompts
        for number in range(parameters.n)
    ]
    return AnswerRequest(form, parameters.model or engine.name, jobs, parameters, wrapping or Wrapping())


def wrong_option_error(error: UserError, job: Job) -> RequestRefused:
    """Returns the HTTP 400 error for a decoding option that the backend rejects."""
    # A message about an option begins with it; others that it mentions come later.
    named = sorted((str(error).find(name), name) for name in job.options if name in str(error))
    return RequestRefused(400, str(error), parameter=named[0][1] if named else None)
