"""Model families and how each is decoded. These settings belong to the checkpoint; the user does not choose them."""

from dataclasses import dataclass

from evalharness.diffusion.config import Attention


@dataclass(frozen=True)
class ModelFamily:
    """A model family, such as LLaDA: what `config.json` does not state about its networks, and how they are decoded."""

    name: str
    source: str
    """The official decoding code."""
    attention: Attention = "causal"
    shift: bool = False
    """Whether the logits that predict a mask are those of the position before it."""
    mask_id: int = -1
    """The mask token's id if the configuration does not state it; -1: no mask token."""
    mask_token: str = ""
    """The text of the mask token, if only the tokenizer has its id."""
    rule: str = "threshold"
    threshold: float = 0.9
    block: int = 0
    """Tokens per block, if the configuration does not state it; 0 for the whole canvas."""
    aligned: bool = False
    """Whether blocks begin at multiples of their length, counted from the start of the prompt."""
    sub_block: int = 0
    """If positive, a block is denoised in sub-blocks of this length, from left to right."""
    first_token_alone: bool = False
    """Whether the first forward pass over a block writes only the block's first token, whatever the decoding rule
    chooses.
    """
    rule_sees_temperature: bool = False
    """Whether the decoding rule decides by probabilities after temperature and top_p; if not, by the network's own."""
    diffusion: bool = True
    """False for autoregressive models."""
    can_draft: bool = False
    """Whether the network was trained for self-speculative decoding: it drafts tokens and verifies them itself."""
    end_tokens: tuple[str, ...] = ()
    """Tokens that end an answer, in addition to those that the checkpoint states."""
    user_prefix: str = ""
    """Text before a user message, for tokenizers without a chat template."""
    assistant_prefix: str = ""
    """Text before an assistant message, for tokenizers without a chat template."""


OWN = ModelFamily(
    "evalharness", "evalharness/diffusion", can_draft=True, user_prefix="<|user|>\n", assistant_prefix="<|assistant|>\n"
)

_QWEN_ENDS = ("<|im_end|>", "<|endoftext|>", "<|dlm_pad|>")
_DREAM = ModelFamily(
    "dream",
    "DreamLM/Dream generation_utils.py _sample, alg=entropy; also Dream-Coder and DiffuCoder",
    attention="bidirectional", shift=True, mask_id=151666, rule="entropy", rule_sees_temperature=True,
    end_tokens=_QWEN_ENDS,
)  # fmt: skip

FAMILIES = {
    "llada": ModelFamily(
        "llada",
        "ML-GSAI/LLaDA generate.py, remasking=low_confidence; also LLaDA-1.5",
        attention="bidirectional", mask_id=126336, rule="confidence", block=32,
        end_tokens=("<|endoftext|>", "<|eot_id|>"),
    ),
    "Dream": _DREAM,
    "dream": _DREAM,
    "open-dcoder": ModelFamily(
        "open-dcoder",
        "pengzhangzhi/Open-dLLM veomni/models/transformers/qwen2/generation_utils.py _mdm_sample, alg=entropy",
        attention="bidirectional", shift=True, mask_token="<M>", rule="entropy",
        rule_sees_temperature=True, end_tokens=_QWEN_ENDS,
    ),
    "Fast_dLLM_Qwen": ModelFamily(
        "fast-dllm-v2",
        "NVlabs/Fast-dLLM v2/generation_functions.py batch_sample, without its sub-block cache",
        attention="block_causal", shift=True, mask_id=151665, block=32, aligned=True, sub_block=8,
        first_token_alone=True,
        rule_sees_temperature=True, end_tokens=_QWEN_ENDS,
    ),
    "sdar": ModelFamily(
        "sdar",
        "JetAstra/SDAR generate.py block_diffusion_generate, low_confidence_dynamic",
        attention="block_causal", mask_id=151669, rule="dynamic", threshold=0.85, block=4, aligned=True,
        rule_sees_temperature=True, end_tokens=_QWEN_ENDS,
    ),
    "qwen2": ModelFamily("qwen2", "transformers", diffusion=False),
    "qwen3": ModelFamily("qwen3", "transformers", diffusion=False),
    "llama": ModelFamily("llama", "transformers", diffusion=False),
}  # fmt: skip
"""Model families by `model_type` of config.json. Open-dCoder has the model type of Qwen2; its tokenizer has a mask
token.
"""
