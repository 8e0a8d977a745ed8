"""A local server that implements the hub's file API from memory, and processes that load data from it."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.local_http import QuietHandler, serving

CONVERTED = "refs/convert/parquet"
"""The branch with the hub's converted data."""


def parquet(rows: list[dict[str, Any]]) -> bytes:
    """Returns a parquet file's bytes, with the hub's types: text, lists of text, and int32 for numbers."""
    of = {str: pa.string(), int: pa.int32(), list: pa.list_(pa.string())}
    schema = pa.schema([(name, of[type(value)]) for name, value in rows[0].items()])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()


def readme(configs: Mapping[str, list[str]]) -> bytes:
    """Returns a data set card in the official layout: one folder per configuration, one file per split."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    return "\n".join([*lines, "---", ""]).encode()


class FakeHub:
    """Serves `repos` (data set -> (commit, path -> bytes)) and `plain` (URL path -> bytes) until the `with` ends.

    `url` is the value for HF_ENDPOINT; `requests` lists the requests as "METHOD path".
    """

    def __init__(
        self,
        repos: Mapping[str, tuple[str, Mapping[str, bytes]]] | None = None,
        plain: Mapping[str, bytes] | None = None,
    ) -> None:
        self.repos = repos or {}
        self.plain = plain or {}
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        hub = self

        class Handler(QuietHandler):
            def respond(self) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.requests.append(f"{self.command} {path}")
                status, headers, content = hub._answer(path, self.body())
                self.answer(status, content, **headers)

        self._serving = serving(Handler)
        self.url = self._serving.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.__exit__(None, None, None)

    def _answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body for a request."""
        if path in self.plain:
            return 200, {}, self.plain[path]
        path = path.replace(CONVERTED, "main")
        for repo, (commit, files) in self.repos.items():
            if path.startswith(f"/datasets/{repo}/resolve/"):
                return _resolve(path.removeprefix(f"/datasets/{repo}/resolve/"), commit, files)
            if path == f"/api/datasets/{repo}" or path.startswith(f"/api/datasets/{repo}/"):
                return _api(path.removeprefix(f"/api/datasets/{repo}").strip("/"), body, repo, commit, files)
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"


def _resolve(rest: str, commit: str, files: Mapping[str, bytes]) -> tuple[int, dict[str, str], bytes]:
    revision, _, name = rest.partition("/")
    if revision not in (commit, "main"):
        return 404, {"X-Error-Code": "RevisionNotFound"}, b""
    if name not in files:
        return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
    return 200, {"X-Repo-Commit": commit, "ETag": f'"{_oid(files[name])}"'}, files[name]


def _api(
    rest: str, body: bytes, repo: str, commit: str, files: Mapping[str, bytes]
) -> tuple[int, dict[str, str], bytes]:
    verb, _, tail = rest.partition("/")
    if verb in ("", "revision") and tail in ("", commit, "main"):
        siblings = [{"rfilename": name} for name in files]
        return _json({"id": repo, "sha": commit, "private": False, "gated": False, "siblings": siblings, "tags": []})
    revision, _, folder = tail.partition("/")
    if revision not in (commit, "main"):
        return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
    if verb == "tree":
        return _json(_entries(files, folder))
    if verb == "paths-info":
        wanted = json.loads(body)["paths"]
        return _json([entry for name in wanted for entry in _all_entries(files) if entry["path"] == name])
    return 404, {"X-Error-Code": "EntryNotFound"}, b"{}"


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _oid(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _all_entries(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    folders = sorted({str(folder) for name in files for folder in PurePosixPath(name).parents} - {"."})
    entries = [{"type": "directory", "path": folder, "oid": _oid(folder.encode()), "size": 0} for folder in folders]
    return entries + [
        {"type": "file", "path": name, "oid": _oid(content), "size": len(content)} for name, content in files.items()
    ]


def _entries(files: Mapping[str, bytes], folder: str) -> list[dict[str, Any]]:
    return [entry for entry in _all_entries(files) if entry["path"].rpartition("/")[0] == folder]


LOAD = """
import dataclasses, json, sys
from pathlib import Path
from evalharness.data import cards
from evalharness.data.loading import load_records
from evalharness.errors import UserError
for task, version, source in json.loads(sys.argv[1]):
    try:
        loaded = load_records(*cards.find_task(task), version, source if source == "hub" else Path(source))
        print(json.dumps(dataclasses.asdict(loaded)))
    except UserError as error:
        print(json.dumps({"error": str(error)}))
"""


def load(tmp_path: Path, *wanted: tuple[str, str | None, str], **env: str) -> list[dict[str, Any]]:
    """Returns the results of `load_records` for each (task, version, source), in a new process with empty caches."""
    root = str(Path(__file__).resolve().parents[2])
    dropped = ("HF_", "HUGGINGFACE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HUMANEVAL_", "MBPP_")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(dropped)}
    home = {"HF_HOME": str(tmp_path / "hf"), "XDG_CACHE_HOME": str(tmp_path / "xdg"), "PYTHONPATH": root}
    command = [sys.executable, "-c", LOAD, json.dumps(wanted)]
    done = subprocess.run(
        command, env={**kept, **home, **env}, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "it/s" not in done.stderr, "a progress bar was drawn"
    return [json.loads(line) for line in done.stdout.splitlines()]


def dead_url() -> str:
    """Returns a local address on which no server listens."""
    with FakeHub() as hub:
        return hub.url
