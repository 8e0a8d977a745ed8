"""The stages of a drafter's training run (answers, features, training), each resumable."""

import contextlib
import itertools
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import torch

from evalharness.diffusion.checkpoints.gguf import open_gguf
from evalharness.diffusion.checkpoints.loading import Checkpoint, is_gguf, open_checkpoint
from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.errors import UserError
from evalharness.generation.infilling import find_infilling_encoder
from evalharness.generation.stopping import Detokenizer, StopChecker
from evalharness.training.corpus.build import find_benchmark_folders
from evalharness.training.corpus.decontamination import read_benchmark_excerpts
from evalharness.training.drafting.answers import AnswerJob, generate_answers
from evalharness.training.drafting.eight_bit import quantize_linear_layers
from evalharness.training.drafting.features import (
    ComputedFeatureSource,
    FeatureSource,
    RecordedFeatures,
    StoredFeatureSource,
    compute_features,
    has_features,
    write_features,
)
from evalharness.training.drafting.prompts import KINDS, TrainingPrompt, generate_prompts
from evalharness.training.drafting.recipe import DrafterRecipe
from evalharness.training.drafting.shards import (
    TrainingText,
    list_shard_numbers,
    read_shard,
    read_texts_of_all_shards,
    shard_path,
    write_shard,
)
from evalharness.training.drafting.trainer import MODEL, DrafterTrainer, make_drafter

ANSWERS, FEATURES, PROGRESS = "answers", "features", "progress.json"
CALIBRATION = 16
"""Prompts that calibrate the 8-bit products."""


