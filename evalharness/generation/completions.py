"""Makes completions without text, for prompts that do not fit and for backend failures."""

from evalharness.records import Completion, Request

EMPTY_PROMPT = "the prompt has no tokens, so the model cannot continue it; change the recipe or its template"
"""The error of a completion whose prompt is empty after tokenization."""


def make_empty_completion(request: Request, prompt_tokens: int, error: str = "") -> Completion:
    """Returns a completion without text for a request for which nothing could be generated.

    `error` says why the backend failed. If it is "", the prompt was too long for the model's context, which counts as a
    failure of the model: the completion has 0 output tokens and the `finish_reason` "length".
    """
    return Completion(
        *request.key,
        text="",
        prompt_tokens=prompt_tokens,
        output_tokens=None if error else 0,
        finish_reason="error" if error else "length",
        error=error,
    )
