"""Time and memory that the base model takes, and the packed form in which it verifies drafts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.gguf_files import Kind, logits, write_gguf
from helpers.open_checkpoints import build

from evalharness.diffusion.checkpoints.gguf import open_gguf
from evalharness.diffusion.checkpoints.lazy_gguf import LazyGgufEmbedding
from evalharness.diffusion.drafting.checkpoint import save_drafter, target_fingerprint
from evalharness.diffusion.drafting.packing import pack_target_weights
from evalharness.training.drafting.features import ComputedFeatureSource
from evalharness.training.drafting.recipe import read_drafter_recipe
from evalharness.training.drafting.trainer import make_drafter

TOKENS = torch.randint(0, 250, (20,), generator=torch.Generator().manual_seed(1)).tolist()


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.Q8_0])
def test_packed_network_reads_its_embedding_from_the_file(tmp_path: Path, kind: Kind) -> None:
    path = write_gguf(tmp_path / "model.gguf", tmp_path, build(tmp_path, "qwen2"), kind)
    plain, packed = (open_gguf(path, torch.float32).model for _ in range(2))
    assert plain.config.tied
    pack_target_weights(packed)
    assert isinstance(packed.embed, LazyGgufEmbedding)
    assert packed.embed.weight.numel() == 0
    assert packed.embed.weight.dtype == torch.float32
    ids = torch.tensor([[3, 200, 3], [0, 17, 249]])
    assert torch.equal(packed.embed(ids), plain.embed(ids))
    assert target_fingerprint(packed) == target_fingerprint(plain)
    torch.testing.assert_close(logits(packed, TOKENS), logits(plain, TOKENS), rtol=1e-4, atol=1e-4)


def test_other_precisions_stay_as_they_are(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", tmp_path, build(tmp_path, "qwen2"))
    model = open_gguf(path, torch.bfloat16).model
    expected = logits(model, TOKENS)
    pack_target_weights(model)
    assert model.embed.weight is model.head.weight
    assert torch.equal(logits(model, TOKENS), expected)


MEASURE = """
import json, resource, sys, time
import torch
torch.set_num_threads(1)
from evalharness.backends.network.loading import load_network
from evalharness.backends.network.options import NetworkOptions
from evalharness.backends.network.drafting import open_drafter
from evalharness.diffusion.drafting.packing import pack_target_weights
from evalharness.util.memory import release_free_memory

def resident_mb():
    release_free_memory()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6

start = time.process_time()
network = load_network(sys.argv[1], NetworkOptions(dtype="float32"))
before = resident_mb()
drafter = open_drafter(network, sys.argv[2])
added = resident_mb() - before
pack_target_weights(network.model)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"cpu_s": time.process_time() - start, "peak_mb": peak, "drafter_mb": added}))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    "EVALHARNESS_BASE" not in os.environ, reason="set EVALHARNESS_BASE to a GGUF file of the base model"
)
def test_base_loads_in_15_s_and_3_gb_and_a_drafter_adds_150_mb(tmp_path: Path) -> None:
    base = os.environ["EVALHARNESS_BASE"]
    recipes = Path(__file__).parents[3] / "evalharness" / "training" / "recipes"
    recipe = read_drafter_recipe(recipes / "drafter-qwen2.5-coder-0.5b.yaml")
    target = open_gguf(Path(base), torch.float32)
    shape = recipe.drafter.model_copy(update={"pairs": False})  # there are no texts
    recipe = recipe.model_copy(update={"drafter": shape})
    texts = ComputedFeatureSource(tmp_path, target.model, recipe.features.taps)
    save_drafter(make_drafter(recipe, target.model, target.end_ids, texts), tmp_path, quantized=True)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 40e6
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, base, str(tmp_path)], capture_output=True, text=True, check=True
    )
    figures = json.loads(result.stdout)
    assert figures["cpu_s"] < 15, figures
    assert figures["peak_mb"] < 3000, figures
    assert figures["drafter_mb"] < 150, figures