def open_target(recipe: DrafterRecipe) -> Checkpoint:
    """Returns the recipe's target model on the recipe's device, in float32 on a CPU and in bfloat16 on a GPU.

    Raises UserError if the model is not available.
    """
    name, device = recipe.target_path, torch.device(recipe.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return open_gguf(Path(name), dtype, device) if is_gguf(name) else open_checkpoint(name, dtype, device)


def check_tapped_layers_exist(recipe: DrafterRecipe, target: Checkpoint) -> None:
    """Raises UserError if the recipe's `features.taps` names layers that the target does not have."""
    last = target.model.config.layers - 1
    if max(recipe.features.taps) > last:
        raise UserError(
            f"the recipe's features.taps contains layer {max(recipe.features.taps)}, but the target model has only "
            f"layers 0 to {last}; remove the layers that do not exist"
        )


def run_answer_stage(
    recipe: DrafterRecipe, run_folder: Path, should_stop: Callable[[], bool], report_progress: Callable[[str], None]
) -> int:
    """Generates the target's answers and writes them to shard files; returns the number of answer tokens.

    `run_folder` is the folder of the training run. If the recipe sets `features.with_answers`, the target's features
    are recorded during generation and stored, too. A resumed stage skips the prompts (at most `answers.slots`) whose
    answers were being generated when the last shard file was written. `report_progress` is called with each line of
    progress.
    """
    answers_folder, features_folder = run_folder / ANSWERS, run_folder / FEATURES
    for needed in (answers_folder, features_folder):
        needed.mkdir(parents=True, exist_ok=True)
    settings, feature_settings = recipe.answers, recipe.features
    taps = feature_settings.taps if feature_settings.stored and feature_settings.with_answers else ()
    texts = list(read_texts_of_all_shards(answers_folder))
    done = sum(len(text.answer) for text in texts)
    if done >= settings.tokens:
        return done
    torch.set_num_threads(recipe.threads)
    benchmarks = read_benchmark_excerpts(find_benchmark_folders()) if settings.decontaminate else None
    target = open_target(recipe)
    check_tapped_layers_exist(recipe, target)
    infilling = find_infilling_encoder(target.tokenizer, "auto")
    detokenizer = Detokenizer(target.tokenizer)
    progress = _read_answer_progress(answers_folder)
    dropped = Counter(progress["dropped"])
    seen = {text.prompt for text in texts}
    started = int(progress["prompts"])
    kinds = [kind for kind in KINDS if kind != "infill" or infilling]
    prompts = generate_prompts(settings.seed, benchmarks, dropped, kinds)
    first = list(itertools.islice(prompts, CALIBRATION))
    if settings.eight_bit:
        _quantize_target(target, [prompt.encode(target.tokenizer, infilling) for prompt in first])

    def make_jobs() -> Iterator[AnswerJob]:
        nonlocal started
        for number, prompt in enumerate(itertools.chain(first, prompts)):
            if number < progress["prompts"]:
                continue
            started = number + 1
            ids = tuple(prompt.encode(target.tokenizer, infilling))
            if len(ids) > settings.longest_prompt or ids in seen:
                dropped["prompt: too long or repeated"] += 1
                continue
            seen.add(ids)
            ends = target.end_ids | (infilling.end_tokens if infilling and prompt.kind == "infill" else frozenset())
            yield AnswerJob(prompt, list(ids), StopChecker(detokenizer, ends, prompt.stops, settings.longest_answer))

    number = next(reversed(list_shard_numbers(answers_folder)), -1) + 1
    waiting: list[TrainingText] = []
    observed: list[RecordedFeatures] = []
    tokens, start = 0, time.perf_counter()
    capacity = settings.longest_prompt + settings.longest_answer
    for job in generate_answers(
        target.model, make_jobs(), settings.slots, capacity, should_stop, taps, settings.together
    ):
        tokens += len(job.answer)
        reason = (
            benchmarks.find_overlap(_select_text_for_overlap_search(job.source, detokenizer.decode(job.answer)))
            if benchmarks
            else None
        )
        if reason:
            dropped[f"answer: {reason}"] += 1
            continue
        waiting.append(job.to_training_text())
        if job.features is not None:
            observed.append(job.features.recorded_features())
        if len(waiting) == settings.shard:
            if taps:
                # Before the answers: features without answers are written again, answers without features read again.
                write_features(features_folder, number, observed, taps)
                observed = []
            write_shard(answers_folder, number, waiting)
            _write_answer_progress(answers_folder, started, dropped)
            done += sum(len(text.answer) for text in waiting)
            rate = tokens / (time.perf_counter() - start)
            report_progress(f"answers: shard {number}, {done:,} of {settings.tokens:,} tokens, {rate:.1f} tokens/s")
            number, waiting = number + 1, []
            if done >= settings.tokens:
                break
    return done


def run_feature_stage(
    recipe: DrafterRecipe, run_folder: Path, should_stop: Callable[[], bool], report_progress: Callable[[str], None]
) -> None:
    """Computes and stores the target's features for each shard of answers that has none yet.

    `run_folder` is the folder of the training run; `report_progress` is called with each line of progress.
    """
    answers, features = run_folder / ANSWERS, run_folder / FEATURES
    features.mkdir(parents=True, exist_ok=True)
    taps = recipe.features.taps
    missing = [number for number in list_shard_numbers(answers) if not has_features(features, number, taps)]
    if not missing:
        return
    torch.set_num_threads(recipe.threads)
    target = open_target(recipe)
    check_tapped_layers_exist(recipe, target)
    if recipe.features.eight_bit:
        _quantize_target(
            target, [text.tokens for text in itertools.islice(read_texts_of_all_shards(answers), CALIBRATION)]
        )
    for number in missing:
        if should_stop():
            return
        start = time.perf_counter()
        texts = read_shard(shard_path(answers, number))
        with HiddenStateRecorder(target.model, taps) as recorder:
            observed = [compute_features(text, target.model, recorder) for text in texts]
        write_features(features, number, observed, taps)
        rate = sum(len(text.tokens) for text in texts) / (time.perf_counter() - start)
        report_progress(f"features: shard {number}, {rate:.1f} tokens/s")


def run_training_stage(
    recipe: DrafterRecipe, run_folder: Path, should_stop: Callable[[], bool], report_progress: Callable[[str], None]
) -> Path:
    """Trains the drafter on the answers and their features; returns the checkpoint folder of the drafter.

    `run_folder` is the folder of the training run; `report_progress` is called with each line of progress.
    """
    torch.set_num_threads(recipe.threads)
    target = open_target(recipe)
    store: FeatureSource = (
        StoredFeatureSource(run_folder / ANSWERS, run_folder / FEATURES)
        if recipe.features.stored
        else ComputedFeatureSource(run_folder / ANSWERS, target.model, recipe.features.taps)
    )
    drafter = make_drafter(recipe, target.model, target.end_ids, store)
    trainer = DrafterTrainer(recipe, drafter, target.model, store, run_folder)
    if trainer.resume():
        report_progress(f"resumed after step {trainer.step}")
    report_progress(f"training: {drafter.size / 1e6:.1f} M parameters, {len(store)} texts")
    trainer.run(should_stop, report_progress)
    return run_folder / MODEL


def train_drafter(recipe: DrafterRecipe, run_folder: Path, report_progress: Callable[[str], None]) -> Path:
    """Runs all stages of a drafter's training, and resumes stopped ones; returns the checkpoint folder of the drafter.

    `run_folder` is the folder of the training run; `report_progress` is called with each line of progress. SIGTERM
    and SIGINT stop the training after the current batch, file or step.
    """
    with _catch_stop_signals() as should_stop:
        run_answer_stage(recipe, run_folder, should_stop, report_progress)
        if not should_stop() and recipe.features.stored:
            run_feature_stage(recipe, run_folder, should_stop, report_progress)
        if not should_stop():
            run_training_stage(recipe, run_folder, should_stop, report_progress)
    return run_folder / MODEL


@contextlib.contextmanager
def _catch_stop_signals() -> Iterator[Callable[[], bool]]:
    """A context manager that catches SIGTERM and SIGINT; yields a function that returns whether one has arrived."""
    stopped = threading.Event()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, lambda *_: stopped.set())
    try:
        yield stopped.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _select_text_for_overlap_search(prompt: TrainingPrompt, answer: str) -> str:
    """Returns the text in which to search for overlaps with benchmarks.

    For prompts of kind chat and request it is the answer alone, otherwise prompt and answer in the order of the source
    file: an infilled middle is between prefix and suffix.
    """
    if prompt.kind in ("chat", "request"):
        return answer
    return prompt.text + answer + prompt.suffix


def _quantize_target(target: Checkpoint, calibration_texts: Sequence[Sequence[int]]) -> None:
    @torch.inference_mode()
    def calibrate() -> None:
        for ids in calibration_texts:
            target.model.logits(forward_rows(target.model, [make_causal_input(0, ids[:512])], None))

    quantize_linear_layers(target.model, calibrate)


class AnswerProgress(TypedDict):
    """The content of `progress.json`: the numbers of prompts processed, and of prompts and answers dropped."""

    prompts: int
    """Prompts that were begun or dropped."""
    dropped: dict[str, int]
    """Dropped prompts and answers by reason."""


def _read_answer_progress(answers_folder: Path) -> AnswerProgress:
    path = answers_folder / PROGRESS
    progress: AnswerProgress = json.loads(path.read_text()) if path.exists() else {"prompts": 0, "dropped": {}}
    return progress


def _write_answer_progress(answers_folder: Path, processed_prompts: int, dropped_counts: Counter[str]) -> None:
    (answers_folder / PROGRESS).write_text(
        json.dumps({"prompts": processed_prompts, "dropped": dict(sorted(dropped_counts.items()))}) + "\n"
    )
