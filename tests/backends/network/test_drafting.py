"""The backends with drafts: GGUF files, lookup, drafters, and rules verified and typical."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.drafters import tiny_drafter
from helpers.gguf_files import write_gguf
from helpers.network_backends import build as build_own
from helpers.network_backends import infilling_request, text_request
from helpers.open_checkpoints import build

from evalharness.backends.ar import AutoregressiveBackend
from evalharness.backends.diffusion.backend import DiffusionBackend
from evalharness.backends.factory import BackendConfig
from evalharness.backends.network import drafting, loading
from evalharness.diffusion.checkpoints.folder import load_checkpoint
from evalharness.diffusion.checkpoints.gguf import open_gguf
from evalharness.diffusion.drafting.checkpoint import save_drafter, target_fingerprint
from evalharness.errors import UserError
from evalharness.records import Completion, Sampling

GREEDY, SAMPLED = Sampling(0.0, 1.0, 24, 0), Sampling(0.8, 0.9, 24, 7)
TEXTS = ("def f(a, b):\n    return", "x = [1, 2, 3]\nfor i in range(len(x)):\n    pr", "a")


@pytest.fixture(autouse=True)
def own_cost_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A GGUF file, with a drafter in the folder `drafter` beside it."""
    torch.manual_seed(0)
    path = write_gguf(tmp_path / "base.gguf", tmp_path, build(tmp_path, "qwen2"))
    save_drafter(tiny_drafter(open_gguf(path, torch.float32).model, drafted=200), tmp_path / "drafter", quantized=False)
    return path


def answers(kind: Any, model: Path, sampling: Sampling, rows: int = 1, **options: str) -> list[Completion]:
    backend = kind(BackendConfig(str(model), rows, {"dtype": "float32", **options}))
    return list(backend.generate([text_request(text, number) for number, text in enumerate(TEXTS)], sampling))


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
@pytest.mark.parametrize("rows", [1, 3])
def test_all_lossless_ways_give_the_text_of_plain_decoding(base: Path, sampling: Sampling, rows: int) -> None:
    plain = [completion.text for completion in answers(AutoregressiveBackend, base, sampling)]
    looked_up = answers(AutoregressiveBackend, base, sampling, rows, draft="lookup")
    drafter = str(base.parent / "drafter")
    hybrid = answers(DiffusionBackend, base, sampling, rows, drafter=drafter)
    alone = answers(DiffusionBackend, base, sampling, rows, drafter=drafter, lookup="false", rule="verified")
    exact = answers(DiffusionBackend, base, sampling, rows, drafter=drafter, rule="typical", threshold="1")
    for way in (looked_up, hybrid, alone, exact):
        assert [completion.text for completion in way] == plain
    for completion in hybrid:
        assert completion.forwards is not None
        assert completion.accepted_drafts is not None
        assert completion.rejected_drafts is not None
        assert completion.drafts is not None
        assert sum(counts.passes for counts in completion.drafts) == completion.forwards
        assert sum(sum(counts.accepted) for counts in completion.drafts) == completion.accepted_drafts
        # The last pass may accept drafts behind an end token.
        assert completion.forwards + completion.accepted_drafts >= (completion.output_tokens or 0)


def test_low_threshold_needs_fewer_passes(base: Path) -> None:
    given = {"drafter": str(base.parent / "drafter"), "lookup": "false", "rule": "typical"}

    def passes(threshold: str) -> int:
        return sum(c.forwards or 0 for c in answers(DiffusionBackend, base, GREEDY, **given, threshold=threshold))

    assert passes("0.0001") < passes("1")


def test_bundled_drafter_is_found_by_its_target(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="none is bundled for it; give one with --option drafter=DIR, train one"):
        answers(DiffusionBackend, base, GREEDY, lookup="false")
    folder = base.parent / "drafters"
    target = open_gguf(base, torch.float32).model
    made = tiny_drafter(target, drafted=200, target_sha256=target_fingerprint(target))
    save_drafter(made, folder / "one", quantized=True)
    monkeypatch.setattr(drafting, "BUNDLED_DRAFTERS", folder)
    backend = DiffusionBackend(BackendConfig(str(base), 1, {"dtype": "float32"}))
    plain = answers(AutoregressiveBackend, base, GREEDY)
    found = list(backend.generate([text_request(text, number) for number, text in enumerate(TEXTS)], GREEDY))
    assert [c.text for c in found] == [c.text for c in plain]
    manifest = backend.describe()
    assert manifest["target_matches"] is True
    assert manifest["options"]["rule"] == "verified"
    assert manifest["gguf_quantization"] == "ALL_F32"


