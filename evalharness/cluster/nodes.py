"""The nodes of the cluster that grade: a sandbox pool on each that has a container engine, with the same images."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.cluster.worker import GradingWorker
from evalharness.errors import InfrastructureError, UserError
from evalharness.pipeline.config import RunConfig
from evalharness.pipeline.executors import Log
from evalharness.pipeline.manifest import CHANGES_NO_VERDICT
from evalharness.util.differences import differences
from evalharness.util.version import __version__

START_S = 120.0
"""How long a node may take to give the processors that are asked of it, and to start Python on them."""
CALLS_AT_ONCE = 4
STARTS = 3


@dataclass(frozen=True)
class Node:
    """A node that grades. `workers` is how many samples at a time."""

    id: str
    address: str
    actor: Any
    workers: int


class ClusterSandboxes:
    """The sandbox pools of all nodes. Nodes that come later are taken in by `refresh`."""

    def __init__(self, config: RunConfig, log: Log, needed: bool):
        self.config, self.log, self.needed = config, log, needed
        self.nodes: dict[str, Node] = {}
        self._starts: Counter[str] = Counter()
        self._images: list[str] = []
        self._described: Mapping[str, Any] = {}
        self._packed: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """Samples judged at a time, on all nodes."""
        return sum(node.workers for node in self.nodes.values())

    def prepare(self, names: list[str]) -> None:
        """Starts a pool on every node, and makes the images ready.

        Raises UserError where no node can grade. A node that cannot is named with the reason, and left out.
        """
        self._images = names
        reasons: list[str] = []
        self.refresh(reasons)
        if not self.nodes:
            raise UserError(f"no node of the cluster can grade: {'; '.join(reasons) or 'it has no processors free'}")

    def refresh(self, reasons: list[str] | None = None) -> list[Node]:
        """Takes in the nodes that have come since, and forgets those that have gone; the new ones.

        `reasons` takes why one was left out. One whose processes were lost is tried again, up to `STARTS` times; one
        that must be mended first is not.
        """
        import ray

        with self._lock:
            alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
            for gone in set(self.nodes) - set(alive):
                del self.nodes[gone]
            here = ray.get_runtime_context().get_node_id()
            new = []
            idle = [each for each in alive if each not in self.nodes and self._starts[each] < STARTS]
            for node_id in sorted(idle, key=lambda each: each != here):
                self._starts[node_id] += 1
                if cpus := int(alive[node_id]["Resources"].get("CPU", 0)):
                    try:
                        new.append(self._start(node_id, alive[node_id]["NodeManagerAddress"], cpus))
                    except (UserError, InfrastructureError) as error:
                        if isinstance(error, UserError):
                            self._starts[node_id] = STARTS
                        text = f"node {alive[node_id]['NodeManagerAddress']} ({node_id[:8]}) does not grade: {error}"
                        self.log(text)
                        if reasons is not None:
                            reasons.append(text)
            return new

    def _start(self, node_id: str, address: str, cpus: int) -> Node:
        """Starts the pool of a node. Raises UserError, or InfrastructureError, where it cannot be had there."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        cpus = min(cpus, self.config.workers or cpus)
        kind: Any = ray.remote(GradingWorker)
        actor = kind.options(
            num_cpus=cpus,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        ).remote(self.config, cpus, self.needed)
        try:
            workers = ray.get(actor.start.remote(__version__), timeout=START_S)
            self._same_images(actor)
            described = ray.get(actor.prepare.remote(self._images))
            self._check_same(described)
            node = Node(node_id, address, actor, workers)
            self.nodes[node_id] = node
            return node
        except ray.exceptions.GetTimeoutError:
            ray.kill(actor)
            raise InfrastructureError(f"its {cpus} processors were not free for {START_S:g} s") from None
        except ray.exceptions.RayTaskError as error:
            ray.kill(actor)
            if isinstance(error.cause, UserError | InfrastructureError):
                raise error.cause from None
            raise
        except ray.exceptions.RayError as error:
            raise InfrastructureError(f"it was lost: {type(error).__name__}") from None

    def _same_images(self, actor: Any) -> None:
        """Gives a node that lacks the first node's images, or has others, a copy of them."""
        import ray

        for name in self._images if self.nodes else ():
            wanted = self._described["images"][name].get("id")
            if wanted and ray.get(actor.image_id.remote(name)) != wanted:
                if name not in self._packed:
                    first = next(iter(self.nodes.values()))
                    self._packed[name] = first.actor.pack.remote(name)
                ray.get(actor.unpack.remote(self._packed[name]))

    def _check_same(self, described: Mapping[str, Any]) -> None:
        """Keeps what the first node says of its sandbox; another must say the same of all that can change a verdict."""
        if not self._described:
            self._described = described
            return
        old, new = (
            {key: value for key, value in each.items() if key not in CHANGES_NO_VERDICT}
            for each in (self._described, described)
        )
        for place, first, other in differences(old, new):
            raise UserError(f"its sandbox is another: {place} is {other}, on the first node {first}")

    def describe(self) -> Mapping[str, Any]:
        """What each node says of its pool, and how many nodes there are."""
        import ray

        around = {"ray": ray.__version__, "nodes": len(self.nodes), "workers": self.workers}
        return {**self._described, "cluster": around}

    def drop(self, node: Node) -> None:
        """Forgets a node that does not answer."""
        import ray

        with self._lock:
            if self.nodes.get(node.id) is node:
                del self.nodes[node.id]
        ray.kill(node.actor)

    def close(self) -> None:
        """Ends every container. Safe to call twice."""
        import ray

        with self._lock:
            nodes, self.nodes = list(self.nodes.values()), {}
        if ray.is_initialized():
            ray.wait([node.actor.close.remote() for node in nodes], num_returns=len(nodes), timeout=30) if nodes else ()
            for node in nodes:
                ray.kill(node.actor)
