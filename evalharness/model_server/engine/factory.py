"""Creates the generation engine for a server configuration."""

from collections.abc import Callable, Mapping

from evalharness.backends.ar import AROptions
from evalharness.backends.diffusion.options import DRAFTING_RULES, DiffusionOptions
from evalharness.backends.factory import BackendConfig, backend_names, find_backend
from evalharness.backends.network.drafting import open_drafter
from evalharness.backends.network.loading import SMALL, Network, load_network, without_fused_kernels
from evalharness.backends.network.options import NetworkOptions
from evalharness.backends.options import parse_options
from evalharness.diffusion.checkpoints.loading import find_checkpoint_folder, is_gguf, read_json_object
from evalharness.diffusion.drafting.network import Drafter
from evalharness.diffusion.drafting.packing import pack_target_weights
from evalharness.errors import UserError
from evalharness.model_server.config import ServerConfig
from evalharness.model_server.engine.backend_engine import BackendEngine
from evalharness.model_server.engine.decoders import DecoderFactory
from evalharness.model_server.engine.network_engine import NetworkEngine
from evalharness.model_server.engine.protocol import Engine
from evalharness.pipeline.config import default_worker_count
from evalharness.util.suggest import unknown_name_message

NETWORK_BACKENDS = ("ar", "diffusion")
MOST_WORKERS = 4
"""Maximum number of worker threads for a small network. More would gain little, since they share Python's GIL."""


def open_engine(config: ServerConfig, log: Callable[[str], None]) -> Engine:
    """Returns the engine of a server configuration, with its model loaded. Raises UserError for invalid settings."""
    if config.backend in NETWORK_BACKENDS and not _is_diffusion_gemma(config):
        return _open_network_engine(config, log)
    if config.backend in ("openai", "replay", "reference") or config.backend not in backend_names():
        names = sorted({*NETWORK_BACKENDS, "transformers"})
        raise UserError(unknown_name_message("backend to serve", config.backend, names))
    backend = find_backend(config.backend)(BackendConfig(config.model, config.concurrency, config.options))
    return BackendEngine(config.backend, config.model or config.backend, backend, config.concurrency, config.queue)


def _is_diffusion_gemma(config: ServerConfig) -> bool:
    """Returns whether the configured model is a DiffusionGemma checkpoint, which `BackendEngine` must run."""
    if config.backend != "diffusion" or config.model is None or is_gguf(config.model):
        return False
    folder = find_checkpoint_folder(config.model, config.options.get("revision"))
    return bool(read_json_object(folder / "config.json").get("model_type") == "diffusion_gemma")


def _open_network_engine(config: ServerConfig, log: Callable[[str], None]) -> NetworkEngine:
    """Returns the engine for a network of `evalharness.diffusion`, with its weights and its drafter loaded."""
    schemas: dict[str, type[NetworkOptions]] = {"ar": AROptions, "diffusion": DiffusionOptions}
    chosen = parse_options(schemas[config.backend], config.backend, config.options)
    log(f"loading model {config.model}" if config.model else "loading the bundled model")
    network = without_fused_kernels(load_network(config.model, chosen), chosen, "changing batches")
    drafter = _find_drafter(network, config.backend, chosen)
    methods = [method for method in NETWORK_BACKENDS if _can_decode(network, drafter, method)]
    if config.backend not in methods:
        raise UserError(
            f"model {network.name} is a diffusion model, which backend ar cannot decode; use --backend diffusion"
        )
    small = network.parameters < SMALL and network.device.type == "cpu"
    if not small:
        pack_target_weights(network.model)
    shared = {key: value for key, value in config.options.items() if key in NetworkOptions.model_fields}
    options: dict[str, Mapping[str, str]] = {
        method: config.options if method == config.backend else shared for method in methods
    }
    factory = DecoderFactory(network, drafter, options)
    log("measuring the time of forward passes on this machine, unless it is in the user's cache folder")
    factory.measure_forward_pass_times()
    ordered = (config.backend, *(method for method in methods if method != config.backend))
    # A large network uses all cores for each pass; a small one uses one, so that others can compute other rows.
    alone = drafter is not None or not small or chosen.threads
    workers = 1 if alone else min(config.concurrency, MOST_WORKERS, default_worker_count("local"))
    return NetworkEngine(factory, ordered, config.concurrency, config.queue, workers)


def _find_drafter(network: Network, backend_name: str, options: NetworkOptions) -> Drafter | None:
    """Returns the drafter of an autoregressive network; None if no drafter is available or needed.

    Raises UserError if backend or options need a drafter and none is available.
    """
    needed = backend_name == "diffusion" and not network.family.diffusion
    needed |= getattr(options, "rule", None) in DRAFTING_RULES
    if not needed and (network.family.diffusion or network.model.config.attention != "causal"):
        return None
    try:
        return open_drafter(network, getattr(options, "drafter", None))
    except UserError:
        if needed:
            raise
        return None


def _can_decode(network: Network, drafter: Drafter | None, decoding_method: str) -> bool:
    """Returns whether the network, with its drafter if it has one, supports a decoding method."""
    if decoding_method == "ar":
        return network.model.config.attention == "causal"
    return network.family.diffusion or drafter is not None
