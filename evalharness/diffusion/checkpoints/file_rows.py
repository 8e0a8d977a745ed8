"""A weight matrix whose rows stay quantized in a GGUF file, and an embedding layer of such rows."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from evalharness.diffusion.checkpoints.gguf_file import GgufFile


class FileRows:
    """A matrix of a GGUF file whose rows are read and dequantized on demand."""

    def __init__(self, file: GgufFile, name: str) -> None:
        self._file, self._entry = file, file.entry(name)
        self._content = file.map_rows(self._entry)

    def __len__(self) -> int:
        return len(self._content)

    def read(self, rows: slice | Sequence[int]) -> Tensor:
        """Returns these rows of the matrix, dequantized to float32."""
        return torch.from_numpy(self._file.dequantize(self._entry, np.ascontiguousarray(self._content[rows])))


class FileEmbedding(nn.Embedding):
    """An embedding layer that can free its matrix and read the rows that it needs from a GGUF file instead.

    The values are the same.
    """

    def __init__(self, weight: Tensor, rows: FileRows) -> None:
        super().__init__(1, 1, device="meta")
        self.weight, self.rows = weight, rows

    def free(self) -> None:
        """Frees the embedding matrix. The weight then has no rows, and shows only precision and device."""
        self.weight = nn.Parameter(self.weight.new_empty(0, self.weight.shape[1]), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        """Returns the embeddings [..., hidden] of token ids [...]."""
        if len(self.weight):
            return super().forward(input)
        ids, places = input.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        rows: Tensor = self.rows.read(ids.tolist())[places]
        return rows
