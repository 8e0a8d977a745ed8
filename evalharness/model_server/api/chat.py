"""POST /v1/chat/completions."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness.model_server.api.parameters import Parameters
from evalharness.records import Message, Prompt
from evalharness.util.http.refusals import RequestRefused


class TextPart(BaseModel):
    """A part of a message's content; only text is supported."""

    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    annotations: list[None] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatBody(Parameters):
    """The body of the request."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    logprobs: bool = False

    @property
    def wants_logprobs(self) -> bool:
        """Whether the answer has the probability of each token."""
        return self.logprobs

    def prompt(self) -> Prompt:
        """Returns the prompt. The answer continues a last message of the assistant."""
        messages = [
            Message("system" if message.role == "developer" else message.role, message.text)
            for message in self.messages
        ]
        prefill = messages.pop().content if messages[-1].role == "assistant" else ""
        if not messages:
            raise RequestRefused(
                400, "messages has no message before the assistant's; send the user's, too", parameter="messages"
            )
        return Prompt(messages=tuple(messages), prefill=prefill, stops=self.stops)
