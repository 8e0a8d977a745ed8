"""The same pass in PyTorch, with and without torch.compile, and in transformers, for comparison with the kernels.

All use the same weights, cached context and block.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.decoding import compute_token_statistics
from evalharness.diffusion.network import Layer, Transformer
from evalharness.diffusion.rows import Sampler

Pass = Callable[[], Tensor]
"""A pass over the block; returns the likeliest tokens [block]."""


def torch_pass(model: Transformer, cache: KVCache, context: int, tokens: Tensor, compiled: bool) -> Pass:
    """This project's network in PyTorch, with the statistics that decoding computes from its logits."""
    sampler = Sampler(banned=(model.config.mask_id,))
    size = tokens.shape[1]
    positions = torch.arange(context, context + size, device=tokens.device)[None]
    cache.set_write_slots([context], size)

    def once(tokens: Tensor, positions: Tensor) -> Tensor:
        logits = sampler.suppress_banned_tokens(model.logits(model(tokens, positions, None, cache)[0]))
        proposed = sampler.sample(logits, ())
        compute_token_statistics(logits, proposed, True)
        return proposed

    if compiled:
        # Discards code compiled for another network, so that the limit on recompilation does not apply.
        torch._dynamo.reset()
    call = torch.compile(once) if compiled else once
    return lambda: call(tokens, positions)


def whole_pass(model: Transformer, before: int, block: int) -> Pass:
    """This project's network in PyTorch over a whole canvas, with logits for one block."""
    config, device = model.config, model.embed.weight.device
    tokens = torch.full((1, before + block), config.mask_id, device=device)
    positions = torch.arange(before + block, device=device)[None]
    sampler = Sampler(banned=(config.mask_id,))

    def once() -> Tensor:
        logits = sampler.suppress_banned_tokens(model.logits(model(tokens, positions)[0, before:]))
        proposed = sampler.sample(logits, ())
        compute_token_statistics(logits, proposed, True)
        return proposed

    return once


def transformers_pass(model: Transformer, cache: KVCache, context: int, tokens: Tensor) -> Pass:
    """The network in transformers, with views of the same weights and attention to the whole block."""
    from transformers import DynamicCache

    hf_model = as_hugging_face(model)
    past, banned = DynamicCache(), model.config.mask_id
    for number in range(model.config.layers):
        past.update(*(part[:, :, :context].contiguous() for part in cache.layer_keys_and_values(number)), number)
    mask = torch.zeros(1, 1, tokens.shape[1], context + tokens.shape[1], dtype=cache.layer_keys_and_values(0)[0].dtype)
    mask = mask.to(tokens.device)

    def once() -> Tensor:
        logits = hf_model(tokens, past_key_values=past, attention_mask=mask, use_cache=True).logits[0].float()
        past.crop(-tokens.shape[1])
        logits[:, banned] = -torch.inf
        likeliest: Tensor = torch.softmax(logits, dim=-1).max(dim=-1).indices
        return likeliest

    return once


def hugging_face_config(config: ModelConfig) -> object:
    """The configuration of Qwen2 for networks with biases in qkv, of Qwen3 with norms, else of Llama."""
    from transformers import LlamaConfig, Qwen2Config, Qwen3Config

    kind = Qwen2Config if config.qkv_bias else Qwen3Config if config.qk_norm else LlamaConfig
    return kind(
        vocab_size=config.vocab_size, hidden_size=config.hidden, intermediate_size=config.intermediate,
        num_hidden_layers=config.layers, num_attention_heads=config.heads, num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim, rms_norm_eps=config.norm_eps, rope_theta=config.rope_theta, rope_parameters={
            "rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tied, max_position_embeddings=config.max_length,
    )  # fmt: skip


def as_hugging_face(model: Transformer) -> nn.Module:
    """The network in transformers with the same weights."""
    from transformers import AutoModelForCausalLM

    config, weight = model.config, model.embed.weight
    with torch.device("meta"):
        hf_model = AutoModelForCausalLM.from_config(hugging_face_config(config), attn_implementation="sdpa")
    widths = [config.heads * config.head_dim, *[config.kv_heads * config.head_dim] * 2]
    named = {
        "model.embed_tokens.weight": weight,
        "model.norm.weight": model.norm.weight,
        "lm_head.weight": model.head.weight,
    }
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        at = f"model.layers.{number}."
        for name, part in zip("qkv", torch.split(layer.qkv.weight, widths), strict=True):
            named[f"{at}self_attn.{name}_proj.weight"] = part
        if config.qkv_bias:
            for name, part in zip("qkv", torch.split(layer.qkv.bias, widths), strict=True):
                named[f"{at}self_attn.{name}_proj.bias"] = part
        if config.qk_norm:
            named[f"{at}self_attn.q_norm.weight"] = layer.q_norm.weight
            named[f"{at}self_attn.k_norm.weight"] = layer.k_norm.weight
        named[f"{at}self_attn.o_proj.weight"] = layer.out.weight
        named[f"{at}mlp.gate_proj.weight"], named[f"{at}mlp.up_proj.weight"] = layer.gate_up.weight.chunk(2)
        named[f"{at}mlp.down_proj.weight"] = layer.down.weight
        named[f"{at}input_layernorm.weight"] = layer.attention_norm.weight
        named[f"{at}post_attention_layernorm.weight"] = layer.mlp_norm.weight
    hf_model.load_state_dict(named, assign=True, strict=True)
    # Buffers that are not weights have to be computed, and not on the meta device.
    rotary = hf_model.model.rotary_emb
    hf_model.model.rotary_emb = type(rotary)(hf_model.config).to(weight.device)
    network: nn.Module = hf_model.eval()
    return network
