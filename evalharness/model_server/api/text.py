"""The endpoints POST /v1/completions and POST /v1/fim/completions."""

from typing import Annotated

from pydantic import Field

from evalharness.model_server.api.parameters import RequestParameters
from evalharness.model_server.engine.protocol import Engine
from evalharness.records import Prompt
from evalharness.util.http.refusals import RequestRefused

NO_SUFFIX = "<|endoftext|>"
"""The suffix that Continue's client for Inception sends if the cursor is at the end of the file."""
PromptTexts = Annotated[list[str], Field(min_length=1, max_length=256)]


class CompletionBody(RequestParameters):
    """The body of POST /v1/completions. The model continues the prompt, or infills if there is a suffix."""

    prompt: str | PromptTexts
    suffix: str | None = None
    logprobs: int | bool | None = None

    @property
    def wants_logprobs(self) -> bool:
        """Whether the request asks for the probability of each token."""
        return self.logprobs is not None and self.logprobs is not False

    def prompts(self, engine: Engine) -> list[Prompt]:
        """Returns the request's prompts; an empty suffix is left out if the engine cannot infill.

        Raises RequestRefused if the parameter logprobs asks for alternatives to the generated tokens.
        """
        if self.wants_logprobs and self.logprobs is not True and (self.logprobs or 0) > 1:
            raise RequestRefused(
                400,
                "parameter logprobs: the server reports only the chosen token's probability, no alternatives; send 0 "
                "or 1",
                parameter="logprobs",
            )
        texts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        suffix = "" if self.suffix == NO_SUFFIX else self.suffix
        if suffix == "" and not engine.can_infill:
            suffix = None
        return [Prompt(text, stops=self.stop_sequences, suffix=suffix) for text in texts]


class FimBody(CompletionBody):
    """The body of POST /v1/fim/completions. It differs from /v1/completions in that the default of `suffix` is ""."""

    suffix: str | None = ""
