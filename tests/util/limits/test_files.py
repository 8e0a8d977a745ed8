import gzip
import io
from pathlib import Path

import pytest

from evalharness.backends.samples_formats import open_samples
from evalharness.errors import UserError
from evalharness.util.limits import files as bounded_files
from evalharness.util.limits.files import open_decompressed, read_bounded_lines

TEXT = b'{"a": 1}\n{"b": 1}\n'


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize(
    "content", [TEXT, gzip.compress(TEXT, mtime=0), gzip.compress(TEXT[:5], mtime=0) + gzip.compress(TEXT[5:], mtime=0)]
)
def test_the_content_decides_not_the_name(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with open_decompressed(tmp_path / name) as file:
        assert list(read_bounded_lines(tmp_path / name, file)) == TEXT.splitlines(keepends=True)


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_files, "ALWAYS_ALLOWED_BYTES", 4 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(20 << 20), 9))
    with pytest.raises(UserError, match="expands to more than 4 MB"):
        open_samples(path)
    with open_decompressed(path) as file, pytest.raises(UserError, match="expands to more than 4 MB"):
        list(read_bounded_lines(path, file))


def test_a_line_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_files, "MAX_LINE_BYTES", 1 << 20)
    with pytest.raises(UserError, match="a, line 2: the line is longer than 1 MB"):
        list(read_bounded_lines(Path("a"), io.BytesIO(b"\n" + bytes(2 << 20))))
