"""The endpoint POST /v1/chat/completions."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness.model_server.api.parameters import RequestParameters
from evalharness.records import Message, Prompt
from evalharness.util.http.refusals import RequestRefused


class TextPart(BaseModel):
    """A text part of a chat message's content. Parts of other types, such as images, are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True)
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One entry of the parameter `messages` of a chat request."""

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
        """The message's content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatBody(RequestParameters):
    """The body of POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    logprobs: bool = False

    @property
    def wants_logprobs(self) -> bool:
        """Whether the request asks for the probability of each token."""
        return self.logprobs

    def prompt(self) -> Prompt:
        """Returns the messages as a prompt. If the last message is the assistant's, the model continues it."""
        messages = [
            Message("system" if message.role == "developer" else message.role, message.text)
            for message in self.messages
        ]
        prefill = messages.pop().content if messages[-1].role == "assistant" else ""
        if not messages:
            raise RequestRefused(
                400,
                "parameter messages has only an assistant's message, which the model would continue; send a user's "
                "message before it",
                parameter="messages",
            )
        return Prompt(messages=tuple(messages), prefill=prefill, stops=self.stop_sequences)
