import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.network import Transformer
from evalharness.training.batches import TrainingBatch, make_training_batch, plan_epoch_batches
from evalharness.training.corpus.encoding import Corpus
from evalharness.training.objectives import compute_joint_loss, draw_masks, make_attention_mask
from evalharness.training.recipe import Objective

CONFIG = ModelConfig(
    vocab_size=40, hidden=32, layers=2, heads=2, kv_heads=1, head_dim=16, intermediate=48,
    mask_id=2, end_id=0, pad_id=1, block_size=4,
)  # fmt: skip


def corpus(lengths: list[tuple[int, int]], held_out: int = 0) -> Corpus:
    """Documents with these numbers of (prompt, answer) tokens, including the end token."""
    random = np.random.default_rng(0)
    texts = [np.append(random.integers(8, 40, prompt + answer - 1), 0) for prompt, answer in lengths]
    starts = np.cumsum([0, *map(len, texts)])
    splits = np.array([prompt for prompt, _ in lengths], np.int32)
    return Corpus(np.concatenate(texts).astype(np.uint16), starts, splits, held_out)


def batch(lengths: list[tuple[int, int]]) -> TrainingBatch:
    return make_training_batch(corpus(lengths), range(len(lengths)), 4, 0, 1)


def hidden(model: Transformer, made: TrainingBatch, answers: torch.Tensor) -> torch.Tensor:
    size, length = made.answers.shape[1], made.tokens.shape[1]
    positions = torch.cat(
        [torch.arange(length).expand(len(made.tokens), -1), made.prompt_lengths[:, None] + torch.arange(size)], 1
    )
    return model(torch.cat([made.tokens, answers], 1), positions, make_attention_mask(made, 1))


def test_clean_text_does_not_depend_on_noised_text() -> None:
    torch.manual_seed(0)
    model, made = Transformer(CONFIG).eval(), batch([(5, 7), (9, 3)])
    length = made.tokens.shape[1]
    alone = model(made.tokens, torch.arange(length).expand(2, -1), torch.ones(length, length).tril().bool()[None, None])
    joint = hidden(model, made, torch.full_like(made.answers, 2))
    assert torch.allclose(joint[:, :length], alone, atol=1e-5)


def test_noised_blocks_are_computed_as_in_decoding() -> None:
    """Prompt and earlier blocks are causal, and the block attends to them and to itself, as in decoding."""
    torch.manual_seed(0)
    model, made = Transformer(CONFIG).eval(), batch([(5, 9), (8, 6)])
    noised = made.answers.clone()
    noised[:, 1::2] = 2
    joint = hidden(model, made, noised)[:, made.tokens.shape[1] :]
    for row in range(2):
        for block in range(2):
            given = int(made.prompt_lengths[row]) + 4 * block
            tokens = torch.cat([made.tokens[row, :given], noised[row, 4 * block : 4 * block + 4]])[None]
            mask = torch.ones(given + 4, given + 4).tril().bool()
            mask[given:, given:] = True
            wanted = model(tokens, torch.arange(given + 4)[None], mask[None, None])[0, given:]
            assert torch.allclose(joint[row, 4 * block : 4 * block + 4], wanted, atol=1e-5)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**6), st.floats(0, 1))
def test_every_block_has_a_mask(rows: int, blocks: int, seed: int, low: float) -> None:
    objective = Objective(noise=(low, 1.0), all_masked=0.1)
    masks = draw_masks(torch.zeros(rows, blocks * 4), 4, objective, torch.Generator().manual_seed(seed))
    assert masks.view(rows, blocks, 4).any(-1).all()


def test_the_same_masks_are_drawn_for_the_same_seed() -> None:
    model, made = Transformer(CONFIG), batch([(5, 7), (9, 3)])
    totals = [compute_joint_loss(model, made, Objective(), torch.Generator().manual_seed(4)).total for _ in range(2)]
    assert torch.equal(*totals)


def test_complementary_masks_count_every_answer_token_once() -> None:
    model, made = Transformer(CONFIG), batch([(5, 7), (9, 3), (2, 12)])
    losses = compute_joint_loss(model, made, Objective(complementary=True), torch.Generator().manual_seed(4))
    assert losses.masked == made.answer_token_count == 22


def test_without_denoising_the_autoregressive_loss_is_the_same() -> None:
    model, made = Transformer(CONFIG), batch([(5, 7), (9, 3)])
    alone, both = (
        compute_joint_loss(model, made, Objective(alpha=alpha, prompt=0.0), torch.Generator().manual_seed(4))
        for alpha in (0.0, 1.0)
    )
    assert torch.allclose(alone.autoregressive, both.autoregressive, rtol=1e-5)
    assert torch.equal(alone.total.detach(), alone.autoregressive)
    assert alone.masked == 0


def test_the_certainty_loss_counts_only_correct_predictions() -> None:
    torch.manual_seed(0)
    model, made = Transformer(CONFIG), batch([(5, 7)])
    plain, sharp = (
        compute_joint_loss(model, made, Objective(certainty=weight), torch.Generator().manual_seed(1))
        for weight in (0.0, 2.0)
    )
    assert sharp.total >= plain.total
    assert torch.equal(sharp.denoising, plain.denoising)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20)), min_size=1, max_size=40), st.integers(40, 200))
def test_an_epoch_has_every_document_once_in_batches_of_limited_size(
    lengths: list[tuple[int, int]], positions: int
) -> None:
    made = corpus(lengths, held_out=len(lengths) // 4)
    planned = plan_epoch_batches(made, 0, 0, 4, positions)
    assert sorted(np.concatenate(planned).tolist() if planned else []) == list(range(len(lengths) - len(lengths) // 4))
    for rows in planned:
        batch = make_training_batch(made, rows.tolist(), 4, 0, 1)
        assert len(rows) == 1 or batch.tokens.numel() + batch.answers.numel() <= positions


def test_the_certainty_loss_is_zero_without_masks() -> None:
    torch.manual_seed(0)
    model, made = Transformer(CONFIG), batch([(5, 7), (9, 3)])
    plain, sure = (
        compute_joint_loss(model, made, Objective(alpha=0.0, certainty=certainty), torch.Generator().manual_seed(0))
        for certainty in (0.0, 2.0)
    )
    assert sure.total == plain.total > 0
