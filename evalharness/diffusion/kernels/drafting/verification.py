"""Kernels around the target's verifying forward pass: its input before, the acceptance of drafted tokens after it.

A draft token is accepted if the target chooses the same token, or below threshold 1 one that is not much more probable;
after the first rejected token, the target's own choice is appended. So a sequence consists of the target's choices,
whatever was drafted.
"""

import triton
import triton.language as tl

from evalharness.diffusion.kernels.commit import mark_done
from evalharness.diffusion.kernels.drafting.state import SpeculationState
from evalharness.diffusion.kernels.head import TokenStatistics
from evalharness.diffusion.kernels.launch import begin_kernel, launch_options
from evalharness.diffusion.kernels.layout import StepInput


@triton.jit(do_not_specialize=["sequences"])
def write_verification_input_of_sequence(
    live: tl.tensor, done: tl.tensor, last: tl.tensor, cached: tl.tensor, drafts: tl.tensor, draft_length: tl.tensor,
    tokens: tl.tensor, positions: tl.tensor, limits: tl.tensor, rows: tl.tensor, block_positions: tl.tensor,
    count: tl.tensor, sequences: tl.tensor, D: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_B: tl.constexpr,
    PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: writes each sequence's input to the target's verifying pass; one program per sequence.

    The input is the sequence's last token and then its draft, with causal attention. The output head predicts the next
    token after each of them. The kernel writes the fields of `StepInput`: `tokens`, `positions`, `limits`, `rows`,
    `block_positions`, and `count`, the number of predictions of all sequences. The other tensors are only read.
    """
    if not begin_kernel(live, PDL):
        return
    SIZE: tl.constexpr = D + 1
    sequence = tl.program_id(0)
    t = tl.arange(0, BLOCK_T)
    length = tl.load(draft_length + sequence)
    valid = (t <= length) & (tl.load(done + sequence) == 0)
    token = tl.load(drafts + sequence * D + t - 1, mask=valid & (t > 0), other=0)
    token = tl.where(valid & (t == 0), tl.load(last + sequence), token)
    position = tl.where(valid, tl.load(cached + sequence) + t, -1)
    row = sequence * SIZE + t
    tl.store(tokens + row, token, mask=t < SIZE)
    tl.store(positions + row, position, mask=t < SIZE)
    tl.store(limits + row, position, mask=t < SIZE)

    other = tl.arange(0, BLOCK_B)
    earlier = other < sequence
    earlier = earlier & (tl.load(done + other, mask=earlier, other=1) == 0)
    before = tl.sum(tl.where(earlier, tl.load(draft_length + other, mask=earlier, other=0) + 1, 0), axis=0)
    tl.store(rows + before + t, row, mask=valid)
    tl.store(block_positions + before + t, row, mask=valid)
    if sequence == sequences - 1:
        tl.store(count, before + tl.sum(valid.to(tl.int32), axis=0))


def write_verification_input(state: SpeculationState, step_input: StepInput) -> None:
    """Writes the input of a verifying pass to `step_input`: the last token and the draft of each sequence in `state`.

    There are D + 1 rows (tokens) per sequence, where D is the longest draft's length. The rows after a shorter draft,
    and those of sequences that are done, are padding: their positions are -1.
    """
    sequences, longest = state.drafts.shape
    write_verification_input_of_sequence[(sequences,)](
        state.live, state.done, state.last, state.cached, state.drafts, state.draft_length, step_input.tokens,
        step_input.positions, step_input.limits, step_input.rows, step_input.block_positions, step_input.count,
        sequences, D=longest, BLOCK_T=triton.next_power_of_2(longest + 1), BLOCK_B=triton.next_power_of_2(sequences),
        num_warps=1, **launch_options(state.live),
    )  # fmt: skip


@triton.jit(do_not_specialize=["threshold"])
def accept_draft_of_sequence(
    live: tl.tensor, done: tl.tensor, last: tl.tensor, cached: tl.tensor, drafts: tl.tensor, draft_length: tl.tensor,
    limit: tl.tensor, pass_limit: tl.tensor, outputs: tl.tensor, output_length: tl.tensor, passes: tl.tensor,
    verified_drafts: tl.tensor, verified_lengths: tl.tensor, accepted: tl.tensor, offsets: tl.tensor,
    end_tokens: tl.tensor, proposed: tl.tensor, share: tl.tensor, threshold: tl.tensor, D: tl.constexpr,
    S: tl.constexpr, E: tl.constexpr, TYPICAL: tl.constexpr, BLOCK_T: tl.constexpr, PDL: tl.constexpr,
) -> None:  # fmt: skip
    """Kernel: appends to each sequence its accepted draft tokens and the target's next token; one program per sequence.

    `proposed` are the tokens that the target chose. `share` is the target's probability of each draft token divided by
    that of the most probable token; with `TYPICAL`, draft tokens with a share of at least `threshold` are accepted,
    too. The tensors from `live` to `end_tokens` are fields of `SpeculationState`; of these, `drafts`, `limit`,
    `pass_limit` and `end_tokens` are only read, and the others are updated.
    """
    if not begin_kernel(live, PDL):
        return
    SIZE: tl.constexpr = D + 1
    sequence = tl.program_id(0)
    if tl.load(done + sequence) != 0:
        return
    t = tl.arange(0, BLOCK_T)
    length = tl.load(draft_length + sequence)
    drafted, predicted = t < length, t <= length
    draft = tl.load(drafts + sequence * D + t, mask=drafted, other=-1)
    chosen = tl.load(proposed + sequence * SIZE + t, mask=predicted, other=-1)
    accepts = draft == chosen
    if TYPICAL:
        draft_share = tl.load(share + sequence * SIZE + t, mask=drafted, other=0.0)
        # Banned tokens have a share of 0, and are not accepted at a threshold of 0 either.
        accepts = accepts | ((draft_share >= threshold) & (draft_share > 0))
    count = tl.min(tl.where(drafted & accepts, BLOCK_T, t), axis=0)
    count = tl.minimum(count, length)
    token, final = tl.where(t < count, draft, chosen), t <= count

    now, written = tl.load(passes + sequence), tl.load(output_length + sequence)
    tl.store(outputs + sequence * (S * SIZE) + written + t, token, mask=final)
    tl.store(verified_drafts + (sequence * S + now) * D + t, draft, mask=drafted)
    tl.store(verified_lengths + sequence * S + now, length)
    tl.store(accepted + sequence * S + now, count)
    tl.store(last + sequence, tl.sum(tl.where(t == count, token, 0), axis=0))
    tl.store(cached + sequence, tl.load(cached + sequence) + count + 1)
    tl.store(offsets + sequence, tl.load(offsets + sequence) + count + 1)
    tl.store(output_length + sequence, written + count + 1)
    tl.store(passes + sequence, now + 1)
    tl.store(draft_length + sequence, 0)
    ended = (written + count + 1 >= tl.load(limit + sequence)) | (now + 1 >= tl.load(pass_limit + sequence))
    for number in tl.static_range(E):
        is_end = final & (token == tl.load(end_tokens + number))
        ended = ended | (tl.sum(is_end.to(tl.int32), axis=0) > 0)
    mark_done(sequence, ended, done, live)


def accept_drafts(state: SpeculationState, statistics: TokenStatistics, threshold: float = 1.0) -> None:
    """Appends to each sequence the draft tokens that the target accepts, then the target's own next token.

    `statistics` are the target's predictions, D + 1 per sequence. A draft token is accepted if it is the token
    that the target chose or, with a `threshold` below 1, at least `threshold` times as probable as the most probable
    token. A sequence is marked as done at an end token, at its limit of output tokens, and after the last pass of the
    round.
    """
    sequences, longest = state.drafts.shape
    share = state.live if statistics.share is None else statistics.share
    assert threshold == 1 or statistics.share is not None
    accept_draft_of_sequence[(sequences,)](
        state.live, state.done, state.last, state.cached, state.drafts, state.draft_length, state.limit,
        state.pass_limit, state.outputs, state.output_length, state.passes, state.verified_drafts,
        state.verified_lengths, state.accepted, state.offsets, state.end_tokens, statistics.proposed, share, threshold,
        D=longest, S=state.accepted.shape[1], E=state.end_tokens.shape[0], TYPICAL=threshold < 1,
        BLOCK_T=triton.next_power_of_2(longest + 1), num_warps=1, **launch_options(state.live),
    )  # fmt: skip
