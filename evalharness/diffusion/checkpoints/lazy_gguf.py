"""A weight matrix that stays quantized in a GGUF file until its rows are read, and an embedding layer that uses it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from evalharness.diffusion.checkpoints.gguf_file import GgufFile


class LazyGgufMatrix:
    """A weight matrix in a GGUF file, whose rows are read and dequantized on demand."""

    def __init__(self, file: GgufFile, name: str) -> None:
        self._file, self._entry = file, file.find_tensor(name)
        self._content = file.map_tensor_bytes(self._entry)

    def __len__(self) -> int:
        return len(self._content)

    def read_rows(self, row_indices: slice | Sequence[int]) -> Tensor:
        """Returns the rows of the matrix with these indices, dequantized to float32 [rows, columns]."""
        return torch.from_numpy(self._file.dequantize(self._entry, np.ascontiguousarray(self._content[row_indices])))


class LazyGgufEmbedding(nn.Embedding):
    """An embedding layer that can free its matrix, and afterwards reads each row that it needs from a GGUF file.

    The embeddings are the same before and after.
    """

    def __init__(self, weight: Tensor, rows: LazyGgufMatrix) -> None:
        super().__init__(1, 1, device="meta")
        self.weight, self.rows = weight, rows

    def free_matrix(self) -> None:
        """Frees the embedding matrix: `weight` becomes an empty tensor of the same dtype and device."""
        self.weight = nn.Parameter(self.weight.new_empty(0, self.weight.shape[1]), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        """Returns the embeddings [..., hidden] of token ids [...]."""
        if len(self.weight):
            return super().forward(input)
        ids, row_of_token = input.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        rows: Tensor = self.rows.read_rows(ids.tolist())[row_of_token]
        return rows
