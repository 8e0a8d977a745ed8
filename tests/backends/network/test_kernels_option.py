"""The option `kernels` of the network backends on a machine without a device for the fused kernels."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.drafters import tiny_drafter
from helpers.network_backends import ar, build, diffusion

from evalharness.backends.network import drafting
from evalharness.backends.network.loading import describe_network, load_network, select_engine, without_fused_kernels
from evalharness.backends.network.options import NetworkOptions
from evalharness.backends.network.rows import make_sampler
from evalharness.diffusion.denoising import DenoisingSettings
from evalharness.diffusion.kernels.select import KernelSelection
from evalharness.diffusion.rules import find_rule
from evalharness.errors import UserError
from evalharness.records import Sampling


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("make", [ar, diffusion])
def test_description_has_the_kernels_and_the_reason(make, folder):
    facts = make(folder, device="cpu").describe()
    assert facts["kernels"] == "torch"
    assert "Hopper" in facts["kernels_reason"]
    assert "kernels" not in facts["options"]
    assert make(folder, device="cpu", kernels="torch").describe()["kernels_reason"] == "option kernels=torch"


@pytest.mark.parametrize("make", [ar, diffusion])
def test_fused_kernels_on_a_cpu_are_a_user_error(make, folder):
    with pytest.raises(UserError, match=r"kernels=fused cannot be used: .* Hopper GPU.*cpu; use kernels=auto"):
        make(folder, device="cpu", kernels="fused").describe()
    with pytest.raises(UserError, match="kernels"):
        make(folder, kernels="fast")
    with pytest.raises(UserError, match=r"weights=fp8 cannot be used: .* Hopper GPU.*cpu; use weights=network"):
        make(folder, device="cpu", weights="fp8").describe()
    with pytest.raises(
        UserError, match=r"weights=fp8-w8a8 needs the fused kernels, and option kernels=torch excludes them; leave one"
    ):
        make(folder, device="cpu", kernels="torch", weights="fp8-w8a8").describe()


def test_decoding_without_fused_kernels_is_an_error_only_if_they_are_required(folder):
    pytest.importorskip("triton", reason="Triton is not available on this system")
    from evalharness.diffusion.kernels.engine import Engine

    loaded = load_network(str(folder), NetworkOptions(device="cpu"))
    network = replace(loaded, engine=Engine(loaded.model), kernels=KernelSelection("fused", "a test"))
    greedy, drawn, nucleus = (
        make_sampler(network, sampling)
        for sampling in (Sampling(), Sampling(temperature=0.8), Sampling(temperature=0.8, top_p=0.9))
    )
    rules = (find_rule(name, threshold=0.9, steps=4, block_length=8) for name in ("threshold", "editing", "margin"))
    by_threshold, editing, margin = (DenoisingSettings(rule, 8, greedy) for rule in rules)
    auto, fused, eight = NetworkOptions(), NetworkOptions(kernels="fused"), NetworkOptions(weights="fp8")
    assert select_engine(network, fused, greedy, by_threshold) is network.engine
    assert select_engine(network, auto, drawn, by_threshold) is network.engine
    assert select_engine(network, auto, nucleus) is None
    assert select_engine(network, auto, greedy, editing) is None
    unsupported = (
        (nucleus, None, "--top-p 0.9; use --top-p 1 or --temperature 0"),
        (greedy, editing, "rule=editing; use another rule"),
        (greedy, replace(by_threshold, hold_end=5), "hold_end=5; leave option hold_end out"),
        (greedy, replace(by_threshold, block=2048), "blocks of 2048 tokens; use option block=1024 or less"),
        (drawn, margin, "sampling with rule=margin; use --temperature 0 or another rule"),
    )
    for sampler, denoising, reason in unsupported:
        with pytest.raises(UserError) as of_fused:
            select_engine(network, fused, sampler, denoising)
        message = f"option kernels=fused requires the fused kernels, which do not support {reason}"
        assert str(of_fused.value) == f"{message}, or use kernels=auto or kernels=torch"
        with pytest.raises(UserError) as of_eight_bit:
            select_engine(network, eight, sampler, denoising)
        message = f"option weights=fp8 requires the fused kernels, which do not support {reason}"
        assert str(of_eight_bit.value) == f"{message}, or use weights=network"
    with pytest.raises(UserError, match=r"support sampling with this model, whose .* temperature; use --temperature 0"):
        select_engine(network, fused, drawn, replace(by_threshold, rule_sees_temperature=True))
    assert describe_network(network)["kernels"] == "fused"
    assert describe_network(without_fused_kernels(network, auto, "drafts"))["kernels"] == "torch"
    with pytest.raises(UserError, match="do not support drafts"):
        without_fused_kernels(network, fused, "drafts")
    with pytest.raises(
        UserError, match=r"weights=fp8 requires the fused kernels, which do not support drafts.*weights=network"
    ):
        without_fused_kernels(network, eight, "drafts")


def test_drafts_are_decoded_without_fused_kernels_only_if_they_are_not_supported(folder):
    pytest.importorskip("triton", reason="Triton is not available on this system")
    from evalharness.diffusion.kernels.engine import Engine

    loaded = load_network(str(folder), NetworkOptions(device="cpu"))
    assert drafting.open_speculative_engine(loaded, None) is None
    network = replace(loaded, engine=Engine(loaded.model), kernels=KernelSelection("fused", "a test"))
    auto, fused = NetworkOptions(), NetworkOptions(kernels="fused")
    engine = drafting.open_speculative_engine(network, None)
    greedy, nucleus = make_sampler(network, Sampling()), make_sampler(network, Sampling(temperature=0.8, top_p=0.9))
    assert drafting.select_speculative_engine(engine, fused, greedy) is engine
    assert drafting.select_speculative_engine(engine, auto, nucleus) is None
    assert drafting.select_speculative_engine(None, auto, nucleus) is None
    with pytest.raises(UserError, match=r"fused kernels, which do not support --top-p 0.9; use --top-p 1 or"):
        drafting.select_speculative_engine(engine, fused, nucleus)
    assert engine is not None
    assert drafting.make_prompt_lookup_settings(network, engine.costs).costs == engine.costs

    drafter = tiny_drafter(loaded.model)
    assert drafting.drop_kernels_if_drafter_unsupported(network, fused, None) is network
    on_torch = drafting.drop_kernels_if_drafter_unsupported(network, auto, drafter)
    assert (on_torch.engine, on_torch.kernels.name) == (None, "torch")
    assert on_torch.kernels.reason.startswith("drafters with heads of 8 dimensions")
    with pytest.raises(UserError, match="kernels=fused requires the fused kernels, which do not support drafters with"):
        drafting.drop_kernels_if_drafter_unsupported(network, fused, drafter)
    assert drafting.drop_kernels_if_drafter_unsupported(loaded, auto, drafter) is loaded


def test_description_has_the_precision_of_the_kernels(folder):
    pytest.importorskip("triton", reason="Triton is not available on this system")
    from evalharness.diffusion.kernels.engine import Engine

    loaded = load_network(str(folder), NetworkOptions(device="cpu"))
    for options, rows in ((NetworkOptions(), None), (NetworkOptions(weights="fp8-w8a8", w8a8_rows=64), 64)):
        engine = Engine(loaded.model, options.precision())
        facts = describe_network(replace(loaded, engine=engine, kernels=KernelSelection("fused", "a test")))
        assert (facts["weights"], facts["w8a8_rows"]) == (options.weights, rows)


def test_cpu_needs_no_triton_and_loads_no_kernel(folder):
    script = """
import sys
sys.modules["triton"] = None  # importing it fails
from evalharness.backends import BackendConfig, find_backend
from evalharness.records import Problem, Prompt, Request, Sampling
for name in ("ar", "diffusion"):
    backend = find_backend(name)(BackendConfig(sys.argv[1], 1, {"device": "cpu"}))
    (row,) = backend.generate([Request(Problem("t/0", Prompt("x"), {}, ""), 0)], Sampling(max_new_tokens=9))
    assert row.total_s is not None and backend.describe()["kernels"] == "torch"
print(*sorted(name for name in sys.modules if name.startswith("evalharness.diffusion.kernels.")))
"""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert done.stdout == "evalharness.diffusion.kernels.kernel_options evalharness.diffusion.kernels.select\n", (
        done.stderr
    )
