"""The target's features for drafter training: hidden states, and its most probable tokens at each position."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from evalharness.diffusion.drafting.taps import HiddenStateRecorder
from evalharness.diffusion.forward import forward_rows, make_causal_input
from evalharness.diffusion.network import Transformer
from evalharness.training.drafting.shards import (
    TrainingText,
    list_shard_numbers,
    read_shard,
    read_texts_of_all_shards,
    shard_path,
)

TOP = 16
"""Most probable tokens whose probabilities are stored for each position; in code, all others have less than 1 %
together.
"""
_GROUP = 128


@dataclass(frozen=True)
class TextFeatures:
    """A training text of a drafter, with the target's features: hidden states and most probable next tokens.

    `states` [tokens, taps * hidden] are the target's hidden states after the recorded layers (taps). `ids` and
    `probabilities` [answer tokens, TOP] are those of the target's TOP (16) most probable tokens at each position of the
    answer.
    """

    text: TrainingText
    states: Tensor
    ids: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class RecordedFeatures:
    """The target's features of one text, as in `TextFeatures`, in compact types: bfloat16, int32 and float16."""

    states: Tensor
    ids: Tensor
    probabilities: Tensor


class FeatureBuffer:
    """Collects the target's features of one text while it is generated, in preallocated tensors.

    Separate tensors for each token would take several times as much memory, because of fragmentation.
    """

    def __init__(self, prompt: int, limit: int, width: int) -> None:
        """`prompt`: tokens of the prompt; `limit`: most tokens of the answer; `width`: recorded layers * hidden."""
        self._prompt = prompt
        self.states = torch.zeros(prompt + limit, width, dtype=torch.bfloat16)
        """The hidden states [tokens, width] of the tapped layers; 0 for tokens without a forward pass."""
        self._ids = torch.zeros(limit, TOP, dtype=torch.int32)
        self._probabilities = torch.zeros(limit, TOP, dtype=torch.float16)
        self._tokens, self._tops = 0, 0

    def append_states(self, states: Tensor) -> None:
        """Appends the target's hidden states [T, width] of the next T tokens."""
        self.states[self._tokens : self._tokens + len(states)] = states
        self._tokens += len(states)

    def append_top_tokens(self, ids: Tensor, probabilities: Tensor) -> None:
        """Appends the target's most probable tokens at the answer's next position: ids and probabilities [TOP]."""
        self._ids[self._tops, : len(ids)] = ids
        self._probabilities[self._tops, : len(ids)] = probabilities
        self._tops += 1

    def recorded_features(self) -> RecordedFeatures:
        """Returns the features of the text generated so far.

        The hidden states of the answer's last token are zero, because no forward pass has processed it.
        """
        states = self.states[: self._prompt + self._tops]
        return RecordedFeatures(
            states.clone(), self._ids[: self._tops].clone(), self._probabilities[: self._tops].clone()
        )


def features_path(folder: Path, shard_number: int) -> Path:
    """Returns the path of the file with the target's features of the texts in shard file `shard_number`."""
    return folder / f"features-{shard_number:05d}.safetensors"


