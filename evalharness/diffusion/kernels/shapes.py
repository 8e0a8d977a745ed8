"""Configurations of real networks, without weights, whose shapes the kernels are compiled, checked and measured for."""

from dataclasses import replace

from evalharness.diffusion.config import ModelConfig

QWEN_05B = ModelConfig(
    vocab_size=151936, hidden=896, layers=24, heads=14, kv_heads=2, head_dim=64, intermediate=4864,
    mask_id=151665, end_id=151643, pad_id=151643, rope_theta=1e6, qkv_bias=True,
)  # fmt: skip
QWEN_15B = replace(QWEN_05B, hidden=1536, layers=28, heads=12, head_dim=128, intermediate=8960)
QWEN_7B = replace(
    QWEN_15B, vocab_size=152064, hidden=3584, heads=28, kv_heads=4, intermediate=18944, tied=False
)  # fmt: skip
LLADA_8B = ModelConfig(
    vocab_size=126464, hidden=4096, layers=32, heads=32, kv_heads=32, head_dim=128, intermediate=12288,
    mask_id=126336, end_id=126081, pad_id=126081, rope_theta=5e5, tied=False, attention="bidirectional",
)  # fmt: skip
SDAR_4B = ModelConfig(
    vocab_size=151936, hidden=2560, layers=36, heads=32, kv_heads=8, head_dim=128, intermediate=9728,
    mask_id=151669, end_id=151643, pad_id=151643, rope_theta=1e6, qk_norm=True, attention="block_causal",
)  # fmt: skip
MODELS = {"0.5B": QWEN_05B, "1.5B": QWEN_15B, "7B": QWEN_7B, "LLaDA-8B": LLADA_8B, "SDAR-4B": SDAR_4B}
