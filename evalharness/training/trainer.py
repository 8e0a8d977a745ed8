"""The trainer of diffusion networks: optimizer steps, evaluation, checkpoints and log; resumable."""

import contextlib
import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from evalharness.diffusion.checkpoints import folder as weights
from evalharness.diffusion.config import ModelConfig
from evalharness.diffusion.network import Transformer
from evalharness.errors import UserError
from evalharness.training.batches import (
    TrainingBatch,
    iterate_batches_endlessly,
    make_training_batch,
    plan_held_out_batches,
)
from evalharness.training.corpus.encoding import Corpus
from evalharness.training.corpus.tokenizer import END, MASK, PAD
from evalharness.training.loss_plot import plot_losses
from evalharness.training.objectives import Losses
from evalharness.training.optimizers import WeightAverage, learning_rate_factor, make_optimizers
from evalharness.training.recipe import Objective, Recipe
from evalharness.training.replicas import ReplicaPool

CHECKPOINT = "checkpoint.pt"
BEFORE_COOL_DOWN = "before-cool-down.pt"
"""The checkpoint before the learning rate falls, from which a longer run can continue."""
LOG = "log.jsonl"
LogRow = dict[str, float | int | str]


@dataclass
class TrainingState:
    """The progress of a training run, which is stored in its checkpoint."""

    step: int = 0
    batches: int = 0
    tokens: int = 0
    spent_s: float = 0.0
    """Seconds of training, over all resumed runs."""
    cooling_from: float | None = None
    """`spent_s` when the user asked for the cool-down (the final decrease of the learning rate); None if the user has
    not.
    """
    cooled: bool = False
    """Whether the learning rate has begun to fall."""
    log: list[LogRow] = field(default_factory=list)


