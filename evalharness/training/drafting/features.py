"""What a drafter learns from each text: hidden states of the target, and its most probable tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from evalharness.diffusion.drafting.taps import TapRecorder
from evalharness.diffusion.forward import causal_segment, forward_segments
from evalharness.diffusion.network import Transformer
from evalharness.training.drafting.shards import Text, read_shard, shard_numbers, shard_path

TOP = 16
"""Tokens whose probabilities are kept of each position; in code, the others have less than 1 % together."""


@dataclass(frozen=True)
class TextFeatures:
    """A text with `states` [tokens, taps * hidden]; `ids` and `probabilities` [answer tokens, TOP] of the target."""

    text: Text
    states: Tensor
    ids: Tensor
    probabilities: Tensor


def features_path(folder: Path, number: int) -> Path:
    """Returns the file with the features of that shard's texts."""
    return folder / f"features-{number:05d}.safetensors"


@torch.inference_mode()
def write_features(folder: Path, number: int, texts: Sequence[Text], model: Transformer, taps: Sequence[int]) -> None:
    """Computes and writes the features of a shard's texts in one step, in bfloat16."""
    states, ids, probabilities = [], [], []
    with TapRecorder(model, taps) as recorder:
        for text in texts:
            hidden = forward_segments(model, [causal_segment(0, text.tokens)], None)[0]
            states.append(recorder.states[0].to(torch.bfloat16))
            top = torch.softmax(model.logits(hidden[len(text.prompt) - 1 : -1]).float(), dim=-1).topk(TOP, dim=-1)
            ids.append(top.indices.int())
            probabilities.append(top.values.half())
    tensors = {
        "states": torch.cat(states).cpu(),
        "ids": torch.cat(ids).cpu(),
        "probabilities": torch.cat(probabilities).cpu(),
    }
    part = features_path(folder, number).with_suffix(".part")
    part.write_bytes(to_bytes(tensors))
    part.replace(features_path(folder, number))


class FeatureStore:
    """The texts of all shards whose features are there, read from disk one text at a time."""

    def __init__(self, answers: Path, folder: Path) -> None:
        self._files: list[Any] = []
        self._entries: list[tuple[Text, int, int, int]] = []
        """Of each text: itself, its file, and where its tokens and its answer begin there."""
        for number in shard_numbers(answers):
            path = features_path(folder, number)
            if path.exists():
                self._files.append(safe_open(path, "pt"))
                tokens = answer = 0
                for text in read_shard(shard_path(answers, number)):
                    self._entries.append((text, len(self._files) - 1, tokens, answer))
                    tokens, answer = tokens + len(text.tokens), answer + len(text.answer)

    def __len__(self) -> int:
        return len(self._entries)

    def text(self, number: int) -> Text:
        """Returns the text with this number, without its features."""
        return self._entries[number][0]

    def __getitem__(self, number: int) -> TextFeatures:
        text, file, tokens, answer = self._entries[number]
        reader = self._files[file]
        return TextFeatures(
            text,
            reader.get_slice("states")[tokens : tokens + len(text.tokens)].float(),
            reader.get_slice("ids")[answer : answer + len(text.answer)].long(),
            reader.get_slice("probabilities")[answer : answer + len(text.answer)].float(),
        )
