"""The Ray nodes that grade: each node with a container engine has a sandbox pool with the same images."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.cluster.worker import GradingWorker
from evalharness.errors import InfrastructureError, UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.executors import Log
from evalharness.pipeline.manifest import VERDICT_NEUTRAL_KEYS
from evalharness.util.differences import find_differences
from evalharness.util.version import __version__

START_S = 120.0
"""Seconds within which a node must assign the requested CPUs and start Python."""
CLOSE_S = 30.0
"""Seconds within which the nodes must end their containers."""
CALLS_PER_NODE = 4
"""Maximum of concurrent calls of a node's Ray actor."""
STARTS = 3
"""Maximum of starts of a node whose processes were lost."""


@dataclass(frozen=True)
class GradingNode:
    """A node of a Ray cluster whose sandbox pool grades samples."""

    id: str
    address: str
    actor: Any
    """The Ray actor of the node's `GradingWorker`."""
    workers: int
    """Samples that the node grades at a time."""

    @property
    def label(self) -> str:
        """The address and the shortened id of the node, for messages."""
        return format_node_label(self.id, self.address)


def format_node_label(node_id: str, address: str) -> str:
    """Returns the address and the shortened id of a Ray node, for messages."""
    return f"{address} ({node_id[:8]})"


class ClusterSandboxes:
    """The sandboxes of a Ray cluster: one sandbox pool per node. `refresh_nodes` adds nodes that join later."""

    def __init__(self, config: RunConfig, log: Log, sandbox_needed: bool):
        self.config, self.log, self.sandbox_needed = config, log, sandbox_needed
        self.nodes: dict[str, GradingNode] = {}
        self._starts: Counter[str] = Counter()
        self._images: list[str] = []
        self._description: Mapping[str, Any] = {}
        """The first node's description of its sandbox."""
        self._image_files: dict[str, Any] = {}
        """References to images packed on the first node, by name."""
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """Number of samples graded at a time, on all nodes together."""
        return sum(node.workers for node in self.nodes.values())

    def prepare(self, image_names: list[str]) -> None:
        """Starts a sandbox pool on every node and prepares the sandbox images `image_names` there.

        Excludes nodes that cannot grade, and logs the reason. Raises UserError if no node can.
        """
        self._images = image_names
        reasons: list[str] = []
        self.refresh_nodes(reasons)
        if not self.nodes:
            raise UserError(
                f"no node of the cluster can grade: {'; '.join(reasons) or 'all have 0 CPUs'}; "
                "fix the cause on at least one node"
            )

    def refresh_nodes(self, failure_reasons: list[str] | None = None) -> list[GradingNode]:
        """Adds nodes that have joined the Ray cluster and removes those that have left; returns the new ones.

        A node whose processes are lost is started at most `STARTS` times; a node with an error that the user must fix
        is started only once. Appends to `failure_reasons` one line about each node that cannot grade.
        """
        import ray

        with self._lock:
            alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
            for node_id in set(self.nodes) - set(alive):
                del self.nodes[node_id]
            driver_node = ray.get_runtime_context().get_node_id()
            candidates = [id_ for id_ in alive if id_ not in self.nodes and self._starts[id_] < STARTS]
            added = []
            for node_id in sorted(candidates, key=lambda id_: id_ != driver_node):
                self._starts[node_id] += 1
                if cpus := int(alive[node_id]["Resources"].get("CPU", 0)):
                    address = alive[node_id]["NodeManagerAddress"]
                    try:
                        added.append(self._start_node(node_id, address, cpus))
                    except (UserError, InfrastructureError) as error:
                        if isinstance(error, UserError):
                            self._starts[node_id] = STARTS
                        reason = f"node {format_node_label(node_id, address)} does not grade: {error}"
                        self.log(reason)
                        if failure_reasons is not None:
                            failure_reasons.append(reason)
            return added

    def _start_node(self, node_id: str, address: str, cpus: int) -> GradingNode:
        """Starts the sandboxes of a Ray node. Raises UserError or InfrastructureError if the node cannot grade."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        cpus = min(cpus, self.config.workers or cpus)
        remote_class: Any = ray.remote(GradingWorker)
        actor = remote_class.options(
            num_cpus=cpus,
            max_concurrency=CALLS_PER_NODE,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        ).remote(self.config, cpus, self.sandbox_needed)
        try:
            workers = ray.get(actor.start_and_count_workers.remote(__version__), timeout=START_S)
            self._copy_images(actor)
            description = ray.get(actor.prepare_and_describe.remote(self._images))
            self._check_same_sandbox(description)
            node = GradingNode(node_id, address, actor, workers)
            self.nodes[node_id] = node
            return node
        except ray.exceptions.GetTimeoutError:
            ray.kill(actor)
            raise InfrastructureError(
                f"{cpus} CPUs did not become free on a node within {START_S:g} s; stop other jobs or lower --workers"
            ) from None
        except ray.exceptions.RayTaskError as error:
            ray.kill(actor)
            if isinstance(error.cause, UserError | InfrastructureError):
                raise error.cause from None
            raise
        except ray.exceptions.RayError as error:
            raise InfrastructureError(
                f"the node's processes were lost ({type(error).__name__}); fix the cause that Ray's logs on that node "
                "give, such as lack of memory"
            ) from None

    def _copy_images(self, node_actor: Any) -> None:
        """Copies sandbox images from the first node to a node without them, or with other images of the same names."""
        import ray

        for name in self._images if self.nodes else ():
            image_id = self._description["images"][name].get("id")
            if image_id and ray.get(node_actor.image_id.remote(name)) != image_id:
                if name not in self._image_files:
                    first = next(iter(self.nodes.values()))
                    self._image_files[name] = first.actor.pack_image.remote(name)
                ray.get(node_actor.unpack_image.remote(self._image_files[name]))

    def _check_same_sandbox(self, sandbox_description: Mapping[str, Any]) -> None:
        """Raises UserError if a node's sandbox differs from the first node's in a property that can change verdicts."""
        if not self._description:
            self._description = sandbox_description
            return
        first, other = (
            {key: value for key, value in description_.items() if key not in VERDICT_NEUTRAL_KEYS}
            for description_ in (self._description, sandbox_description)
        )
        for name, first_value, other_value in find_differences(first, other):
            raise UserError(
                f"the node's sandbox differs from the first node's: {name} is {other_value} instead of {first_value}; "
                "install the same software on both nodes"
            )

    def describe(self) -> Mapping[str, Any]:
        """Returns the sandbox's versions, equal on all nodes, and the cluster's size, for the run's manifest."""
        import ray

        cluster = {"ray": ray.__version__, "nodes": len(self.nodes), "workers": self.workers}
        return {**self._description, "cluster": cluster}

    def remove_node(self, node: GradingNode) -> None:
        """Removes a node that does not answer, and ends its grading process."""
        import ray

        with self._lock:
            if self.nodes.get(node.id) is node:
                del self.nodes[node.id]
        ray.kill(node.actor)

    def close(self) -> None:
        """Ends the containers of all nodes. Safe to call twice."""
        import ray

        with self._lock:
            nodes, self.nodes = list(self.nodes.values()), {}
        if ray.is_initialized() and nodes:
            closing = [node.actor.close.remote() for node in nodes]
            ray.wait(closing, num_returns=len(nodes), timeout=CLOSE_S)
            for node in nodes:
                ray.kill(node.actor)
