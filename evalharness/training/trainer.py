"""Trains the network: steps, evaluation, checkpoints, log; resumes where it was stopped."""

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
from evalharness.training.batches import Batch, make_batch, plan_held_out, stream
from evalharness.training.corpus.encoding import Corpus
from evalharness.training.corpus.tokenizer import END, MASK, PAD
from evalharness.training.objectives import Losses
from evalharness.training.optimizers import Average, make_optimisers, rate_factor
from evalharness.training.recipe import Objective, Recipe
from evalharness.training.replicas import Replicas

CHECKPOINT = "checkpoint.pt"
BEFORE = "before-cool-down.pt"
"""The checkpoint from which a longer run can go on with the full rate."""
LOG = "log.jsonl"
Row = dict[str, float | int | str]


@dataclass
class State:
    """Where a run is. `cooling_from` is the time in seconds at which cooling down was asked for, if it was; `cooled`
    tells whether the rate has begun to fall."""

    step: int = 0
    batches: int = 0
    tokens: int = 0
    spent_s: float = 0.0
    cooling_from: float | None = None
    cooled: bool = False
    log: list[Row] = field(default_factory=list)


class Trainer:
    """A run: network, optimisers, average and state. Everything random comes from the recipe's seed and the step.

    With more than one process, a script that makes it must stand behind `if __name__ == "__main__"`.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus, tokenizer: Tokenizer, out: Path) -> None:
        self.recipe, self.corpus, self.tokenizer, self.out = recipe, corpus, tokenizer, out
        if recipe.device == "cuda" and not torch.cuda.is_available():
            raise UserError("the recipe asks for a GPU, and torch finds none; set device: cpu")
        # The optimiser works while the processes of the batches wait.
        torch.set_num_threads(recipe.processes)
        torch.manual_seed(recipe.seed)
        self.device = torch.device(recipe.device)
        if recipe.begins_with:
            self.model = weights.load(recipe.begins_with, device=self.device).train().requires_grad_(True)
        else:
            self.model = Transformer(model_config(recipe, tokenizer)).to(self.device)
        self.config = self.model.config
        # Products in bfloat16 go with weights that are kept and changed in float32.
        dtype = torch.bfloat16 if recipe.bf16 else torch.float32
        self.replicas = Replicas(self.model, recipe.processes, dtype, recipe.compile)
        self.optimisers = make_optimisers(self.model, recipe.optimiser)
        self.rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in self.optimisers]
        self.average = Average(self.model.parameters(), recipe.optimiser.ema)
        self.state = State()

    def progress(self) -> float:
        """The part of the run that is done, from 0 to 1; once cooling down was asked for, that of the shorter run."""
        if self.recipe.steps is not None:
            return self.state.step / self.recipe.steps
        assert self.recipe.minutes is not None
        budget = self.recipe.minutes * 60
        if self.state.cooling_from is not None:
            budget = min(budget, self.state.cooling_from / (1 - self.recipe.optimiser.cool_down))
        return self.state.spent_s / budget

    def run(self, say: Callable[[str], None] = print) -> None:
        """Trains to the end, or until told to stop by a signal; either way a checkpoint and weights are left.

        SIGTERM and SIGINT stop after the present step. SIGUSR1 begins to cool down, where the run is told by minutes.
        """
        rows = stream(
            self.corpus, self.recipe.seed, self.config.block_size, self.recipe.micro_tokens, self.state.batches
        )
        last_save = clock = time.monotonic()
        with told() as signals:
            while self.progress() < 1 and not signals["stop"]:
                if signals["cool"] and self.state.cooling_from is None:
                    self.state.cooling_from = self.state.spent_s
                if not self.state.cooled and rate_factor(self.recipe, 10**9, self.progress()) < 1:
                    # What was asked of this run is not for one that goes on from here.
                    asked, self.state.cooling_from = self.state.cooling_from, None
                    self.save()
                    shutil.copyfile(self.out / CHECKPOINT, self.out / BEFORE)
                    self.state.cooling_from, self.state.cooled = asked, True
                row = self.step(rows)
                now = time.monotonic()
                self.state.spent_s += now - clock
                clock = now
                done = self.progress() >= 1
                if self.state.step % self.recipe.evaluate_every == 0 or done:
                    row |= self.evaluate()
                if self.state.step % self.recipe.log_every == 0 or "held_ar" in row or self.state.step <= 5:
                    self.state.log.append(row)
                    say(line(row))
                if now - last_save > self.recipe.checkpoint_s:
                    self.save()
                    last_save = now
        self.save()

    def step(self, rows: Iterator[Any]) -> Row:
        """One optimiser step over as many batches as it takes."""
        recipe, state = self.recipe, self.state
        factor = rate_factor(recipe, state.step, self.progress())
        batches: list[Batch] = []
        positions = 0
        while positions < recipe.step_tokens:
            batches.append(self.batch(next(rows)))
            positions += batches[-1].tokens.numel() + batches[-1].answers.numel()
        answered = sum(batch.answered for batch in batches)
        objective = recipe.objective
        if self.progress() < objective.denoise_from:
            objective = objective.model_copy(update={"alpha": 0.0})
        found = self.losses(batches, objective, state.step, answered)
        self.replicas.gather()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.optimiser.clip)
        for optimiser, rates in zip(self.optimisers, self.rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.average.update(self.model.parameters())
        state.step += 1
        state.batches += len(batches)
        state.tokens += sum(int(batch.lengths.sum()) for batch in batches)
        masked = sum(losses.masked for losses in found)
        row: Row = {
            "step": state.step,
            "spent_s": round(state.spent_s, 1),
            "tokens": state.tokens,
            "rate": round(factor, 4),
            "loss": sum(float(losses.total) for losses in found) / answered,
            "ar": sum(float(losses.autoregressive) for losses in found) / answered,
            "norm": float(norm),
        }
        if masked:
            row["denoising"] = sum(float(losses.denoising) for losses in found) / masked
        return row

    def batch(self, rows: Any) -> Batch:
        """The batch of these documents on the run's device."""
        made = make_batch(self.corpus, rows, self.config.block_size, self.config.end_id, self.config.pad_id)
        return made.to(self.device)

    def losses(self, batches: Sequence[Batch], objective: Objective, step: int, answered: int | None) -> list[Losses]:
        """The losses of the batches; with `answered`, their gradients over that number are left in the replicas."""
        seeds = [hash((self.recipe.seed, step, number)) & 0x7FFFFFFF for number in range(len(batches))]
        return self.replicas.losses(list(zip(seeds, batches, strict=True)), objective, answered)

    def evaluate(self) -> Row:
        """Losses per token of the averaged weights on held-out documents, the same masks every time."""
        parameters = list(self.model.parameters())
        self.average.swap(parameters)
        planned = plan_held_out(self.corpus, self.recipe.evaluated, self.config.block_size, self.recipe.micro_tokens)
        batches = [self.batch(rows) for rows in planned]
        found = self.losses(batches, self.recipe.objective, -1, None)
        self.average.swap(parameters)
        answered, masked = sum(batch.answered for batch in batches), sum(losses.masked for losses in found)
        return {
            "held_ar": sum(float(losses.autoregressive) for losses in found) / max(1, answered),
            "held_denoising": sum(float(losses.denoising) for losses in found) / max(1, masked),
        }

    def save(self) -> None:
        """Checkpoint, log, loss plot, and the averaged weights in 8 bits as a folder that the backends load."""
        from evalharness.training.loss_plot import plot_losses

        self.out.mkdir(parents=True, exist_ok=True)
        values = {
            "recipe": self.recipe.model_dump_json(exclude={"steps", "minutes", "processes", "compile"}),
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "average": (self.average.values, self.average.count),
            "state": vars(self.state),
        }
        part = self.out / (CHECKPOINT + ".part")
        torch.save(values, part)
        part.replace(self.out / CHECKPOINT)
        (self.out / LOG).write_text("".join(json.dumps(row) + "\n" for row in self.state.log))
        export(self, self.out / "model")
        if self.state.log:
            plot_losses(self.state.log, self.out / "losses.png")

    def resume(self) -> bool:
        """Goes on from the checkpoint in the run's folder, if there is one. Raises UserError for another recipe's."""
        path = self.out / CHECKPOINT
        if not path.exists():
            return False
        values = torch.load(path, map_location=self.device, weights_only=True)
        free: dict[str, Any] = {"steps": 1, "minutes": None, "processes": 1, "compile": False}
        if Recipe.model_validate(json.loads(values["recipe"]) | free) != self.recipe.model_copy(update=free):
            raise UserError(f"{path} is of a run with another recipe; name another folder with --out")
        self.model.load_state_dict(values["model"])
        for optimiser, state in zip(self.optimisers, values["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.average.values, self.average.count = values["average"]
        self.state = State(**values["state"])
        return True


def model_config(recipe: Recipe, tokenizer: Tokenizer) -> ModelConfig:
    """The network that the recipe describes, for this tokenizer."""
    assert recipe.shape is not None
    ids: dict[str, Any] = {
        name: tokenizer.token_to_id(token) for name, token in (("end_id", END), ("pad_id", PAD), ("mask_id", MASK))
    }
    return ModelConfig(vocab_size=tokenizer.get_vocab_size(), **recipe.shape.model_dump(), **ids)


def export(trainer: Trainer, folder: Path, quantised: bool = True) -> None:
    """Writes the averaged weights with configuration and tokenizer, as the backends load them."""
    parameters = list(trainer.model.parameters())
    trainer.average.swap(parameters)
    weights.save(trainer.model, folder, quantised=quantised)
    trainer.average.swap(parameters)
    trainer.tokenizer.save(str(folder / "tokenizer.json"))


def line(row: Row) -> str:
    """A row of the log for people."""
    shown = {"step": "d", "tokens": ",d", "spent_s": ".0f", "loss": ".3f", "ar": ".3f", "denoising": ".3f"}
    shown |= {"norm": ".2f", "rate": ".2f", "held_ar": ".4f", "held_denoising": ".4f"}
    return "  ".join(f"{name} {row[name]:{form}}" for name, form in shown.items() if name in row)


@contextlib.contextmanager
def told() -> Iterator[dict[str, bool]]:
    """What signals have asked for: `stop` and `cool`."""
    asked = {"stop": False, "cool": False}
    names = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGUSR1: "cool"}
    before = {}
    try:
        for number, name in names.items():
            before[number] = signal.signal(number, lambda *_, name=name: asked.update({name: True}))
    except ValueError:  # not in the main thread: nothing is heard
        before = {}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
