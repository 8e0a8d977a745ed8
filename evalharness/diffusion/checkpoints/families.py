"""What a family of models expects of decoding; it comes with the checkpoint and is no choice of the user's."""

from dataclasses import dataclass

from evalharness.diffusion.config import Attention


@dataclass(frozen=True)
class Family:
    """Of one family: its network beyond what `config.json` says of it, and how it is decoded unless told otherwise."""

    name: str
    source: str
    """Where its decoding is published."""
    attention: Attention = "causal"
    shift: bool = False
    """The logits of a mask are read one position before it."""
    mask_id: int = -1
    """The mask token, where the configuration does not name it; -1: there is none."""
    mask: str = ""
    """Its text, where only the tokenizer knows its number."""
    rule: str = "threshold"
    threshold: float = 0.9
    block: int = 0
    """Tokens per block, where the configuration does not say; 0: the whole canvas."""
    aligned: bool = False
    """Blocks begin at multiples of their length."""
    sub_block: int = 0
    """Where positive, a block is denoised in parts of this length, from left to right."""
    seeded: bool = False
    """The first token of a block is what the last token before it says, whatever the rule says of it."""
    tempered: bool = False
    """Of drawn tokens, the rule looks at the distribution after temperature and top-p; else at the network's own."""
    diffusion: bool = True
    """False for models that write from left to right alone."""
    drafts: bool = False
    """Whether one network was trained for both, so that it may draft what it then verifies."""
    ends: tuple[str, ...] = ()
    """Tokens that end an answer, beside those that the checkpoint names."""
    user: str = ""
    """What opens a user's turn, where a tokenizer has no chat template of its own; and the assistant's:"""
    assistant: str = ""


OWN = Family("evalharness", "evalharness/diffusion", drafts=True, user="<|user|>\n", assistant="<|assistant|>\n")

_QWEN_ENDS = ("<|im_end|>", "<|endoftext|>", "<|dlm_pad|>")
_DREAM = Family(
    "dream",
    "DreamLM/Dream generation_utils.py _sample, alg=entropy; also Dream-Coder and DiffuCoder",
    attention="bidirectional", shift=True, mask_id=151666, rule="entropy", tempered=True,
    ends=_QWEN_ENDS,
)  # fmt: skip

FAMILIES = {
    "llada": Family(
        "llada",
        "ML-GSAI/LLaDA generate.py, remasking=low_confidence; also LLaDA-1.5",
        attention="bidirectional", mask_id=126336, rule="confidence", block=32, ends=("<|endoftext|>", "<|eot_id|>"),
    ),
    "Dream": _DREAM,
    "dream": _DREAM,
    "open-dcoder": Family(
        "open-dcoder",
        "pengzhangzhi/Open-dLLM veomni/models/transformers/qwen2/generation_utils.py _mdm_sample, alg=entropy",
        attention="bidirectional", shift=True, mask="<M>", rule="entropy", tempered=True, ends=_QWEN_ENDS,
    ),
    "Fast_dLLM_Qwen": Family(
        "fast-dllm-v2",
        "NVlabs/Fast-dLLM v2/generation_functions.py batch_sample, without its sub-block cache",
        attention="block_causal", shift=True, mask_id=151665, block=32, aligned=True, sub_block=8, seeded=True,
        tempered=True, ends=_QWEN_ENDS,
    ),
    "sdar": Family(
        "sdar",
        "JetAstra/SDAR generate.py block_diffusion_generate, low_confidence_dynamic",
        attention="block_causal", mask_id=151669, rule="dynamic", threshold=0.85, block=4, aligned=True, tempered=True,
        ends=_QWEN_ENDS,
    ),
    "qwen2": Family("qwen2", "transformers", diffusion=False),
    "qwen3": Family("qwen3", "transformers", diffusion=False),
    "llama": Family("llama", "transformers", diffusion=False),
}  # fmt: skip
"""By the `model_type` of config.json; Open-dCoder has that of Qwen2, and a mask token in its tokenizer."""
