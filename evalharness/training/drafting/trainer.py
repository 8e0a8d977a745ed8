"""Trains a drafter on stored target features: steps, held-out acceptance, checkpoints, log; resumable."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

import torch

from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.drafting.checkpoint import save_drafter, target_fingerprint
from evalharness.diffusion.drafting.config import DrafterConfig
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError
from evalharness.training.drafting.acceptance import measure_acceptance_on_text, sum_acceptance_counts
from evalharness.training.drafting.features import FeatureSource
from evalharness.training.drafting.initialization import initialize_from_layers, initialize_markov_head
from evalharness.training.drafting.log import LogRow
from evalharness.training.drafting.objective import compute_draft_loss
from evalharness.training.drafting.plot import plot_training_log
from evalharness.training.drafting.recipe import DrafterRecipe, OptimizationSettings
from evalharness.training.optimizers import WeightAverage

CHECKPOINT, LOG, MODEL = "checkpoint.pt", "log.jsonl", "model"


def choose_draft_vocabulary(
    training_texts: FeatureSource, draft_vocabulary_size: int, target_vocabulary_size: int, end_ids: frozenset[int]
) -> list[int]:
    """Returns the token ids of the draft vocabulary, `draft_vocabulary_size` of them, in ascending order.

    They are the end tokens, then the most frequent tokens of the training texts; if that is not enough, the lowest
    other ids of the target's vocabulary, because byte-pair encoding numbers tokens by frequency.
    """
    counts = Counter(token for number in range(len(training_texts)) for token in training_texts.text(number).tokens)
    ordered = dict.fromkeys(
        [*sorted(end_ids), *(token for token, _ in counts.most_common()), *range(target_vocabulary_size)]
    )
    return sorted(list(ordered)[: draft_vocabulary_size or target_vocabulary_size])


def make_drafter(
    recipe: DrafterRecipe, target: Transformer, end_ids: frozenset[int], training_texts: FeatureSource
) -> Drafter:
    """Returns a new, initialized drafter for the target; its draft vocabulary comes from the training texts."""
    shape, config = recipe.drafter, target.config
    ids = choose_draft_vocabulary(training_texts, shape.vocabulary, config.vocab_size, end_ids)
    network = ModelConfig(
        vocab_size=len(ids), hidden=config.hidden, layers=shape.layers,
        heads=shape.heads or config.heads, kv_heads=shape.kv_heads or config.kv_heads, head_dim=config.head_dim,
        intermediate=shape.intermediate or config.intermediate, mask_id=-1, end_id=config.end_id,
        pad_id=config.pad_id, block_size=shape.block, max_length=config.max_length, attention="block_causal",
        rope_theta=config.rope_theta, qkv_bias=bool(shape.start) and config.qkv_bias,
        qk_norm=config.qk_norm if shape.start else True,
        rotary=config.rotary if shape.start else 1.0, tied=False, norm_eps=config.norm_eps,
    )  # fmt: skip
    torch.manual_seed(recipe.optimization.seed)
    taps = recipe.features.taps
    drafter = Drafter(
        DrafterConfig(
            network, taps, shape.block, shape.rank, recipe.target, target_fingerprint(target), carry=shape.carry
        )
    )
    drafter.vocabulary.copy_(torch.tensor(ids, dtype=torch.int32))
    drafter = drafter.to(target.embed.weight.device)
    drafter.attach_target(target)
    if shape.start:
        initialize_from_layers(drafter, target, shape.start)
    if shape.pairs:
        initialize_markov_head(drafter, training_texts)
    return drafter


class DrafterTrainer:
    """A drafter's training run: the drafter, its optimizers, the moving average of its weights, and the log.

    All random choices depend only on the recipe's seed and the number of the step.
    """

    def __init__(
        self, recipe: DrafterRecipe, drafter: Drafter, target: Transformer, store: FeatureSource, out: Path
    ) -> None:
        self.recipe, self.drafter, self.target, self.store, self.out = recipe, drafter, target, store, out
        held = min(recipe.answers.held_out, len(store) // 4)
        if len(store) <= held:
            raise UserError(
                "all training texts are held out for evaluation, so none is left to train on; raise answers.tokens in "
                "the recipe, or lower answers.held_out"
            )
        self.held_out, self.texts = range(held), range(held, len(store))
        self.optimizers = make_optimizers(drafter, recipe.optimization)
        self.device = drafter.norm.weight.device
        self.average = WeightAverage(drafter.parameters(), 0.99)
        self.step, self.spent_s = 0, 0.0
        self.log: list[LogRow] = []

    def run(self, should_stop: Callable[[], bool], report: Callable[[str], None]) -> None:
        """Trains to the recipe's last step or until `should_stop()` is true; then writes a checkpoint and the weights.

        `report` is called with each row of the log as text.
        """
        settings = self.recipe.optimization
        last_save = clock = time.monotonic()
        while self.step < settings.steps and not should_stop():
            row = self._run_training_step()
            now = time.monotonic()
            self.spent_s, clock = self.spent_s + now - clock, now
            row.spent_s = round(self.spent_s, 1)
            if self.step % settings.evaluate_every == 0 or self.step == settings.steps:
                row.acceptance_length, row.acceptance_by_position = self.measure_acceptance_length_and_rates()
            if self.step % settings.log_every == 0 or row.acceptance_length is not None:
                self.log.append(row)
                report(row.to_terminal_line())
            if now - last_save > settings.checkpoint_s:
                self.save()
                last_save = now
        self.save()

    def measure_acceptance_length_and_rates(self) -> tuple[float, list[float]]:
        """Returns the acceptance length on the held-out texts, and the acceptance rate at each position of a draft.

        The drafter is evaluated with the moving average of its weights.
        """
        parameters = list(self.drafter.parameters())
        self.average.swap_with(parameters)
        try:
            counts = sum_acceptance_counts(
                measure_acceptance_on_text(self.drafter, features)
                for number in self.held_out
                for features in self.store.fetch([number])
            )
        finally:
            self.average.swap_with(parameters)
        return round(counts.acceptance_length, 4), [round(rate, 4) for rate in counts.acceptance_rates]

    def _run_training_step(self) -> LogRow:
        """Runs one optimizer step; returns its log row, without the elapsed time."""
        settings = self.recipe.optimization
        factor = _learning_rate_factor(self.step / settings.steps, settings.warm_up)
        losses = []
        choices = list(self._draw_text_numbers_with_random_generators())
        texts = self.store.fetch([number for number, _ in choices])
        for features, (_, random) in zip(texts, choices, strict=True):
            first, last = len(features.text.prompt) - 1, len(features.text.tokens) - 2
            positions = range(first, last + 1)
            anchors = sorted(random.sample(positions, min(settings.anchors, len(positions))))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.bfloat16):
                loss = compute_draft_loss(self.drafter, features, torch.tensor(anchors, device=self.device), settings)
            torch.autograd.backward(loss.total / loss.weight / settings.texts)
            losses.append(loss)
        torch.nn.utils.clip_grad_norm_(self.drafter.parameters(), settings.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.drafter.parameters())
        self.step += 1
        weight = sum(loss.weight for loss in losses)
        return LogRow(
            self.step,
            0.0,
            self.step * settings.texts,
            float(sum(loss.total.detach() for loss in losses)) / weight,
            sum(loss.cross_entropy for loss in losses) / weight,
            sum(loss.distance for loss in losses) / weight,
            sum(loss.agreed for loss in losses) / weight,
        )

    def _draw_text_numbers_with_random_generators(self) -> Iterator[tuple[int, Random]]:
        """Yields the number of each text of the current step, and a random generator for choosing the text's anchors.

        Anchors are the positions after which a block is drafted. Texts are in random order, without repetition in an
        epoch.
        """
        settings = self.recipe.optimization
        for number in range(self.step * settings.texts, (self.step + 1) * settings.texts):
            epoch, position = divmod(number, len(self.texts))
            order = Random(f"{settings.seed} {epoch}").sample(self.texts, len(self.texts))
            yield order[position], Random(f"{settings.seed} {epoch} {position} anchors")

    def save(self) -> None:
        """Writes checkpoint, log and plot, and the averaged weights as a drafter checkpoint that the backends load."""
        self.out.mkdir(parents=True, exist_ok=True)
        values = {
            "recipe": self.recipe.model_dump_json(),
            "drafter": self.drafter.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": (self.average.values, self.average.count),
            "step": self.step,
            "spent_s": self.spent_s,
            "log": [asdict(row) for row in self.log],
        }
        part = self.out / (CHECKPOINT + ".part")
        torch.save(values, part)
        part.replace(self.out / CHECKPOINT)
        (self.out / LOG).write_text("".join(json.dumps(asdict(row)) + "\n" for row in self.log))
        parameters = list(self.drafter.parameters())
        self.average.swap_with(parameters)
        save_drafter(self.drafter, self.out / MODEL, quantized=True)
        self.average.swap_with(parameters)
        if self.log:
            plot_training_log(self.log, self.out / "training.png")

    def resume(self) -> bool:
        """Loads the checkpoint in the run's folder, to resume the run; returns whether there is one.

        Raises UserError if the checkpoint belongs to a run with another recipe.
        """
        path = self.out / CHECKPOINT
        if not path.exists():
            return False
        values = torch.load(path, weights_only=True, map_location=self.device)
        before = DrafterRecipe.model_validate_json(values["recipe"])
        compared = [(recipe.drafter, recipe.features.taps, recipe.target) for recipe in (before, self.recipe)]
        if compared[0] != compared[1]:
            raise UserError(
                f"{path} is the checkpoint of a run with another recipe; use that recipe, or give another folder with "
                "--out"
            )
        # The vocabulary comes with the state: more answers than before must not change it.
        self.drafter.load_state_dict(values["drafter"])
        self.drafter.attach_target(self.target)
        for optimizer, state in zip(self.optimizers, values["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.average.values, self.average.count = values["average"]
        self.step, self.spent_s = values["step"], values["spent_s"]
        self.log = [LogRow(**row) for row in values["log"]]
        return True


def make_optimizers(drafter: Drafter, settings: OptimizationSettings) -> list[torch.optim.Optimizer]:
    """Returns the optimizers: AdamW for all parameters, or Muon for the matrices and AdamW for the others."""
    rate, others = settings.rate, dict(drafter.named_parameters())
    optimizers: list[torch.optim.Optimizer] = []
    if settings.optimizer == "muon":
        names = [name for name, p in others.items() if p.dim() == 2 and name.startswith(("layers.", "fuse.", "carry."))]
        matrices = [others.pop(name) for name in names]
        optimizers = [torch.optim.Muon(matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")]
    adam = torch.optim.AdamW(others.values(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [*optimizers, adam]


def _learning_rate_factor(completed_fraction: float, warm_up_fraction: float) -> float:
    """Returns the factor by which to multiply the learning rate, at a `completed_fraction` of the run from 0 to 1.

    It rises linearly to 1 during the fraction `warm_up_fraction` of the run, and then falls along half a cosine to 0.1.
    """
    if completed_fraction < warm_up_fraction:
        return max(completed_fraction / warm_up_fraction, 0.02)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (completed_fraction - warm_up_fraction) / (1 - warm_up_fraction)))
