"""The part of a task card that describes a recipe: how a prompt is built and how a program is extracted."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from evalharness.data.cards.version_schema import StrictModel
from evalharness.records import MiddleLength

REQUIRED_TEMPLATES = {"completion": "prompt", "chat": "user"}
"""The name of the prompt template that each kind of recipe must have; the kind infill needs none."""


class Recipe(StrictModel):
    """A recipe of a task card: prompt templates, the rule that extracts programs from answers, sampling defaults."""

    kind: Literal["completion", "chat", "infill"] = Field(
        description="completion: continue the template prompt. chat: answer the message user, perhaps after system "
        "and before prefill. infill: fill in the middle between prefix and suffix"
    )
    description: str = Field("", description="What distinguishes the recipe from others, for tables")
    fields: Mapping[str, Any] = Field(
        {}, description="Templates by name: prompt (kind completion), or user, system and prefill (kind chat)"
    )
    stops: tuple[str, ...] = Field((), description="Stop sequences")
    middle: MiddleLength | None = Field(
        None, description="Kind infill only, and required there: how the length of the middle is determined"
    )
    extraction: str = Field(
        description="How a program is made of an answer, by the official rule where there is one; the names are below"
    )
    robust_extraction: str = Field(
        "", description="The rule that --option extraction=robust selects; without it, extraction is the only one"
    )
    max_new_tokens: int = Field(gt=0, description="Token limit of a completion")
    n: int = Field(1, gt=0, description="Samples per problem")
    temperature: float = Field(0.0, ge=0, description="Sampling temperature; 0 is greedy decoding")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling; 1 is all tokens")

    @model_validator(mode="after")
    def _check_middle_set_iff_infilling(self) -> Self:
        if (self.kind == "infill") != (self.middle is not None):
            raise ValueError(
                "a recipe of kind 'infill' needs the key 'middle', and recipes of other kinds must not have it; add or "
                "remove the key"
            )
        return self

    @model_validator(mode="after")
    def _check_has_required_template(self) -> Self:
        template = REQUIRED_TEMPLATES.get(self.kind)
        if template and template not in self.fields:
            raise ValueError(
                f"a recipe of kind {self.kind!r} needs a prompt template; add the key {template!r} to its 'fields'"
            )
        return self
