"""The drafter network: a small block-diffusion network conditioned on hidden states of its target.

Source: DFlash (arXiv 2602.06036) and DSpark (deepseek-ai/DeepSpec).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evalharness.diffusion.cache import KVCache
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.drafting.packing import make_linear_from_matrix, pack_linear_layer, pack_linear_layers
from evalharness.diffusion.network import Layer, Rotation, Transformer, apply_rope, rope_rotation


class DrafterCache(KVCache):
    """The drafter's KV cache; it also stores a context feature for each position, [rows, capacity, hidden].

    A context feature is a vector that `Drafter.context_features` computes from the target's hidden states of a token;
    the keys and values of the context are computed from these vectors.
    """

    def __init__(
        self, config: ModelConfig, rows: int, capacity: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        super().__init__(config, rows, capacity, dtype, device)
        self._features = torch.zeros(rows, capacity, config.hidden, dtype=dtype, device=device)

    @property
    def context_features(self) -> Tensor:
        """The context features of all positions, [rows, capacity, hidden]."""
        return self._features

    def store_context_features(self, features: Tensor, positions: Tensor) -> None:
        """Stores the context features [rows, T, hidden] of the given `positions` [rows, T]."""
        self._features[torch.arange(len(features), device=features.device)[:, None], positions] = features

    def context_features_before(self, positions: Tensor) -> Tensor:
        """Returns the context features [rows, hidden] one position before `positions` [rows]; zeros for position 0."""
        rows = torch.arange(len(positions), device=positions.device)
        return self._features[rows, (positions - 1).clamp_min(0)] * (positions > 0)[:, None]

    def keep_rows(self, row_numbers: Sequence[int]) -> None:
        """Keeps only the rows with these numbers (from 0), in this order; removes the other rows of the batch."""
        super().keep_rows(row_numbers)
        self._features = self._features[list(row_numbers)]


class DrafterLayer(Layer):
    """A Transformer layer of the drafter, in which the drafted block also attends to the context features before it.

    The same matrices compute the keys and values of the context and those of the drafted block.
    """

    def project_context_to_keys_and_values(self, context: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor]:
        """Returns the layer's keys and values of context features [rows, T, hidden].

        Both are [rows, kv_heads, T, head_dim]; `rotation` is the RoPE rotation at the features' positions.
        """
        config = self.config
        queries, size = config.heads * config.head_dim, config.kv_heads * config.head_dim
        if type(self.qkv) is nn.Linear:
            bias = None if self.qkv.bias is None else self.qkv.bias[queries:]
            projected = nn.functional.linear(context, self.qkv.weight[queries:], bias)
        else:  # a packed matrix has no rows
            projected = self.qkv(context)[..., queries:]
        keys, values = (
            part.view(*context.shape[:2], config.kv_heads, config.head_dim)
            for part in torch.split(projected, [size, size], dim=-1)
        )
        if config.qk_norm:
            keys = self.k_norm(keys)
        return apply_rope(keys, rotation).transpose(1, 2), values.transpose(1, 2)


@dataclass(frozen=True)
class _AttachedTarget:
    """The target of a drafter, and the target's output head restricted to the draft vocabulary.

    `index` [vocabulary] maps a token id to the token's index in the draft vocabulary.
    """

    target: Transformer
    head: nn.Module
    index: Tensor


class Drafter(nn.Module):
    """The drafter network: drafts a block of tokens in one forward pass over the text's last token and mask tokens.

    It uses the target's embedding and output head (see `attach_target`), which are not in its state dict.
    """

    vocabulary: Tensor
    """Token ids [V] that can be drafted, ascending."""

    def __init__(self, config: DrafterConfig) -> None:
        super().__init__()
        network = config.network
        self.config = config
        self.tap_norms = nn.ModuleList(
            nn.RMSNorm(network.hidden, network.norm_eps) if config.tap_norms else nn.Identity() for _ in config.taps
        )
        self.fuse = nn.Linear(len(config.taps) * network.hidden, network.hidden, bias=False)
        self.fuse_norm = nn.RMSNorm(network.hidden, network.norm_eps)
        self.layers = nn.ModuleList(DrafterLayer(network, number) for number in range(network.layers))
        self.norm = nn.RMSNorm(network.hidden, network.norm_eps)
        self.mask = nn.Parameter(torch.zeros(config.block - 1, network.hidden))
        """The input of each position behind the anchor."""
        self.carry: nn.Linear | None = None
        """From the last context feature to what is added to the block's inputs."""
        if config.carry:
            self.carry = nn.Linear(network.hidden, config.block * network.hidden, bias=False)
        self.previous = nn.Embedding(network.vocab_size + 1, config.rank)
        """Of the Markov head: the token one position before; the last row stands for all that cannot be drafted."""
        self.following = nn.Linear(config.rank, network.vocab_size, bias=False)
        self.confidence = nn.Linear(network.hidden + config.rank, 1)
        self.register_buffer("vocabulary", torch.zeros(network.vocab_size, dtype=torch.int32))
        self.size = sum(parameter.numel() for parameter in self.parameters())
        """Number of parameters."""
        self._shared: _AttachedTarget | None = None
        self._initialize_weights()

    def _initialize_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        # The Markov head begins without effect.
        nn.init.zeros_(self.following.weight)

    def attach_target(self, target: Transformer) -> None:
        """Connects the drafter to its target, whose embedding and output head it uses.

        It copies the output head's rows for the draft vocabulary. So call it before `pack_target_weights`, which frees
        the output head's matrix.
        """
        ids = self.vocabulary.long()
        index = torch.full((target.config.vocab_size,), len(ids), dtype=torch.long, device=ids.device)
        index[ids] = torch.arange(len(ids), device=ids.device)
        self._shared = _AttachedTarget(target, make_linear_from_matrix(target.head.weight.detach()[ids]), index)

    def pack_matrices(self) -> None:
        """Converts all matrices to oneDNN's packed layout, faster on a CPU; a packed drafter cannot be saved."""
        shared = self.attached_target
        self._shared = _AttachedTarget(shared.target, pack_linear_layer(shared.head), shared.index)
        pack_linear_layers(self)

    @property
    def attached_target(self) -> "_AttachedTarget":
        """The target, and its output head restricted to the draft vocabulary. `attach_target` must have been called."""
        assert self._shared is not None
        return self._shared

    def new_cache(self, row_count: int, capacity: int) -> DrafterCache:
        """Returns an empty KV cache with `capacity` positions per row; the drafted block must fit in, too."""
        weight = self.norm.weight
        return DrafterCache(self.config.network, row_count, capacity, weight.dtype, weight.device)

    def draft_vocabulary_indices(self, tokens: Tensor) -> Tensor:
        """Returns the index in the draft vocabulary of each token id in `tokens`, in the same shape.

        Tokens outside the draft vocabulary get the index V, the size of the draft vocabulary.
        """
        return self.attached_target.index[tokens]

    def context_features(self, target_states: Tensor) -> Tensor:
        """Returns the drafter's context features [..., hidden] for hidden states of the target [..., taps * hidden].

        `target_states` are the target's concatenated hidden states after the layers in the configuration's `taps`.
        """
        parts = target_states.chunk(len(self.config.taps), dim=-1)
        normed = [norm(part) for norm, part in zip(self.tap_norms, parts, strict=True)]
        return self.fuse_norm(self.fuse(torch.cat(normed, dim=-1)))  # type: ignore[no-any-return]

    def extend_context(self, target_states: Tensor, start_positions: Sequence[int], cache: DrafterCache) -> None:
        """Adds T more tokens per row to the drafter's KV cache, from the target's hidden states of these tokens.

        `target_states` are [rows, T, taps * hidden], as in `context_features`. `start_positions[i]` is the position of
        the first of these tokens in row i.
        """
        size = target_states.shape[1]
        positions = torch.tensor(start_positions, device=target_states.device)[:, None] + torch.arange(
            size, device=target_states.device
        )
        context = self.context_features(target_states)
        rotation = rope_rotation(self.config.network, positions, context.dtype)
        cache.set_write_slots(start_positions, size)
        cache.store_context_features(context, positions)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, DrafterLayer)
            cache.update(number, *layer.project_context_to_keys_and_values(context, rotation))

    def embed_blocks(self, anchor_tokens: Tensor, features_before_anchors: Tensor) -> Tensor:
        """Returns the input embeddings [..., block, hidden] of blocks to draft.

        A block begins with the last token of a text, its anchor (`anchor_tokens` [...] are their ids); mask tokens
        follow. `features_before_anchors` [..., hidden] are the context features of the positions before the anchors.
        """
        masks = self.mask.expand(*anchor_tokens.shape, *self.mask.shape)
        x = torch.cat((self.attached_target.target.embed(anchor_tokens).detach()[..., None, :], masks), dim=-2)
        return x if self.carry is None else x + self.carry(features_before_anchors).view(x.shape)

    def forward(self, anchor_tokens: Tensor, anchor_positions: Sequence[int], cache: DrafterCache) -> Tensor:
        """Returns the final hidden states [rows, block, hidden] of one drafted block per row.

        A block begins with the last token of the row's text, its anchor: `anchor_tokens` [rows] are the token ids and
        `anchor_positions` their positions. The cache must contain the context of all positions before the anchors.
        """
        block, device = self.config.block, anchor_tokens.device
        first = torch.tensor(anchor_positions, device=device)
        positions = first[:, None] + torch.arange(block, device=device)
        x = self.embed_blocks(anchor_tokens, cache.context_features_before(first))
        rotation = rope_rotation(self.config.network, positions, x.dtype)
        bias = None
        if len(anchor_positions) > 1:
            hidden_slots = torch.arange(max(anchor_positions) + block, device=device) >= first[:, None] + block
            bias = torch.zeros(hidden_slots.shape, dtype=x.dtype, device=device).masked_fill(hidden_slots, -torch.inf)
            bias = bias[:, None, None]
        cache.set_write_slots(anchor_positions, block)
        for layer in self.layers:
            x = layer(x, rotation, bias, cache)
        return self.norm(x)  # type: ignore[no-any-return]

    def logits(self, states: Tensor, previous_token_indices: Tensor) -> Tensor:
        """Returns the logits [..., V] over the draft vocabulary for final hidden states [..., hidden].

        `previous_token_indices` [...] are the tokens one position earlier, as indices in the draft vocabulary (see
        `draft_vocabulary_indices`).
        """
        return self.logits_without_markov_bias(states) + self.markov_bias(previous_token_indices)

    def logits_without_markov_bias(self, states: Tensor) -> Tensor:
        """Returns the part of the logits [..., V] that depends on the hidden states [..., hidden]; see `logits`."""
        return self.attached_target.head(states)  # type: ignore[no-any-return]

    def markov_bias(self, previous_token_indices: Tensor) -> Tensor:
        """Returns the part of the logits [..., V] that depends on the previous tokens (Markov head); see `logits`."""
        return self.following(self.previous(previous_token_indices))  # type: ignore[no-any-return]

    def acceptance_logits(self, states: Tensor, previous_token_indices: Tensor) -> Tensor:
        """Returns, for each drafted token, the logit of the probability that the target accepts it, [...].

        The probability is conditional on the acceptance of all earlier tokens of the draft. `states` and
        `previous_token_indices` are as in `logits`.
        """
        return self.confidence(torch.cat((states, self.previous(previous_token_indices)), dim=-1))[..., 0]  # type: ignore[no-any-return]
