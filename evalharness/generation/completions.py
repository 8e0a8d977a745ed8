"""Makes completions without text, for prompts that do not fit and for backend failures."""

from evalharness.records import Completion, Request


def empty_completion(request: Request, prompt_tokens: int, error: str = "") -> Completion:
    """Returns a completion without text for a request that could not be generated.

    Without `error` the prompt did not fit the model, which counts as the model's failure (`finish_reason` length, 0
    output tokens); `error` says why the backend failed.
    """
    return Completion(
        *request.key,
        text="",
        prompt_tokens=prompt_tokens,
        output_tokens=None if error else 0,
        finish_reason="error" if error else "length",
        error=error,
    )