class Trainer:
    """A training run: network, optimizers, moving average of the weights, and progress.

    All random choices depend only on the recipe's seed and the number of the step. With more than one process, the
    calling script must create the trainer under `if __name__ == "__main__"`.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus, tokenizer: Tokenizer, out: Path) -> None:
        self.recipe, self.corpus, self.tokenizer, self.out = recipe, corpus, tokenizer, out
        if recipe.device == "cuda" and not torch.cuda.is_available():
            raise UserError("the recipe has device: cuda, but PyTorch finds no GPU; set device: cpu in the recipe")
        # The optimizer runs while the replicas' processes wait.
        torch.set_num_threads(recipe.processes)
        torch.manual_seed(recipe.seed)
        self.device = torch.device(recipe.device)
        if recipe.initial_network:
            self.model = (
                weights.load_checkpoint(recipe.initial_network, device=self.device).train().requires_grad_(True)
            )
        else:
            self.model = Transformer(make_model_config(recipe, tokenizer)).to(self.device)
        self.config = self.model.config
        # Products may be in bfloat16; the optimizer's weights are float32.
        dtype = torch.bfloat16 if recipe.bf16 else torch.float32
        self.replicas = ReplicaPool(self.model, recipe.processes, dtype, recipe.compile)
        self.optimizers = make_optimizers(self.model, recipe.optimizer)
        self.rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.average = WeightAverage(self.model.parameters(), recipe.optimizer.ema)
        self.state = TrainingState()

    def completed_fraction(self) -> float:
        """Returns the completed fraction of the run, from 0 to 1.

        If the user has requested the cool-down, which shortens the run, it is the fraction of the shortened run.
        """
        if self.recipe.steps is not None:
            return self.state.step / self.recipe.steps
        assert self.recipe.minutes is not None
        budget = self.recipe.minutes * 60
        if self.state.cooling_from is not None:
            budget = min(budget, self.state.cooling_from / (1 - self.recipe.optimizer.cool_down))
        return self.state.spent_s / budget

    def run(self, report: Callable[[str], None] = print) -> None:
        """Trains to the recipe's end or until a signal stops the run; then writes a checkpoint and the weights.

        SIGTERM and SIGINT stop the run after the current step. SIGUSR1 starts the cool-down of the learning rate, if
        the recipe limits the run by minutes. `report` is called with each row of the log as text.
        """
        rows = iterate_batches_endlessly(
            self.corpus, self.recipe.seed, self.config.block_size, self.recipe.micro_tokens, self.state.batches
        )
        last_save = clock = time.monotonic()
        with catch_signals() as signals_received:
            while self.completed_fraction() < 1 and not signals_received.stop:
                if signals_received.cool_down and self.state.cooling_from is None:
                    self.state.cooling_from = self.state.spent_s
                if not self.state.cooled and learning_rate_factor(self.recipe, 10**9, self.completed_fraction()) < 1:
                    # The user's request applies to this run and not to a run that continues from the checkpoint.
                    requested, self.state.cooling_from = self.state.cooling_from, None
                    self.save()
                    shutil.copyfile(self.out / CHECKPOINT, self.out / BEFORE_COOL_DOWN)
                    self.state.cooling_from, self.state.cooled = requested, True
                row = self.train_step(rows)
                now = time.monotonic()
                self.state.spent_s += now - clock
                clock = now
                done = self.completed_fraction() >= 1
                if self.state.step % self.recipe.evaluate_every == 0 or done:
                    row |= self.evaluate()
                if self.state.step % self.recipe.log_every == 0 or "held_ar" in row or self.state.step <= 5:
                    self.state.log.append(row)
                    report(format_log_row(row))
                if now - last_save > self.recipe.checkpoint_s:
                    self.save()
                    last_save = now
        self.save()

    def train_step(self, document_numbers_of_batches: Iterator[Any]) -> LogRow:
        """Runs one optimizer step; returns its log row.

        `document_numbers_of_batches` yields, for each batch, the numbers of its documents in the corpus. The step takes
        as many batches as are needed for the recipe's `step_tokens`.
        """
        recipe, state = self.recipe, self.state
        factor = learning_rate_factor(recipe, state.step, self.completed_fraction())
        batches: list[TrainingBatch] = []
        positions = 0
        while positions < recipe.step_tokens:
            batches.append(self.make_batch(next(document_numbers_of_batches)))
            positions += batches[-1].tokens.numel() + batches[-1].answers.numel()
        answer_token_count = sum(batch.answer_token_count for batch in batches)
        objective = recipe.objective
        if self.completed_fraction() < objective.denoise_from:
            objective = objective.model_copy(update={"alpha": 0.0})
        batch_losses = self.compute_losses(batches, objective, state.step, answer_token_count)
        self.replicas.gather_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.optimizer.clip)
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.model.parameters())
        state.step += 1
        state.batches += len(batches)
        state.tokens += sum(int(batch.lengths.sum()) for batch in batches)
        masked = sum(losses.masked for losses in batch_losses)
        row: LogRow = {
            "step": state.step,
            "spent_s": round(state.spent_s, 1),
            "tokens": state.tokens,
            "rate": round(factor, 4),
            "loss": sum(float(losses.total) for losses in batch_losses) / answer_token_count,
            "ar": sum(float(losses.autoregressive) for losses in batch_losses) / answer_token_count,
            "norm": float(norm),
        }
        if masked:
            row["denoising"] = sum(float(losses.denoising) for losses in batch_losses) / masked
        return row

    def make_batch(self, document_numbers: Any) -> TrainingBatch:
        """Returns the training batch of the documents with the numbers `document_numbers`, on the run's device."""
        batch = make_training_batch(
            self.corpus, document_numbers, self.config.block_size, self.config.end_id, self.config.pad_id
        )
        return batch.to(self.device)

    def compute_losses(
        self, batches: Sequence[TrainingBatch], objective: Objective, step: int, answer_token_count: int | None
    ) -> list[Losses]:
        """Returns the losses of training batches, computed by the replicas.

        Unless `answer_token_count` is None, the replicas also compute gradients, divided by that number.
        """
        seeds = [hash((self.recipe.seed, step, number)) & 0x7FFFFFFF for number in range(len(batches))]
        return self.replicas.compute_losses(list(zip(seeds, batches, strict=True)), objective, answer_token_count)

    def evaluate(self) -> LogRow:
        """Returns the losses per token of the averaged weights on held-out documents; all calls use the same masks."""
        parameters = list(self.model.parameters())
        self.average.swap_with(parameters)
        planned = plan_held_out_batches(
            self.corpus, self.recipe.evaluated, self.config.block_size, self.recipe.micro_tokens
        )
        batches = [self.make_batch(rows) for rows in planned]
        batch_losses = self.compute_losses(batches, self.recipe.objective, -1, None)
        self.average.swap_with(parameters)
        answer_token_count, masked = (
            sum(batch.answer_token_count for batch in batches),
            sum(losses.masked for losses in batch_losses),
        )
        return {
            "held_ar": sum(float(losses.autoregressive) for losses in batch_losses) / max(1, answer_token_count),
            "held_denoising": sum(float(losses.denoising) for losses in batch_losses) / max(1, masked),
        }

    def save(self) -> None:
        """Writes checkpoint, log, loss plot, and the averaged weights as an 8-bit checkpoint that the backends load."""
        self.out.mkdir(parents=True, exist_ok=True)
        values = {
            "recipe": self.recipe.model_dump_json(exclude={"steps", "minutes", "processes", "compile"}),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": (self.average.values, self.average.count),
            "state": vars(self.state),
        }
        part = self.out / (CHECKPOINT + ".part")
        torch.save(values, part)
        part.replace(self.out / CHECKPOINT)
        (self.out / LOG).write_text("".join(json.dumps(row) + "\n" for row in self.state.log))
        export_averaged_network(self, self.out / "model")
        if self.state.log:
            plot_losses(self.state.log, self.out / "losses.png")

    def resume(self) -> bool:
        """Loads the checkpoint in the run's folder, to resume the run; returns whether there is one.

        Raises UserError if the checkpoint belongs to a run with another recipe.
        """
        path = self.out / CHECKPOINT
        if not path.exists():
            return False
        values = torch.load(path, map_location=self.device, weights_only=True)
        changeable: dict[str, Any] = {"steps": 1, "minutes": None, "processes": 1, "compile": False}
        if Recipe.model_validate(json.loads(values["recipe"]) | changeable) != self.recipe.model_copy(
            update=changeable
        ):
            raise UserError(
                f"{path} is the checkpoint of a run with another recipe; use that recipe, or give another folder with "
                "--out"
            )
        # Checkpoints from before version 0.2 have the key "optimisers".
        optimizer_states = values.get("optimizers") or values["optimisers"]
        self.model.load_state_dict(values["model"])
        for optimizer, state in zip(self.optimizers, optimizer_states, strict=True):
            optimizer.load_state_dict(state)
        self.average.values, self.average.count = values["average"]
        self.state = TrainingState(**values["state"])
        return True


