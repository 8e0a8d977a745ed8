"""The user's own system message and prompt template: `--option prompt=FILE`."""

from pathlib import Path

import yaml

from evalharness.data.cards.recipe_schema import REQUIRED_TEMPLATES, Recipe
from evalharness.errors import UserError
from evalharness.util.suggest import unknown_name_message
from evalharness.util.text import one_line
from evalharness.util.yaml_text import parse_yaml

CHAT_TEMPLATES = ("system", "user", "prefill")


def with_templates_from_file(recipe: Recipe, template_path: Path) -> Recipe:
    """Returns the recipe with the prompt templates that the file `template_path` contains; others are unchanged.

    A YAML file maps names to templates: `system`, `user` and `prefill` for a chat recipe, `prompt` for a completion
    recipe, or another template of the recipe. A file that is one text replaces the template `user` or `prompt`. Raises
    UserError if the file cannot be read or does not fit the recipe.
    """
    main_template = REQUIRED_TEMPLATES.get(recipe.kind)
    if main_template is None:
        raise UserError("--option prompt= is for recipes with a prompt template, not for infilling; remove it")
    try:
        text = template_path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--option prompt={template_path} cannot be read: {error}; give a text or YAML file") from None
    try:
        content = parse_yaml(text) if template_path.suffix in (".yaml", ".yml") else text
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(
            f"--option prompt={template_path} is not valid YAML: {one_line(str(error))}; fix the file"
        ) from None
    templates = {main_template: content} if isinstance(content, str) else content
    if not isinstance(templates, dict) or not templates:
        raise UserError(
            f"--option prompt={template_path} contains no template; write one under its name, such as "
            f"{main_template}: TEXT"
        )
    allowed = list(dict.fromkeys([*(CHAT_TEMPLATES if recipe.kind == "chat" else ()), *recipe.fields]))
    for name, template in templates.items():
        if name not in allowed:
            raise UserError(f"--option prompt={template_path}: {unknown_name_message('template', str(name), allowed)}")
        if not isinstance(template, str):
            raise UserError(
                f"--option prompt={template_path}: the template {name} is not a text; write it in quotation marks"
            )
    return recipe.model_copy(update={"fields": {**recipe.fields, **templates}})
