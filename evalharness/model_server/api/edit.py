"""The endpoints POST /v1/edit/completions and /v1/apply/completions, in the format of Inception's (Mercury) clients.

An edit request marks in a file the code that may change, and the cursor in it. The model infills at the cursor; the
answer is the marked code with the new text in it, in a fenced block. An apply request has a file and a snippet to
merge; a chat model writes the merged file.
"""

import re

from evalharness.model_server.api.chat import ChatBody
from evalharness.model_server.api.request import AnswerWrapping
from evalharness.records import Message, Prompt
from evalharness.util.http.refusals import RequestRefused

CURSOR = "<|cursor|>"
_FILE_HEADER = re.compile(r"\A\s*current_file_path:[^\n]*\n")
APPLY_INSTRUCTION = (
    "Merge the update into the original code. Answer with the complete updated code in one block, and nothing else."
)


class EditBody(ChatBody):
    """The body of POST /v1/edit/completions. Tags in the last message mark the code to edit and the cursor."""

    def make_prompt_and_wrapping(self) -> tuple[Prompt, AnswerWrapping]:
        """Returns the infilling prompt of an edit request, and the texts to put before and after the model's output.

        Raises RequestRefused if a tag or the cursor is missing.
        """
        text = self.messages[-1].text
        file = _FILE_HEADER.sub("", text_inside_tags(text, "current_file_content"))
        region = text_inside_tags(text, "code_to_edit")
        before_region, region_tags, after_region = file.partition(_text_including_tags(text, "code_to_edit"))
        if not region_tags:
            before_region = after_region = ""
        if CURSOR not in region:
            raise RequestRefused(
                400,
                f"parameter messages: the last message has no {CURSOR} between <|code_to_edit|> and <|/code_to_edit|>; "
                "put it where the cursor is",
                parameter="messages",
            )
        before, _, after = region.partition(CURSOR)
        prompt = Prompt(before_region + before, suffix=after + after_region, stops=self.stop_sequences)
        closing = "" if after.endswith("\n") else "\n"
        return prompt, AnswerWrapping("```\n" + before, after + closing + "```")


class ApplyBody(ChatBody):
    """The body of POST /v1/apply/completions. Tags in the last message mark the code and the snippet to merge."""

    def prompt(self) -> Prompt:
        """Returns a chat prompt that asks the model to merge the snippet into the code."""
        text = self.messages[-1].text
        original, update = text_inside_tags(text, "original_code"), text_inside_tags(text, "update_snippet")
        content = f"{APPLY_INSTRUCTION}\n\nOriginal code:\n```\n{original}\n```\n\nUpdate:\n```\n{update}\n```"
        return Prompt(messages=(Message("user", content),), stops=self.stop_sequences)


def text_inside_tags(text: str, tag_name: str) -> str:
    """Returns the text between <|tag_name|> and <|/tag_name|>, without one line break at its start and end.

    Raises RequestRefused if `text` does not have both tags.
    """
    content = _exact_text_inside_tags(text, tag_name)
    return content.removeprefix("\n").removesuffix("\n")


def _exact_text_inside_tags(text: str, tag_name: str) -> str:
    """Returns the text between <|tag_name|> and <|/tag_name|>. Raises RequestRefused if a tag is missing."""
    opening, closing = f"<|{tag_name}|>", f"<|/{tag_name}|>"
    start, end = text.find(opening), text.rfind(closing)
    if start < 0 or end < start:
        raise RequestRefused(
            400, f"parameter messages: the last message lacks the tag {opening} or {closing}; add both "
            "tags",
            parameter="messages",
        )  # fmt: skip
    return text[start + len(opening) : end]


def _text_including_tags(text: str, tag_name: str) -> str:
    return f"<|{tag_name}|>{_exact_text_inside_tags(text, tag_name)}<|/{tag_name}|>"
