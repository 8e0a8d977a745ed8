"""Parses GGUF files: metadata, and weights dequantized by the package `gguf`.

The package's own reader makes an array view of every string, which takes 10 s for a vocabulary of 150,000 tokens.
Source of the format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import hashlib
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor

from evalharness.errors import UserError

SUFFIX = ".gguf"
ROWS = 4096
"""Matrix rows that are dequantized at a time, so that no second copy of a whole matrix is in memory."""

_VALUES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""The `struct` format of each numeric value type of GGUF."""
_STRING, _ARRAY = 8, 9

EndPosition = int
"""The byte position in a file after the value that was read."""


@dataclass(frozen=True)
class TensorEntry:
    """A tensor's entry in a GGUF file: its name, shape, quantization and location, without its weights.

    `shape` has the outermost dimension first, as in PyTorch; the file has it last.
    """

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    """The quantization."""
    offset: int
    """Bytes from the start of the file."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of the quantized tensor; a row extends along the last dimension."""
        block, size = gguf.GGML_QUANT_SIZES[self.kind]
        return self.shape[-1] // block * size

    @property
    def row_count(self) -> int:
        """Number of rows of the tensor: the product of all its dimensions but the last."""
        return int(np.prod(self.shape[:-1], dtype=np.int64))


@dataclass(frozen=True)
class GgufFile:
    """A parsed GGUF file: its metadata, and an entry (shape, quantization, location) for each of its tensors."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, TensorEntry]

    def find_tensor(self, name: str) -> TensorEntry:
        """Returns the entry of the tensor with this name. Raises UserError if the file has no such tensor."""
        if name not in self.tensors:
            raise UserError(f"GGUF file {self.path} has no tensor {name}; give --model a complete file")
        return self.tensors[name]

    def read_tensor(self, name: str, dtype: torch.dtype, max_rows: int | None = None) -> Tensor:
        """Returns the tensor with this name, dequantized and converted to `dtype`; at most its first `max_rows` rows.

        Raises UserError if the file has no such tensor, or the package `gguf` does not know its quantization.
        """
        entry = self.find_tensor(name)
        count = entry.row_count if max_rows is None else min(max_rows, entry.row_count)
        weights = torch.empty(count, entry.shape[-1], dtype=dtype)
        self._read_rows_into(weights, entry)
        return weights.view(*(entry.shape if max_rows is None else weights.shape))

    def map_tensor_bytes(self, tensor: TensorEntry) -> np.ndarray[Any, Any]:
        """Returns the quantized bytes [rows, row_bytes] of a tensor as a memory map of the file."""
        return np.memmap(self.path, np.uint8, "r", tensor.offset, (tensor.row_count, tensor.row_bytes))

    def stacked_tensor_shape(self, tensor_names: Sequence[str]) -> tuple[int, ...]:
        """Returns the shape that the named tensors have when they are concatenated along their first dimension."""
        shapes = [self.find_tensor(name).shape for name in tensor_names]
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def read_stacked_tensors(self, tensor_names: Sequence[str], out: Tensor) -> None:
        """Dequantizes the named tensors, and writes them to `out`, concatenated along their first dimension.

        Only a few rows are dequantized at a time, so that no second copy of a whole tensor is in memory.
        """
        entries = [self.find_tensor(name) for name in tensor_names]
        parts = out.split([entry.shape[0] for entry in entries])  # type: ignore[no-untyped-call]
        for entry, part in zip(entries, parts, strict=True):
            self._read_rows_into(part.view(entry.row_count, entry.shape[-1]), entry)

    def _read_rows_into(self, out: Tensor, tensor: TensorEntry) -> None:
        """Fills `out` [rows, columns] with the first rows of a tensor in the file, dequantized."""
        count = len(out)
        with self.path.open("rb") as stream:
            stream.seek(tensor.offset)
            for first in range(0, count, ROWS):
                size = min(ROWS, count - first)
                data = np.frombuffer(stream.read(size * tensor.row_bytes), dtype=np.uint8).reshape(size, -1)
                out[first : first + size] = torch.from_numpy(self.dequantize(tensor, data))

    def dequantize(self, tensor: TensorEntry, quantized_bytes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Returns the float32 values [rows, columns] of the `quantized_bytes` [rows, row_bytes] of a tensor.

        Raises UserError if the package `gguf` does not know the quantization.
        """
        try:
            values = gguf.dequantize(quantized_bytes, tensor.kind)
        except NotImplementedError:
            raise UserError(
                f"GGUF file {self.path} stores tensor {tensor.name} as {tensor.kind.name}, which the package gguf "
                "cannot dequantize; give --model a file with another quantization"
            ) from None
        # PyTorch takes no array that is a read-only view of the file's bytes.
        return values if values.flags.writeable else values.copy()