def find_most_probable_tokens(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Returns ids (int32) and probabilities (float16) [N, TOP] of the most probable tokens, given logits [N, V].

    For speed, not all logits are searched: the token ids are divided into groups of neighbours, and the TOP groups with
    the largest maxima always contain the TOP largest logits.
    """
    size = logits.shape[-1]
    padded = torch.nn.functional.pad(logits.float(), (0, -size % _GROUP), value=-torch.inf)
    groups = padded.view(len(logits), -1, _GROUP)
    best = groups.amax(dim=-1).topk(min(TOP, groups.shape[1]), dim=-1).indices
    candidates = groups.gather(1, best[..., None].expand(-1, -1, _GROUP)).flatten(1)
    top = candidates.topk(min(TOP, size), dim=-1)
    ids = best.gather(1, top.indices // _GROUP) * _GROUP + top.indices % _GROUP
    return ids.int(), (top.values - padded.logsumexp(dim=-1, keepdim=True)).exp().half()


@torch.inference_mode()
def compute_features(text: TrainingText, model: Transformer, recorder: HiddenStateRecorder) -> RecordedFeatures:
    """Returns the target's features of a training text, computed by one forward pass of the target `model`.

    `recorder` must be recording the hidden states of this model.
    """
    hidden = forward_rows(model, [make_causal_input(0, text.tokens)], None)[0]
    return RecordedFeatures(
        recorder.states[0].to(torch.bfloat16),
        *find_most_probable_tokens(model.logits(hidden[len(text.prompt) - 1 : -1])),
    )


def write_features(
    folder: Path, shard_number: int, features_of_texts: Sequence[RecordedFeatures], taps: Sequence[int]
) -> None:
    """Writes the target's features of all texts in shard file `shard_number`, atomically.

    `taps` are the layers after which the hidden states were recorded.
    """
    tensors = {
        name: torch.cat([getattr(text, name) for text in features_of_texts]).cpu()
        for name in ("states", "ids", "probabilities")
    }
    part = features_path(folder, shard_number).with_suffix(".part")
    part.write_bytes(to_bytes(tensors, metadata={"taps": _format_layer_numbers(taps)}))
    part.replace(features_path(folder, shard_number))


def has_features(folder: Path, shard_number: int, taps: Sequence[int]) -> bool:
    """Returns whether the target's features of shard file `shard_number` are stored for the layers `taps`."""
    path = features_path(folder, shard_number)
    if not path.exists():
        return False
    with safe_open(path, "pt") as reader:
        return bool((reader.metadata() or {}).get("taps") == _format_layer_numbers(taps))


def _format_layer_numbers(taps: Sequence[int]) -> str:
    return ",".join(str(tap) for tap in taps)


class FeatureSource(Protocol):
    """Provides the training texts of a drafter, with the target's features."""

    def __len__(self) -> int: ...

    def text(self, text_number: int) -> TrainingText:
        """Returns training text `text_number`, without its features."""
        ...

    def fetch(self, text_numbers: Sequence[int]) -> list[TextFeatures]:
        """Returns the training texts with these numbers and their features."""
        ...


class ComputedFeatureSource:
    """Provides the training texts of all shards; the target computes their features at each use.

    This is meant for a GPU; on a CPU it takes too long.
    """

    def __init__(self, answers: Path, model: Transformer, taps: Sequence[int]) -> None:
        self._texts = list(read_texts_of_all_shards(answers))
        self._model, self._taps = model, taps

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, text_number: int) -> TrainingText:
        """Returns training text `text_number`, without its features."""
        return self._texts[text_number]

    @torch.inference_mode()
    def fetch(self, text_numbers: Sequence[int]) -> list[TextFeatures]:
        """Returns the training texts with these numbers and their features, on the target's device."""
        texts = [self._texts[number] for number in text_numbers]
        with HiddenStateRecorder(self._model, self._taps) as recorder:
            hidden = forward_rows(self._model, [make_causal_input(0, text.tokens) for text in texts], None)
            states = recorder.states
        features = []
        for row, text in enumerate(texts):
            size = len(text.tokens)
            ids, probabilities = find_most_probable_tokens(
                self._model.logits(hidden[row, len(text.prompt) - 1 : size - 1])
            )
            features.append(TextFeatures(text, states[row, :size].float(), ids.long(), probabilities.float()))
        return features


class StoredFeatureSource:
    """Provides the training texts whose target features are stored on disk; reads features when they are requested."""

    def __init__(self, answers: Path, folder: Path) -> None:
        self._files: list[Any] = []
        self._entries: list[tuple[TrainingText, int, int, int]] = []
        """Of each text: itself, its file, and where its tokens and its answer begin there."""
        for number in list_shard_numbers(answers):
            path = features_path(folder, number)
            if path.exists():
                self._files.append(safe_open(path, "pt"))
                tokens = answer = 0
                for text in read_shard(shard_path(answers, number)):
                    self._entries.append((text, len(self._files) - 1, tokens, answer))
                    tokens, answer = tokens + len(text.tokens), answer + len(text.answer)

    def __len__(self) -> int:
        return len(self._entries)

    def text(self, text_number: int) -> TrainingText:
        """Returns training text `text_number`, without its features."""
        return self._entries[text_number][0]

    def fetch(self, text_numbers: Sequence[int]) -> list[TextFeatures]:
        """Returns the training texts with these numbers and their stored features."""
        return [self[number] for number in text_numbers]

    def __getitem__(self, number: int) -> TextFeatures:
        text, file, tokens, answer = self._entries[number]
        reader = self._files[file]
        return TextFeatures(
            text,
            reader.get_slice("states")[tokens : tokens + len(text.tokens)].float(),
            reader.get_slice("ids")[answer : answer + len(text.answer)].long(),
            reader.get_slice("probabilities")[answer : answer + len(text.answer)].float(),
        )
