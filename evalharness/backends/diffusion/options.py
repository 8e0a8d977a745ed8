"""Options of the backend `diffusion`."""

from typing import Literal

from pydantic import Field

from evalharness.backends.network.options import NetworkOptions
from evalharness.errors import UserError

RULE_SETTINGS = {
    "threshold": ("threshold",), "factor": ("bound",), "confidence": ("steps",), "margin": ("steps",),
    "entropy": ("steps",), "entropy-bounded": ("bound",), "static": ("steps",), "dynamic": ("threshold", "steps"),
    "editing": ("threshold", "edit"), "verified": (), "typical": ("threshold",),
}  # fmt: skip
"""The options that each decoding rule uses."""
DRAFTING_RULES = ("verified", "typical")
"""Decoding rules of speculative decoding: an autoregressive network verifies drafted tokens."""


class DiffusionOptions(NetworkOptions):
    """The `--option key=value` settings of the backend `diffusion`.

    For an option that is None, the model's default applies.
    """

    rule: Literal[*RULE_SETTINGS] | None = Field(  # type: ignore[valid-type]
        None,
        description="Which tokens of a block a denoising step commits; by default the model's rule. For an "
        "autoregressive model, which drafted tokens it accepts; verified: only those that it would choose itself; "
        "typical: all with at least `threshold` times the probability of its most likely token",
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Confidence above which a token is committed; by default the model's"
    )
    steps: int | None = Field(
        None, ge=1, description="Denoising steps per block; by default as many as the block has tokens"
    )
    bound: float | None = Field(
        None, gt=0, description="Factor of rule factor, or entropy bound of rule entropy-bounded"
    )
    edit: float = Field(
        0.9, ge=0, le=1, description="Confidence above which rule editing replaces a token that is already committed"
    )
    block: int | None = Field(
        None,
        ge=1,
        description="Tokens per block; by default the model's block size, which cannot be changed for some models",
    )

    hold_end: int = Field(
        0,
        ge=0,
        description="Number of output tokens, counted from the first one, that cannot be an end token, for base models "
        "that would end at once. With --max-new-tokens or more it has the effect of logits_eos_inf in LLaDA's "
        "generate()",
    )
    drafter: str | None = Field(
        None,
        description="Rules verified and typical: folder of a drafter in the format of `evalharness train` or "
        "speculators; by default the drafter that is bundled for the model",
    )
    lookup: bool = Field(
        True,
        description="Rules verified and typical: draft by lookup in prompt and answer, too, where it is expected to be "
        "faster than the drafter",
    )

    def refuse_options_unused_by_rule(self, rule: str) -> None:
        """Raises UserError if the user has set an option that has no effect with the decoding rule `rule`."""
        for setting in ("threshold", "steps", "bound", "edit"):
            if setting in self.model_fields_set and setting not in RULE_SETTINGS[rule]:
                rules = ", ".join(name for name, settings in RULE_SETTINGS.items() if setting in settings)
                raise UserError(
                    f"option {setting} has no effect with rule={rule}; leave it out, or use another rule: {rules}"
                )
        if self.hold_end and rule in DRAFTING_RULES:
            raise UserError(f"option hold_end has no effect with rule={rule}; leave it out")