def read_gguf(path: Path) -> GgufFile:
    """Parses a GGUF file; returns its metadata and the entries of its tensors, without reading the weights.

    Raises UserError for a file that is truncated or not in GGUF format.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _parse_gguf(path, content)
    except OSError as error:
        raise UserError(f"GGUF file {path} cannot be read: {error.strerror}; give --model a readable file") from None
    except (struct.error, ValueError) as error:  # mmap refuses an empty file with ValueError
        raise UserError(
            f"{path} is not a valid GGUF file: {error}; download it again, or give --model another file"
        ) from None


@dataclass(frozen=True)
class GgufIdentity:
    """The quantization and the SHA-256 digest of a GGUF file, which identify its weights in a run's manifest."""

    quantization: str
    """The file type that llama.cpp named, such as `MOSTLY_Q4_K_M`."""
    sha256: str

    def to_manifest(self) -> dict[str, str]:
        """Returns quantization and digest as entries of a run's manifest (manifest.json)."""
        return {"gguf_quantization": self.quantization, "gguf_sha256": self.sha256}


def read_gguf_identity(path: Path) -> GgufIdentity:
    """Returns the quantization and the SHA-256 digest of a GGUF file. Raises UserError if it cannot be read."""
    kind = read_gguf(path).metadata.get("general.file_type", gguf.LlamaFileType.GUESSED)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return GgufIdentity(gguf.LlamaFileType(kind).name, digest)


def _parse_gguf(path: Path, content: mmap.mmap) -> GgufFile:
    if content[:4] != b"GGUF":
        raise ValueError("the file does not begin with the bytes 'GGUF'")
    version, tensor_count, value_count = struct.unpack_from("<IQQ", content, 4)
    if version not in (2, 3):
        raise ValueError(f"the file has version {version} of the GGUF format; only versions 2 and 3 are supported")
    position = 24
    metadata: dict[str, Any] = {}
    for _ in range(value_count):
        key, position = _read_string(content, position)
        kind, position = _read_number(content, position, "I")
        metadata[key], position = _read_metadata_value(content, position, int(kind))
    entries: list[tuple[str, tuple[int, ...], gguf.GGMLQuantizationType, int]] = []
    for _ in range(tensor_count):
        name, position = _read_string(content, position)
        dimensions, position = _read_number(content, position, "I")
        shape = struct.unpack_from(f"<{dimensions}Q", content, position)
        kind, offset = struct.unpack_from("<IQ", content, position + 8 * dimensions)
        position += 8 * dimensions + 12
        entries.append((name, tuple(reversed(shape)), gguf.GGMLQuantizationType(kind), offset))
    alignment = int(metadata.get("general.alignment", 32))
    start = -(-position // alignment) * alignment
    tensors = {name: TensorEntry(name, shape, kind, start + offset) for name, shape, kind, offset in entries}
    for entry in tensors.values():
        if entry.offset + entry.row_count * entry.row_bytes > len(content):
            raise ValueError(f"the file is incomplete: it ends before the end of tensor {entry.name}")
    return GgufFile(path, metadata, tensors)


def _read_number(content: mmap.mmap, position: int, struct_format: str) -> tuple[Any, EndPosition]:
    """Returns the number at byte `position` of a GGUF file's `content`, and the byte position after it."""
    layout = f"<{struct_format}"
    return struct.unpack_from(layout, content, position)[0], position + struct.calcsize(layout)


def _read_string(content: mmap.mmap, position: int) -> tuple[str, EndPosition]:
    """Returns the string at byte `position` of a GGUF file's `content`, and the byte position after it."""
    (size,) = struct.unpack_from("<Q", content, position)
    if position + 8 + size > len(content):
        raise ValueError("the file is incomplete: it ends within a metadata string")
    return content[position + 8 : position + 8 + size].decode("utf-8", errors="replace"), position + 8 + size


def _read_metadata_value(content: mmap.mmap, position: int, value_type: int) -> tuple[Any, EndPosition]:
    """Returns the metadata value at byte `position` of a GGUF file's `content`, and the byte position after it.

    `value_type` is the GGUF format's number of the value's type.
    """
    if value_type == _STRING:
        return _read_string(content, position)
    if value_type != _ARRAY:
        return _read_number(content, position, _struct_format_of_type(value_type))
    item, count = struct.unpack_from("<IQ", content, position)
    position += 12
    if item in (_STRING, _ARRAY):
        values = []
        for _ in range(count):
            value, position = _read_metadata_value(content, position, item)
            values.append(value)
        return values, position
    form = f"<{count}{_struct_format_of_type(item)}"
    return list(struct.unpack_from(form, content, position)), position + struct.calcsize(form)


def _struct_format_of_type(value_type: int) -> str:
    """Returns the format string of Python's module `struct` for GGUF's numeric type number `value_type`."""
    if value_type not in _VALUES:
        raise ValueError(f"the file has a metadata value of type {value_type}, which the GGUF format does not define")
    return _VALUES[value_type]
