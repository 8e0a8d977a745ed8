"""The backend `transformers` on GGUF files, against the folder of the same weights."""

import shutil
from pathlib import Path

import pytest
from helpers.gguf_files import write_gguf
from helpers.open_checkpoints import build

from evalharness.backends import BackendConfig
from evalharness.backends.transformers.backend import TransformersBackend
from evalharness.errors import UserError
from evalharness.records import Message, Problem, Prompt, Request, Sampling

SAMPLING = Sampling(0.0, 1.0, 16, 0)
REQUESTS = [
    Request(Problem("t/0", Prompt("def f(a, b):\n    return"), {}, ""), 0),
    Request(Problem("t/1", Prompt(messages=(Message("user", "Sort a list"),)), {}, ""), 0),
]


def answers(model: Path) -> list[str]:
    backend = TransformersBackend(BackendConfig(str(model), 1, {"dtype": "float32"}))
    return [completion.text for completion in backend.generate(REQUESTS, SAMPLING)]


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
def test_texts_are_those_of_the_folder(tmp_path: Path, architecture: str) -> None:
    model = build(tmp_path, architecture)
    folder = tmp_path / "folder"
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / name, folder)
    assert answers(write_gguf(tmp_path / "model.gguf", tmp_path, model)) == answers(folder)


def test_manifest_records_the_file(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", tmp_path, build(tmp_path, "qwen2"))
    manifest = TransformersBackend(BackendConfig(str(path), 1, {"dtype": "float32"})).describe()
    assert manifest["gguf_quantization"] == "ALL_F32"
    assert len(manifest["gguf_sha256"]) == 64


def test_broken_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"model\.gguf is not a valid GGUF file") as caught:
        answers(path)
    assert "\n" not in str(caught.value)
