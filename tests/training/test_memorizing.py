"""The whole pipeline: a corpus, two minutes of training, 8-bit weights, and infilling with them."""

import itertools
from pathlib import Path
from random import Random

import pytest
import torch

from evalharness.backends import BackendConfig
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.records import Problem, Prompt, Request, Sampling
from evalharness.training.corpus.encoding import encode_corpus
from evalharness.training.corpus.generated.stream import generate_functions
from evalharness.training.corpus.tokenizer import train_tokenizer
from evalharness.training.corpus.views import (
    MIDDLE,
    PREFIX,
    SUFFIX,
    make_completion_prompt_and_answer,
    make_infilling_document,
)
from evalharness.training.recipe import Recipe
from evalharness.training.trainer import Trainer

RECIPE = {
    "minutes": 2,
    "processes": 2,
    "step_tokens": 4096,
    "micro_tokens": 2048,
    "evaluate_every": 100_000,
    "shape": {
        "hidden": 160,
        "layers": 3,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 40,
        "intermediate": 448,
        "block_size": 8,
    },
    "objective": {"complementary": True, "prompt": 0.0},
    "optimizer": {"warm_up": 20},
}


@pytest.mark.slow
def test_two_minutes_are_enough_to_memorize_two_hundred_functions(tmp_path: Path) -> None:
    random = Random(0)
    found = [
        make_completion_prompt_and_answer(function, cases, random)
        for function, cases in itertools.islice(generate_functions(7), 200)
    ]
    documents = [make_infilling_document(prompt, body, random, "t") for prompt, body in found]
    tokenizer = train_tokenizer((document.prompt + document.answer for document in documents), 1024)
    corpus = encode_corpus([(document.prompt, document.answer) for document in documents], tokenizer, held_out_count=0)
    trainer = Trainer(Recipe.model_validate(RECIPE), corpus, tokenizer, tmp_path)
    trainer.run(lambda text: None)

    torch.set_num_threads(2)
    requests = []
    for number, document in enumerate(documents):
        prefix, suffix = document.prompt.removeprefix(PREFIX).removesuffix(MIDDLE).split(SUFFIX)
        prompt = Prompt(prefix, suffix=suffix, middle_length="free")
        requests.append(Request(Problem(str(number), prompt, {}, None), 0))
    backend = DiffusionBackend(BackendConfig(model=str(tmp_path / "model"), batch_size=20))
    answers = list(backend.generate(requests, Sampling(max_new_tokens=256)))
    exact = sum(answer.text == document.answer for answer, document in zip(answers, documents, strict=True))
    assert exact >= 180