def make_model_config(recipe: Recipe, tokenizer: Tokenizer) -> ModelConfig:
    """Returns the network configuration of a recipe, with the vocabulary size and special tokens of `tokenizer`."""
    assert recipe.shape is not None
    ids: dict[str, Any] = {
        name: tokenizer.token_to_id(token) for name, token in (("end_id", END), ("pad_id", PAD), ("mask_id", MASK))
    }
    return ModelConfig(vocab_size=tokenizer.get_vocab_size(), **recipe.shape.model_dump(), **ids)


def export_averaged_network(trainer: Trainer, folder: Path, quantize: bool = True) -> None:
    """Writes a trainer's averaged weights, configuration and tokenizer as a checkpoint that the backends load.

    With `quantize`, the weights are stored in 8 bits.
    """
    parameters = list(trainer.model.parameters())
    trainer.average.swap_with(parameters)
    weights.save_checkpoint(trainer.model, folder, quantized=quantize)
    trainer.average.swap_with(parameters)
    trainer.tokenizer.save(str(folder / "tokenizer.json"))


def format_log_row(row: LogRow) -> str:
    """Returns a row of the training log as a line of text for the terminal."""
    shown = {"step": "d", "tokens": ",d", "spent_s": ".0f", "loss": ".3f", "ar": ".3f", "denoising": ".3f"}
    shown |= {"norm": ".2f", "rate": ".2f", "held_ar": ".4f", "held_denoising": ".4f"}
    return "  ".join(f"{name} {row[name]:{form}}" for name, form in shown.items() if name in row)


@dataclass
class SignalsReceived:
    """Whether the user has requested, by a signal, to stop a training run or to start its cool-down."""

    stop: bool = False
    """Whether SIGTERM or SIGINT has arrived."""
    cool_down: bool = False
    """Whether SIGUSR1 has arrived: the learning rate is to fall from now on."""


@contextlib.contextmanager
def catch_signals() -> Iterator[SignalsReceived]:
    """A context manager that catches SIGTERM, SIGINT and SIGUSR1, and yields a record of those that have arrived."""
    received = SignalsReceived()
    names = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGUSR1: "cool_down"}
    before = {}
    try:
        for number, name in names.items():
            before[number] = signal.signal(number, lambda *_, name=name: setattr(received, name, True))
    except ValueError:  # signals can only be handled in the main thread
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
