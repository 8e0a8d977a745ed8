"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from evalharness.util.files import open_for_atomic_write, write_atomically


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"first")
    with pytest.raises(TypeError), open_for_atomic_write(path) as file:
        file.writelines([b"half", "not bytes"])  # type: ignore[list-item]
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
