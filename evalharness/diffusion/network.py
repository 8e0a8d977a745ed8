"""The network: a pre-norm Transformer with RMSNorm, RoPE, grouped-query attention and SwiGLU.

The caller passes the attention mask, so that the same network serves autoregressive and diffusion decoding.
"""

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig

Rotation = tuple[Tensor, Tensor]
"""RoPE's cosines and signed sines, [B, T, 1, rotated dimensions] each."""


@dataclass(frozen=True)
class RowPacking:
    """Converts between padded rows (sequences) and rows that are joined without padding, in a forward pass.

    Only attention needs padded rows. The matrix products, which take most of the time, are computed without padding.
    """

    rows: int
    size: int
    """Tokens of the longest row."""
    padded: Tensor
    """For each place of the padded rows, the index of its token, int64 [rows * size]; padding repeats some token."""
    packed: Tensor
    """For each token, its place in the padded rows, int64 [tokens]."""

    def pad(self, x: Tensor) -> Tensor:
        """Splits vectors of rows that were joined without padding, [1, tokens, n], into padded rows [rows, size, n].

        `size` is the number of tokens of the longest row.
        """
        return x[0].index_select(0, self.padded).view(self.rows, self.size, -1)

    def pack(self, x: Tensor) -> Tensor:
        """Joins vectors of padded rows, [rows, size, n], into one row without padding, [1, tokens, n]."""
        return x.flatten(0, 1).index_select(0, self.packed)[None]


class Transformer(nn.Module):
    """The Transformer network: `forward` computes the hidden states of tokens, `logits` the logits of hidden states."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden)
        layers = [Layer(config, number) for number in range(config.layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.head = nn.Linear(config.hidden, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.embed.weight
        self.apply(_initialize_weights)
        for layer in layers:
            # The residual stream then keeps the variance of a single layer's output (GPT-2 paper, section 2.3).
            for linear in (layer.out, layer.down):
                linear.weight.data.div_(math.sqrt(2 * config.layers))

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        packing: RowPacking | None = None,
    ) -> Tensor:
        """Returns the final hidden states [B, T, hidden], after the last norm, of token ids [B, T] at `positions`.

        With a `packing`, the rows of `tokens` and of the result are joined without padding, [1, tokens] and
        [1, tokens, hidden]; `positions` and `mask` are those of the padded rows.

        `mask` [B or 1, 1, T, S] is true where a position attends to a slot; S is the number of slots in the cache, or T
        without a cache. Without a mask, every position attends to all slots.
        """
        x = self.embed(tokens)
        rotation = rope_rotation(self.config, positions, x.dtype)
        bias = None if mask is None else torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, -torch.inf)
        for layer in self.layers:
            x = layer(x, rotation, bias, cache, packing)
        return self.norm(x)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """Returns the logits [..., vocabulary] of hidden states [..., hidden]."""
        return self.head(hidden)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """One Transformer layer: attention and feed-forward, with fused QKV and gate-up products."""

    def __init__(self, config: ModelConfig, number: int) -> None:
        super().__init__()
        self.config = config
        self.number = number
        queries = config.heads * config.head_dim
        self.attention_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.qkv = nn.Linear(config.hidden, queries + 2 * config.kv_heads * config.head_dim, bias=config.qkv_bias)
        if config.qk_norm:
            self.q_norm = nn.RMSNorm(config.head_dim, config.norm_eps)
            self.k_norm = nn.RMSNorm(config.head_dim, config.norm_eps)
        self.out = nn.Linear(queries, config.hidden, bias=False)
        self.mlp_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.gate_up = nn.Linear(config.hidden, 2 * config.intermediate, bias=False)
        self.down = nn.Linear(config.intermediate, config.hidden, bias=False)

    def forward(
        self,
        x: Tensor,
        rotation: Rotation,
        bias: Tensor | None,
        cache: KVCache | None,
        packing: RowPacking | None = None,
    ) -> Tensor:
        """Returns the hidden states after this layer, given those before it, `x`; both are [B, T, hidden].

        `rotation` is the RoPE rotation at the tokens' positions. `bias` [B or 1, 1, T, S] is added to the attention
        scores. With a `packing`, `x` and the result are joined rows, as in `Transformer.forward`.
        """
        x = x + self._attend(self.attention_norm(x), rotation, bias, cache, packing)
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)  # type: ignore[no-any-return]

    def _attend(
        self, x: Tensor, rotation: Rotation, bias: Tensor | None, cache: KVCache | None, packing: RowPacking | None
    ) -> Tensor:
        heads, kv_heads = self.config.heads, self.config.kv_heads
        qkv = self.qkv(x)
        if packing is not None:
            qkv = packing.pad(qkv)
        rows, size, _ = qkv.shape
        qkv = qkv.view(rows, size, heads + 2 * kv_heads, self.config.head_dim)
        queries_keys, values = torch.split(qkv, [heads + kv_heads, kv_heads], dim=2)
        if self.config.qk_norm:
            queries, keys = torch.split(queries_keys, [heads, kv_heads], dim=2)
            queries_keys = torch.cat((self.q_norm(queries), self.k_norm(keys)), dim=2)
        queries, keys = torch.split(apply_rope(queries_keys, rotation).transpose(1, 2), [heads, kv_heads], dim=1)
        values = values.transpose(1, 2)
        if cache is not None:
            keys, values = cache.update(self.number, keys, values)
        attended = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=bias, enable_gqa=self.config.heads != self.config.kv_heads
        )
        attended = attended.transpose(1, 2).reshape(rows, size, -1)
        return self.out(attended if packing is None else packing.pack(attended))  # type: ignore[no-any-return]


def rope_rotation(config: ModelConfig, positions: Tensor, dtype: torch.dtype) -> Rotation:
    """Returns the cosines and sines of RoPE for `positions` [B, T], as `apply_rope` needs them.

    Source: RoFormer (arXiv 2104.09864), with halves paired as in Llama.
    """
    angles = positions[..., None, None] * _rope_frequencies(config.rotary_dims, config.rope_theta, positions.device)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1).to(dtype), torch.cat((-sin, sin), dim=-1).to(dtype)


def apply_rope(x: Tensor, rotation: Rotation) -> Tensor:
    """Returns `x` [B, T, heads, head_dim] with RoPE applied to the first dimensions of each head.

    `rotation` is the result of `rope_rotation`, which has as many dimensions as are rotated.
    """
    cos, sin = rotation
    size = cos.shape[-1]
    if size == x.shape[-1]:
        return torch.addcmul(x * cos, x.roll(size // 2, dims=-1), sin)
    rotated, rest = torch.split(x, [size, x.shape[-1] - size], dim=-1)
    return torch.cat((apply_rope(rotated, rotation), rest), dim=-1)


@functools.cache
def _rope_frequencies(dimensions: int, theta: float, device: torch.device) -> Tensor:
    return theta ** -(torch.arange(0, dimensions, 2, dtype=torch.float32, device=device) / dimensions)


def _initialize_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
