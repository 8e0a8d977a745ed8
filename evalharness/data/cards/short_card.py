"""The short form of a task card: one task, described without Python code by a YAML file and a file of records."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from evalharness.data.cards.recipe_schema import REQUIRED_TEMPLATES
from evalharness.data.cards.version_schema import FieldMap, StrictModel, StringOrStrings

CARD_ADAPTER = "card"
"""The adapter of tasks without code: `evalharness.adapters.card_task`."""
PYTHON_IMAGES = ("python", "bigcodebench")
"""The images in which program and tests run in one Python namespace."""
VERSION_NAME = "v1"


class ShortRecipe(StrictModel):
    """The recipe in a short task card: prompt template, rule that extracts programs, sampling defaults."""

    user: str = Field("", description="Template of the message to a chat model; {name} is a field of the record")
    system: str = Field("", description="With user: template of the system message")
    prefill: str = Field("", description="With user: the beginning of the answer, for backends that can continue one")
    prompt: str = Field("", description="Instead of user: template of the text that a base model continues")
    stops: tuple[str, ...] = Field((), description="Stop sequences")
    extraction: str = Field(
        "",
        description="How a program is made of an answer; by default continue_prompt with prompt; with user fenced "
        "for Python and last_fences for other languages",
    )
    max_new_tokens: int = Field(1024, gt=0, description="Token limit of a completion")
    n: int = Field(1, gt=0, description="Samples per problem")
    temperature: float = Field(0.0, ge=0, description="Sampling temperature; 0 is greedy decoding")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling; 1 is all tokens")

    @model_validator(mode="after")
    def _check_has_one_template(self) -> Self:
        if bool(self.user) == bool(self.prompt):
            raise ValueError(
                "a recipe needs exactly one of the keys 'user' (for a chat model) and 'prompt' (for a base model); "
                "add or remove one"
            )
        if self.prompt and (self.system or self.prefill):
            raise ValueError(
                "a recipe with the key 'prompt' (for a base model) must not have the keys 'system' and 'prefill'; "
                "remove them, or use the key 'user' instead of 'prompt'"
            )
        return self

    @property
    def kind(self) -> Literal["completion", "chat"]:
        """The recipe's kind, "chat" or "completion"; in the full card, the kind is also the recipe's name."""
        return "chat" if self.user else "completion"

    def to_full_recipe(self, image: str) -> dict[str, Any]:
        """Returns this recipe in the form of a full task card; `image` is the name of the task's sandbox image."""
        default_chat_rule = "fenced" if image in PYTHON_IMAGES else "last_fences"
        templates = ("user", "system", "prefill") if self.kind == "chat" else (REQUIRED_TEMPLATES[self.kind],)
        return {
            **self.model_dump(exclude={"user", "system", "prefill", "prompt"}),
            "kind": self.kind,
            "fields": {name: text for name in templates if (text := getattr(self, name))},
            "extraction": self.extraction or (default_chat_rule if self.kind == "chat" else "continue_prompt"),
        }


class ShortTaskCard(StrictModel):
    """A short task card (YAML file): one task without Python code, whose data records contain their tests."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.+-]*$", description="The task's name; letters, digits, - _ . +")
    data: StringOrStrings = Field(
        min_length=1,
        description="File of records (.jsonl, .jsonl.gz, .json), relative to the card's folder, or PACKAGE:PATH for a "
        "resource of a Python package; or a list of files",
    )
    fields: FieldMap = Field(
        description="Which field of a record is what: tests is required, and task_id, solution, completion and "
        "entry_point are known; the templates may use all of them"
    )
    recipe: ShortRecipe = Field(description="How the prompt is made; see below")
    tests: str = Field("{tests}", description="Template of the test program, such as '{tests}\\ncheck({entry_point})'")
    description: str = Field("", description="One sentence")
    image: str = Field("python", description="A folder of sandboxes/: the language that programs and tests are in")
    time_s: float = Field(10.0, gt=0, description="Seconds that a program may run; other languages have their own")
    memory_mb: int = Field(4096, gt=0, description="Memory limit of a program")
    licence: str = Field("", description="The licence of the data")

    def to_full_card(self) -> Mapping[str, Any]:
        """Returns the content of a full task card that describes the same task."""
        return {
            "adapter": CARD_ADAPTER,
            "family": self.name,
            "description": self.description,
            "image": self.image,
            "licence": self.licence,
            "id_field": "task_id" if "task_id" in self.fields else None,
            "recipes": {self.recipe.kind: self.recipe.to_full_recipe(self.image)},
            "rules": {"time_s": self.time_s, "memory_mb": self.memory_mb, "tests": self.tests},
            "tasks": {self.name: {"versions": {VERSION_NAME: {"shipped": self.data, "fields": self.fields}}}},
        }
