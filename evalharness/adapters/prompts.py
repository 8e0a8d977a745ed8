"""Builds prompts from the templates of a recipe (a task's prompt and sampling settings)."""

from collections.abc import Mapping

from evalharness.data.cards import Recipe
from evalharness.data.templates import fill_template
from evalharness.records import Message, MiddleLengthOracle, Prompt


def build_prompt(recipe: Recipe, values: Mapping[str, str], extra_stops: tuple[str, ...] = ()) -> Prompt:
    """Returns the prompt that a recipe's templates give when `values["NAME"]` replaces each `{NAME}`.

    A completion recipe has the template `prompt`; a chat recipe has `user`, and optionally `system` and `prefill`.
    `extra_stops` are added to the recipe's stop sequences.
    """
    fields = {name: fill_template(str(template), values) for name, template in recipe.fields.items()}
    stops = recipe.stops + extra_stops
    if recipe.kind == "completion":
        return Prompt(text=fields["prompt"], stops=stops)
    system = (Message("system", fields["system"]),) if "system" in fields else ()
    messages = (*system, Message("user", fields["user"]))
    return Prompt(messages=messages, prefill=fields.get("prefill", ""), stops=stops)


def build_infilling_prompt(recipe: Recipe, prefix: str, suffix: str, reference_middle: str) -> Prompt:
    """Returns the prompt of an infilling problem.

    With a recipe of kind `infill`, the prompt consists of prefix and suffix, and the backend applies the model's FIM
    format. With a recipe of another kind, they replace `{prefix}` and `{suffix}` in the recipe's templates.
    Only a recipe with `middle: oracle` uses `reference_middle`: the backend learns its length, but not its text.
    """
    if recipe.middle is None:
        return build_prompt(recipe, {"prefix": prefix, "suffix": suffix})
    oracle = MiddleLengthOracle(reference_middle) if recipe.middle == "oracle" else None
    return Prompt(prefix, stops=recipe.stops, suffix=suffix, middle_length=recipe.middle, oracle=oracle)