@pytest.mark.parametrize(("target", "is_found"), [("some/BASE", True), ("some/base-7b", False)])
def test_a_bundled_drafter_is_found_by_the_models_name_too(
    base: Path, target: str, is_found: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another quantization has other weights."""
    folder = base.parent / "drafters"
    network = open_gguf(base, torch.float32).model
    drafter = tiny_drafter(network, drafted=200, target_name=target, target_sha256="0")
    save_drafter(drafter, folder / "one", quantized=True)
    monkeypatch.setattr(drafting, "BUNDLED_DRAFTERS", folder)
    backend = DiffusionBackend(BackendConfig(str(base), 1, {"dtype": "float32"}))
    made = list(backend.generate([text_request(text, number) for number, text in enumerate(TEXTS)], GREEDY))
    assert [c.text for c in made] == [c.text for c in answers(AutoregressiveBackend, base, GREEDY)]
    manifest = backend.describe()
    assert manifest["drafter_target"] == (target if is_found else None)
    assert manifest.get("target_matches") is (False if is_found else None)
    warning = "was trained on other weights" if is_found else "only prompt lookup drafts"
    assert any(warning in record.getMessage() for record in caplog.records)


def test_lookup_drafts_where_no_drafter_is_bundled(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    backend = DiffusionBackend(BackendConfig(str(base), 1, {"dtype": "float32"}))
    found = list(backend.generate([text_request(text, number) for number, text in enumerate(TEXTS)], GREEDY))
    assert [c.text for c in found] == [c.text for c in answers(AutoregressiveBackend, base, GREEDY)]
    assert {counts.source for c in found for counts in c.drafts or ()} <= {"lookup", "none"}
    (line,) = [record.getMessage() for record in caplog.records if "drafter" in record.getMessage()]
    assert "so only prompt lookup drafts tokens; give a drafter that `evalharness train` wrote" in line
    assert backend.describe()["drafter_target"] is None


@pytest.mark.parametrize(("rows", "option", "packed"), [(1, {}, False), (2, {}, True), (1, {"packed": "true"}, True)])
def test_matrices_of_a_large_network_are_packed_on_request_and_for_batches(
    base: Path, rows: int, option: dict[str, str], packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [completion.text for completion in answers(AutoregressiveBackend, base, GREEDY)]
    monkeypatch.setattr(loading, "SMALL", 0)
    backend = AutoregressiveBackend(BackendConfig(str(base), rows, {"dtype": "float32", **option}))
    made = backend.generate([text_request(text, number) for number, text in enumerate(TEXTS)], GREEDY)
    assert [completion.text for completion in made] == plain
    layer = backend._load_network().model.layers[0]
    assert (type(layer.get_submodule("down")) is not torch.nn.Linear) == packed


def test_infilling_prompts_are_drafted_too(tmp_path: Path) -> None:
    model = build_own(tmp_path)
    save_drafter(tiny_drafter(load_checkpoint(model)), tmp_path / "drafter", quantized=False)
    options = {"dtype": "float32", "rule": "verified", "drafter": str(tmp_path / "drafter")}
    request = infilling_request("free")
    (plain,) = AutoregressiveBackend(BackendConfig(str(model), 1, {"dtype": "float32"})).generate([request], GREEDY)
    (drafted,) = DiffusionBackend(BackendConfig(str(model), 1, options)).generate([request], GREEDY)
    assert drafted.text == plain.text
    with pytest.raises(UserError, match="middle"):
        DiffusionBackend(BackendConfig(str(model), 1, options)).check_prompt(infilling_request("search").problem.prompt)


def test_wrong_options_are_refused(base: Path) -> None:
    with pytest.raises(UserError, match="has no effect with rule=verified"):
        DiffusionBackend(BackendConfig(str(base), 1, {"rule": "verified", "threshold": "0.5"}))
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        answers(DiffusionBackend, base, GREEDY, drafter=str(base.parent / "nothing"))
    with pytest.raises(UserError, match="use --option draft=lookup"):
        answers(AutoregressiveBackend, base, GREEDY, draft="4")
    with pytest.raises(UserError, match="option draft"):
        AutoregressiveBackend(BackendConfig(str(base), 1, {"draft": "some"}))
