"""What a family of models expects of decoding; it comes with the checkpoint and is no choice of the user's."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Of one family: how it is decoded unless the user says otherwise, and what of that cannot be otherwise."""

    name: str
    source: str
    """Where its decoding is published."""
    rule: str = "threshold"
    tau: float = 0.9
    aligned: bool = False
    """Blocks begin at multiples of their length."""
    sub_block: int = 0
    """Where positive, a block is denoised in parts of this length, from left to right."""
    seeded: bool = False
    """The first token of a block is what the last token before it says, whatever the rule says of it."""
    diffusion: bool = True
    """False for models that write from left to right alone."""
    drafts: bool = False
    """Whether one network was trained for both, so that it may draft what it then verifies."""
    user: str = ""
    """What opens a user's turn, where a tokenizer has no chat template of its own; and after it:"""
    assistant: str = ""


OWN = Family("evalharness", "evalharness/diffusion", drafts=True, user="<|user|>\n", assistant="<|assistant|>\n")
